"""COCO annotation files: the one format all rooms read and write.

The format is https://cocodataset.org/#format-data, with these choices: `file_name` relative to the data set's folder in
posix form, categories numbered from 1 in label order (of masks that is by name), image and annotation ids from 1
(pycocotools reads a match to annotation 0 as none), `iscrowd` 0, `area` the number of mask pixels, a line for each
record. Keys we do not know are kept.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from mvtec.convert.formats.coco.parsing import first_complaint, parse_coco, parse_results, read_coco, read_results
from mvtec.convert.formats.coco.records import (
    CocoAnnotation,
    CocoCategory,
    CocoDataset,
    CocoImage,
    CocoResult,
    FiniteFloat,
)
from mvtec.files import staged_file

__all__ = [
    "CocoAnnotation",
    "CocoCategory",
    "CocoDataset",
    "CocoFile",
    "CocoImage",
    "CocoLabels",
    "CocoResult",
    "FiniteFloat",
    "coco_file",
    "first_complaint",
    "parse_coco",
    "parse_results",
    "read_coco",
    "read_results",
    "write_coco",
    "write_coco_parts",
]

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
        defects: The defect types, in the order of their class numbers; they become categories 1, 2, ….
        info: What the file's `info` should say.
        overwrite: Replace what is there.

    Raises:
        OutputError: `path` exists and `overwrite` is false, or cannot be written.
    """
    categories = {defect: number for number, defect in enumerate(defects, start=1)}
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
