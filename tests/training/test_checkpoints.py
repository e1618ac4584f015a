"""Earlier moments of a training: as many as there is room for."""

import pytest

from mnist_models.training.checkpoints import Checkpoint, thinned


def of(*epochs, size=10):
    return tuple(Checkpoint(epoch, bytes(size)) for epoch in epochs)


def epochs(checkpoints):
    return [checkpoint.epoch for checkpoint in checkpoints]


def test_what_fits_is_kept():
    assert thinned(of(1, 2, 3), 30) == of(1, 2, 3)
    assert thinned((), 0) == ()


def test_of_too_many_the_early_ones_stay_close_together():
    assert epochs(thinned(of(*range(1, 17)), 50)) == [1, 2, 4, 8, 16]


@pytest.mark.parametrize("count", [3, 4, 7, 12])
def test_added_one_by_one_there_are_never_too_many_and_the_first_and_the_last_are_among_them(count):
    kept = ()
    for epoch in range(1, 101):
        kept = thinned((*kept, *of(epoch)), 10 * count)
        assert len(kept) == min(epoch, count)
        assert epochs(kept)[0] == 1 and epochs(kept)[-1] == epoch
        assert epochs(kept) == sorted(epochs(kept))
    ratios = [
        later / earlier for earlier, later in zip(epochs(kept), epochs(kept)[1:], strict=False)
    ]
    assert max(ratios) <= 100 ** (1 / (count - 1)) * 5


def test_one_that_is_nearly_the_end_is_not_worth_its_room():
    assert epochs(thinned(of(1, 2, 4, 8, 16, 32, 59), 40, end=60)) == [1, 4, 8, 16]
    assert 59 not in epochs(thinned(of(1, 2, 4, 8, 16, 32, 59), 60, end=60))


def test_the_first_stays_longest_but_not_where_it_is_too_large():
    assert epochs(thinned(of(1, 2, 3), 20)) == [1, 3]
    assert epochs(thinned(of(1, 2, 3), 10)) == epochs(thinned(of(1, 2, 3), 10, end=4)) == [1]
    assert thinned(of(1, 2, 3), 9) == ()
