"""Loads truth and predictions that fit together, and refuses a comparison that would be dishonest."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mvtec.convert.coco import CocoDataset, CocoResult, read_coco, read_results
from mvtec.convert.provenance import PROVENANCE, Provenance, read_provenance
from mvtec.errors import InputError, LeakError


@dataclass(frozen=True)
class Judged:
    """Truth and predictions with the same image and category ids, as pycocotools takes them.

    Attributes:
        truth: The annotation file.
        truth_json: The same as plain dictionaries.
        results: The detections.
        provenance: Where they come from, if that is known.
        warnings: What a reader of the figures should know.
    """

    truth: CocoDataset
    truth_json: dict[str, Any]
    results: list[dict[str, Any]]
    provenance: Provenance | None
    warnings: tuple[str, ...]


def load(truth_path: Path, results_path: Path) -> Judged:
    """Read both files and bring the predictions to the truth's ids.

    Raises:
        InputError: A file is broken, or the predictions are not for the images of the truth.
        LeakError: The model was trained on an image it is to be judged on.
    """
    truth = read_coco(truth_path)
    for annotation in truth.annotations:
        if min(annotation.bbox[2:]) <= 0:
            raise InputError(
                truth_path, f"annotation {annotation.id} has a box without area, which nothing can match", "Mend it"
            )
    zero_id = any(annotation.id == 0 for annotation in truth.annotations)
    if zero_id:
        for number, annotation in enumerate(truth.annotations, start=1):
            annotation.id = number
    results = read_results(results_path)
    provenance = read_provenance(results_path)
    if not truth.images:
        raise InputError(truth_path, "holds no image", "Give the annotations of the test part")
    if provenance is None:
        silent = {image.id for image in truth.images} - {result.image_id for result in results}
        warnings: tuple[str, ...] = (
            f"{results_path} has no provenance.json beside it: whether the model saw these images cannot be checked"
            + (f", nor whether it was asked about the {len(silent)} of them that have no box" if silent else ""),
        )
        _check_ids(truth, results, truth_path, results_path)
    else:
        results, warnings = _align(truth, results, provenance, truth_path, results_path)
    warnings = (*warnings, *_oddities(truth, results, results_path))
    return Judged(
        truth=truth,
        truth_json=truth.to_json(),
        results=[result.model_dump(mode="json", exclude_none=True) for result in results],
        provenance=provenance,
        warnings=(
            *warnings,
            f"{truth_path} has an annotation with id 0, which pycocotools takes for no match; renumbered",
        )
        if zero_id
        else warnings,
    )


def _check_ids(truth: CocoDataset, results: list[CocoResult], truth_path: Path, results_path: Path) -> None:
    images, categories = {image.id for image in truth.images}, set(truth.category_names())
    for result in results:
        for kind, number, known in (("image", result.image_id, images), ("category", result.category_id, categories)):
            if number not in known:
                raise InputError(
                    results_path,
                    f"predicts {kind} {number}, which {truth_path} does not have",
                    "Give predictions for the images and categories of the truth",
                )


def _oddities(truth: CocoDataset, results: list[CocoResult], path: Path) -> list[str]:
    """What is odd in boxes and scores, such as corners in the place of x, y, width, height."""
    sides = {image.id: (image.width, image.height) for image in truth.images}
    outside = 0
    for result in results:
        x, y, w, h = result.bbox
        width, height = sides[result.image_id]
        outside += w <= 0 or h <= 0 or min(x, y) < -1 or x + w > width + 1 or y + h > height + 1
    said = []
    if outside:
        said.append(
            f"{outside} of {len(results)} boxes of {path} reach out of their photo or have no area: a bbox is x, y, "
            "width, height in pixels"
        )
    if odd := sum(not 0 <= result.score <= 1 for result in results):
        said.append(
            f"{odd} of {len(results)} scores of {path} are not between 0 and 1, as FPR95 and thresholds need them"
        )
    return said


def _align(
    truth: CocoDataset, results: list[CocoResult], provenance: Provenance, truth_path: Path, results_path: Path
) -> tuple[list[CocoResult], tuple[str, ...]]:
    """Bring image and category ids to those of the truth, by name."""
    wanted = {image.file_name: image.id for image in truth.images}
    seen = sorted(set(provenance.seen_in_training) & set(wanted))
    if seen:
        raise LeakError(
            results_path,
            f"the model was trained on {seen[0]}" + (f" and {len(seen) - 1} more of these images" if seen[1:] else ""),
            "Judge it on the test part of its split",
        )
    missing = sorted(set(wanted) - set(provenance.image_ids))
    if missing:
        raise InputError(
            results_path,
            f"lacks {len(missing)} of the {len(wanted)} images of {truth_path}, such as {missing[0]}",
            "Predict on the same images: mvtec predict RUN on the folder the truth belongs to",
        )
    for image in truth.images:
        digest = (image.model_extra or {}).get("sha256")
        if digest is not None and digest != provenance.image_sha256.get(image.file_name, digest):
            raise InputError(
                results_path, f"predicts another photo of the name {image.file_name}", "Predict on the truth's photos"
            )
    numbers = {"image": set(provenance.image_ids.values()), "category": set(provenance.categories)}
    for result in results:
        for kind, number in (("image", result.image_id), ("category", result.category_id)):
            if number not in numbers[kind]:
                raise InputError(
                    results_path,
                    f"predicts {kind} {number}, which the {PROVENANCE} beside it does not have",
                    "If mvtec predict has not written it, move it to a folder of its own",
                )
    new_image = {number: wanted[name] for name, number in provenance.image_ids.items() if name in wanted}
    number_of = {name: number for number, name in truth.category_names().items()}
    unknown = sorted(set(provenance.categories.values()) - set(number_of))
    used = {result.category_id for result in results if result.image_id in new_image}
    if bad := [name for number, name in provenance.categories.items() if name in unknown and number in used]:
        raise InputError(results_path, f"predicts {bad[0]}, a class {truth_path} does not have", "Use the same classes")
    kept = [
        result.model_copy(
            update={
                "image_id": new_image[result.image_id],
                "category_id": number_of[provenance.categories[result.category_id]],
            }
        )
        for result in results
        if result.image_id in new_image
    ]
    warnings = []
    if extra := len(provenance.image_ids) - len(wanted):
        warnings.append(f"{extra} photos were predicted that {truth_path} does not have; they are left out")
    truth_split = truth.info.get("split")
    if truth_split and provenance.split and truth_split != provenance.split:
        warnings.append("the model was trained by another split than the truth belongs to; it saw none of these images")
    return kept, tuple(warnings)
