"""Reads exports of Label Studio: a JSON list of tasks, each a photo with strokes, rectangles, ellipses or polygons.

The format is https://labelstud.io/guide/export.html#Label-Studio-JSON-format-of-annotated-tasks. Coordinates are
percent of the photo.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from pydantic import ValidationError

from mvtec.convert.fitting import fitted, photo_named
from mvtec.convert.formats.coco.files import first_complaint
from mvtec.convert.formats.label_studio.shapes import is_painted, is_shape, labels_of, read_result
from mvtec.convert.formats.label_studio.tasks import (
    LABELS_OF_A_PHOTO,
    Result,
    photo_names,
    read_tasks,
    the_annotation,
)
from mvtec.convert.instances import UNKNOWN, Instance, LabelledImage, gathered
from mvtec.convert.photo_finder import PhotoFinder
from mvtec.convert.photo_labels import PhotoLabels
from mvtec.convert.receipt import Receipt
from mvtec.convert.shapes import note_painted
from mvtec.datasets.images import photo_size_wh
from mvtec.errors import InputError
from mvtec.limits import check_size
from mvtec.words import counted, examples


def read_label_studio_classes(path: Path) -> tuple[str, ...]:
    """The labels that the shapes of the tasks use, sorted.

    Raises:
        InputError: The file is not an export of Label Studio.
    """
    names: set[str] = set()
    for task in read_tasks(path):
        for annotation in task.annotations:
            for result, beside in _shapes(annotation.result):
                names.update(_labels(result, beside))
    return tuple(sorted(names))


def read_label_studio(
    path: Path, photos: Path | None, receipt: Receipt, *, skip_errors: bool = False
) -> Iterator[LabelledImage]:
    """The tasks with their brush strokes, rectangles, ellipses and polygons; the receipt says what else is left out.

    Of several annotations of a task that were not cancelled the one with the star is taken, else the newest. A task
    without an annotation, one that was only skipped, and one that only a model looked at are left out: nobody said that
    their photos are good. An annotation without a shape says so.

    Args:
        path: The exported file.
        photos: The folder of the photos: needed for tasks without a result, which do not tell their size.
        receipt: Is told what is left out.
        skip_errors: Leave out results and photos that cannot be read, instead of stopping.

    Raises:
        InputError: The file is not an export of Label Studio, two tasks name one photo, a result cannot be read, a
            photo is not there or its size is not known.
    """
    finder = None if photos is None else PhotoFinder(path, photos)
    task_of: dict[str, int] = {}
    several: list[str] = []
    choices = PhotoLabels("choice")
    said: Counter[str] = Counter()
    painted = 0
    for number, task in enumerate(read_tasks(path), start=1):
        name, photo, missing = _photo_of(photo_names(path, number, task), photos, finder)
        if (other := task_of.setdefault(name, number)) != number:
            raise InputError(
                path, f"tasks {other} and {number} both name {name}", "Keep one of them, or give --images, its folder"
            )
        given = [annotation for annotation in task.annotations if not annotation.was_cancelled]
        if not given:
            why = "has predictions of a model and no annotation" if task.predictions else "has no annotation"
            why = "was skipped by its annotator" if task.annotations else why
            receipt.skipped.append(f"{path}: the task of {name} {why}.")
            continue
        taken = the_annotation(given)
        if len(given) > 1:
            star = " with the star" if taken.ground_truth else ""
            several.append(f"of {name} annotation {taken.id}{star}")
        results = taken.result
        shapes = _shapes(results)
        lost = [label for result, beside in shapes for label in _labels(result, beside) or [UNKNOWN]]
        kind = "photo missing"
        try:
            if missing is not None:
                raise missing
            if len(drawn_on := {str((shape.model_extra or {}).get("to_name") or "") for shape, _ in shapes}) > 1:
                kind = "several photos in a task"
                problem = f"the task of {name} has shapes on several photos ({', '.join(sorted(drawn_on))})"
                raise InputError(path, problem, "Give each photo a task of its own")
            if taken.unclear:
                kind, lost = "label not clear", [UNKNOWN]
                problem = f"the task of {name} has no shape, and {taken.unclear}, which may be its label"
                raise InputError(path, problem, "Export it as JSON, which tells labels from data")
            size_wh = _size_wh(path, name, photo, results)
        except InputError as error:
            receipt.leave_out(error, skip_errors=skip_errors, kind=kind, photo=name, lost=lost)
            continue
        of_photo = _of_the_photo(results, shapes)
        labels = [label for result in of_photo for label in _choices(result)]
        said.update(result.type for result in of_photo if result.type not in LABELS_OF_A_PHOTO)
        choices.check(path, name, labels, has_shapes=bool(shapes), receipt=receipt, skip_errors=skip_errors)
        painted += sum(is_painted(result) for result, _ in shapes)
        found = (_instance(path, name, *shape, size_wh, receipt, skip_errors) for shape in shapes)
        image = LabelledImage(name, photo, size_wh, gathered(found, path, name))
        yield from fitted(image, path, receipt, skip_errors=skip_errors)
    if finder is not None:
        finder.note(receipt)
    if several:
        one_of = "with several annotations: the one with the star is taken, else the newest"
        receipt.notes.append(f"{counted(len(several), 'task')} {one_of} ({examples(several)})")
    note_painted(painted, path, receipt)
    choices.note(receipt)
    if said:
        kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(said.items()))
        receipt.notes.append(f"results that are not shapes are not kept: {kinds}")


def _photo_of(
    names: Sequence[str], photos: Path | None, finder: PhotoFinder | None
) -> tuple[str, Path | None, InputError | None]:
    """What the photo of a task is called, where it lies, and the error where it is not in the folder of the photos."""
    if photos is None or finder is None:
        return names[-1], None, None
    for name in names:
        if (found := photo_named(photos, name)) is not None:
            return found, photos / found, None
    try:
        return *finder.find(names[0]), None
    except InputError as error:
        return names[-1], None, error


def _size_wh(path: Path, name: str, photo: Path | None, results: Sequence[Result]) -> tuple[int, int]:
    for result in results:
        if result.original_width and result.original_height:
            size_wh = result.original_width, result.original_height
            check_size(path, name, size_wh)
            return size_wh
    if photo is None:
        raise InputError(path, f"does not tell the size of {name}", "Give the photos' folder as --images")
    return photo_size_wh(photo)


def _shapes(results: Sequence[Result]) -> list[tuple[Result, list[Result]]]:
    """Each shape with what is said of it, which are the results of the same id; labels of no shape stand alone."""
    beside: dict[str | int, list[Result]] = {}
    for result in results:
        if result.id is not None and not is_shape(result):
            beside.setdefault(result.id, []).append(result)
    ids = {result.id for result in results if is_shape(result)}
    return [
        (result, [] if result.id is None else beside.get(result.id, []))
        for result in results
        if is_shape(result) or (result.type == "labels" and result.id not in ids)
    ]


def _of_the_photo(results: Sequence[Result], shapes: Sequence[tuple[Result, list[Result]]]) -> list[Result]:
    used = {id(one) for shape, beside in shapes for one in (shape, *beside)}
    return [result for result in results if id(result) not in used]


def _choices(result: Result) -> list[str]:
    if result.type not in LABELS_OF_A_PHOTO:
        return []
    given = result.value.get(result.type)
    each = given if isinstance(given, list) else [given]
    return ["/".join(map(str, one)) if isinstance(one, list) else str(one) for one in each]


def _labels(result: Result, beside: Sequence[Result]) -> list[str]:
    """The labels of a shape that may not be readable."""
    try:
        return labels_of(result, beside)
    except ValueError:
        return []


def _instance(
    path: Path,
    name: str,
    result: Result,
    beside: Sequence[Result],
    size_wh: tuple[int, int],
    receipt: Receipt,
    skip_errors: bool,
) -> Instance | None:
    try:
        return read_result(result, size_wh, beside)
    except ValueError as error:
        reason = first_complaint(error) if isinstance(error, ValidationError) else error
        receipt.leave_out(
            InputError(path, f"a result of {name}: {reason}", "Correct or remove it"),
            skip_errors=skip_errors,
            kind=f"{result.type} not read",
            photo=name,
            lost=_labels(result, beside) or [UNKNOWN],
        )
        return None
