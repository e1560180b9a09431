"""Parses the JSON of COCO annotation files and results files into records, and checks that their ids fit together."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from mvtec.convert.formats.coco.dialects import as_meant, results_as_meant
from mvtec.convert.formats.coco.records import CocoCategory, CocoDataset, CocoResult, UnreadableAnnotation
from mvtec.convert.formats.recognise import COCO, RESULTS, named_format
from mvtec.convert.instances import UNKNOWN
from mvtec.errors import InputError
from mvtec.reading import read_json


class _CocoResults(BaseModel):
    results: list[CocoResult]


def read_coco(path: Path, *, defer_errors: bool = False) -> CocoDataset:
    """Read an annotation file and check that its ids fit together.

    What other tools leave out or write otherwise is put right, see `coco_dialects.py`; of two categories of one name,
    one that no annotation has goes.

    Args:
        path: The file.
        defer_errors: Put annotations that break a rule into `CocoDataset.unreadable`, instead of stopping.

    Raises:
        InputError: It is missing, not a COCO annotation file, or an id is used twice or refers to nothing.
    """
    try:
        content = read_json(path, "a COCO annotation file")
    except InputError as error:
        raise named_format(path, error, COCO) from None
    return parse_coco(path, content, defer_errors=defer_errors)


def parse_coco(path: Path, content: Any, *, defer_errors: bool = False) -> CocoDataset:
    """As `read_coco`, from the JSON that the file holds."""
    if (wrong := _wrong_list(content)) is not None:
        raise named_format(path, InputError(path, *wrong), COCO)
    meant = as_meant(content)
    try:
        dataset = CocoDataset.model_validate(meant)
        bad: dict[int, str] = {}
    except ValidationError as error:
        bad = _bad_annotations(path, meant, error)
        if (other := named_format(path, unknown := InputError(path, "", ""), COCO)) is not unknown:
            raise other from error
        kept = [one for index, one in enumerate(meant["annotations"]) if index not in bad]
        dataset = CocoDataset.model_validate({**meant, "annotations": kept})
    _check_ids(path, dataset)
    images = {image.id for image in dataset.images}
    orphans = {
        index: "refers to an image that is not in the file"
        for index, one in enumerate(meant["annotations"])
        if _image_of(one) not in images
    }
    dataset.annotations = [one for one in dataset.annotations if one.image_id in images]
    _drop_unused_doubles(path, dataset)
    categories = {category.id for category in dataset.categories}
    if any(annotation.category_id not in categories for annotation in dataset.annotations):
        bad |= {
            index: f"has the category {one['category_id']}, which is not in the file"
            for index, one in enumerate(meant["annotations"])
            if index not in bad and index not in orphans and int(one["category_id"]) not in categories
        }
        dataset.annotations = [one for one in dataset.annotations if one.category_id in categories]
    for index, problem in sorted({**bad, **orphans}.items()):
        dataset.unreadable.append(_unreadable(dataset, index, meant["annotations"][index], problem))
    if dataset.unreadable and not defer_errors:
        raise unreadable_error(path, dataset, dataset.unreadable[0])
    return dataset


def unreadable_error(path: Path, dataset: CocoDataset, one: UnreadableAnnotation) -> InputError:
    """The error of an annotation that breaks a rule: which one, of which photo, and how to correct it."""
    photo = next((f" of {image.file_name}:" for image in dataset.images if image.id == one.image_id), "")
    hint = "Correct it, or remove the annotation" if photo else "Add it, or remove the annotation"
    return InputError(path, f"annotation {one.id}{photo} {one.problem}", hint)


def _wrong_list(content: Any) -> tuple[str, str] | None:
    """What is wrong with the three lists of a file, and how to correct it: an empty value would lose all labels."""
    if not isinstance(content, dict):
        return (
            f"is not a COCO annotation file: it holds {_what(content)}",
            "Give one with images and annotations",
        )
    for key in ("images", "annotations", "categories"):
        if key not in content:
            hint = f'Give the file that has "{key}"'
            if key == "annotations":
                hint = 'Give the file with the labels; if no photo has a defect, write "annotations": []'
            return f'is not a COCO annotation file: it has no "{key}"', hint
        if not isinstance(content[key], list):
            problem = f'is not a COCO annotation file: its "{key}" is {_what(content[key])}, not a list'
            return problem, "The file is damaged: export it again"
    return None


def _what(value: Any) -> str:
    if value is None:
        return "null or not a number"
    kinds = {str: "a text", bool: "true or false", int: "a number", list: "a list", dict: "an object"}
    return kinds.get(type(value), "a number")


def _bad_annotations(path: Path, meant: Mapping[str, Any], error: ValidationError) -> dict[int, str]:
    """What is wrong with each annotation that breaks a rule, by its place in the list.

    Raises:
        InputError: Something else breaks a rule, too.
    """
    bad: dict[int, str] = {}
    for one in error.errors():
        place = one["loc"]
        records = meant["annotations"]
        if place[0] == "annotations" and len(place) > 2 and isinstance(place[1], int):
            bad.setdefault(place[1], _reason(records[place[1]], place[2:], one["msg"]))
            continue
        name = ""
        if place[0] in ("images", "categories") and len(place) > 2 and isinstance(place[1], int):
            record = meant[str(place[0])][place[1]]
            name = f" ({record.get('file_name') or record.get('name') or 'id ' + str(record.get('id'))})"
        message = "is empty" if one["type"] in ("string_pattern_mismatch", "string_too_short") else one["msg"]
        problem = f"is not a COCO annotation file: {'.'.join(map(str, place))}{name}: {message}"
        hint = "Correct it, or give one such as mvtec convert masks-to-coco writes"
        raise named_format(path, InputError(path, problem, hint), COCO) from error
    return bad


def _reason(record: Mapping[str, Any], place: tuple[int | str, ...], message: str) -> str:
    if place[0] == "bbox" and not record.get("bbox"):
        return "has neither a bbox nor a segmentation to take it from"
    return f"cannot be read: {'.'.join(map(str, place))}: {message}"


def _check_ids(path: Path, dataset: CocoDataset) -> None:
    """Refuse ids that are used twice."""
    for kind, records in (
        ("image", dataset.images),
        ("annotation", dataset.annotations),
        ("category", dataset.categories),
    ):
        seen: set[int] = set()
        for record in records:
            if record.id in seen:
                raise InputError(path, f"{kind} id {record.id} is used twice", f"Give each {kind} an id of its own")
            seen.add(record.id)


def _image_of(record: Mapping[str, Any]) -> int | None:
    """The image id of an annotation; None where it has none that can be read."""
    given = record.get("image_id") if isinstance(record, Mapping) else None
    try:
        return None if given is None or isinstance(given, bool) else int(given)
    except (TypeError, ValueError, OverflowError):
        return None


def _id(record: Mapping[str, Any], index: int) -> str:
    return str(record["id"]) if isinstance(record, Mapping) and "id" in record else f"number {index + 1} of the list"


def _unreadable(dataset: CocoDataset, index: int, record: Mapping[str, Any], problem: str) -> UnreadableAnnotation:
    given = record.get("category_id") if isinstance(record, Mapping) else None
    category = next((one.name for one in dataset.categories if one.id == given), UNKNOWN)
    image = _image_of(record)
    known = any(one.id == image for one in dataset.images)
    return UnreadableAnnotation(_id(record, index), image if known else None, category, problem)


def _drop_unused_doubles(path: Path, dataset: CocoDataset) -> None:
    """Of categories of one name keep the one that annotations have; some tools add the super-category to the list.

    Raises:
        InputError: Annotations have two of one name.
    """
    used = {annotation.category_id for annotation in dataset.annotations}
    kept: dict[str, CocoCategory] = {}
    for category in dataset.categories:
        before = kept.get(category.name)
        if before is not None and {before.id, category.id} <= used:
            raise InputError(path, f"has two categories {category.name}", "Give each its own name")
        if before is None or category.id in used:
            kept[category.name] = category
    if len(kept) < len(dataset.categories):
        dataset.categories = [category for category in dataset.categories if kept[category.name] is category]


def read_results(path: Path) -> list[CocoResult]:
    """Read a COCO results file: a list of detections.

    Raises:
        InputError: It is missing or no such list.
    """
    return parse_results(path, read_json(path, "a COCO results file"))


def parse_results(path: Path, content: Any) -> list[CocoResult]:
    """As `read_results`, from the JSON that the file holds."""
    try:
        return _CocoResults.model_validate({"results": results_as_meant(content)}).results
    except ValidationError as error:
        problem = InputError(
            path,
            f"is not a COCO results file: {first_complaint(error)}",
            "Give a list of {image_id, category_id, bbox, score}, such as mvtec predict writes",
        )
        raise named_format(path, problem, RESULTS) from error


def first_complaint(error: ValidationError) -> str:
    """The first thing pydantic found wrong, in one line."""
    first = error.errors()[0]
    where = ".".join(map(str, first["loc"]))
    return f"{where}: {first['msg']}" if where else first["msg"]
