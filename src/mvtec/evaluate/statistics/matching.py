"""Matches predictions to the truth: by pycocotools for COCO's figures, and greedily where a page or an error is named.

COCO's figures are defined by `pycocotools/cocoeval.py` and https://cocodataset.org/#detection-eval: average precision
is the mean of 101 interpolated precisions, over the IoU thresholds 0.50, 0.55, … 0.95.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

Floats = npt.NDArray[np.float64]
IouType = Literal["bbox", "segm"]

IOU_THRESHOLDS = 10
AREAS = ("all", "small", "medium", "large")  # small: below 32² pixels; large: 96² and above
MOST_DETECTIONS = 100  # of a class in a photo that COCO counts


@dataclass(frozen=True)
class Matches:
    """The detections of one class in one range of sizes, matched to the truth at each IoU threshold.

    Detections stand by falling score, as COCOeval orders them.

    Attributes:
        image: int N, the index of each detection's image.
        rank: int N, its place among the detections of its image and class, from 0.
        score: float64 N, falling.
        hit: bool 10×N, whether it matches an instance that counts.
        counts: bool 10×N, whether it counts at all; one that matches an instance of another size does not.
        instances: int I, the instances that count in each image.
    """

    image: npt.NDArray[np.int64]
    rank: npt.NDArray[np.int64]
    score: Floats
    hit: npt.NDArray[np.bool_]
    counts: npt.NDArray[np.bool_]
    instances: npt.NDArray[np.int64]


@dataclass(frozen=True)
class CocoFigures:
    """What pycocotools says.

    Attributes:
        stats: float 12, its summary; -1 where undefined.
        matches: By class index and name of the size range.
        names: Class names, in the order of the indices.
        images: The number of images.
        max_detections: How many detections of a class in an image were looked at.
    """

    stats: Floats
    matches: dict[tuple[int, str], Matches]
    names: tuple[str, ...]
    images: int
    max_detections: int = MOST_DETECTIONS


def run_cocoeval(
    truth: dict[str, Any],
    results: list[dict[str, Any]],
    max_detections: int = MOST_DETECTIONS,
    iou_type: IouType = "bbox",
) -> COCOeval:
    """pycocotools' evaluation of boxes or masks, accumulated and summarised, without its prints.

    The best 1, 10 and `max_detections` of a class in an image are looked at.
    """
    with contextlib.redirect_stdout(io.StringIO()):
        gt = COCO()
        gt.dataset = truth
        gt.createIndex()
        if results:
            # pycocotools writes into the lists it is given
            found = gt.loadRes([dict(result) for result in results])
        else:
            found = COCO()
            found.dataset = {**truth, "annotations": []}
            found.createIndex()
        evaluation = COCOeval(gt, found, iou_type)
        evaluation.params.maxDets = [1, 10, max_detections]
        evaluation.evaluate()
        evaluation.accumulate()
        # the summary looks the third column up by COCO's own number, whatever it was counted with
        evaluation.params.maxDets = [1, 10, MOST_DETECTIONS]
        evaluation.summarize()
    return evaluation


def match(
    truth: dict[str, Any],
    results: list[dict[str, Any]],
    max_detections: int = MOST_DETECTIONS,
    iou_type: IouType = "bbox",
) -> CocoFigures:
    """Match detections to the truth once, with pycocotools.

    Args:
        truth: A COCO annotation file.
        results: COCO results for the same image and category ids.
        max_detections: How many of a class in an image to look at, 10 or more.
        iou_type: Whether the IoU is that of boxes or of masks.
    """
    evaluation = run_cocoeval(truth, results, max_detections, iou_type)
    params = evaluation.params
    images, areas = len(params.imgIds), len(params.areaRng)
    names = {category["id"]: category["name"] for category in truth["categories"]}
    matches = {}
    for k in range(len(params.catIds)):
        for a, area in enumerate(AREAS):
            begin = (k * areas + a) * images
            matches[k, area] = _collect(evaluation.evalImgs[begin : begin + images])
    return CocoFigures(
        stats=np.asarray(evaluation.stats, np.float64),
        matches=matches,
        names=tuple(names[number] for number in params.catIds),
        images=images,
        max_detections=max_detections,
    )


def _collect(of_images: list[dict[str, Any] | None]) -> Matches:
    image, rank, score, matched, ignored = [], [], [], [], []
    instances = np.zeros(len(of_images), np.int64)
    for index, entry in enumerate(of_images):
        if entry is None:
            continue
        instances[index] = int((np.asarray(entry["gtIgnore"]) == 0).sum())
        count = len(entry["dtScores"])
        image.append(np.full(count, index))
        rank.append(np.arange(count))
        score.append(np.asarray(entry["dtScores"], np.float64))
        matched.append(np.asarray(entry["dtMatches"]).reshape(IOU_THRESHOLDS, count) != 0)
        ignored.append(np.asarray(entry["dtIgnore"]).reshape(IOU_THRESHOLDS, count) != 0)
    if not image:
        empty = np.zeros((IOU_THRESHOLDS, 0), bool)
        return Matches(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0), empty, empty, instances)
    scores = np.concatenate(score)
    order = np.argsort(-scores, kind="mergesort")
    hit, skip = np.concatenate(matched, axis=1)[:, order], np.concatenate(ignored, axis=1)[:, order]
    return Matches(
        image=np.concatenate(image)[order].astype(np.int64),
        rank=np.concatenate(rank)[order].astype(np.int64),
        score=scores[order],
        hit=hit & ~skip,
        counts=~skip,
        instances=instances,
    )


def box_ious(found_xywh: npt.ArrayLike, truth_xywh: npt.ArrayLike, crowds: Sequence[bool | int] = ()) -> Floats:
    """IoU of N predicted boxes with M true ones, float64 N×M.

    Args:
        found_xywh: N×4, in pixels, as are those of the truth.
        truth_xywh: M×4.
        crowds: Of each true box whether it is a crowd: with a crowd the value is the part of the prediction that lies
            in it, as in pycocotools. Empty for no crowds.

    >>> box_ious([[0, 0, 10, 10]], [[5, 0, 10, 10], [20, 20, 2, 2]]).round(3).tolist()
    [[0.333, 0.0]]
    """
    found, truth = (np.asarray(boxes, np.float64).reshape(-1, 4) for boxes in (found_xywh, truth_xywh))
    if not len(found) or not len(truth):
        return np.zeros((len(found), len(truth)))
    is_crowd = list(crowds) or [0] * len(truth)
    return np.asarray(coco_mask.iou(np.ascontiguousarray(found), np.ascontiguousarray(truth), is_crowd), np.float64)


def match_greedily(overlap: Floats, least: float = 0.0, *, best_overlap_first: bool = False) -> list[int | None]:
    """Match rows to columns one to one.

    Row after row takes the free column with the highest overlap, so rows by falling score are matched as COCO does it.
    With `best_overlap_first` the pair with the highest overlap of all comes first. Of equal ones the first is taken.

    Args:
        overlap: float64 N×M; a pair of overlap 0 is never matched.
        least: The lowest overlap that is matched.
        best_overlap_first: Whether the order of the rows does not count.

    Returns:
        Of each row its column, or None.

    >>> overlap = np.array([[0.6, 0.0], [0.9, 0.5]])
    >>> match_greedily(overlap, 0.5), match_greedily(overlap, 0.5, best_overlap_first=True)
    ([0, 1], [None, 0])
    """
    rows, columns = np.nonzero((overlap > 0) & (overlap >= least))
    values = overlap[rows, columns]
    order = np.lexsort((columns, rows, -values) if best_overlap_first else (columns, -values, rows))
    matched: list[int | None] = [None] * len(overlap)
    taken: set[int] = set()
    for row, column in zip(rows[order].tolist(), columns[order].tolist(), strict=True):
        if matched[row] is None and column not in taken:
            matched[row] = column
            taken.add(column)
    return matched
