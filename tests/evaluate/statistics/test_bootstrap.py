"""The interval of a bootstrap holds the middle 95 % of the resamples."""

from __future__ import annotations

import numpy as np

from mvtec.evaluate.statistics.bootstrap import bootstrapped, interval


def test_an_interval_is_that_of_95_percent():
    resampled = np.random.default_rng(0).permutation(1001).astype(float)
    assert interval(resampled) == (25, 975)
    found = bootstrapped(500, 9, 9, resampled)
    assert (found.low, found.high) == (25, 975)


def test_resamples_without_the_figure_do_not_count():
    assert interval(np.array([np.nan, *range(1001), np.nan])) == (25, 975)
    assert interval(np.array([np.nan])) is None
