"""Pascal VOC: an XML file a photo with boxes, and images whose pixel values number classes and objects.

The format is http://host.robots.ox.ac.uk/pascal/VOC/voc2012/htmldoc/devkit_doc.html:

DIR/
  Annotations/NAME.xml           boxes count pixels from 1 and include both ends: xmin = x + 1, xmax = x + w
  SegmentationObject/NAME.png    the number of the object in the XML file, from 1
  SegmentationClass/NAME.png     the number of its class
  ImageSets/Main/default.txt, ImageSets/Segmentation/default.txt
  JPEGImages/NAME.png            the photos, where they are given
  labelmap.txt                   the classes, as CVAT writes them
  conversion.json                the receipt
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from math import ceil, floor, inf
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np

from mvtec.convert.fitting import fitted
from mvtec.convert.geometry import BoxFloat, box_iou, region_of
from mvtec.convert.instances import Instance, LabelledImage
from mvtec.convert.palette_png import VOID, Numbers, read_numbers, voc_palette, write_numbers
from mvtec.convert.place import ImagesBy, place, unique_stem
from mvtec.convert.receipt import RECEIPT, Receipt
from mvtec.datasets.images import photo_size_wh
from mvtec.datasets.layouts.folders import images_in
from mvtec.errors import InputError
from mvtec.files import staged_folder, write_json
from mvtec.limits import check_size

READER = "Pascal VOC"
_SAME_OBJECT = 0.5  # an object of this box IoU with its pixels is taken to be theirs


def write_voc(
    found: Iterable[LabelledImage],
    out: Path,
    *,
    defects: Sequence[str],
    receipt: Receipt,
    images: ImagesBy = "link",
    inputs: Sequence[Path] = (),
    overwrite: bool = False,
) -> None:
    """Write a Pascal VOC folder.

    Raises:
        InputError: A photo has more instances, or the data set more classes, than there are numbers.
        OutputError: `out` exists already or cannot be written.
    """
    number_of = {defect: number for number, defect in enumerate(defects, start=1)}
    taken: set[str] = set()
    stems = []
    with staged_folder(out, overwrite=overwrite, inputs=inputs) as staged:
        (staged / "Annotations").mkdir()
        for image in found:
            masks = [instance for instance in image.instances if instance.region is not None]
            if masks and max(len(image.instances), len(defects)) >= VOID:
                raise InputError(image.path, "has more instances or classes than 254 numbers", "Convert to COCO")
            stem = unique_stem(image.path, taken)
            stems.append(stem)
            suffix = (Path(image.path) if image.photo is None else image.photo).suffix.lower()
            if image.photo is not None:
                place(image.photo, staged / "JPEGImages" / f"{stem}{suffix}", images)
            objects = _objects(image)
            if masks:
                class_numbers = np.array([0, *(number_of[i.defect] for i in image.instances)], np.uint8)
                write_numbers(staged / "SegmentationObject" / f"{stem}.png", objects)
                write_numbers(staged / "SegmentationClass" / f"{stem}.png", class_numbers[objects])
            tree = _annotation(image, f"{stem}{suffix}", segmented=bool(masks))
            (staged / "Annotations" / f"{stem}.xml").write_bytes(_xml(tree))
            receipt.add_image(image, _again(image, objects))
        receipt.check_not_empty(out)
        listing = "".join(f"{stem}\n" for stem in sorted(stems))
        for kind in ("Main", "Segmentation"):
            (staged / "ImageSets" / kind).mkdir(parents=True)
            (staged / "ImageSets" / kind / "default.txt").write_text(listing, encoding="utf-8", newline="\n")
        (staged / "labelmap.txt").write_text(_label_map(defects), encoding="utf-8", newline="\n")
        write_json(staged / RECEIPT, receipt.to_json(), overwrite=False)


def _objects(image: LabelledImage) -> Numbers:
    numbers = np.zeros(image.size_hw, np.uint8)
    for number, instance in enumerate(image.instances, start=1):
        if instance.region is not None:
            instance.region.paint(numbers, number)
    return numbers


def _again(image: LabelledImage, objects: Numbers) -> list[Instance | None]:
    """What a reader gets back for each instance: its box, and the pixels that no later one covers."""
    again: list[Instance | None] = []
    for number, instance in enumerate(image.instances, start=1):
        region = None if instance.region is None else region_of(objects == number)
        lost = instance.region is not None and region is None
        again.append(None if lost else Instance(instance.defect, _from_ends(*_ends(instance.box_xywh)), region))
    return again


def _ends(box_xywh: BoxFloat) -> tuple[int, int, int, int]:
    """xmin, ymin, xmax, ymax of Pascal VOC: whole pixels counted from 1, all that the box touches."""
    x, y, w, h = box_xywh
    return floor(x) + 1, floor(y) + 1, ceil(x + w), ceil(y + h)


def _from_ends(xmin: float, ymin: float, xmax: float, ymax: float) -> BoxFloat:
    return xmin - 1, ymin - 1, xmax - xmin + 1, ymax - ymin + 1


def _annotation(image: LabelledImage, name: str, *, segmented: bool) -> ET.Element:
    root = ET.Element("annotation")
    ET.SubElement(root, "folder").text = "JPEGImages"
    ET.SubElement(root, "filename").text = name
    source = ET.SubElement(root, "source")
    ET.SubElement(source, "image").text = image.path
    size = ET.SubElement(root, "size")
    for tag, value in zip(("width", "height", "depth"), (*image.size_wh, 3), strict=True):
        ET.SubElement(size, tag).text = str(value)
    ET.SubElement(root, "segmented").text = str(int(segmented))
    for instance in image.instances:
        element = ET.SubElement(root, "object")
        ET.SubElement(element, "name").text = instance.defect
        ET.SubElement(element, "pose").text = "Unspecified"
        for tag in ("truncated", "difficult"):
            ET.SubElement(element, tag).text = "0"
        box = ET.SubElement(element, "bndbox")
        for tag, number in zip(("xmin", "ymin", "xmax", "ymax"), _ends(instance.box_xywh), strict=True):
            ET.SubElement(box, tag).text = str(number)
    return root


def _xml(root: ET.Element) -> bytes:
    ET.indent(root, " ")
    return ET.tostring(root, encoding="utf-8", xml_declaration=True) + b"\n"


def _label_map(defects: Sequence[str]) -> str:
    colours = np.array(voc_palette()).reshape(-1, 3).tolist()
    names = ("background", *defects)
    lines = [f"{name}:{','.join(map(str, colours[number]))}::" for number, name in enumerate(names)]
    return "\n".join(["# label:color_rgb:parts:actions", *lines]) + "\n"


def read_voc_classes(root: Path) -> tuple[str, ...]:
    """The names of all objects, sorted.

    Raises:
        InputError: A file cannot be understood.
    """
    return tuple(sorted({name for path in _files(root) for name in _names(_parse(path))}))


def read_voc(
    root: Path, receipt: Receipt, *, from_zero: bool = False, skip_errors: bool = False
) -> Iterator[LabelledImage]:
    """The photos with their objects; names are relative to `root`. A photo without an XML file has none.

    An object takes the pixels of its number in `SegmentationObject`, where those have about its box.

    Args:
        root: The folder.
        receipt: Is told what is left out.
        from_zero: Boxes are corners counted from 0, as Datumaro writes them unless told otherwise, and CVAT with it.
        skip_errors: Leave out photos whose files cannot be understood, instead of stopping.

    Raises:
        InputError: A file cannot be understood and `skip_errors` is false.
    """
    files = _files(root)
    for path in files:
        try:
            image = _read_one(root, path, receipt, from_zero)
        except InputError as error:
            name, lost = _photo_and_objects(path)
            receipt.leave_out(error, skip_errors=skip_errors, kind="file not understood", photo=name, lost=lost)
        else:
            yield from fitted(image, path, receipt, skip_errors=skip_errors)
    annotated = {path.relative_to(root / "Annotations").with_suffix("") for path in files}
    for name in images_in(root, "JPEGImages", deep=True):
        photo = root / name
        if photo.relative_to(root / "JPEGImages").with_suffix("") not in annotated:
            try:
                image = LabelledImage(name, photo, photo_size_wh(photo), ())
            except InputError as error:
                receipt.leave_out(error, skip_errors=skip_errors, kind="photo not readable", photo=name, lost=[])
            else:
                yield image


def _read_one(root: Path, path: Path, receipt: Receipt, from_zero: bool) -> LabelledImage:
    tree = _parse(path)
    try:
        size_wh = (int(_text(tree, "size/width")), int(_text(tree, "size/height")))
        folder, name = tree.findtext("folder") or "JPEGImages", _text(tree, "filename")
        boxes = [_box(element, from_zero) for element in tree.iter("object")]
    except ValueError as error:
        raise InputError(path, f"is no annotation of Pascal VOC: {error}", "Export it again") from error
    check_size(path, name, size_wh)
    if not all(min(box[2:]) > 0 and max(map(abs, box)) < inf for box in boxes):
        raise InputError(path, "has a box without area", "Export it again")
    image_path = f"{folder}/{name}" if (root / folder / name).is_file() else f"JPEGImages/{name}"
    objects_file = root / "SegmentationObject" / path.relative_to(root / "Annotations").with_suffix(".png")
    objects = read_numbers(objects_file) if objects_file.is_file() else None
    if objects is not None and objects.shape[::-1] != size_wh:
        raise InputError(objects_file, f"is not {size_wh[0]}×{size_wh[1]} pixels as its photo", "Export it again")
    instances = []
    for number, (defect, box) in enumerate(zip(_names(tree), boxes, strict=True), start=1):
        region = None if objects is None else region_of(objects == number)
        if region is not None and box_iou(region.box_xywh, box) < _SAME_OBJECT:
            receipt.notes.append(
                f"{path}: object {number} is not where SegmentationObject has it; only its box is kept"
            )
            region = None
        instances.append(Instance(defect, box) if region is None else Instance.of(defect, region))
    photo = root / image_path
    return LabelledImage(image_path, photo if photo.is_file() else None, size_wh, tuple(instances))


def _box(element: ET.Element, from_zero: bool) -> BoxFloat:
    xmin, ymin, xmax, ymax = (float(_text(element, f"bndbox/{end}")) for end in ("xmin", "ymin", "xmax", "ymax"))
    return (xmin, ymin, xmax - xmin, ymax - ymin) if from_zero else _from_ends(xmin, ymin, xmax, ymax)


def _files(root: Path) -> list[Path]:
    files = sorted(file for file in (root / "Annotations").rglob("*.xml") if not file.name.startswith("."))
    if not files:
        raise InputError(root, "is no Pascal VOC folder: there is no Annotations/*.xml", "Give the folder above it")
    return files


def _parse(path: Path) -> ET.Element:
    try:
        return ET.parse(path).getroot()
    except (ET.ParseError, OSError, LookupError, ValueError) as error:  # an unknown encoding is a LookupError
        raise InputError(path, f"is no readable XML file ({error})", "Export it again") from error


def _names(tree: ET.Element) -> list[str]:
    return [element.findtext("name") or "defect" for element in tree.iter("object")]


def _photo_and_objects(path: Path) -> tuple[str, list[str]]:
    """What a file that cannot be understood calls its photo and its objects; at least one object of unknown type."""
    try:
        tree = _parse(path)
    except InputError:
        return path.name, ["unknown"]
    return tree.findtext("filename") or path.name, _names(tree)


def _text(element: ET.Element, path: str) -> str:
    text = element.findtext(path)
    if not text:
        raise ValueError(f"{path} is missing")
    return text
