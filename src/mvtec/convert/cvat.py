"""CVAT for images 1.1: one XML file with boxes, polygons and masks.

The format is https://docs.cvat.ai/docs/other/xml_format/. A box is two corners in pixels, `xbr = x + w`. A mask is a
box and the runs in it, out and in by turns, counted along the rows. It is lossless, so instances are written as masks.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from math import inf
from pathlib import Path
from xml.etree import ElementTree as ET
from xml.sax.saxutils import escape

import numpy as np

from mvtec.convert.fitting import cut_boxes
from mvtec.convert.geometry import BoxXYWH, Region, region_of
from mvtec.convert.instances import Instance, LabelledImage
from mvtec.convert.receipt import Receipt
from mvtec.convert.segmentation import region_of_polygons
from mvtec.errors import InputError
from mvtec.files import staged_file
from mvtec.limits import check_size

READER = "CVAT 1.1"


def write_cvat(
    found: Iterable[LabelledImage], out: Path, *, defects: Sequence[str], receipt: Receipt, overwrite: bool = False
) -> None:
    """Write an annotation file to upload into a CVAT task that has the same photos.

    Raises:
        OutputError: `out` exists already or cannot be written.
    """
    with (
        staged_file(out, overwrite=overwrite) as staged,
        staged.open("w", encoding="utf-8", newline="\n") as stream,
    ):
        labels = "".join(f"<label><name>{escape(name)}</name></label>" for name in defects)
        stream.write('<?xml version="1.0" encoding="utf-8"?>\n<annotations>\n<version>1.1</version>\n')
        stream.write(f"<meta><task><labels>{labels}</labels></task></meta>\n")
        for number, image in enumerate(found):
            element = _image(image, number)
            stream.write(ET.tostring(element, encoding="unicode") + "\n")
            again = [_read_shape(shape, image.size_wh) for shape in element]
            receipt.add_image(image, again)
        stream.write("</annotations>\n")
        receipt.check_not_empty(out)


def _image(image: LabelledImage, number: int) -> ET.Element:
    width, height = image.size_wh
    element = ET.Element("image", id=str(number), name=image.path, width=str(width), height=str(height))
    for instance in image.instances:
        common = {"label": instance.defect, "source": "file", "occluded": "0", "z_order": "0"}
        if instance.region is None:
            x, y, w, h = instance.box_xywh
            corners = {"xtl": x, "ytl": y, "xbr": x + w, "ybr": y + h}
            ET.SubElement(element, "box", common | {name: f"{value:.2f}" for name, value in corners.items()})
        else:
            x, y, w, h = instance.region.box_xywh
            place = {"left": str(x), "top": str(y), "width": str(w), "height": str(h)}
            ET.SubElement(element, "mask", common | {"rle": ", ".join(map(str, _runs(instance.region)))} | place)
    return element


def _runs(region: Region) -> list[int]:
    flat = region.crop.ravel()
    changes = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    runs = np.diff(changes, prepend=0, append=flat.size).tolist()
    return [0, *runs] if flat[0] else runs


def read_cvat_classes(path: Path) -> tuple[str, ...]:
    """The labels of a file, sorted: those it declares and those its shapes have.

    Raises:
        InputError: The file cannot be understood.
    """
    names: set[str] = set()
    for element in _elements(path):
        if element.tag == "label":
            names.add(element.findtext("name") or "")
        elif element.tag == "image":
            names |= {shape.get("label", "") for shape in element if shape.tag in _SHAPES}
    return tuple(sorted(names - {""}))


def read_cvat(path: Path, receipt: Receipt, *, skip_errors: bool = False) -> Iterator[LabelledImage]:
    """The images of a file with their boxes, polygons and masks; the receipt says which other shapes are left out.

    Raises:
        InputError: The file cannot be understood, or a shape cannot and `skip_errors` is false.
    """
    for element in _elements(path):
        if element.tag != "image":
            continue
        name = element.get("name", "")
        try:
            size_wh = (int(element.get("width", "")), int(element.get("height", "")))
        except ValueError as error:
            raise InputError(path, f"image {name!r} has no size", "Export it again") from error
        check_size(path, name, size_wh)
        instances = []
        for shape in element:
            try:
                if shape.tag not in _SHAPES or float(shape.get("rotation", 0)):
                    kind = f"turned {shape.tag}" if shape.tag in _SHAPES else shape.tag
                    problem = InputError(
                        path, f"a {kind} of {name} is not a box, polygon or mask", "Draw it as a polygon"
                    )
                    receipt.leave_out(
                        problem,
                        skip_errors=skip_errors,
                        kind="shape not read",
                        photo=name,
                        lost=[shape.get("label", "unknown")],
                    )
                    continue
                instance = _read_shape(shape, size_wh)
                if instance is None:
                    raise ValueError("marks no pixel of the image")
            except (KeyError, ValueError) as error:
                problem = InputError(path, f"a {shape.tag} of {name} cannot be read ({error})", "Export it again")
                receipt.leave_out(
                    problem,
                    skip_errors=skip_errors,
                    kind="shape not read",
                    photo=name,
                    lost=[shape.get("label", "unknown")],
                )
            else:
                instances.append(instance)
        image = LabelledImage(name, None, size_wh, tuple(instances))
        yield from cut_boxes(image, path, receipt, skip_errors=skip_errors)


_SHAPES = ("box", "polygon", "mask")


def _read_shape(shape: ET.Element, size_wh: tuple[int, int]) -> Instance | None:
    defect = shape.attrib["label"]
    if shape.tag == "box":
        left, top, right, bottom = (float(shape.attrib[name]) for name in ("xtl", "ytl", "xbr", "ybr"))
        if not (right > left and bottom > top and max(map(abs, (left, top, right, bottom))) < inf):
            raise ValueError("a box without area, or without end")
        return Instance(defect, (left, top, right - left, bottom - top))
    if shape.tag == "polygon":
        points = [float(number) for point in shape.attrib["points"].split(";") for number in point.split(",")]
        region = region_of_polygons([points], size_wh[::-1])
    else:
        place = tuple(int(shape.attrib[name]) for name in ("left", "top", "width", "height"))
        region = _read_runs(shape.attrib["rle"], (place[0], place[1], place[2], place[3]), size_wh)
    return None if region is None else Instance.of(defect, region)


def _read_runs(text: str, place: BoxXYWH, size_wh: tuple[int, int]) -> Region | None:
    left, top, width, height = place
    runs = np.array([int(word) for word in text.split(",")])
    if min(place) < 0 or left + width > size_wh[0] or top + height > size_wh[1]:
        raise ValueError("a mask that leaves the image")
    if (runs < 0).any() or runs.sum() != width * height:
        raise ValueError("runs that do not fill their box")
    flat = np.repeat(np.arange(len(runs)) % 2, runs).astype(np.uint8)
    return region_of(flat.reshape(height, width), (left, top))


def _elements(path: Path) -> Iterator[ET.Element]:
    """Each `label` and `image` of the file, whole, one at a time.

    Raises:
        InputError: The file cannot be understood, is CVAT's for video, or has no image.
    """
    images = 0
    try:
        root: ET.Element | None = None
        for event, element in ET.iterparse(path, ("start", "end")):
            if root is None:
                root = element
                if root.tag != "annotations":
                    raise InputError(path, "has no root <annotations>", "Export CVAT for images 1.1")
            elif element.tag == "track":
                raise InputError(path, "is CVAT for video", "Export CVAT for images 1.1")
            elif event == "end" and element.tag in {"image", "label"}:
                images += element.tag == "image"
                yield element
                if element.tag == "image":
                    root.clear()
    except (ET.ParseError, OSError, LookupError, ValueError) as error:  # an unknown encoding is a LookupError
        raise InputError(path, f"is no readable XML file ({error})", "Export CVAT for images 1.1") from error
    if not images:
        raise InputError(path, "holds no image", "Export CVAT for images 1.1")
