"""The weights of a network at earlier moments of its training, as many of them as there is room
for."""

import math
from collections.abc import Sequence
from typing import NamedTuple

# Of one run: every epoch of a small network, a dozen or more of the largest.
MOST_BYTES = 32_000_000
# Of all runs together, on the disk.
MOST_BYTES_OF_ALL = 500_000_000


class Checkpoint(NamedTuple):
    """The weights of a model after an earlier epoch.

    Attributes:
        epoch: How many passes over the training images there had been, more than 0.
        weights: See classifier.pack_weights, with half of the digits of each number.
    """

    epoch: float
    weights: bytes


def thinned(
    checkpoints: Sequence[Checkpoint], most_bytes: int, end: float = math.inf
) -> tuple[Checkpoint, ...]:
    """As many of the checkpoints, in the order of their epochs, as `most_bytes` have room for.

    A network changes most in its first epochs, so that is where they stay close together: as long
    as they are too many, the one goes whose neighbours are the fewest times apart. The first one
    stays longest.

    Args:
        end: The epoch of the network itself, which is the last one's neighbour; without it the last
            one stays as long as there is another one between.
    """
    kept = list(checkpoints)
    while sum(len(checkpoint.weights) for checkpoint in kept) > most_bytes:
        epochs = [0.0, *(checkpoint.epoch for checkpoint in kept), end]
        apart = [
            later / earlier if earlier else math.inf
            for earlier, later in zip(epochs, epochs[2:], strict=False)
        ]
        del kept[apart.index(min(apart)) if min(apart) < math.inf else -1]
    return tuple(kept)
