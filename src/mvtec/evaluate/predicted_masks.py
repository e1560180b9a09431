"""Reads predicted instances, of COCO annotations or of results, as `mask_pairs.py` compares them with the truth."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np

from mvtec.convert.formats.coco.files import CocoAnnotation, CocoDataset, CocoResult
from mvtec.convert.formats.coco.results import attributes_of, number, score_of
from mvtec.convert.formats.coco.segmentation import EmptyMaskError, region_of_annotation
from mvtec.convert.pixels.geometry import BoxFloat, Region, box_iou, region_of
from mvtec.errors import InputError
from mvtec.evaluate.annotated import classes_of_truth, parse_annotations, photos_of_truth
from mvtec.evaluate.prediction_checks import not_counted
from mvtec.evaluate.predictions import load
from mvtec.reading import read_json
from mvtec.words import counted

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
    truth_path: Path, truth: CocoDataset, path: Path, max_detections: int
) -> tuple[dict[int, list[Predicted]], set[str], bool, tuple[str, ...]]:
    """Predictions by index of their photo, the photos they are for, whether they are the truth's refined, warnings."""
    found: dict[int, list[Predicted]] = defaultdict(list)
    place = {image.id: index for index, image in enumerate(truth.images)}
    content = read_json(path, "COCO annotations or results")
    if not isinstance(content, dict):
        judged = load(truth_path, path, max_detections=max_detections)
        for result in map(CocoResult.model_validate, judged.results):
            index = place[result.image_id]
            found[index].append(
                _predicted(path, result, result.category_id, truth, index, result.score, is_scored=True)
            )
        return found, {image.file_name for image in truth.images}, False, judged.warnings
    predictions = parse_annotations(path, content)
    image_of = photos_of_truth(path, predictions, truth_path, truth)
    of_truth_name = {image.id: image.file_name for image in truth.images}
    asked = {of_truth_name[number] for number in image_of.values()}
    labelled = {of_truth_name[annotation.image_id] for annotation in truth.annotations}
    if missing := sorted(labelled - asked):
        raise InputError(
            path, f"lacks {len(missing)} photos of {truth_path}, such as {missing[0]}", "Give the same photos"
        )
    category_of = classes_of_truth(path, predictions, image_of, truth_path, truth)
    made_of = {annotation.id: annotation for annotation in predictions.annotations}

    def is_refined(annotation: CocoAnnotation) -> bool:
        """Whether the prediction of an instance's id has been made of the instance."""
        made = made_of.get(annotation.id)
        if made is None or image_of.get(made.image_id) != annotation.image_id:
            return False
        prompt = _box(attributes_of(made).get("prompt_bbox"))
        return bool(annotation.iscrowd) or (
            category_of[made.category_id] == annotation.category_id
            and prompt is not None
            and box_iou(prompt, annotation.bbox) >= _SAME_BOX
        )

    by_id = all(map(is_refined, truth.annotations)) and all(
        "prompt_bbox" in attributes_of(annotation) for annotation in predictions.annotations if not annotation.iscrowd
    )
    for annotation in predictions.annotations:
        if annotation.iscrowd or annotation.image_id not in image_of:
            continue
        index = place[image_of[annotation.image_id]]
        given = score_of(path, annotation)
        score = given if given is not None else number(attributes_of(annotation).get("predicted_iou"))
        entry = _predicted(
            path,
            annotation,
            category_of[annotation.category_id],
            truth,
            index,
            1.0 if score is None else score,
            is_scored=given is not None,
        )
        found[index].append(entry)
    beyond = not_counted(
        ((index, entry.category_id) for index, entries in found.items() for entry in entries), path, max_detections
    )
    warnings = [beyond] if beyond else []
    if unasked := sorted({image.file_name for image in truth.images} - asked):
        warnings.append(
            f"{counted(len(unasked), 'good photo')} of {truth_path} not in {path}, such as {unasked[0]}: not counted"
        )
    return found, asked, by_id, tuple(warnings)


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
    attributes = attributes_of(record)
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


def _box(value: Any) -> BoxFloat | None:
    """A box as such; None of what is none."""
    sides = [number(side) for side in value] if isinstance(value, list) and len(value) == 4 else [None]
    return None if None in sides else cast(BoxFloat, tuple(sides))


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
        raise InputError(path, f"an instance of {name}: {error}", "Correct it, or convert again") from error


def _filled(bbox: Any, size_hw: tuple[int, int]) -> Region | None:
    """The pixels whose centres a box holds."""
    x, y, w, h = bbox
    mask = np.zeros(size_hw, np.uint8)
    mask[max(0, round(y)) : max(0, round(y + h)), max(0, round(x)) : max(0, round(x + w))] = 1
    return region_of(mask)
