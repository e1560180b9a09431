"""Pairs each ground-truth instance with the predicted one that is meant for it, and measures how they agree."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from math import hypot
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from mvtec.convert.formats.coco.files import CocoDataset
from mvtec.convert.pixels.geometry import Region, region_of
from mvtec.errors import InputError
from mvtec.evaluate.predicted_masks import Predicted, read_predicted, region_in
from mvtec.evaluate.predictions import read_truth
from mvtec.evaluate.statistics.matching import MOST_DETECTIONS, match_greedily
from mvtec.words import counted as counted_words

_BOUNDARY = 0.02  # of the photo's diagonal, as Cheng et al. take it
_IN_A_CROWD = 0.5  # of a mask's pixels


@dataclass(frozen=True, eq=False)
class Pair:
    """A ground-truth instance and what was predicted for it.

    Attributes:
        image: Index of the photo in the truth's file.
        category_id: Its class.
        truth: Its pixels.
        found: The prediction, or None.
        iou: Intersection over union, 0 without a prediction; so with all that follow.
        dice: 2·intersection over the sum of both areas.
        boundary_iou: IoU of the two rims, each 2 % of the photo's diagonal wide, inwards (Cheng et al., *Boundary IoU*,
            CVPR 2021).
        box_iou: IoU of the truth with the filled box of the prediction.
    """

    image: int
    category_id: int
    truth: Region
    found: Predicted | None
    iou: float
    dice: float
    boundary_iou: float
    box_iou: float


@dataclass(frozen=True, eq=False)
class PairedMasks:
    """Truth and predictions of the same photos.

    Attributes:
        truth: The annotation file.
        pairs: One for each instance of the truth that is no crowd, in its order.
        found: All predictions by the index of their photo.
        counted: Those of them without a score, or of a score that counts, but for masks that lie in a crowd of their
            class: what a photo is said to show.
        crowds: The index of the photo, the class and the pixels of each crowd of the truth.
        good: Indices of the photos without any annotation that the predictions are for.
        warnings: What a reader of the figures should know.
        max_detections: How many predictions of a class in a photo the average precision looks at.
    """

    truth: CocoDataset
    pairs: tuple[Pair, ...]
    found: dict[int, list[Predicted]]
    counted: dict[int, list[Predicted]]
    crowds: tuple[tuple[int, int, Region], ...]
    good: tuple[int, ...]
    warnings: tuple[str, ...]
    max_detections: int = MOST_DETECTIONS

    @property
    def good_with_a_mask(self) -> tuple[int, ...]:
        """Those of the good photos on which a prediction counts."""
        return tuple(
            index for index in self.good if any(entry.region is not None for entry in self.counted.get(index, []))
        )


def pair_masks(
    truth_path: Path, predictions_path: Path, *, min_score: float = 0.25, max_detections: int = MOST_DETECTIONS
) -> PairedMasks:
    """Read both files and pair their instances.

    What `mvtec segment refine` has made of the truth itself, and so has its ids, is paired by id. Else the pairs of one
    class in one photo are made one to one, the highest IoU first.

    Args:
        truth_path: COCO annotations.
        predictions_path: COCO annotations of the same photos, such as `mvtec segment refine` writes, or COCO results.
        min_score: Detections of lower score do not count; the average precision looks at all.
        max_detections: How many of a class in a photo the average precision looks at.

    Raises:
        InputError: A file is broken, a segmentation is none, a photo of the truth is missing, or `min_score` is not
            between 0 and 1.
        LeakError: The model was trained on a photo it is to be judged on.
    """
    if not 0 <= min_score <= 1:
        raise InputError("--min-score", f"{min_score} is not between 0 and 1", "Give a number from 0 to 1")
    truth = read_truth(truth_path)
    place = {image.id: index for index, image in enumerate(truth.images)}
    found, asked, by_id, warnings = read_predicted(truth_path, truth, predictions_path, max_detections)
    pairs: list[Pair | None] = [None] * len(truth.annotations)
    of_image: dict[tuple[int, int], list[tuple[int, Region]]] = defaultdict(list)
    crowds: list[tuple[int, int, Region]] = []
    for at, annotation in enumerate(truth.annotations):
        image = truth.images[place[annotation.image_id]]
        region = region_in(truth_path, annotation, (image.height, image.width), image.file_name)
        if region is None:
            raise InputError(
                truth_path, f"annotation {annotation.id} of {image.file_name} has no mask", "Give truth with masks"
            )
        if annotation.iscrowd:
            crowds.append((place[annotation.image_id], annotation.category_id, region))
        else:
            of_image[place[annotation.image_id], annotation.category_id].append((at, region))
    counted = {
        index: [
            entry
            for entry in entries
            if (not entry.is_scored or entry.score >= min_score) and not _lies_in_one(index, entry, crowds)
        ]
        for index, entries in found.items()
    }
    for (index, category_id), own in of_image.items():
        image = truth.images[index]
        candidates = [entry for entry in counted.get(index, []) if entry.category_id == category_id]
        if by_id:
            meant = {entry.id: entry for entry in candidates}
            matched = {at: meant.get(truth.annotations[at].id) for at, _ in own}
        else:
            matched = _one_to_one(own, candidates)
        for at, region in own:
            pairs[at] = _pair(index, category_id, region, matched.get(at), (image.height, image.width))
    kept = sum(entry.kept for entries in found.values() for entry in entries)
    if kept:
        warnings = (*warnings, f"{kept} instances of {predictions_path} keep their old shape, marked needs_review")
    empty = sum(entry.has_mask and entry.region is None for entries in found.values() for entry in entries)
    if empty:
        warnings = (*warnings, f"{counted_words(empty, 'mask')} of {predictions_path} without a pixel: false ones")
    boxes = sum(not entry.has_mask for entries in found.values() for entry in entries)
    if boxes:
        warnings = (*warnings, f"{boxes} instances of {predictions_path} have no mask; the filled box stands for it")
    labelled = {annotation.image_id for annotation in truth.annotations}
    return PairedMasks(
        truth=truth,
        pairs=tuple(pair for pair in pairs if pair is not None),
        found=found,
        counted=counted,
        crowds=tuple(crowds),
        good=tuple(
            index for index, image in enumerate(truth.images) if image.id not in labelled and image.file_name in asked
        ),
        warnings=warnings,
        max_detections=max_detections,
    )


def _lies_in_one(index: int, entry: Predicted, crowds: Sequence[tuple[int, int, Region]]) -> bool:
    """Whether half of a mask or more lies in a crowd of its class, and so is no false one, as for pycocotools."""
    region = entry.region
    return region is not None and any(
        at == index
        and category_id == entry.category_id
        and (iou := region.iou(crowd)) / (1 + iou) * (region.area + crowd.area) >= _IN_A_CROWD * region.area
        for at, category_id, crowd in crowds
    )


def _one_to_one(own: list[tuple[int, Region]], candidates: list[Predicted]) -> dict[int, Predicted | None]:
    """Of each instance the prediction that is meant for it, the highest IoU first."""
    overlap = np.array(
        [[0.0 if one.region is None else region.iou(one.region) for one in candidates] for _, region in own]
    ).reshape(len(own), len(candidates))
    matched = match_greedily(overlap, best_overlap_first=True)
    return {at: None if number is None else candidates[number] for (at, _), number in zip(own, matched, strict=True)}


def _pair(image: int, category_id: int, truth: Region, found: Predicted | None, size_hw: tuple[int, int]) -> Pair:
    if found is None or found.region is None:
        return Pair(image, category_id, truth, found, 0.0, 0.0, 0.0, 0.0)
    iou = truth.iou(found.region)
    return Pair(
        image,
        category_id,
        truth,
        found,
        iou=iou,
        dice=2 * iou / (1 + iou),
        boundary_iou=boundary_iou(truth, found.region, size_hw),
        box_iou=0.0 if found.box is None else truth.iou(found.box),
    )


def boundary_iou(one: Region, other: Region, size_hw: tuple[int, int]) -> float:
    """The IoU of the rims of two regions, see `Pair.boundary_iou`; what lies at the photo's edge is rim, too."""
    width = max(1, round(_BOUNDARY * hypot(*size_hw)))
    rims = [_rim(region, width) for region in (one, other)]
    if rims[0] is None or rims[1] is None:
        return 0.0
    return rims[0].iou(rims[1])


def _rim(region: Region, width: int) -> Region | None:
    crop: npt.NDArray[np.uint8] = np.pad(region.crop.view(np.uint8), 1)
    inner = cv2.erode(crop, np.ones((3, 3), np.uint8), iterations=width)
    x, y, _, _ = region.box_xywh
    return region_of((crop - inner)[1:-1, 1:-1].copy(), (x, y))


def union(regions: list[Region], size_hw: tuple[int, int]) -> Region | None:
    """All pixels of some regions of one photo as one."""
    mask = np.zeros(size_hw, np.uint8)
    for region in regions:
        region.paint(mask, 1)
    return region_of(mask)
