"""Reads predicted instances, of COCO annotations or of results, as `mask_pairs.py` compares them with the truth."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Any, cast

import numpy as np

from mvtec.convert.coco import CocoAnnotation, CocoDataset, CocoResult, read_coco
from mvtec.convert.geometry import BoxFloat, Region, box_iou, region_of
from mvtec.convert.segmentation import EmptyMaskError, region_of_annotation
from mvtec.errors import InputError, LeakError
from mvtec.evaluate.predictions import load
from mvtec.reading import read_json

_SAME_BOX = 0.5  # IoU; a box that was moved by hand or on purpose is still the same


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


def read_predicted(
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
    mask = region_in(path, record, size_hw, image.file_name, may_be_empty=True) if record.segmentation else None
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


def region_in(
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
