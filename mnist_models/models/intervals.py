"""How far off a share may be that was counted on a few digits, such as an accuracy."""

import math
from statistics import NormalDist
from typing import NamedTuple

import numpy as np

CONFIDENCE = 0.95


class Interval(NamedTuple):
    """The bounds within which a share, or a difference of shares, is with some confidence."""

    low: float
    high: float


def share(count: float, of: float, confidence: float = CONFIDENCE) -> Interval:
    """Wilson's score interval of a share, 0 to 1 (E. B. Wilson, Probable inference, the law of
    succession, and statistical inference, 1927, Journal of the American Statistical Association 22,
    209-212).

    Args:
        count: How many were right, or whatever is counted.
        of: Of how many independent ones, or of `effective` ones; 0 tells nothing, so everything is
            possible.
        confidence: How often the interval is to hold the true share, between 0 and 1.
    """
    if not 0 <= count <= of:
        raise ValueError(f"{count} of {of} is no share.")
    if of == 0:
        return Interval(0.0, 1.0)
    z = _z(confidence)
    observed = count / of
    middle = (observed + z**2 / (2 * of)) / (1 + z**2 / of)
    half = z / (1 + z**2 / of) * math.sqrt(observed * (1 - observed) / of + z**2 / (4 * of**2))
    # Rounding alone would keep 0 and 1 out.
    return Interval(
        0.0 if count == 0 else middle - half,
        1.0 if count == of else middle + half,
    )


def difference(
    count: float, of: float, other_count: float, other_of: float, confidence: float = CONFIDENCE
) -> Interval:
    """The interval of the first share minus the second, of two independent groups, -1 to 1, from
    Wilson's intervals of both (R. G. Newcombe, Interval estimation for the difference between
    independent proportions: comparison of eleven methods, 1998, Statistics in Medicine 17, 873-890,
    method 10).

    Args:
        count: How many of the first group, `of` in all, are counted.
        of: Size of the first group.
        other_count: How many of the second group, `other_of` in all, are counted.
        other_of: Size of the second group.
        confidence: As for `share`.
    """
    if of == 0 or other_of == 0:
        return Interval(-1.0, 1.0)
    first, second = count / of, other_count / other_of
    low, high = share(count, of, confidence)
    other_low, other_high = share(other_count, other_of, confidence)
    apart = first - second
    return Interval(
        apart - math.hypot(first - low, other_high - second),
        apart + math.hypot(high - first, second - other_low),
    )


def effective(is_counted: np.ndarray, groups: np.ndarray) -> tuple[float, float]:
    """How many are counted, of how many, if they were independent: fewer than there are where those
    of one group, such as the digits of one writer, are alike.

    The variance between groups tells how many (J. N. K. Rao and A. J. Scott, A simple method for
    the analysis of clustered binary data, 1992, Biometrics 48, 577-585). Where there is none to be
    seen, since all are counted or none, or there is one group only, each group counts as one.

    Args:
        is_counted: bool (N,).
        groups: int (N,), the same number for all of one group.
    """
    of = len(is_counted)
    if of == 0:
        return 0.0, 0.0
    observed = float(is_counted.mean())
    _, group, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    independent = observed * (1 - observed) / of
    if len(sizes) == 1 or independent == 0:
        return observed * len(sizes), float(len(sizes))
    apart = np.bincount(group, is_counted) - observed * sizes
    variance = len(sizes) / (len(sizes) - 1) * float(apart @ apart) / of**2
    left = of / max(variance / independent, 1)
    return observed * left, left


def _z(confidence: float) -> float:
    """How many standard deviations around the mean hold this share of a normal distribution."""
    return NormalDist().inv_cdf((1 + confidence) / 2)
