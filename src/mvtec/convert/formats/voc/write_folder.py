"""Writes Pascal VOC: an XML file a photo with boxes, and images whose pixel values number classes and objects.

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

from collections.abc import Iterable, Sequence
from math import ceil, floor
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np

from mvtec.convert.attributes import LostAttributes
from mvtec.convert.formats.class_names import check_class_names, check_file_name
from mvtec.convert.formats.palette_png import VOID, Numbers, voc_palette, write_numbers
from mvtec.convert.formats.voc.masks import LABEL_MAP
from mvtec.convert.formats.voc.objects import FLAGS, NO_POSE, POSE, from_ends
from mvtec.convert.instances import Instance, LabelledImage
from mvtec.convert.link_or_copy import ImagesBy, link_or_copy, unique_stem
from mvtec.convert.pixels.geometry import BoxFloat, region_of
from mvtec.convert.receipt import RECEIPT, Receipt
from mvtec.errors import InputError
from mvtec.files import staged_folder, write_json


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
        InputError: A class or a photo has a name that XML cannot hold, or a photo has more instances, or the data
            set more classes, than there are numbers.
        OutputError: `out` exists already or cannot be written.
    """
    source = inputs[0] if inputs else out
    check_class_names(defects, source, "Pascal VOC")
    lost_attributes = LostAttributes({*FLAGS, POSE})
    number_of = {defect: number for number, defect in enumerate(defects, start=1)}
    taken: set[str] = set()
    stems = []
    with staged_folder(out, overwrite=overwrite, inputs=inputs) as staged:
        (staged / "Annotations").mkdir()
        for image in found:
            check_file_name(image.path, source, "Pascal VOC")
            lost_attributes.look_at(image)
            masks = [instance for instance in image.instances if instance.region is not None]
            if masks and max(len(image.instances), len(defects)) >= VOID:
                raise InputError(image.path, "has more instances or classes than 254 numbers", "Convert to COCO")
            stem = unique_stem(image.path, taken)
            stems.append(stem)
            suffix = (Path(image.path) if image.photo is None else image.photo).suffix.lower()
            if image.photo is not None:
                link_or_copy(image.photo, staged / "JPEGImages" / f"{stem}{suffix}", images)
            objects = _objects(image)
            if masks:
                class_numbers = np.array([0, *(number_of[i.defect] for i in image.instances)], np.uint8)
                write_numbers(staged / "SegmentationObject" / f"{stem}.png", objects)
                write_numbers(staged / "SegmentationClass" / f"{stem}.png", class_numbers[objects])
            tree = _annotation(image, f"{stem}{suffix}", segmented=bool(masks))
            (staged / "Annotations" / f"{stem}.xml").write_bytes(_xml(tree))
            receipt.add_image(image, _again(image, objects))
        lost_attributes.note(receipt)
        receipt.check_not_empty(out)
        listing = "".join(f"{stem}\n" for stem in sorted(stems))
        for kind in ("Main", "Segmentation"):
            (staged / "ImageSets" / kind).mkdir(parents=True)
            (staged / "ImageSets" / kind / "default.txt").write_text(listing, encoding="utf-8", newline="\n")
        (staged / LABEL_MAP).write_text(_label_map(defects), encoding="utf-8", newline="\n")
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
        again.append(None if lost else Instance(instance.defect, from_ends(*_ends(instance.box_xywh)), region))
    return again


def _ends(box_xywh: BoxFloat) -> tuple[int, int, int, int]:
    """xmin, ymin, xmax, ymax of Pascal VOC: whole pixels counted from 1, all that the box touches."""
    x, y, w, h = box_xywh
    return floor(x) + 1, floor(y) + 1, ceil(x + w), ceil(y + h)


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
        ET.SubElement(element, POSE).text = str(instance.attributes.get(POSE) or NO_POSE)
        for tag in ("truncated", "difficult"):
            ET.SubElement(element, tag).text = "1" if instance.attributes.get(tag) else "0"
        if instance.attributes.get("occluded"):  # of later years' data sets
            ET.SubElement(element, "occluded").text = "1"
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
