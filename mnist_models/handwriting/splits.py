"""Digits held out for the test: whole writers only, so that no hand is both learned from and
tested."""

from collections.abc import Iterator

import numpy as np

from mnist_models.errors import UnavailableError

ONE_WRITER = (
    "All digits are by one writer, so nobody can be held out for the test: collect digits of at "
    "least two writers."
)


def hold_out(writers: np.ndarray, share: float, seed: int) -> np.ndarray:
    """Which digits are for the test: all digits of some writers, drawn at random, as near to this
    share of all digits as whole writers allow; at least one writer on each side.

    Args:
        writers: int (N,), the same number for all digits of one writer.
        share: Of all digits, between 0 and 1.
        seed: The same one holds out the same writers.

    Returns:
        bool (N,).

    Raises:
        UnavailableError: There is only one writer, or none.
        ValueError: The share is not between 0 and 1.
    """
    if not 0 < share < 1:
        raise ValueError(f"The share to hold out is between 0 and 1, not {share}.")
    names, writer_of_digit, counts = np.unique(writers, return_inverse=True, return_counts=True)
    if len(names) < 2:
        raise UnavailableError(ONE_WRITER)
    order = np.random.default_rng(seed).permutation(len(names))
    chosen = order[_nearest_sum(counts[order], share * len(writers))]
    return np.isin(writer_of_digit, chosen)


def leave_one_out(writers: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    """Each writer in turn, with which digits are for the test then, bool (N,): all that this writer
    wrote.

    Args:
        writers: int (N,), the same number for all digits of one writer.

    Raises:
        UnavailableError: There is only one writer, or none.
    """
    names = np.unique(writers)
    if len(names) < 2:
        raise UnavailableError(ONE_WRITER)
    return ((int(name), writers == name) for name in names)


def _nearest_sum(counts: np.ndarray, wanted: float) -> list[int]:
    """The places of those counts, int (W,), each at least 1, whose sum is nearest to the one
    wanted: some of them but not all. Of several such choices the one with the earliest places.
    """
    total = int(counts.sum())
    # By sum: the place of the last count in the first choice found that has it; -1 where none has.
    last = np.full(total, -1)
    reached = np.zeros(total, bool)
    reached[0] = True
    for place, count in enumerate(counts):
        new = np.zeros(total, bool)
        new[count:] = reached[: total - count] & ~reached[count:]
        last[new] = place
        reached |= new
    sums = np.flatnonzero(reached)[1:]
    left = int(sums[np.abs(sums - wanted).argmin()])
    chosen = []
    while left:
        chosen.append(int(last[left]))
        left -= int(counts[chosen[-1]])
    return chosen
