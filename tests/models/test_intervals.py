"""Intervals, by published examples, by another formula, and by how often they hold the truth."""

import numpy as np
import pytest
from scipy import stats

from mnist_models.models import intervals


@pytest.mark.parametrize(("count", "of"), [(0, 1), (1, 1), (0, 300), (291, 300), (9928, 10_000)])
@pytest.mark.parametrize("confidence", [0.9, 0.95, 0.99])
def test_the_interval_of_a_share_is_wilsons(count, of, confidence):
    """SciPy computes it too."""
    wanted = stats.binomtest(count, of).proportion_ci(confidence, method="wilson")
    # Both are the same formula in another order: only rounding differs.
    assert intervals.share(count, of, confidence) == pytest.approx(tuple(wanted), abs=1e-12)


def test_of_no_digits_nothing_is_known():
    assert intervals.share(0, 0) == (0, 1)
    assert intervals.difference(0, 0, 5, 9) == intervals.difference(5, 9, 0, 0) == (-1, 1)


def test_more_right_than_there_are_is_a_mistake():
    with pytest.raises(ValueError, match="5 of 4"):
        intervals.share(5, 4)


@pytest.mark.parametrize(
    ("counts", "wanted"),
    [
        # Newcombe's table II, method 10, to its four decimals.
        ((56, 70, 48, 80), (0.0524, 0.3339)),
        ((9, 10, 3, 10), (0.1705, 0.8090)),
        ((10, 10, 0, 20), (0.6791, 1.0000)),
        ((0, 10, 0, 10), (-0.2775, 0.2775)),
    ],
)
def test_the_interval_of_a_difference_is_newcombes(counts, wanted):
    assert intervals.difference(*counts) == pytest.approx(wanted, abs=6e-5)


def test_the_interval_holds_the_true_accuracy_as_often_as_it_says():
    random = np.random.default_rng(0)
    held = [
        low <= 0.97 <= high
        for count in random.binomial(300, 0.97, 2000)
        for low, high in [intervals.share(int(count), 300)]
    ]
    # 2,000 draws: a standard error of half a percent; Wilson's coverage itself is within 2 points.
    assert 0.93 < np.mean(held) < 0.98


def test_digits_of_one_writer_count_less_the_more_they_are_alike():
    writers = np.repeat(np.arange(30), 10)
    alike = np.repeat(np.arange(30) % 2 == 0, 10)
    # Thirty writers, each all right or all wrong: thirty observations (29 with the correction).
    assert intervals.effective(alike, writers) == pytest.approx((14.5, 29))
    assert intervals.effective(alike, np.arange(300)) == pytest.approx((149.5, 299))
    mixed = np.arange(300) % 2 == 0
    assert intervals.effective(mixed, writers) == (150, 300)  # nobody is better than another
    assert intervals.effective(mixed, np.zeros(300)) == (0.5, 1)
    assert intervals.effective(np.ones(300, bool), writers) == (30, 30)
    assert intervals.effective(np.zeros(0, bool), np.zeros(0)) == (0, 0)


def test_the_interval_holds_with_writers_who_differ():
    """Without counting them, it would hold in 67 of 100 samples."""
    random = np.random.default_rng(0)
    writers, held = np.repeat(np.arange(60), 10), []
    for _ in range(1000):
        able = random.beta(2, 2, 60)  # how often each is read rightly: half of the time, on average
        is_right = random.random(600) < np.repeat(able, 10)
        low, high = intervals.share(*intervals.effective(is_right, writers))
        held.append(low <= 0.5 <= high)
    assert 0.92 < np.mean(held) < 0.98  # 1,000 samples: a standard error of 0.7 percent
