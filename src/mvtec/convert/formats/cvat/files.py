"""CVAT for images 1.1: one XML file with boxes, polygons, ellipses and masks.

The format is https://docs.cvat.ai/docs/other/xml_format/. A box is two corners in pixels, `xbr = x + w`. A mask is a
box and the runs in it, out and in by turns, counted along the rows. It is lossless, so instances are written as masks.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from xml.etree import ElementTree as ET
from xml.sax.saxutils import escape

import numpy as np

from mvtec.convert.attributes import LostAttributes
from mvtec.convert.fitting import cut_boxes
from mvtec.convert.formats.class_names import check_class_names, check_file_name
from mvtec.convert.formats.cvat.shapes import SHAPES, WRITTEN_ATTRIBUTES, attributes_to_write, is_painted, read_shape
from mvtec.convert.formats.recognise import CVAT, named_format
from mvtec.convert.formats.xml_files import xml_events
from mvtec.convert.instances import UNKNOWN, Instance, LabelledImage, gathered
from mvtec.convert.photo_labels import PhotoLabels
from mvtec.convert.pixels.geometry import Region
from mvtec.convert.receipt import Receipt
from mvtec.convert.shapes import note_painted
from mvtec.errors import InputError
from mvtec.files import staged_file
from mvtec.limits import check_size

_THIN = 0.1  # pixels; two decimals could take all of a thinner box
_EXPORT = "Export CVAT for images 1.1"


def write_cvat(
    found: Iterable[LabelledImage],
    out: Path,
    *,
    defects: Sequence[str],
    receipt: Receipt,
    inputs: Sequence[Path] = (),
    overwrite: bool = False,
) -> None:
    """Write an annotation file to upload into a CVAT task that has the same photos.

    Args:
        found: The images.
        out: The file to write.
        defects: The defect types.
        receipt: Is filled.
        inputs: What the images are read from: `out` must not replace it.
        overwrite: Replace what is there.

    Raises:
        InputError: A class or a photo has a name that XML cannot hold.
        OutputError: `out` exists already or cannot be written.
    """
    source = inputs[0] if inputs else out
    check_class_names(defects, source, "CVAT")
    lost_attributes = LostAttributes(WRITTEN_ATTRIBUTES)
    with (
        staged_file(out, overwrite=overwrite, inputs=inputs) as staged,
        staged.open("w", encoding="utf-8", newline="\n") as stream,
    ):
        labels = "".join(f"<label><name>{escape(name)}</name></label>" for name in defects)
        stream.write('<?xml version="1.0" encoding="utf-8"?>\n<annotations>\n<version>1.1</version>\n')
        stream.write(f"<meta><task><labels>{labels}</labels></task></meta>\n")
        for number, image in enumerate(found):
            check_file_name(image.path, source, "CVAT")
            element = _image(image, number)
            stream.write(ET.tostring(element, encoding="unicode") + "\n")
            receipt.add_image(image, [read_shape(shape, image.size_wh) for shape in element])
            lost_attributes.look_at(image)
        stream.write("</annotations>\n")
        lost_attributes.note(receipt)
        receipt.check_not_empty(out)


def _image(image: LabelledImage, number: int) -> ET.Element:
    width, height = image.size_wh
    element = ET.Element("image", id=str(number), name=image.path, width=str(width), height=str(height))
    for instance in image.instances:
        common = {"label": instance.defect, "source": "file", **attributes_to_write(instance.attributes)}
        if instance.region is None:
            ET.SubElement(element, "box", common | _corners(instance))
        else:
            x, y, w, h = instance.region.box_xywh
            place = {"left": str(x), "top": str(y), "width": str(w), "height": str(h)}
            ET.SubElement(element, "mask", common | {"rle": ", ".join(map(str, _runs(instance.region)))} | place)
    return element


def _corners(instance: Instance) -> dict[str, str]:
    x, y, w, h = instance.box_xywh
    corners = {"xtl": x, "ytl": y, "xbr": x + w, "ybr": y + h}
    thin = min(w, h) < _THIN
    return {name: repr(value) if thin else f"{value:.2f}" for name, value in corners.items()}


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
            names.add((element.findtext("name") or "").strip())
        else:
            names |= {shape.get("label", "").strip() for shape in element if shape.tag != "tag"}
    return tuple(sorted(names - {""}))


def read_cvat(path: Path, receipt: Receipt, *, skip_errors: bool = False) -> Iterator[LabelledImage]:
    """The images of a file with their boxes, polygons, ellipses and masks; a shape that is turned has pixels.

    Raises:
        InputError: The file cannot be understood, two images have one name, or a shape cannot be read and `skip_errors`
            is false.
    """
    names: set[str] = set()
    tags = PhotoLabels("tag")
    painted = 0
    for element in _elements(path):
        if element.tag != "image":
            continue
        name, size_wh = _name_and_size(path, element)
        if name in names:
            advice = "Export the tasks one by one, or give their shapes to one of the images"
            raise InputError(path, f"has two images {name}", advice)
        names.add(name)
        shapes = [shape for shape in element if shape.tag != "tag"]
        labels = [tag.get("label", "") for tag in element.findall("tag")]
        tags.check(path, name, labels, has_shapes=bool(shapes), receipt=receipt, skip_errors=skip_errors)
        painted += sum(map(is_painted, shapes))
        found = (_instance(shape, path, name, size_wh, receipt, skip_errors) for shape in shapes)
        image = LabelledImage(name, None, size_wh, gathered(found, path, name))
        yield from cut_boxes(image, path, receipt, skip_errors=skip_errors)
    note_painted(painted, path, receipt)
    tags.note(receipt)


def _name_and_size(path: Path, element: ET.Element) -> tuple[str, tuple[int, int]]:
    name = element.get("name", "")
    if not name:
        raise InputError(path, f"image {element.get('id', '')!r} has no name", "Export it again")
    try:
        size_wh = (int(element.get("width", "")), int(element.get("height", "")))
    except ValueError as error:
        raise InputError(path, f"image {name!r} has no size", "Export it again") from error
    check_size(path, name, size_wh)
    return name, size_wh


def _instance(
    shape: ET.Element, path: Path, name: str, size_wh: tuple[int, int], receipt: Receipt, skip_errors: bool
) -> Instance | None:
    try:
        return read_shape(shape, size_wh)
    except (KeyError, ValueError) as error:
        reason = f"its {error.args[0]} is missing" if isinstance(error, KeyError) else error
        problem = f"a {shape.tag} of {name} cannot be read ({reason})"
        advice = "Correct or remove it" if shape.tag in SHAPES else "Draw it as a polygon or a mask"
        receipt.leave_out(
            InputError(path, problem, advice),
            skip_errors=skip_errors,
            kind=f"{shape.tag} not read",
            photo=name,
            lost=[shape.get("label", "").strip() or UNKNOWN],
        )
        return None


def _elements(path: Path) -> Iterator[ET.Element]:
    """Each `label` and `image` of the file, whole, one at a time.

    Raises:
        InputError: The file cannot be understood, is CVAT's for video, or has no image.
    """
    images = 0
    root: ET.Element | None = None
    try:
        for event, element in xml_events(path, CVAT):
            if root is None:
                root = element
                if root.tag != "annotations":
                    raise InputError(path, "has no root <annotations>", _EXPORT)
            elif element.tag == "track":
                raise InputError(path, "is CVAT for video", _EXPORT)
            elif event == "end" and element.tag in {"image", "label"}:
                images += element.tag == "image"
                yield element
                if element.tag == "image":
                    root.clear()
    except InputError as error:
        raise named_format(path, error, CVAT) from None
    if not images:
        raise InputError(path, "holds no image", _EXPORT)
