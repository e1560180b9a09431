"""Scores the same predictions with three tools and explains, step by step, why their figures differ."""

from __future__ import annotations

import contextlib
import io
from collections import defaultdict
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np
import numpy.typing as npt

from mvtec.errors import InputError, install_hint
from mvtec.evaluate.predictions import EvaluationInput
from mvtec.evaluate.statistics.matching import IOU_THRESHOLDS, match, run_cocoeval
from mvtec.offline import ultralytics

CONFIDENCE_FLOOR = 0.001  # Ultralytics' val looks at nothing below
ULTRALYTICS_MAX_DETECTIONS = 300


@dataclass(frozen=True)
class Score:
    """AP50 and AP as one tool counts them; None where it finds nothing to count."""

    ap50: float | None
    ap: float | None


@dataclass(frozen=True)
class Step:
    """One difference between pycocotools and Ultralytics.

    Attributes:
        name: What differs.
        score: The figures once this difference, and those before it, are taken over from Ultralytics.
        explanation: One line.
    """

    name: str
    score: Score
    explanation: str


@dataclass(frozen=True)
class CrossCheck:
    """The figures of each tool, and the way from pycocotools' to Ultralytics'."""

    tools: dict[str, Score]
    steps: tuple[Step, ...]


def cross_check(judged: EvaluationInput) -> CrossCheck:
    """Score with pycocotools, faster-coco-eval and Ultralytics' own metric.

    Raises:
        InputError: faster-coco-eval is not installed.
    """
    truth, results = judged.truth_json, judged.results
    most = judged.max_detections
    coco = _coco_score(truth, results, most)
    above = [result for result in results if result["score"] >= CONFIDENCE_FLOOR]
    floored = _coco_score(truth, above, most)
    widened = _coco_score(truth, above, ULTRALYTICS_MAX_DETECTIONS)
    interpolated = _ultralytics_curve(*_coco_hits(truth, above, ULTRALYTICS_MAX_DETECTIONS))
    final = _ultralytics_score(truth, above)
    dropped = len(results) - len(above)
    crowded = _most_detections(results)
    crowds = sum(bool(annotation.get("iscrowd")) for annotation in truth["annotations"])
    matching = "both match by falling score; what remains is rounding in the overlap"
    if crowds:
        matching += f", and that Ultralytics knows no crowd: a box on one of the {crowds} here is false to it"
    empty = [name for name, count in _instances(truth).items() if not count]
    steps = (
        Step(
            "confidence floor",
            floored,
            f"Ultralytics ignores scores below {CONFIDENCE_FLOOR}: {dropped} of {len(results)} detections go",
        ),
        Step(
            "maxDets",
            widened,
            f"the best {most} of each class in an image count here, for Ultralytics the best 300 of all; the most of a "
            f"class in an image is {crowded}",
        ),
        Step(
            "interpolation",
            interpolated,
            "COCO averages the precision curve at 101 recalls as it stands, in steps; Ultralytics joins its "
            "points with straight lines first, so steps become slopes",
        ),
        Step("matching", final, matching),
        Step(
            "empty classes",
            final,
            f"no tool counts a class without an instance here: {', '.join(empty) or 'there is none'}",
        ),
    )
    tools = {"pycocotools": coco, "faster-coco-eval": _faster_score(truth, results, most), "ultralytics": final}
    return CrossCheck(tools, steps)


def _coco_score(truth: dict[str, Any], results: list[dict[str, Any]], max_detections: int) -> Score:
    evaluation = run_cocoeval(truth, results, max_detections)
    precision = evaluation.eval["precision"][:, :, :, 0, -1]
    return Score(_mean_defined(precision[0]), _mean_defined(precision))


def _mean_defined(precision: npt.NDArray[np.float64]) -> float | None:
    defined = precision[precision > -1]
    return float(defined.mean()) if defined.size else None


def _faster_score(truth: dict[str, Any], results: list[dict[str, Any]], max_detections: int) -> Score:
    try:
        from faster_coco_eval import COCO, COCOeval_faster
    except ImportError as error:
        raise InputError(
            "--cross-check",
            "needs faster-coco-eval, which is not installed",
            f"To have it, {install_hint('crosscheck')}",
        ) from error
    if not results:
        return Score(0.0, 0.0)
    with contextlib.redirect_stdout(io.StringIO()):
        gt = COCO(truth)
        evaluation = COCOeval_faster(gt, gt.loadRes([dict(result) for result in results]), iouType="bbox")
        evaluation.params.maxDets = [1, 10, max_detections]
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    ap, ap50 = float(evaluation.stats[0]), float(evaluation.stats[1])
    return Score(None if ap50 < 0 else ap50, None if ap < 0 else ap)


Hits = npt.NDArray[np.bool_]
Numbers = npt.NDArray[np.float64]


def _coco_hits(
    truth: dict[str, Any], results: list[dict[str, Any]], max_detections: int
) -> tuple[Hits, Numbers, Numbers, Numbers]:
    """pycocotools' matches in the form of Ultralytics' metric: hits N×10, then place, class, class of each instance."""
    figures = match(truth, results, max_detections)
    hits, order, labels, targets = [], [], [], []
    for k in range(len(figures.names)):
        matches = figures.matches[k, "all"]
        counted = matches.counts.all(axis=0)  # a detection on a crowd counts neither way
        count = int(counted.sum())
        hits.append(matches.hit[:, counted].T)
        order.append(-np.arange(count, dtype=np.float64))
        labels.append(np.full(count, k, np.float64))
        targets.append(np.full(int(matches.instances.sum()), k, np.float64))
    return np.concatenate(hits), np.concatenate(order), np.concatenate(labels), np.concatenate(targets)


def _ultralytics_curve(hits: Hits, scores: Numbers, labels: Numbers, targets: Numbers) -> Score:
    ultralytics()
    from ultralytics.utils.metrics import ap_per_class

    if not len(targets):
        return Score(None, None)
    ap = ap_per_class(hits, scores, labels, targets)[5]
    return Score(float(ap[:, 0].mean()), float(ap.mean()))


def _ultralytics_score(truth: dict[str, Any], results: list[dict[str, Any]]) -> Score:
    """Ultralytics' mAP50 and mAP50-95, with its own matching and its own curve."""
    ultralytics()
    import torch
    from ultralytics.engine.validator import BaseValidator
    from ultralytics.utils.metrics import box_iou

    settings = SimpleNamespace(iouv=torch.linspace(0.5, 0.95, IOU_THRESHOLDS))
    by_image: dict[int, list[dict[str, Any]]] = defaultdict(list)
    for result in results:
        by_image[result["image_id"]].append(result)
    truth_of: dict[int, list[dict[str, Any]]] = defaultdict(list)
    for annotation in truth["annotations"]:
        if not annotation.get("iscrowd"):
            truth_of[annotation["image_id"]].append(annotation)
    hits, scores, labels, targets = [], [], [], []
    for image in truth["images"]:
        found = sorted(by_image[image["id"]], key=lambda result: -result["score"])[:ULTRALYTICS_MAX_DETECTIONS]
        true = truth_of[image["id"]]
        found_labels = torch.tensor([float(result["category_id"]) for result in found])
        true_labels = torch.tensor([float(annotation["category_id"]) for annotation in true])
        correct = np.zeros((len(found), IOU_THRESHOLDS), bool)
        if found and true:
            overlap = box_iou(_corners(true), _corners(found))
            correct = BaseValidator.match_predictions(settings, found_labels, true_labels, overlap).numpy()
        hits.append(correct)
        scores.append(np.array([result["score"] for result in found], np.float64))
        labels.append(found_labels.numpy().astype(np.float64))
        targets.append(true_labels.numpy().astype(np.float64))
    return _ultralytics_curve(
        np.concatenate(hits), np.concatenate(scores), np.concatenate(labels), np.concatenate(targets)
    )


def _corners(records: list[dict[str, Any]]) -> Any:
    """float32 N×4: x1, y1, x2, y2."""
    import torch

    boxes = torch.tensor([record["bbox"] for record in records], dtype=torch.float32)
    return torch.cat([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], dim=1)


def _most_detections(results: list[dict[str, Any]]) -> int:
    counts: dict[tuple[int, int], int] = defaultdict(int)
    for result in results:
        counts[result["image_id"], result["category_id"]] += 1
    return max(counts.values(), default=0)


def _instances(truth: dict[str, Any]) -> dict[str, int]:
    counts = {category["id"]: 0 for category in truth["categories"]}
    for annotation in truth["annotations"]:
        counts[annotation["category_id"]] += not annotation.get("iscrowd")
    return {category["name"]: counts[category["id"]] for category in truth["categories"]}
