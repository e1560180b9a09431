"""Resamples of photos, drawn with replacement, and the intervals they give.

The interval is the percentile bootstrap's (Efron & Tibshirani, *An Introduction to the Bootstrap*, 1993, chapter 13).
What is drawn is a photo with all that is in it, as defects of one photo are not independent.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from mvtec.evaluate.statistics.matching import Floats
from mvtec.evaluate.statistics.metric import Metric

BOOTSTRAP = "percentile bootstrap over photos"
PAIRED_BOOTSTRAP = "paired percentile bootstrap over photos"


def draw_weights(images: int, resamples: int, seed: int) -> Floats:
    """float64 R×I: how often each image is drawn in each resample; each row sums to I."""
    rng = np.random.default_rng(seed)
    return rng.multinomial(images, np.full(images, 1 / images), size=resamples).astype(np.float64)


def draw_photos(photos: int, resamples: int, seed: int) -> list[npt.NDArray[np.int64]]:
    """Resamples with replacement, each the numbers of the photos drawn; none of a single photo."""
    random = np.random.default_rng(seed)
    return [random.integers(0, photos, photos) for _ in range(resamples)] if photos > 1 else []


def weights_of(drawn: list[npt.NDArray[np.int64]], photos: int) -> Floats:
    """float64 R×N: how often each photo is in each resample."""
    counts = [np.bincount(at, minlength=photos) for at in drawn]
    return np.array(counts, np.float64).reshape(len(drawn), photos)


def bootstrapped(value: float, n: int, instances: int, resampled: Floats | None, method: str = BOOTSTRAP) -> Metric:
    """A figure with the interval of its resamples, and without one, but with the reason, where they give none.

    Resamples that all have one value, as those of photos without any error have, say nothing of other photos: they
    give no interval, in the place of one without width.

    Args:
        value: The figure.
        n: The number of photos.
        instances: The number of instances.
        resampled: float64 R, its value in each resample, NaN where it is undefined; None or empty without resamples.
        method: What to call the interval.

    >>> bootstrapped(1.0, 16, 16, np.ones(1000)).reason
    'no resample differs'
    """
    if resampled is None or not len(resampled):
        return Metric(value, n, instances, reason="no resampling" if n > 1 else "one photo")
    ends = interval(resampled)
    if ends is None:
        return Metric(value, n, instances, reason="undefined in all resamples")
    if np.nanmax(resampled) - np.nanmin(resampled) < 1e-9:  # sums in another order differ by as much
        return Metric(value, n, instances, reason="no resample differs")
    return Metric(value, n, instances, *ends, method=method)


def interval(values: Floats) -> tuple[float, float] | None:
    """The 2.5th and 97.5th percentile of the resamples in which the figure is defined; None if in none."""
    defined = values[~np.isnan(values)]
    if not len(defined):
        return None
    low, high = np.percentile(defined, [2.5, 97.5])
    return float(low), float(high)
