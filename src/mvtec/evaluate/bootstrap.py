"""Resamples of photos, and average precision and recall of all of them at once from detections matched once.

A resample draws images with replacement, so it is a weight for each image: how often it was drawn. The precision after
the j-th hit is (weighted hits up to j) / (weighted detections up to j), and both are one product of the weights with a
table of counts by image. Precision between two hits never shows: interpolation takes the best value to the right.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from mvtec.evaluate.matching import IOU_THRESHOLDS, Floats, Matches
from mvtec.evaluate.metric import Metric

RECALLS = np.linspace(0.0, 1.0, 101)  # as pycocotools makes them


def draw_weights(images: int, resamples: int, seed: int) -> Floats:
    """float64 R×I: how often each image is drawn in each resample; each row sums to I."""
    rng = np.random.default_rng(seed)
    return rng.multinomial(images, np.full(images, 1 / images), size=resamples).astype(np.float64)


def draw_photos(photos: int, resamples: int, seed: int) -> list[npt.NDArray[np.int64]]:
    """Resamples with replacement, each the numbers of the photos drawn; none of a single photo."""
    random = np.random.default_rng(seed)
    return [random.integers(0, photos, photos) for _ in range(resamples)] if photos > 1 else []


def average_precision(matches: Matches, weights: Floats) -> Floats:
    """COCO's average precision at each IoU threshold.

    Args:
        matches: One class.
        weights: float64 R×I; a row of ones is the data set as it is.

    Returns:
        float64 R×10; NaN where a resample holds no instance.
    """
    total = weights @ matches.instances
    result = np.zeros((len(weights), IOU_THRESHOLDS))
    for threshold in range(IOU_THRESHOLDS):
        hits = np.flatnonzero(matches.hit[threshold])
        if not len(hits):
            continue
        counted = np.flatnonzero(matches.counts[threshold])
        hit_count = weights @ _counts_by_image(matches, hits, hits)
        all_count = weights @ _counts_by_image(matches, counted, hits)
        with np.errstate(divide="ignore", invalid="ignore"):
            precision = np.where(all_count > 0, hit_count / all_count, 0.0)
            recall = np.where(total[:, None] > 0, hit_count / total[:, None], 0.0)
        best_to_the_right = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
        reached = np.searchsorted(RECALLS, recall, side="right")
        reached[hit_count == 0] = 0  # recall 0 is reached with the first hit
        newly = np.diff(reached, axis=1, prepend=0)
        result[:, threshold] = (best_to_the_right * newly).sum(axis=1) / len(RECALLS)
    result[total == 0] = np.nan
    return result


def recall(matches: Matches, weights: Floats, max_detections: int) -> Floats:
    """The share of instances found by the best `max_detections` of each image, float64 R×10; NaN without instances."""
    total = weights @ matches.instances
    result = np.zeros((len(weights), IOU_THRESHOLDS))
    within = matches.rank < max_detections
    for threshold in range(IOU_THRESHOLDS):
        found = np.bincount(matches.image[matches.hit[threshold] & within], minlength=weights.shape[1])
        with np.errstate(divide="ignore", invalid="ignore"):
            result[:, threshold] = (weights @ found) / total
    result[total == 0] = np.nan
    return result


def _counts_by_image(matches: Matches, detections: npt.NDArray[np.intp], hits: npt.NDArray[np.intp]) -> Floats:
    """float64 I×J: how many of `detections` in each image stand at or before each of the J `hits`."""
    table = np.zeros((len(matches.instances), len(hits)))
    at = np.searchsorted(hits, detections, side="left")
    inside = at < len(hits)
    np.add.at(table, (matches.image[detections[inside]], at[inside]), 1)
    return np.cumsum(table, axis=1)


def bootstrapped(value: float, n: int, instances: int, resampled: Floats | None) -> Metric:
    """A figure with the interval of its resamples, and without one, but with the reason, where they give none.

    Resamples that all have one value, as those of photos without any error have, say nothing of other photos: they
    give no interval, in the place of one without width.

    Args:
        value: The figure.
        n: The number of photos.
        instances: The number of instances.
        resampled: float64 R, its value in each resample, NaN where it is undefined; None or empty without resamples.

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
    return Metric(value, n, instances, *ends)


def held_by_one_photo(of_classes: Sequence[Matches]) -> bool:
    """Whether all instances of some classes are in one photo, so that resamples can only hold it or not."""
    return int(np.count_nonzero(sum(matches.instances for matches in of_classes))) < 2


def interval(values: Floats) -> tuple[float, float] | None:
    """The 2.5th and 97.5th percentile of the resamples in which the figure is defined; None if in none."""
    defined = values[~np.isnan(values)]
    if not len(defined):
        return None
    low, high = np.percentile(defined, [2.5, 97.5])
    return float(low), float(high)
