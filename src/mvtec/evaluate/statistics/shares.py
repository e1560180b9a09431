"""Shares of photos and differences of two shares, with 95 % intervals."""

from __future__ import annotations

from scipy.stats import binomtest

from mvtec.evaluate.statistics.metric import Metric

WILSON = "Wilson score"
NEWCOMBE = "Newcombe, paired shares (method 10)"


def share(count: int, n: int) -> Metric:
    """A share with Wilson's 95 % interval.

    >>> share(9, 10).text()
    '0.900 (0.596 to 0.982)'
    """
    if not n:
        return Metric(None, 0, 0, reason="no photo")
    return Metric(count / n, n, n, *wilson(count, n), method=WILSON)


def share_difference(both: int, first: int, second: int, neither: int) -> Metric:
    """The share that one side has less that which another has of the same photos, with a 95 % interval.

    Newcombe, *Improved confidence intervals for the difference between binomial proportions based on paired data*,
    Statistics in Medicine 17, 1998, method 10: Wilson's intervals of the two, and how they go together.

    Args:
        both: How many photos both have; together with the next three, one or more.
        first: How many only the one has.
        second: How many only the other has.
        neither: How many neither has.

    >>> share_difference(36, 12, 2, 0).text()  # an example of the paper
    '0.200 (0.057 to 0.340)'
    """
    n = both + first + second + neither
    one, other = (both + first) / n, (both + second) / n
    (one_low, one_high), (low, high) = wilson(both + first, n), wilson(both + second, n)
    spread = (both + first) * (second + neither) * (both + second) * (first + neither)
    product = both * neither - first * second
    together = (max(product - n / 2, 0) if product > 0 else product) / spread**0.5 if spread else 0.0

    def reach(mine: float, theirs: float) -> float:
        return max(0.0, mine**2 - 2 * together * mine * theirs + theirs**2) ** 0.5

    difference = one - other
    ends = difference - reach(one - one_low, high - other), difference + reach(one_high - one, other - low)
    return Metric(difference, n, n, *ends, method=NEWCOMBE)


def wilson(count: int, n: int) -> tuple[float, float]:
    """Wilson's 95 % interval of a share of n, n > 0."""
    ends = binomtest(count, n).proportion_ci(method="wilson")
    return float(ends.low), float(ends.high)
