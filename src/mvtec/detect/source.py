"""What to predict on: lists the photos of a source and gives them the image ids of its annotation file."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from mvtec.convert.formats.coco.files import CocoDataset, CocoImage, read_coco
from mvtec.convert.formats.yolo.read_folder import is_yolo_folder, read_yolo_folder
from mvtec.convert.provenance import PROVENANCE
from mvtec.datasets.images import photo_size_wh
from mvtec.datasets.listing import list_images
from mvtec.datasets.samples import IMAGE_SUFFIXES
from mvtec.datasets.split import Part
from mvtec.datasets.tree import layout_of, read_tree
from mvtec.errors import InputError


@dataclass(frozen=True)
class Source:
    """Photos to predict on.

    Attributes:
        root: The folder the file names of the records are relative to.
        photos: Each photo with its COCO image record.
        truth: The annotation file that the image ids come from, or None where they are numbered from 1.
        unnamed: How many photos of the part the annotation file does not name; they are left out.
        broken: The error of each photo that cannot be read and is left out for it, by file name.
        passed_over: The images whose ending is not read, by file name.
    """

    root: Path
    photos: tuple[tuple[Path, CocoImage], ...]
    truth: Path | None
    unnamed: int = 0
    broken: Mapping[str, InputError] = field(default_factory=dict)
    passed_over: tuple[str, ...] = ()


def read_source(source: Path, part: Part = "test", *, skip_errors: bool = False) -> Source:
    """List the photos of a source.

    Args:
        source: A YOLO folder, of which one part is taken; a category in a known layout, of which the labelled photos
            are taken; a folder of photos, without those in folders that `predict` has made in it; or one photo.
        part: The part of a YOLO folder.
        skip_errors: Leave out photos that cannot be read, instead of stopping.

    Raises:
        InputError: There is no such source, or no photo in it, or a photo cannot be read and `skip_errors` is false.
    """
    if is_yolo_folder(source):
        return _yolo_part(source, part, skip_errors)
    if source.is_file():
        return _numbered(source.parent, [source], skip_errors)
    if source.is_dir() and layout_of(source) is not None:
        return _numbered(source, [sample.photo for sample in read_tree(source).labelled], skip_errors)
    if not source.is_dir():
        raise InputError(source, "no such photo or folder", "Give photos, a YOLO folder, or an MVTec category")
    listing = list_images(source, deep=True, skip=lambda folder: (folder / PROVENANCE).is_file())
    photos = [source / name for name in listing.images]
    if not photos:
        raise InputError(source, "holds no photo", f"Photos end in {', '.join(sorted(IMAGE_SUFFIXES))}")
    return replace(_numbered(source, photos, skip_errors), passed_over=listing.unread)


def folder_of(data: Path) -> Path:
    """The folder of a data set that may be given by its `data.yaml`."""
    return data.parent if data.suffix in {".yaml", ".yml"} else data


def _yolo_part(source: Path, part: Part, skip_errors: bool) -> Source:
    folder = read_yolo_folder(source)
    photos = folder.images[part]
    if not photos:
        has = ", ".join(name for name, listed in folder.images.items() if listed)
        raise InputError(folder.data_yaml, f"has no {part} part", f"Give --part with one of: {has}")
    truth = folder.annotations(part)
    if truth is None:
        return _numbered(_common(photos), list(photos), skip_errors)
    annotations: CocoDataset = read_coco(truth)
    root = _common(photos)
    at = {photo.relative_to(root).as_posix(): photo for photo in photos}
    for image in annotations.images:
        if image.file_name not in at:
            raise InputError(truth, f"names {image.file_name}, which is not in images/{part}", "Convert the data again")
    named = tuple((at[image.file_name], image) for image in annotations.images)
    return Source(root, named, truth, unnamed=len(at) - len(named))


def _numbered(root: Path, photos: list[Path], skip_errors: bool) -> Source:
    """The photos, numbered from 1 by name; one that is left out keeps its number."""
    records, broken = [], {}
    for number, photo in enumerate(sorted(photos), start=1):
        name = photo.relative_to(root).as_posix()
        try:
            width, height = photo_size_wh(photo)
        except InputError as error:
            if not skip_errors:
                raise error.or_skip() from error
            broken[name] = error
        else:
            records.append((photo, CocoImage(id=number, file_name=name, width=width, height=height)))
    return Source(root, tuple(records), None, broken=broken)


def _common(photos: tuple[Path, ...]) -> Path:
    return Path(os.path.commonpath([photo.parent for photo in photos]))
