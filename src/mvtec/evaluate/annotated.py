"""COCO annotations as predictions: the photos and classes of another annotation file, found in the truth by name."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mvtec.convert.formats.coco.files import CocoDataset, CocoResult, parse_coco
from mvtec.convert.formats.coco.results import score_of
from mvtec.convert.photo_names import PhotoNames, check_names
from mvtec.errors import InputError, LeakError
from mvtec.words import counted


def annotated_results(
    path: Path, content: dict[str, Any], truth_path: Path, truth: CocoDataset
) -> tuple[list[CocoResult], list[str]]:
    """The annotations of a file as detections with the ids of the truth, and what a reader should know.

    The score is `score` of the annotation or of its attributes, as a detector's; an annotation without one has 1.

    Raises:
        InputError: The file is broken, lacks a photo of the truth, or has another size or class.
        LeakError: What made it was trained on a photo of the truth.
    """
    predictions = parse_annotations(path, content)
    image_of = photos_of_truth(path, predictions, truth_path, truth)
    if missing := sorted(image.file_name for image in truth.images if image.id not in image_of.values()):
        raise InputError(
            path,
            f"lacks {len(missing)} of the {len(truth.images)} images of {truth_path}, such as {missing[0]}",
            "Give the same photos; one without a box is an image without an annotation",
        )
    category_of = classes_of_truth(path, predictions, image_of, truth_path, truth)
    own = [one for one in predictions.annotations if not one.iscrowd and one.image_id in image_of]
    scores = [score_of(path, annotation) for annotation in own]
    results = [
        CocoResult(
            image_id=image_of[annotation.image_id],
            category_id=category_of[annotation.category_id],
            bbox=annotation.bbox,
            score=1.0 if score is None else score,
            area=annotation.area,
            segmentation=annotation.segmentation,
            attributes=annotation.attributes,
        )
        for annotation, score in zip(own, scores, strict=True)
    ]
    warnings = []
    if bare := scores.count(None):
        warnings.append(
            f"{bare} of {counted(len(scores), 'annotation')} of {path} have no score and count with score 1: "
            "where some of them are wrong, AP depends on their order"
        )
    if extra := len(predictions.images) - len(image_of):
        warnings.append(
            f"{counted(extra, 'photo')} of {path} that {truth_path} does not have: left out, with their annotations"
        )
    return results, warnings


def parse_annotations(path: Path, content: dict[str, Any]) -> CocoDataset:
    """Parse predictions that are not a list of results.

    Raises:
        InputError: They are not COCO annotations.
    """
    if "images" not in content:
        raise InputError(
            path,
            'is neither a list of COCO results nor a COCO annotation file: it has no "images"',
            "Give a list of {image_id, category_id, bbox, score}, or a COCO annotation file",
        )
    return parse_coco(path, content)


def photos_of_truth(path: Path, predictions: CocoDataset, truth_path: Path, truth: CocoDataset) -> dict[int, int]:
    """The truth's image id of each predicted one that the truth has.

    Raises:
        InputError: Two images have one name or may be one photo, or a photo has another size.
        LeakError: What made the predictions was trained on a photo that has a label in the truth.
    """
    check_names(path, (image.file_name for image in predictions.images))
    names = PhotoNames({image.id: image.file_name for image in truth.images})
    of_truth = {image.id: image for image in truth.images}
    image_of: dict[int, int] = {}
    taken: dict[int, str] = {}
    for image in predictions.images:
        found = names.find(image.file_name)
        if not found:
            continue
        own = of_truth[found[0]]
        if len(found) > 1 or own.id in taken:
            other = taken.get(own.id, of_truth[found[-1]].file_name)
            raise InputError(
                path,
                f"has {image.file_name}, which {truth_path} does not tell apart from {other}",
                "Give photos the same names in both files",
            )
        if (own.width, own.height) != (image.width, image.height):
            raise InputError(
                path,
                f"has {image.file_name} with {image.width}×{image.height} pixels, {truth_path} with "
                f"{own.width}×{own.height}",
                "Give annotations of the same photos",
            )
        image_of[image.id], taken[own.id] = own.id, image.file_name
    labelled = {annotation.image_id for annotation in truth.annotations}
    trained = predictions.info.get("seen_in_training")
    found_in = {number for name in (trained if isinstance(trained, list) else []) for number in names.find(str(name))}
    if seen := sorted(of_truth[number].file_name for number in found_in & labelled):
        raise LeakError(
            path,
            f"the model was trained on {seen[0]}" + (f" and {len(seen) - 1} more of these photos" if seen[1:] else ""),
            "Judge it on the test part of its split",
        )
    return image_of


def classes_of_truth(
    path: Path, predictions: CocoDataset, image_of: Mapping[int, int], truth_path: Path, truth: CocoDataset
) -> dict[int, int]:
    """The truth's category id of each predicted one that a photo of the truth has, by name.

    Raises:
        InputError: The truth does not have such a class.
    """
    number_of = {name: number for number, name in truth.category_names().items()}
    names = predictions.category_names()
    used = sorted({one.category_id for one in predictions.annotations if one.image_id in image_of})
    for number in used:
        if names[number] not in number_of:
            raise InputError(path, f"has the class {names[number]}, {truth_path} does not", "Use the same classes")
    return {number: number_of[names[number]] for number in used}
