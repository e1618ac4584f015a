"""Writers held out: never on both sides, and as many digits as whole writers allow."""

import itertools

import numpy as np
import pytest

from mnist_models.errors import UnavailableError
from mnist_models.handwriting import splits


def cases(count):
    """Random classes: a few writers of very different diligence, in any order."""
    random = np.random.default_rng(0)
    for seed in range(count):
        digits = random.integers(1, random.choice([3, 12, 100]), random.integers(2, 9))
        names = random.choice(2000, len(digits), replace=False) - 1
        writers = random.permutation(np.repeat(names, digits))
        yield writers, float(random.uniform(0.02, 0.98)), seed


def test_no_writer_is_on_both_sides_in_a_thousand_classes():
    for writers, share, seed in cases(1000):
        is_test = splits.hold_out(writers, share, seed)
        assert is_test.shape == writers.shape and is_test.dtype == bool
        held_out, learned = set(writers[is_test].tolist()), set(writers[~is_test].tolist())
        assert held_out and learned and not held_out & learned


def test_no_other_choice_of_writers_is_nearer_to_the_share():
    """All of them are tried."""
    for writers, share, seed in cases(200):
        _, counts = np.unique(writers, return_counts=True)
        wanted = share * len(writers)
        best = min(
            abs(sum(some) - wanted)
            for size in range(1, len(counts))
            for some in itertools.combinations(counts.tolist(), size)
        )
        # Sums of whole numbers, compared with one fraction: only its rounding differs.
        found = abs(splits.hold_out(writers, share, seed).sum() - wanted)
        assert found == pytest.approx(best, abs=1e-9)


def test_a_seed_decides_who_is_held_out():
    writers = np.repeat(np.arange(30), 10)
    first, again = splits.hold_out(writers, 0.2, 1), splits.hold_out(writers, 0.2, 1)
    np.testing.assert_array_equal(first, again)
    assert first.sum() == 60
    times = np.mean([splits.hold_out(writers, 0.2, seed) for seed in range(300)], axis=0)
    # Each writer in about a fifth of 300 draws: 0.2 with a standard error of 0.023.
    assert times.min() > 0.1 and times.max() < 0.3


def test_leaving_one_out_tests_everybody_once():
    writers = np.array([5, 3, 5, 9, 3, 5])
    rounds = list(splits.leave_one_out(writers))
    assert [writer for writer, _ in rounds] == [3, 5, 9]
    for writer, is_test in rounds:
        np.testing.assert_array_equal(is_test, writers == writer)


@pytest.mark.parametrize("writers", [[], [4, 4, 4]])
def test_one_writer_cannot_be_split(writers):
    writers = np.array(writers, np.int64)
    for split in (lambda: splits.hold_out(writers, 0.2, 0), lambda: splits.leave_one_out(writers)):
        with pytest.raises(UnavailableError, match="at least two writers"):
            split()


@pytest.mark.parametrize("share", [0, 1, -0.1, 20])
def test_a_share_is_between_none_and_all(share):
    with pytest.raises(ValueError, match="between 0 and 1"):
        splits.hold_out(np.arange(4), share, 0)
