"""COCO annotation files: the one format all rooms read and write.

The format is https://cocodataset.org/#format-data, with these choices: `file_name` relative to the data set's folder in
posix form, categories sorted by name from id 1, image and annotation ids from 1 (pycocotools reads a match to
annotation 0 as none), `iscrowd` 0, `area` the number of mask pixels, `segmentation` compressed RLE. Keys we do not
know are kept.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from pycocotools import mask as coco_mask
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from mvtec.convert.geometry import Instance, Mask
from mvtec.convert.instances import LabelledImage
from mvtec.errors import InputError
from mvtec.files import read_json, write_json

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
    """An instance: `bbox` is [x, y, width, height] in pixels, see `geometry.py`."""

    model_config = ConfigDict(extra="allow")

    id: int
    image_id: int
    category_id: int
    bbox: tuple[FiniteFloat, FiniteFloat, FiniteFloat, FiniteFloat]
    area: Annotated[FiniteFloat, Field(ge=0)]
    iscrowd: int = 0
    segmentation: Any = None


class CocoDataset(BaseModel):
    """A COCO annotation file."""

    model_config = ConfigDict(extra="allow")

    info: dict[str, Any] = {}
    images: list[CocoImage]
    annotations: list[CocoAnnotation]
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


class _CocoResults(BaseModel):
    results: list[CocoResult]


def encode_rle(mask: Mask) -> dict[str, Any]:
    """Compressed RLE of a bool mask H×W: `{"size": [H, W], "counts": ascii}`; lossless."""
    rle = coco_mask.encode(np.asfortranarray(mask, dtype=np.uint8))
    return {"size": [int(side) for side in rle["size"]], "counts": rle["counts"].decode("ascii")}


def decode_rle(rle: dict[str, Any]) -> Mask:
    """The bool mask H×W of a compressed RLE."""
    return np.asarray(coco_mask.decode({"size": rle["size"], "counts": rle["counts"].encode("ascii")}), dtype=bool)


class CocoWriter:
    """Collects labelled images into a `CocoDataset`, numbering as it goes.

    Args:
        defects: The defect types; sorted, they become categories 1, 2, ….
        info: What the file's `info` should say.
    """

    def __init__(self, defects: Sequence[str], info: dict[str, Any]) -> None:
        self._category_ids = {defect: number for number, defect in enumerate(sorted(defects), start=1)}
        self._info = info
        self._images: list[CocoImage] = []
        self._annotations: list[CocoAnnotation] = []

    def add(self, image: LabelledImage, *, file_name: str | None = None, sha256: str | None = None) -> None:
        """Append an image and its instances.

        Args:
            image: The image.
            file_name: Its name in the file, if that is not to be its path.
            sha256: SHA-256 of the photo, where it is known: predictions for another photo are then found out.
        """
        width, height = image.size_wh
        fields = {"id": len(self._images) + 1, "file_name": file_name or image.path, "width": width, "height": height}
        record = CocoImage.model_validate(fields if sha256 is None else fields | {"sha256": sha256})
        self._images.append(record)
        for instance in image.instances:
            self._annotations.append(self._annotation(record, image.defect, instance))

    def dataset(self) -> CocoDataset:
        categories = [
            CocoCategory.model_validate({"id": number, "name": name, "supercategory": "defect"})
            for name, number in self._category_ids.items()
        ]
        return CocoDataset(info=self._info, images=self._images, annotations=self._annotations, categories=categories)

    def _annotation(self, image: CocoImage, defect: str, instance: Instance) -> CocoAnnotation:
        return CocoAnnotation(
            id=len(self._annotations) + 1,
            image_id=image.id,
            category_id=self._category_ids[defect],
            bbox=instance.box_xywh,
            area=instance.area,
            segmentation=encode_rle(instance.full((image.height, image.width))),
        )


def to_coco(
    images: Iterable[LabelledImage], defects: Sequence[str], info: dict[str, Any], digests: dict[str, str] | None = None
) -> CocoDataset:
    """Collect labelled images into one annotation file; `digests` is the SHA-256 of the photos by path, if known."""
    writer = CocoWriter(defects, info)
    for image in images:
        writer.add(image, sha256=(digests or {}).get(image.path))
    return writer.dataset()


def write_coco(path: Path, dataset: CocoDataset, *, overwrite: bool) -> None:
    """Write an annotation file, whole or not at all.

    Raises:
        OutputError: `path` exists and `overwrite` is false, or cannot be written.
    """
    write_json(path, dataset.to_json(), overwrite=overwrite)


def read_coco(path: Path) -> CocoDataset:
    """Read an annotation file and check that its ids fit together.

    Raises:
        InputError: It is missing, no COCO annotation file, or an id is used twice or refers to nothing.
    """
    content = read_json(path, "a COCO annotation file")
    try:
        dataset = CocoDataset.model_validate(content)
    except ValidationError as error:
        raise InputError(
            path,
            f"is no COCO annotation file: {first_complaint(error)}",
            "Give one made by mvtec convert masks-to-coco",
        ) from error
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


def read_results(path: Path) -> list[CocoResult]:
    """Read a COCO results file: a list of detections.

    Raises:
        InputError: It is missing or no such list.
    """
    content = read_json(path, "a COCO results file")
    try:
        return _CocoResults.model_validate({"results": content}).results
    except ValidationError as error:
        raise InputError(
            path,
            f"is no COCO results file: {first_complaint(error)}",
            "Give a list of {image_id, category_id, bbox, score}, such as mvtec predict writes",
        ) from error


def first_complaint(error: ValidationError) -> str:
    """The first thing pydantic found wrong, in one line."""
    first = error.errors()[0]
    where = ".".join(map(str, first["loc"]))
    return f"{where}: {first['msg']}" if where else first["msg"]
