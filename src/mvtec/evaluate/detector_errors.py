"""What a detector's errors are, and what each kind costs: class, location, both, duplicate, background, missed.

The kinds, their order and their cost are those of Bolya et al., *TIDE: A General Toolbox for Identifying Object
Detection Errors*, ECCV 2020: the cost of a kind is the mAP at IoU 0.5 that correcting its errors alone would win.

    location     IoU with an instance of its class from 0.1 to 0.5; corrected: it finds the instance
    class        IoU of 0.5 or more with an instance of another class; corrected: it gets that class
    duplicate    IoU of 0.5 or more with an instance of its class that a better score has found; corrected: it goes
    background   IoU of at most 0.1 with any instance; corrected: it goes
    both         what is left: another class and badly placed; corrected: it goes
    missed       an instance not found, and of no class or location error; corrected: it goes

Where several errors of class or location are about one instance, the best score is corrected, and the others go.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from mvtec.convert.formats.coco.files import CocoAnnotation
from mvtec.evaluate.predictions import EvaluationInput
from mvtec.evaluate.statistics.coco_metrics import interpolated_precision
from mvtec.evaluate.statistics.matching import Floats, box_ious, match_greedily

KINDS = ("class", "location", "both", "duplicate", "background", "missed")
_FOUND, _BACKGROUND = 0.5, 0.1  # IoU


@dataclass(frozen=True)
class ErrorKind:
    """One kind of error.

    Attributes:
        count: How often it was made, at whatever score.
        cost: What correcting it alone would add to the mAP at IoU 0.5, 0 to 1.
    """

    count: int
    cost: float


@dataclass(frozen=True)
class _Detection:
    """A detection: its class, score, whether it counts as found, its kind of error, and the instance it is about."""

    category: int
    score: float
    hit: bool
    kind: str | None = None
    instance: int | None = None


def detector_errors(judged: EvaluationInput) -> dict[str, ErrorKind]:
    """The errors of each of `KINDS`."""
    truth = [annotation for annotation in judged.truth.annotations if not annotation.iscrowd]
    category_of = {annotation.id: annotation.category_id for annotation in truth}
    truth_of: dict[int, list[CocoAnnotation]] = defaultdict(list)
    for annotation in truth:
        truth_of[annotation.image_id].append(annotation)
    found_of: dict[int, list[dict[str, Any]]] = defaultdict(list)
    for said in sorted(judged.results, key=lambda said: -said["score"]):
        found_of[said["image_id"]].append(said)
    detections: list[_Detection] = []
    for image in judged.truth.images:
        own, results = truth_of[image.id], found_of[image.id]
        numbers, boxes = [annotation.id for annotation in own], [annotation.bbox for annotation in own]
        detections += _kinds_of(numbers, boxes, category_of, results[: judged.max_detections])
    found = {detection.instance for detection in detections if detection.hit}
    correctable = {detection.instance for detection in detections if detection.kind in ("class", "location")} - found
    missed = [number for number in category_of if number not in found and number not in correctable]
    positives = dict(Counter(category_of.values()))
    before = _mean_ap(detections, positives)
    best = _best_about(detections, correctable)
    kinds = {}
    for kind in KINDS[:-1]:
        corrected = [
            result
            for at, detection in enumerate(detections)
            if (result := _correct(detection, kind, at in best, category_of)) is not None
        ]
        count = sum(detection.kind == kind for detection in detections)
        kinds[kind] = ErrorKind(count, _mean_ap(corrected, positives) - before)
    for number in missed:
        positives[category_of[number]] -= 1
    kinds["missed"] = ErrorKind(len(missed), _mean_ap(detections, positives) - before)
    return kinds


def _kinds_of(
    numbers: Sequence[int],
    boxes: Sequence[tuple[float, float, float, float]],
    category_of: dict[int, int],
    results: Sequence[dict[str, Any]],
) -> list[_Detection]:
    """The detections of one photo, best score first, told apart."""
    if not numbers:
        return [_Detection(result["category_id"], result["score"], False, "background") for result in results]
    if not results:
        return []
    overlap = box_ious([result["bbox"] for result in results], boxes)
    own = np.array([[result["category_id"] == category_of[number] for number in numbers] for result in results])
    of_class, of_others = overlap * own, overlap * ~own
    hits = match_greedily(of_class, _FOUND)
    free = np.array([at not in hits for at in range(len(numbers))])
    detections = []
    for result, hit_at, same, other, any_class in zip(results, hits, of_class, of_others, overlap, strict=True):
        kind, about = (None, hit_at) if hit_at is not None else _kind(same, other, any_class, free)
        instance = None if about is None else numbers[about]
        detections.append(_Detection(result["category_id"], result["score"], hit_at is not None, kind, instance))
    return detections


def _kind(same: Floats, other: Floats, any_class: Floats, free: np.ndarray[Any, Any]) -> tuple[str, int | None]:
    """The kind of error of a detection that found nothing, and the instance that correcting it would find."""
    if _BACKGROUND <= same.max() <= _FOUND:
        return "location", int(same.argmax())
    if other.max() >= _FOUND:
        return "class", int(other.argmax())
    if (same * ~free).max() >= _FOUND:
        return "duplicate", None
    return ("background" if any_class.max() <= _BACKGROUND else "both"), None


def _best_about(detections: Sequence[_Detection], correctable: set[int | None]) -> set[int]:
    """Of each instance that an error of class or location is about, the place of the best score among them."""
    best: dict[int, int] = {}
    for at, detection in enumerate(detections):
        if detection.hit or detection.instance is None or detection.instance not in correctable:
            continue
        if detection.instance not in best or detections[best[detection.instance]].score < detection.score:
            best[detection.instance] = at
    return set(best.values())


def _correct(detection: _Detection, kind: str, is_best: bool, category_of: dict[int, int]) -> _Detection | None:
    """A detection after the errors of a kind were corrected; None where it goes."""
    if detection.kind != kind:
        return detection
    if not is_best or detection.instance is None:
        return None
    return replace(detection, category=category_of[detection.instance], hit=True)


def _mean_ap(detections: Sequence[_Detection], positives: dict[int, int]) -> float:
    """COCO's mean average precision; `positives` counts the instances of each class that has, or had, some."""
    scores = []
    for category, count in positives.items():
        own = sorted(
            (detection for detection in detections if detection.category == category), key=lambda one: -one.score
        )
        if not count and not own:
            continue
        scores.append(_average_precision(np.array([one.hit for one in own], bool), count))
    return float(np.mean(scores)) if scores else 0.0


def _average_precision(hits: np.ndarray[Any, Any], positives: int) -> float:
    at = np.flatnonzero(hits)
    if not positives or not len(at):
        return 0.0
    found, seen = np.arange(1, len(at) + 1).astype(np.float64), (at + 1).astype(np.float64)
    return float(interpolated_precision(found[None], seen[None], np.array([float(positives)]))[0])
