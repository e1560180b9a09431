"""Loads truth and predictions that fit together, and refuses a comparison that would be dishonest."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mvtec.convert.formats.coco.files import CocoDataset, CocoResult, read_coco
from mvtec.convert.formats.coco.results import categories_of, results_for
from mvtec.convert.photo_names import check_names
from mvtec.convert.provenance import PROVENANCE, Provenance, read_provenance
from mvtec.errors import InputError, LeakError
from mvtec.evaluate.annotated import annotated_results
from mvtec.evaluate.normals import Normals, photos_beside, read_normals
from mvtec.evaluate.prediction_checks import prediction_warnings
from mvtec.evaluate.statistics.matching import MOST_DETECTIONS
from mvtec.reading import read_json
from mvtec.words import counted


@dataclass(frozen=True)
class EvaluationInput:
    """Truth and predictions with the same image and category ids, as pycocotools takes them.

    Attributes:
        truth: The annotation file.
        truth_json: The same as plain dictionaries.
        results: The detections.
        provenance: Where they come from, if that is known.
        warnings: What a reader of the figures should know.
        max_detections: How many detections of a class in a photo count, the best ones.
        normals: Photos without a defect that the truth does not have, for false alarms alone; None without.
    """

    truth: CocoDataset
    truth_json: dict[str, Any]
    results: list[dict[str, Any]]
    provenance: Provenance | None
    warnings: tuple[str, ...]
    max_detections: int = MOST_DETECTIONS
    normals: Normals | None = None


def read_truth(path: Path) -> CocoDataset:
    """Read an annotation file to compare predictions with.

    Raises:
        InputError: It is broken, holds no image, or two of one name.
    """
    truth = read_coco(path)
    if not truth.images:
        raise InputError(path, "holds no image", "Give the annotations of the test part")
    check_names(path, (image.file_name for image in truth.images))
    return truth


def load(
    truth_path: Path, results_path: Path, *, max_detections: int = MOST_DETECTIONS, normals: Path | None = None
) -> EvaluationInput:
    """Read both files and bring the predictions to the truth's ids.

    Args:
        truth_path: COCO annotations.
        results_path: COCO results, with or without the provenance of `mvtec predict`; or COCO annotations, whose score
            is that of the annotation or of its attributes, else 1.
        max_detections: How many detections of a class in a photo count.
        normals: Photos without a defect, or what `mvtec predict` said of some, see `normals.py`; None for those beside
            the results, where there are some.

    Raises:
        InputError: A file is broken, or the predictions are not for the images of the truth.
        LeakError: The model was trained on an image it is to be judged on.
    """
    truth = read_truth(truth_path)
    for annotation in truth.annotations:
        if min(annotation.bbox[2:]) <= 0:
            raise InputError(
                truth_path,
                f"annotation {annotation.id} has a box without area, which nothing can match",
                "Correct or remove it",
            )
    warnings: list[str] = []
    if any(annotation.id == 0 for annotation in truth.annotations):
        for number, annotation in enumerate(truth.annotations, start=1):
            annotation.id = number
        warnings.append(f"{truth_path} has an annotation with id 0, which pycocotools takes for no match; renumbered")
    content = read_json(results_path, "COCO results or annotations")
    provenance = None if isinstance(content, dict) else read_provenance(results_path)
    further: Normals | None = None
    if isinstance(content, dict):
        results, said = annotated_results(results_path, content, truth_path, truth)
        if normals is not None:
            raise InputError("--normals", f"{results_path} says nothing of other photos", "Leave it out")
    elif provenance is None:
        results, said, further = _by_truth(truth, content, truth_path, results_path, normals)
    else:
        results, said = _align(truth, content, provenance, truth_path, results_path)
        names = {image.file_name for image in truth.images}
        digests = {name: digest for name, digest in provenance.image_sha256.items() if name in names}
        further = read_normals(normals, results_path, provenance, digests)
    return EvaluationInput(
        truth=truth,
        truth_json=truth.to_json(),
        results=[result.model_dump(mode="json", exclude_none=True) for result in results],
        provenance=provenance,
        warnings=(
            *said,
            *prediction_warnings(truth, results, results_path, max_detections, by_name=provenance is not None),
            *(further.warnings if further else ()),
            *warnings,
        ),
        max_detections=max_detections,
        normals=further,
    )


def _by_truth(
    truth: CocoDataset, content: Any, truth_path: Path, results_path: Path, normals: Path | None
) -> tuple[list[CocoResult], list[str], Normals | None]:
    """Results of another tool, whose images and categories are those of the truth, or of `normals` by name."""
    photos = {image.id: image.file_name for image in truth.images}
    below = min(0, *photos)
    further, known = ([], 0) if normals is None else photos_beside(normals, truth)
    others = {below - number: photo.absolute().as_posix() for number, photo in enumerate(further, start=1)}
    found = results_for(results_path, content, photos | others, str(truth_path))
    category_of, said = categories_of(results_path, found.results, truth.category_names(), str(truth_path))
    results = [
        result.model_copy(update={"category_id": category_of[result.category_id]})
        for result in found.results
        if result.image_id in photos
    ]
    silent = photos.keys() - {result.image_id for result in results}
    unchecked = (
        f"{results_path} has no {PROVENANCE} beside it: whether the model saw these images cannot be checked"
        + (f", nor whether it was asked about the {len(silent)} of them that have no box" if silent else ""),
    )
    warnings = [*unchecked, *found.notes, *said]
    if normals is None:
        return results, warnings, None
    if known:
        warnings.append(f"{counted(known, 'photo')} of {normals} are in the truth, too: counted once")
    best = dict.fromkeys(others, 0.0)
    for result in found.results:
        if result.image_id in best:
            best[result.image_id] = max(best[result.image_id], result.score)
    if unnamed := len(best) - len({result.image_id for result in found.results} & best.keys()):
        warnings.append(
            f"{results_path} has no box on {unnamed} of {counted(len(best), 'photo')} of {normals}: if the model was "
            "not asked about them, FPR95 is too low"
        )
    return results, warnings, Normals(tuple(best.values()), normals)


def _align(
    truth: CocoDataset, content: Any, provenance: Provenance, truth_path: Path, results_path: Path
) -> tuple[list[CocoResult], list[str]]:
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
    whose = f"the {PROVENANCE} beside it"
    found = results_for(results_path, content, {number: name for name, number in provenance.image_ids.items()}, whose)
    for result in found.results:
        if result.category_id not in provenance.categories:
            raise InputError(
                results_path,
                f"predicts category {result.category_id}, which {whose} does not have",
                "If mvtec predict has not written it, move it to a folder of its own",
            )
    new_image = {number: wanted[name] for name, number in provenance.image_ids.items() if name in wanted}
    number_of = {name: number for number, name in truth.category_names().items()}
    unknown = sorted(set(provenance.categories.values()) - set(number_of))
    used = {result.category_id for result in found.results if result.image_id in new_image}
    if bad := [name for number, name in provenance.categories.items() if name in unknown and number in used]:
        raise InputError(results_path, f"predicts {bad[0]}, a class {truth_path} does not have", "Use the same classes")
    kept = [
        result.model_copy(
            update={
                "image_id": new_image[result.image_id],
                "category_id": number_of[provenance.categories[result.category_id]],
            }
        )
        for result in found.results
        if result.image_id in new_image
    ]
    warnings = list(found.notes)
    if extra := len(provenance.image_ids) - len(wanted):
        warnings.append(f"{extra} photos were predicted that {truth_path} does not have; they are left out")
    truth_split = truth.info.get("split")
    if truth_split and provenance.split and truth_split != provenance.split:
        warnings.append("the model was trained by another split than the truth belongs to; it saw none of these images")
    return kept, warnings
