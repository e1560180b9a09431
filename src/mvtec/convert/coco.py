"""COCO annotation files: the one format all rooms read and write.

The format is https://cocodataset.org/#format-data, with these choices: `file_name` relative to the data set's folder in
posix form, categories sorted by name from id 1, image and annotation ids from 1 (pycocotools reads a match to
annotation 0 as none), `iscrowd` 0, `area` the number of mask pixels, a line for each record. Keys we do not know are
kept.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from mvtec.convert.coco_dialects import as_meant, results_as_meant
from mvtec.convert.recognise import COCO, RESULTS, named_format
from mvtec.errors import InputError
from mvtec.files import staged_file
from mvtec.reading import read_json

FiniteFloat = Annotated[float, Field(allow_inf_nan=False)]


class CocoImage(BaseModel):
    """An image of the file: `width` and `height` in pixels."""

    model_config = ConfigDict(extra="allow")

    id: int
    file_name: str
    width: Annotated[int, Field(gt=0)]
    height: Annotated[int, Field(gt=0)]


class CocoCategory(BaseModel):
    """A class; for us a defect type."""

    model_config = ConfigDict(extra="allow")

    id: int
    name: str


class CocoAnnotation(BaseModel):
    """An instance: `bbox` is [x, y, width, height] in pixels, see `geometry.py`.

    `attributes` is what tools say of it, by name.
    """

    model_config = ConfigDict(extra="allow")

    id: int
    image_id: int
    category_id: int
    bbox: tuple[FiniteFloat, FiniteFloat, FiniteFloat, FiniteFloat]
    area: Annotated[FiniteFloat, Field(ge=0)]
    iscrowd: int = 0
    segmentation: Any = None
    attributes: Any = None


class CocoDataset(BaseModel):
    """A COCO annotation file."""

    model_config = ConfigDict(extra="allow")

    info: dict[str, Any] = {}
    images: list[CocoImage]
    annotations: list[CocoAnnotation] = []
    categories: list[CocoCategory]

    def category_names(self) -> dict[int, str]:
        return {category.id: category.name for category in self.categories}

    def to_json(self) -> dict[str, Any]:
        """Plain dictionaries, as pycocotools wants them."""
        return self.model_dump(mode="json", exclude_none=True)


class CocoResult(BaseModel):
    """One detection of a COCO results file (https://cocodataset.org/#format-results)."""

    model_config = ConfigDict(extra="allow")

    image_id: int
    category_id: int
    bbox: tuple[FiniteFloat, FiniteFloat, FiniteFloat, FiniteFloat]
    score: FiniteFloat
    area: Annotated[FiniteFloat, Field(ge=0)] | None = None
    segmentation: Any = None
    attributes: Any = None


class _CocoResults(BaseModel):
    results: list[CocoResult]


_json = json.JSONEncoder(sort_keys=True, ensure_ascii=False, allow_nan=False).encode


@dataclass(frozen=True)
class CocoLabels:
    """An image and its annotations, ready to be numbered and written.

    Attributes:
        path: The image's name.
        size_wh: Its width and height in pixels.
        annotations: For each instance its defect type and its `bbox`, `area` and `segmentation`.
    """

    path: str
    size_wh: tuple[int, int]
    annotations: tuple[tuple[str, dict[str, Any]], ...]

    @property
    def defects(self) -> tuple[str, ...]:
        return tuple(defect for defect, _ in self.annotations)


class CocoFile:
    """An annotation file being written: images and annotations are numbered as they come and kept on disk, not here.

    Args:
        annotations: Where the annotations go.
        images: Where the images go until the end.
        categories: Category ids by name.
    """

    def __init__(self, annotations: IO[str], images: IO[str], categories: Mapping[str, int]) -> None:
        self._annotations = annotations
        self._images = images
        self._categories = categories
        self.image_count = 0
        self._annotation_count = 0

    def add(self, labels: CocoLabels, *, file_name: str | None = None, sha256: str | None = None) -> None:
        """Append an image and its annotations.

        Args:
            labels: The image.
            file_name: Its name in the file, if that is not to be its path.
            sha256: SHA-256 of the photo, where it is known: predictions for another photo are then found out.
        """
        self.image_count += 1
        width, height = labels.size_wh
        image = {"id": self.image_count, "file_name": file_name or labels.path, "width": width, "height": height}
        _append(self._images, image if sha256 is None else {**image, "sha256": sha256}, self.image_count)
        for defect, fields in labels.annotations:
            self._annotation_count += 1
            annotation = {
                "id": self._annotation_count,
                "image_id": self.image_count,
                "category_id": self._categories[defect],
                "iscrowd": 0,
                **fields,
            }
            _append(self._annotations, annotation, self._annotation_count)


@contextmanager
def coco_file(path: Path, defects: Sequence[str], info: dict[str, Any], *, overwrite: bool) -> Iterator[CocoFile]:
    """Write an annotation file image by image, whole or not at all; memory does not grow with their number.

    Args:
        path: The file.
        defects: The defect types; sorted, they become categories 1, 2, ….
        info: What the file's `info` should say.
        overwrite: Replace what is there.

    Raises:
        OutputError: `path` exists and `overwrite` is false, or cannot be written.
    """
    categories = {defect: number for number, defect in enumerate(sorted(defects), start=1)}
    with (
        staged_file(path, overwrite=overwrite) as staged,
        staged.open("w", encoding="utf-8", newline="\n") as stream,
        tempfile.TemporaryFile("w+", encoding="utf-8", newline="\n", dir=staged.parent) as images,
    ):
        stream.write('{"annotations": [')
        yield CocoFile(stream, images, categories)
        records = [{"id": number, "name": name, "supercategory": "defect"} for name, number in categories.items()]
        stream.write('\n],\n"categories": [')
        for number, record in enumerate(records, start=1):
            _append(stream, record, number)
        stream.write('\n],\n"images": [')
        images.seek(0)
        shutil.copyfileobj(images, stream)
        stream.write(f'\n],\n"info": {_json(info)}}}\n')


def write_coco(path: Path, dataset: CocoDataset, *, overwrite: bool) -> None:
    """Write an annotation file, whole or not at all: sorted keys, a line a record.

    Raises:
        OutputError: `path` exists and `overwrite` is false, or cannot be written.
    """
    write_coco_parts(path, dataset.to_json(), overwrite=overwrite)


def write_coco_parts(path: Path, parts: Mapping[str, Any], *, overwrite: bool) -> None:
    """As `write_coco`, of the file's keys; lists may be iterators, and are then never held whole.

    Raises:
        OutputError: `path` exists and `overwrite` is false, or cannot be written.
    """
    with (
        staged_file(path, overwrite=overwrite) as staged,
        staged.open("w", encoding="utf-8", newline="\n") as stream,
    ):
        for number, (key, value) in enumerate(sorted(parts.items())):
            stream.write((",\n" if number else "{") + _json(key) + ": ")
            if isinstance(value, list | Iterator):
                stream.write("[")
                for count, record in enumerate(value, start=1):
                    _append(stream, record, count)
                stream.write("\n]")
            else:
                stream.write(_json(value))
        stream.write("}\n")


def _append(stream: IO[str], record: Any, number: int) -> None:
    stream.write(f"{',' if number > 1 else ''}\n{_json(record)}")


def read_coco(path: Path) -> CocoDataset:
    """Read an annotation file and check that its ids fit together.

    What other tools leave out or write otherwise is put right, see `coco_dialects.py`; of two categories of one name,
    one that no annotation has goes.

    Raises:
        InputError: It is missing, no COCO annotation file, or an id is used twice or refers to nothing.
    """
    try:
        content = read_json(path, "a COCO annotation file")
    except InputError as error:
        raise named_format(path, error, COCO) from None
    return parse_coco(path, content)


def parse_coco(path: Path, content: Any) -> CocoDataset:
    """As `read_coco`, from the JSON that the file holds."""
    try:
        dataset = CocoDataset.model_validate(as_meant(content))
    except ValidationError as error:
        problem = InputError(
            path,
            f"is no COCO annotation file: {first_complaint(error)}",
            "Mend it, or give one such as mvtec convert masks-to-coco writes",
        )
        raise named_format(path, problem, COCO) from error
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
    _drop_unused_doubles(path, dataset)
    images = {image.id for image in dataset.images}
    categories = {category.id for category in dataset.categories}
    for annotation in dataset.annotations:
        if annotation.image_id not in images or annotation.category_id not in categories:
            raise InputError(
                path,
                f"annotation {annotation.id} refers to an image or category that is not in the file",
                "Add it, or remove the annotation",
            )
    return dataset


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
            f"is no COCO results file: {first_complaint(error)}",
            "Give a list of {image_id, category_id, bbox, score}, such as mvtec predict writes",
        )
        raise named_format(path, problem, RESULTS) from error


def first_complaint(error: ValidationError) -> str:
    """The first thing pydantic found wrong, in one line."""
    first = error.errors()[0]
    where = ".".join(map(str, first["loc"]))
    return f"{where}: {first['msg']}" if where else first["msg"]
