"""Pairs each ground-truth instance with the predicted one that is meant for it, and measures how they agree."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from math import hypot, isfinite
from pathlib import Path
from typing import Any, cast

import cv2
import numpy as np
import numpy.typing as npt

from mvtec.convert.coco import CocoAnnotation, CocoDataset, CocoResult, read_coco
from mvtec.convert.geometry import BoxFloat, Region, box_iou, region_of
from mvtec.convert.segmentation import EmptyMaskError, region_of_annotation
from mvtec.errors import InputError, LeakError
from mvtec.evaluate.predictions import load
from mvtec.files import read_json
from mvtec.words import counted as counted_words

_BOUNDARY = 0.02  # of the photo's diagonal, as Cheng et al. take it
_SAME_BOX = 0.5  # IoU; a box that was moved by hand or on purpose is still the same
_IN_A_CROWD = 0.5  # of a mask's pixels


@dataclass(frozen=True, eq=False)
class Predicted:
    """A predicted instance.

    Attributes:
        category_id: Of the truth.
        region: Its pixels; of a box without a mask those of the box. None if there are none in the photo.
        has_mask: Whether it has a mask.
        box: The pixels of the box it was made from, or of its own.
        score: Its detection score, else SAM's predicted IoU, else 1.
        is_scored: Whether it has a detection score.
        kept: Whether it is marked as one whose mask was not good enough, so that the old shape has stayed.
        id: Its annotation id, if it has one.
    """

    category_id: int
    region: Region | None
    has_mask: bool
    box: Region | None
    score: float
    is_scored: bool
    kept: bool
    id: int | None


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
    """

    truth: CocoDataset
    pairs: tuple[Pair, ...]
    found: dict[int, list[Predicted]]
    counted: dict[int, list[Predicted]]
    crowds: tuple[tuple[int, int, Region], ...]
    good: tuple[int, ...]
    warnings: tuple[str, ...]

    @property
    def good_with_a_mask(self) -> tuple[int, ...]:
        """Those of the good photos on which a prediction counts."""
        return tuple(
            index for index in self.good if any(entry.region is not None for entry in self.counted.get(index, []))
        )


def pair_masks(truth_path: Path, predictions_path: Path, *, min_score: float = 0.25) -> PairedMasks:
    """Read both files and pair their instances.

    What `mvtec segment refine` has made of the truth itself, and so has its ids, is paired by id. Else the pairs of one
    class in one photo are made one to one, the highest IoU first.

    Args:
        truth_path: COCO annotations.
        predictions_path: COCO annotations of the same photos, such as `mvtec segment refine` writes, or COCO results.
        min_score: Detections of lower score do not count; the average precision looks at all.

    Raises:
        InputError: A file is broken, a segmentation is none, a photo of the truth is missing, or `min_score` is not
            between 0 and 1.
        LeakError: The model was trained on a photo it is to be judged on.
    """
    if not 0 <= min_score <= 1:
        raise InputError("--min-score", f"{min_score} is not between 0 and 1", "Give a number from 0 to 1")
    truth = read_coco(truth_path)
    if not truth.images:
        raise InputError(truth_path, "holds no image", "Give the annotations of the test part")
    place = {image.id: index for index, image in enumerate(truth.images)}
    found, asked, by_id, warnings = _read_predictions(truth_path, truth, predictions_path)
    pairs: list[Pair | None] = [None] * len(truth.annotations)
    of_image: dict[tuple[int, int], list[tuple[int, Region]]] = defaultdict(list)
    crowds: list[tuple[int, int, Region]] = []
    for at, annotation in enumerate(truth.annotations):
        image = truth.images[place[annotation.image_id]]
        region = _region(truth_path, annotation, (image.height, image.width), image.file_name)
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
    )


def _read_predictions(
    truth_path: Path, truth: CocoDataset, path: Path
) -> tuple[dict[int, list[Predicted]], set[str], bool, tuple[str, ...]]:
    """Predictions by index of their photo, the photos they are for, whether they are the truth's refined, warnings."""
    found: dict[int, list[Predicted]] = defaultdict(list)
    place = {image.id: index for index, image in enumerate(truth.images)}
    if isinstance(read_json(path, "COCO annotations or results"), list):
        judged = load(truth_path, path)
        for result in map(CocoResult.model_validate, judged.results):
            index = place[result.image_id]
            found[index].append(
                _predicted(path, result, result.category_id, truth, index, result.score, is_scored=True)
            )
        return found, {image.file_name for image in truth.images}, False, judged.warnings
    predictions = read_coco(path)
    index_of = {image.file_name: index for index, image in enumerate(truth.images)}
    names = {image.id: image.file_name for image in predictions.images}
    for image in predictions.images:
        own = truth.images[index_of[image.file_name]] if image.file_name in index_of else image
        if (own.width, own.height) != (image.width, image.height):
            raise InputError(
                path,
                f"has {image.file_name} with {image.width}×{image.height} pixels, {truth_path} with "
                f"{own.width}×{own.height}",
                "Give annotations of the same photos",
            )
    labelled = {truth.images[place[annotation.image_id]].file_name for annotation in truth.annotations}
    if missing := sorted(labelled - set(names.values())):
        raise InputError(
            path, f"lacks {len(missing)} photos of {truth_path}, such as {missing[0]}", "Give the same photos"
        )
    seen = sorted(set(predictions.info.get("seen_in_training", [])) & labelled)
    if seen:
        raise LeakError(
            path,
            f"the model was trained on {seen[0]}" + (f" and {len(seen) - 1} more of these photos" if seen[1:] else ""),
            "Judge it on the test part of its split",
        )
    number_of = {name: number for number, name in truth.category_names().items()}
    named = predictions.category_names()
    made_of = {annotation.id: annotation for annotation in predictions.annotations}
    of_truth = truth.category_names()

    def is_refined(annotation: CocoAnnotation) -> bool:
        """Whether the prediction of an instance's id has been made of the instance."""
        made = made_of.get(annotation.id)
        if made is None or names[made.image_id] != truth.images[place[annotation.image_id]].file_name:
            return False
        prompt = _box(_said(made).get("prompt_bbox"))
        return bool(annotation.iscrowd) or (
            named[made.category_id] == of_truth[annotation.category_id]
            and prompt is not None
            and box_iou(prompt, annotation.bbox) >= _SAME_BOX
        )

    by_id = all(map(is_refined, truth.annotations)) and all(
        "prompt_bbox" in _said(annotation) for annotation in predictions.annotations if not annotation.iscrowd
    )
    for annotation in predictions.annotations:
        name = names[annotation.image_id]
        if annotation.iscrowd or name not in index_of:
            continue
        category = number_of.get(named[annotation.category_id])
        if category is None:
            raise InputError(
                path, f"has the class {named[annotation.category_id]}, {truth_path} does not", "Use the same classes"
            )
        given = _number((annotation.model_extra or {}).get("score"))
        score = given if given is not None else _number(_said(annotation).get("predicted_iou"))
        entry = _predicted(
            path,
            annotation,
            category,
            truth,
            index_of[name],
            1.0 if score is None else score,
            is_scored=given is not None,
        )
        found[index_of[name]].append(entry)
    return found, set(names.values()), by_id, ()


def _predicted(
    path: Path,
    record: CocoAnnotation | CocoResult,
    category_id: int,
    truth: CocoDataset,
    index: int,
    score: float,
    *,
    is_scored: bool,
) -> Predicted:
    image = truth.images[index]
    size_hw = image.height, image.width
    attributes = _said(record)
    own = _filled(record.bbox, size_hw)
    prompt = _box(attributes.get("prompt_bbox"))
    mask = _region(path, record, size_hw, image.file_name, may_be_empty=True) if record.segmentation else None
    return Predicted(
        category_id=category_id,
        region=mask if record.segmentation else own,
        has_mask=bool(record.segmentation),
        box=own if prompt is None else _filled(prompt, size_hw),
        score=score,
        is_scored=is_scored,
        kept=attributes.get("needs_review") is True,
        id=record.id if isinstance(record, CocoAnnotation) else None,
    )


def _said(record: CocoAnnotation | CocoResult) -> dict[str, Any]:
    return record.attributes if isinstance(record.attributes, dict) else {}


def _box(value: Any) -> BoxFloat | None:
    """A box as such; None of what is none."""
    sides = [_number(side) for side in value] if isinstance(value, list) and len(value) == 4 else [None]
    return None if None in sides else cast(BoxFloat, tuple(sides))


def _number(value: Any) -> float | None:
    """A finite number as such; None of what is none, as an editor may leave it."""
    return float(value) if isinstance(value, int | float) and isfinite(value) else None


def _lies_in_one(index: int, entry: Predicted, crowds: Sequence[tuple[int, int, Region]]) -> bool:
    """Whether half of a mask or more lies in a crowd of its class, and so is no false one, as for pycocotools."""
    region = entry.region
    return region is not None and any(
        at == index
        and category_id == entry.category_id
        and (iou := region.iou(crowd)) / (1 + iou) * (region.area + crowd.area) >= _IN_A_CROWD * region.area
        for at, category_id, crowd in crowds
    )


def _region(
    path: Path,
    record: CocoAnnotation | CocoResult,
    size_hw: tuple[int, int],
    name: str,
    *,
    may_be_empty: bool = False,
) -> Region | None:
    try:
        return region_of_annotation(record, size_hw)
    except ValueError as error:
        if may_be_empty and isinstance(error, EmptyMaskError):
            return None
        raise InputError(path, f"an instance of {name}: {error}", "Mend it, or convert again") from error


def _filled(bbox: Any, size_hw: tuple[int, int]) -> Region | None:
    """The pixels whose centres a box holds."""
    x, y, w, h = bbox
    mask = np.zeros(size_hw, np.uint8)
    mask[max(0, round(y)) : max(0, round(y + h)), max(0, round(x)) : max(0, round(x + w))] = 1
    return region_of(mask)


def _one_to_one(own: list[tuple[int, Region]], candidates: list[Predicted]) -> dict[int, Predicted | None]:
    overlaps = sorted(
        (
            (-region.iou(entry.region), at, number)
            for at, region in own
            for number, entry in enumerate(candidates)
            if entry.region is not None
        ),
    )
    matched: dict[int, Predicted | None] = {}
    taken: set[int] = set()
    for negative, at, number in overlaps:
        if negative < 0 and at not in matched and number not in taken:
            matched[at] = candidates[number]
            taken.add(number)
    return matched


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
