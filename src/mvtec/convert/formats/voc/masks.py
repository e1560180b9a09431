"""Pascal VOC folders of masks alone, which CVAT calls "Segmentation mask 1.1".

DIR/
  labelmap.txt                   the name and the colour of each class: `crack:255,0,0::`
  SegmentationClass/NAME.png     the colour of the class of each pixel
  SegmentationObject/NAME.png    the colour of the object of each pixel, by number in the palette of Pascal VOC
  JPEGImages/NAME.png            the photos, where they are given
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import numpy as np

from mvtec.convert.fitting import fitted
from mvtec.convert.formats.palette_png import VOID, Colour, Numbers, read_numbers
from mvtec.convert.formats.voc.photos import PHOTOS, Photos, plain_photo
from mvtec.convert.instances import UNKNOWN, Instance, LabelledImage, gathered
from mvtec.convert.pixels.geometry import region_of, split_mask
from mvtec.convert.receipt import Receipt
from mvtec.datasets.listing import files_below
from mvtec.errors import InputError
from mvtec.reading import read_text
from mvtec.words import counted

CLASSES, OBJECTS = "SegmentationClass", "SegmentationObject"
LABEL_MAP = "labelmap.txt"
BACKGROUND = "background"


def mask_files(root: Path) -> list[Path]:
    """The images of classes, sorted."""
    return sorted(file for file in files_below(root / CLASSES) if file.suffix.lower() == ".png")


def read_label_map(root: Path) -> dict[str, Colour]:
    """The classes of `labelmap.txt`, `background` included, each with its colour.

    Raises:
        InputError: It is missing, or a line is not `name:red,green,blue:parts:actions`.
    """
    path = root / LABEL_MAP
    found: dict[str, Colour] = {}
    for number, line in enumerate(read_text(path, "the list of classes and colours").splitlines(), start=1):
        if not line.strip() or line.startswith("#"):
            continue
        try:
            name, colour, _, _ = line.rsplit(":", 3)
            red, green, blue = (int(value) for value in colour.split(","))
            if not name.strip() or not 0 <= min(red, green, blue) <= max(red, green, blue) < 256:
                raise ValueError
        except ValueError as error:
            problem = f"line {number} is not name:red,green,blue:parts:actions"
            raise InputError(path, problem, "Export it again") from error
        if name.strip() in found or (red, green, blue) in found.values():
            raise InputError(path, f"line {number} gives a name or a colour twice", "Export it again")
        found[name.strip()] = (red, green, blue)
    if len(found) >= VOID:
        raise InputError(path, f"lists {len(found)} classes, and 254 are read", "Divide the data set")
    return found


def read_masks(root: Path, receipt: Receipt, *, skip_errors: bool = False) -> Iterator[LabelledImage]:
    """The photos with an instance for each object; without `SegmentationObject` one for each region of a class.

    Args:
        root: The folder.
        receipt: Is told what is left out.
        skip_errors: Leave out photos whose masks cannot be understood, instead of stopping.

    Raises:
        InputError: The masks cannot be understood, or a photo is missing, and `skip_errors` is false.
    """
    colours = read_label_map(root)
    photos = Photos(root)
    labelled: set[str] = set()
    for file in mask_files(root):
        label = PurePosixPath(file.relative_to(root / CLASSES).as_posix())
        name = f"{PHOTOS}/{label}"
        try:
            photo = photos.of_own_name(label)
            if photo is None and photos.paths:
                raise InputError(file, "has no photo of its name", f"Put it into {PHOTOS}")
            name = photo or name
            labelled.add(name)
            image = _read_one(root, file, name, colours)
        except InputError as error:
            receipt.leave_out(error, skip_errors=skip_errors, kind="mask not read", photo=name, lost=[UNKNOWN])
        else:
            yield from fitted(image, file, receipt, skip_errors=skip_errors)
    if not photos.paths:
        receipt.notes.append(f"no photo is in {root}: their names are taken to end in .png, as those of the masks")
    if not (root / OBJECTS).is_dir():
        receipt.notes.append(f"there is no {OBJECTS}: each region of a class is an instance")
    without = photos.unlabelled(labelled)
    if without:
        receipt.notes.append(f"{counted(len(without), 'photo')} without a mask: they count as good")
    for path in without:
        yield from plain_photo(root, path, receipt, skip_errors=skip_errors)


def _read_one(root: Path, file: Path, name: str, colours: dict[str, Colour]) -> LabelledImage:
    classes = read_numbers(file, palette=list(colours.values()))
    objects_file = root / OBJECTS / file.relative_to(root / CLASSES)
    height, width = classes.shape
    names = [None if name.casefold() == BACKGROUND else name for name in colours]
    if (root / OBJECTS).is_dir():
        found = _of_objects(objects_file, read_numbers(objects_file, size_wh=(width, height)), classes, names)
    else:
        found = (
            Instance.of(label, region)
            for number, label in enumerate(names)
            if label is not None
            for region in split_mask(classes == number)
        )
    photo = root / name
    instances = gathered(found, file, name)
    return LabelledImage(name, photo if photo.is_file() else None, (width, height), instances)


def _of_objects(file: Path, objects: Numbers, classes: Numbers, names: list[str | None]) -> Iterator[Instance]:
    marked = [number for number, name in enumerate(names) if name is not None]
    if np.isin(classes[objects == 0], marked).any():
        raise InputError(file, f"has no object for some pixels of {CLASSES}", "Export both again")
    for number in np.unique(objects).tolist():
        if number in (0, VOID):
            continue
        pixels = objects == number
        found = [names[one] for one in np.unique(classes[pixels]).tolist() if one in marked]
        region = region_of(pixels)
        if len(found) != 1 or found[0] is None or region is None:
            raise InputError(file, f"object {number} has {len(found)} classes in {CLASSES}", "Export both again")
        yield Instance.of(found[0], region)
