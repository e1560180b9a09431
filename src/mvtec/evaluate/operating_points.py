"""What a detector catches, and what it raises a false alarm on, from which score on: which score to act on."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from mvtec.evaluate.answers import DEFAULT_THRESHOLD
from mvtec.evaluate.boxes import photo_scores
from mvtec.evaluate.predictions import EvaluationInput
from mvtec.evaluate.statistics.coco_metrics import IOU50
from mvtec.evaluate.statistics.good_or_defect import PhotoPoint, catching_score, to_three_places
from mvtec.evaluate.statistics.matching import CocoFigures

SHOWN = (0.05, 0.1, DEFAULT_THRESHOLD, 0.5, 0.75)
CATCHING, SILENT = "95 % of these bad photos have a box", "none of these good photos has a box"


@dataclass(frozen=True)
class OperatingPoint(PhotoPoint):
    """What a detector does where boxes of at least one score count; a photo with such a box raises an alarm.

    Attributes:
        found: How many instances a box of their class finds, by IoU 0.5 or more.
        instances: Of how many.
        false_boxes: How many boxes on the photos of the truth find none.
    """

    found: int
    instances: int
    false_boxes: int


def operating_points(judged: EvaluationInput, figures: CocoFigures, also: Iterable[float] = ()) -> list[OperatingPoint]:
    """Those of a few round scores, and of two that these photos choose, by rising score.

    The two are the highest score at which 95 % of the defective photos have a box, and the lowest at which no good
    photo has one, each to three places, towards more boxes and towards fewer. The first is missing where more than 5 %
    of the defective photos have no box at all, the second where a good photo has the highest score there is, both where
    the photos are of one kind.

    Args:
        judged: Truth and predictions.
        figures: What `match` says of them.
        also: Scores that something else chose.
    """
    defective, scores = photo_scores(judged)
    why: dict[float, list[str]] = {score: [] for score in (*SHOWN, *also)}
    if 0 < defective.sum() < len(defective):
        catching = catching_score(defective, scores)
        if catching > 0:
            why.setdefault(to_three_places(catching) or catching, []).append(CATCHING)
        silent = round(to_three_places(float(scores[~defective].max())) + 0.001, 3)
        if silent <= 1:
            why.setdefault(silent, []).append(SILENT)
    matches = [figures.matches[k, "all"] for k in range(len(figures.names))]
    instances = int(sum(one.instances.sum() for one in matches))
    points = []
    for least in sorted(why):
        alarm = (scores >= least) & (scores > 0)
        kept = [(one, one.score >= least) for one in matches]
        points.append(
            OperatingPoint(
                min_score=least,
                why=", ".join(why[least]),
                caught=int(alarm[defective].sum()),
                defective=int(defective.sum()),
                alarms=int(alarm[~defective].sum()),
                good=int((~defective).sum()),
                found=int(sum((one.hit[IOU50] & counts).sum() for one, counts in kept)),
                instances=instances,
                false_boxes=int(sum((one.counts[IOU50] & ~one.hit[IOU50] & counts).sum() for one, counts in kept)),
            )
        )
    return points


def at_default(points: list[OperatingPoint]) -> OperatingPoint:
    """The point from which on boxes are drawn."""
    return next(point for point in points if point.min_score == DEFAULT_THRESHOLD)
