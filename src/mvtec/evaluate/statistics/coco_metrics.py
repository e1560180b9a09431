"""COCO's twelve figures, of all resamples of photos at once, counted from detections that were matched once.

A resample draws images with replacement, so it is a weight for each image: how often it was drawn. The precision after
the j-th hit is (weighted hits up to j) / (weighted detections up to j). Precision between two hits never shows:
interpolation takes the best value to the right.
"""

from __future__ import annotations

import warnings as python_warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from mvtec.evaluate.statistics.bootstrap import bootstrapped
from mvtec.evaluate.statistics.matching import IOU_THRESHOLDS, MOST_DETECTIONS, CocoFigures, Floats, Matches
from mvtec.evaluate.statistics.metric import Metric

IOU50, IOU75 = 0, 5  # places of 0.50 and 0.75 among the ten thresholds
RECALLS = np.linspace(0.0, 1.0, 101)  # as pycocotools makes them
CELLS = 2**16  # of a resamples × detections table to have in hand at once: 0.5 MB, which caches hold


@dataclass(frozen=True)
class Figure:
    """How one of the twelve figures is counted.

    Attributes:
        name: Its name.
        area: Which range of sizes it is about.
        best: Of recall, how many of the best detections of each image are taken; None for average precision.
        thresholds: Which of the ten IoU thresholds it is the mean of.
    """

    name: str
    area: str
    best: int | None = None
    thresholds: slice = field(default_factory=lambda: slice(None))


# In the order of pycocotools' summary.
FIGURES = (
    Figure("AP", "all"),
    Figure("AP50", "all", thresholds=slice(IOU50, IOU50 + 1)),
    Figure("AP75", "all", thresholds=slice(IOU75, IOU75 + 1)),
    Figure("AP_small", "small"),
    Figure("AP_medium", "medium"),
    Figure("AP_large", "large"),
    Figure("AR1", "all", best=1),
    Figure("AR10", "all", best=10),
    Figure("AR100", "all", best=MOST_DETECTIONS),
    Figure("AR_small", "small", best=MOST_DETECTIONS),
    Figure("AR_medium", "medium", best=MOST_DETECTIONS),
    Figure("AR_large", "large", best=MOST_DETECTIONS),
)


def figures_with(max_detections: int) -> tuple[Figure, ...]:
    """The twelve figures where so many detections of a class in an image count.

    >>> [figure.name for figure in figures_with(300) if figure.best]
    ['AR1', 'AR10', 'AR300', 'AR_small', 'AR_medium', 'AR_large']
    """
    return tuple(
        replace(figure, name=figure.name.replace(f"AR{MOST_DETECTIONS}", f"AR{max_detections}"), best=max_detections)
        if figure.best == MOST_DETECTIONS
        else figure
        for figure in FIGURES
    )


class Tables:
    """The figures of some resamples; what several of them are counted from is counted once.

    Args:
        figures: The detections, matched.
        weights: float64 R×I, whole numbers; a row of ones is the data set as it is.
    """

    def __init__(self, figures: CocoFigures, weights: Floats) -> None:
        self._figures = figures
        self._weights = weights
        self._counted: dict[tuple[int, str, int | None], Floats] = {}

    def mean(self, figure: Figure, classes: Iterable[int]) -> Floats:
        """float64 R: the mean over thresholds and over the classes that a resample holds instances of, else NaN."""
        table = np.stack([self._of_class(number, figure)[:, figure.thresholds].mean(axis=1) for number in classes])
        with python_warnings.catch_warnings():
            python_warnings.simplefilter("ignore", RuntimeWarning)  # a resample without any instance is NaN
            return np.asarray(np.nanmean(table, axis=0), np.float64)

    def _of_class(self, number: int, figure: Figure) -> Floats:
        key = (number, figure.area, figure.best)
        if key not in self._counted:
            matches = self._figures.matches[number, figure.area]
            self._counted[key] = (
                average_precision(matches, self._weights)
                if figure.best is None
                else recall(matches, self._weights, figure.best)
            )
        return self._counted[key]


def metric(
    figures: CocoFigures, figure: Figure, classes: Sequence[int], value: float | None, resampled: Tables | None
) -> Metric:
    """A figure of some classes with its interval, or the reason why there is none.

    Args:
        figures: What was matched.
        figure: Which.
        classes: Their places among the names.
        value: The figure; None where it is undefined.
        resampled: Its resamples; None without.
    """
    of_classes = [figures.matches[number, figure.area] for number in classes]
    instances = int(sum(matches.instances.sum() for matches in of_classes))
    if value is None:
        size = "" if figure.area == "all" else f" of {figure.area} size"
        return Metric(None, figures.images, instances, reason=f"no instance{size}")
    if _held_by_one_photo(of_classes):
        return Metric(value, figures.images, instances, reason="one photo")
    values = None if resampled is None else resampled.mean(figure, classes)
    return bootstrapped(value, figures.images, instances, values)


def _held_by_one_photo(of_classes: Sequence[Matches]) -> bool:
    """Whether all instances of some classes are in one photo, so that resamples can only hold it or not."""
    return int(np.count_nonzero(sum(matches.instances for matches in of_classes))) < 2


def average_precision(matches: Matches, weights: Floats) -> Floats:
    """COCO's average precision at each IoU threshold.

    Args:
        matches: One class.
        weights: float64 R×I, whole numbers; a row of ones is the data set as it is.

    Returns:
        float64 R×10; NaN where a resample holds no instance.
    """
    rows = max(1, CELLS // max(1, len(matches.image)))
    parts = [_average_precision(matches, weights[at : at + rows]) for at in range(0, len(weights), rows)]
    return np.concatenate([np.zeros((0, IOU_THRESHOLDS)), *parts])


def _average_precision(matches: Matches, weights: Floats) -> Floats:
    total = weights @ matches.instances
    drawn = np.take(weights, matches.image, axis=1)
    result = np.zeros((len(weights), IOU_THRESHOLDS))
    seen = np.cumsum(drawn, axis=1)
    of = np.ones(len(matches.image), np.bool_)  # which of them it counts
    for threshold in range(IOU_THRESHOLDS):
        counts, hits = matches.counts[threshold], np.flatnonzero(matches.hit[threshold])
        if not len(hits):
            continue
        if (counts != of).any():
            seen, of = np.cumsum(drawn * counts, axis=1), counts
        found = np.cumsum(drawn[:, hits], axis=1)
        result[:, threshold] = interpolated_precision(found, seen[:, hits], total)
    result[total == 0] = np.nan
    return result


def interpolated_precision(found: Floats, seen: Floats, total: Floats) -> Floats:
    """COCO's average precision of R precision-recall curves, float64 R: the mean of 101 interpolated precisions.

    Args:
        found: float64 R×H, at each hit how many instances have been found, from the best score on.
        seen: float64 R×H, and how many detections that count have been looked at.
        total: float64 R, how many instances there are.

    >>> interpolated_precision(np.array([[1.0, 2.0]]), np.array([[1.0, 2.0]]), np.array([2.0])).tolist()
    [1.0]
    """
    precision = found / np.maximum(seen, 1)
    best_to_the_right = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
    reached = _recalls_reached(found / np.maximum(total, 1)[:, None])
    reached[found == 0] = 0  # recall 0 is reached with the first hit
    newly = np.diff(reached, axis=1, prepend=0)
    return np.asarray((best_to_the_right * newly).sum(axis=1) / len(RECALLS), np.float64)


def _recalls_reached(recall: Floats) -> npt.NDArray[np.int64]:
    """How many of `RECALLS` are not above each recall: as a search among them says, and much faster."""
    last = (recall * 100).astype(np.int64)  # the product rounds, so that it may be the one before or after
    last += np.append(RECALLS, np.inf)[last + 1] <= recall
    last -= RECALLS[last] > recall
    return last + 1


def recall(matches: Matches, weights: Floats, best: int) -> Floats:
    """The share of instances found by the `best` detections of each image, float64 R×10; NaN without instances."""
    total = weights @ matches.instances
    result = np.zeros((len(weights), IOU_THRESHOLDS))
    within = matches.rank < best
    for threshold in range(IOU_THRESHOLDS):
        found = np.bincount(matches.image[matches.hit[threshold] & within], minlength=weights.shape[1])
        with np.errstate(divide="ignore", invalid="ignore"):
            result[:, threshold] = (weights @ found) / total
    result[total == 0] = np.nan
    return result
