"""Reads Pascal VOC folders: XML files of boxes with or without images of objects, or such images alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path, PurePosixPath
from xml.etree import ElementTree as ET

import numpy as np

from mvtec.convert.fitting import fitted
from mvtec.convert.formats.palette_png import VOID, Numbers, read_numbers
from mvtec.convert.formats.recognise import VOC, named_format
from mvtec.convert.formats.voc.masks import BACKGROUND, CLASSES, OBJECTS, mask_files, read_label_map, read_masks
from mvtec.convert.formats.voc.objects import check_objects, note_odd, object_names, read_object
from mvtec.convert.formats.voc.photos import ANNOTATIONS, PHOTOS, Photos, label_files, plain_photo
from mvtec.convert.formats.xml_files import read_xml
from mvtec.convert.instances import UNKNOWN, Instance, LabelledImage, gathered
from mvtec.convert.pixels.geometry import box_iou, region_of
from mvtec.convert.receipt import Receipt
from mvtec.datasets.images import photo_size_wh
from mvtec.datasets.listing import list_images, say_unread
from mvtec.errors import InputError
from mvtec.limits import check_size
from mvtec.words import counted, examples

_SAME_OBJECT = 0.5  # an object of this box IoU with its pixels is taken to be theirs


def read_voc_classes(root: Path) -> tuple[str, ...]:
    """The names of all objects, sorted; of a folder of masks alone, those of `labelmap.txt`.

    Raises:
        InputError: The folder is not one of Pascal VOC.
    """
    files = label_files(root)
    if not files and mask_files(root):
        return tuple(sorted(name for name in read_label_map(root) if name.casefold() != BACKGROUND))
    names: set[str] = set()
    for path in files:
        with suppress(InputError):  # the reader says so
            names.update(object_names(_parse(path)))
    return tuple(sorted(names - {""}))


def read_voc(
    root: Path, receipt: Receipt, *, from_zero: bool = False, skip_errors: bool = False
) -> Iterator[LabelledImage]:
    """The photos with their objects; names are relative to `root`. A photo without an XML file has none.

    An object takes the pixels of its number in `SegmentationObject`, where those have about its box. A folder of masks
    without XML files is read as `masks.py` says.

    Args:
        root: The folder: `Annotations/` and `JPEGImages/`, or XML files beside the photos, see `voc_photos.py`.
        receipt: Is told what is left out.
        from_zero: Boxes are corners counted from 0, as Datumaro writes them unless told otherwise, and CVAT with it.
        skip_errors: Leave out objects and photos whose files cannot be understood, instead of stopping.

    Raises:
        InputError: It is not such a folder; or a file cannot be understood or its photo is missing, two files are about
            one photo, and `skip_errors` is false.
    """
    files = label_files(root)
    if not files and mask_files(root):
        yield from read_masks(root, receipt, skip_errors=skip_errors)
        return
    if not files:
        problem = "is not a Pascal VOC folder: there is no XML file in Annotations/ or beside the photos"
        raise InputError(root, problem, "Give the folder that holds them")
    photos, odd = Photos(root), Counter[str]()
    label_of: dict[str, Path] = {}
    for path in files:
        name, lost = path.name, [UNKNOWN]
        try:
            tree = _parse(path)
            lost = [label or UNKNOWN for label in object_names(tree)] or [UNKNOWN]
            name = _photo_name(root, path, tree, photos, odd)
            check_objects(path, tree)
            if (other := label_of.setdefault(name, path)) != path:
                raise InputError(path, f"is about {name}, as {other.name} is", "Keep one of the two files")
            size_wh = _size_wh(root, path, tree, name, odd)
            objects = _pixels(root, path, size_wh)
            odd["class mask"] += objects is None and (root / CLASSES / _label(root, path).with_suffix(".png")).is_file()
        except InputError as error:
            receipt.leave_out(error, skip_errors=skip_errors, kind="file not understood", photo=name, lost=lost)
            continue
        found = _instances(path, name, tree, objects, receipt, odd, from_zero=from_zero, skip_errors=skip_errors)
        photo = root / name
        instances = gathered(found, path, name)
        image = LabelledImage(name, photo if photo.is_file() else None, size_wh, instances)
        yield from fitted(image, path, receipt, skip_errors=skip_errors)
    without = photos.unlabelled({*label_of, *_own_photos(root, files, photos)})
    if without:
        receipt.notes.append(f"{counted(len(without), 'photo')} without an XML file: they count as good")
    for photo_path in without:
        if (mask := _mask_of(root, photo_path)) is not None:
            unread = InputError(mask, f"is the mask of {photo_path}, which has no XML file", "Add the XML file")
            kind = "mask without XML file"
            receipt.leave_out(unread, skip_errors=skip_errors, kind=kind, photo=photo_path, lost=[UNKNOWN])
            continue
        yield from plain_photo(root, photo_path, receipt, skip_errors=skip_errors)
    unused = sorted(set(photos.paths) - {*label_of, *without, *_own_photos(root, files, photos)})
    if unused:
        receipt.notes.append(
            f"{counted(len(unused), 'photo')} not read, in a folder where no photo has an XML file: {examples(unused)}"
        )
    if note := say_unread(path for path in list_images(root, deep=True).unread):
        receipt.notes.append(note)
    _note_photos(root, odd, receipt)
    note_odd(odd, receipt)


def _instances(
    path: Path,
    photo: str,
    tree: ET.Element,
    objects: Numbers | None,
    receipt: Receipt,
    odd: Counter[str],
    *,
    from_zero: bool,
    skip_errors: bool,
) -> Iterator[Instance]:
    count = len(tree.findall("object"))
    if objects is not None and (more := set(np.unique(objects).tolist()) - {*range(count + 1), VOID}):
        what = f"has {counted(count, 'object')}, and {OBJECTS} has pixels of object {min(more)}"
        unlisted = InputError(path, what, "Add the object, or export both again")
        lost = [UNKNOWN] * len(more)
        receipt.leave_out(unlisted, skip_errors=skip_errors, kind="mask without object", photo=photo, lost=lost)
    for number, element in enumerate(tree.findall("object"), start=1):
        try:
            instance = read_object(element, odd, from_zero=from_zero)
        except ValueError as error:
            problem = InputError(path, f"object {number} cannot be read ({error})", "Correct or remove it")
            lost = [object_names(tree)[number - 1] or UNKNOWN]
            receipt.leave_out(problem, skip_errors=skip_errors, kind="object not read", photo=photo, lost=lost)
            continue
        region = None if objects is None else region_of(objects == number)
        if region is not None and box_iou(region.box_xywh, instance.box_xywh) < _SAME_OBJECT:
            receipt.notes.append(
                f"{path}: object {number} is not where SegmentationObject has it; only its box is kept"
            )
            region = None
        yield replace(instance, region=region)


def _mask_of(root: Path, photo: str) -> Path | None:
    """The mask in `SegmentationObject` or `SegmentationClass` that has the name of a photo."""
    name = PurePosixPath(photo).with_suffix(".png")
    name = name.relative_to(PHOTOS) if name.parts[0] == PHOTOS else name
    places = (root / folder / name for folder in (OBJECTS, CLASSES))
    return next((mask for mask in places if mask.is_file()), None)


def _photo_name(root: Path, path: Path, tree: ET.Element, photos: Photos, odd: Counter[str]) -> str:
    """The photo that a file is about; a name that is not there where the folder has no photos at all."""
    label = _label(root, path)
    filename = (tree.findtext("filename") or "").strip()
    own, named = photos.of_own_name(label), photos.of_filename(label, filename)
    if own is not None:
        odd["renamed"] += named != own
        return own
    if named is not None:
        return named
    if photos.paths or not filename:
        problem = f"its photo is not there: neither {filename!r} nor one called {path.stem}"
        raise InputError(path, problem, "Put the photo into the folder")
    odd["no photo"] += 1
    return f"{PHOTOS if ANNOTATIONS in path.relative_to(root).parts[:1] else '.'}/{filename}".removeprefix("./")


def _label(root: Path, path: Path) -> PurePosixPath:
    relative = PurePosixPath(path.relative_to(root).as_posix())
    return relative.relative_to(ANNOTATIONS) if relative.parts[0] == ANNOTATIONS else relative


def _own_photos(root: Path, files: Sequence[Path], photos: Photos) -> set[str]:
    """The photos that have the name of a file, whatever came of it."""
    found = set()
    for path in files:
        with suppress(InputError):
            found.add(photos.of_own_name(_label(root, path)))
    return {name for name in found if name is not None}


def _size_wh(root: Path, path: Path, tree: ET.Element, name: str, odd: Counter[str]) -> tuple[int, int]:
    """The size that a file states; that of the photo where it states none, or 0×0."""
    try:
        width, height = (int(tree.findtext(f"size/{side}") or 0) for side in ("width", "height"))
    except ValueError as error:
        raise InputError(path, f"states a size that is not a number ({error})", "Export it again") from error
    if (width, height) == (0, 0):
        odd["no size"] += 1
        return photo_size_wh(root / name)
    check_size(path, name, (width, height))
    return width, height


def _pixels(root: Path, path: Path, size_wh: tuple[int, int]) -> Numbers | None:
    """The number of the object of each pixel, where the folder has them for a file."""
    objects = root / OBJECTS / _label(root, path).with_suffix(".png")
    return read_numbers(objects, size_wh=size_wh) if objects.exists() else None


def _note_photos(root: Path, odd: Counter[str], receipt: Receipt) -> None:
    said = {
        "renamed": "whose <filename> is not that of the photo of its own name: the latter is taken",
        "class mask": f"with a mask in {CLASSES} and none in {OBJECTS}: only the boxes are kept",
        "no size": "without a size: that of the photo is taken",
    }
    receipt.notes += [f"{counted(odd[kind], 'XML file')} {what}" for kind, what in said.items() if odd[kind]]
    if odd["no photo"]:
        receipt.notes.append(f"no photo is in {root}: names and sizes are those of the XML files")


def _parse(path: Path) -> ET.Element:
    try:
        root = read_xml(path, VOC)
        if root.tag != "annotation":
            raise InputError(path, "has no root <annotation>", "Export Pascal VOC")
    except InputError as error:
        raise named_format(path, error, VOC) from None
    return root
