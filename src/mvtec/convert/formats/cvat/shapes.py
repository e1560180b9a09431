"""The shapes of a CVAT file as instances: boxes, turned boxes, polygons, ellipses and masks.

A turned box is the polygon of its four corners, an ellipse the pixels whose centre it encloses; both have pixels then,
as polygons and masks have. Lines, points, cuboids and skeletons have no area and are refused by their name.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from math import inf
from typing import Any
from xml.etree import ElementTree as ET

import numpy as np

from mvtec.convert.formats.coco.segmentation import region_of_polygons
from mvtec.convert.instances import Instance
from mvtec.convert.pixels.geometry import BoxFloat, BoxXYWH, Region
from mvtec.convert.pixels.row_runs import region_of_row_runs
from mvtec.convert.shapes import ellipse_region, hull, outlined, turned

_TURNING = {"box", "ellipse"}
_FLAGS = ("occluded",)
_NUMBERS = ("group_id", "z_order")
_RESERVED = "rotation"  # in COCO's attributes it is the angle by which a box is still to be turned


def read_shape(shape: ET.Element, size_wh: tuple[int, int]) -> Instance:
    """A shape of an image, with what it says of itself.

    Args:
        shape: The element.
        size_wh: Width and height of the image in pixels.

    Raises:
        KeyError: A part is missing.
        ValueError: It is not a shape that has an area, or marks no pixel of the image.
    """
    if shape.tag not in SHAPES:
        raise ValueError("it is not a box, polygon, ellipse or mask")
    rotation = float(shape.get("rotation") or 0)
    if not abs(rotation) < inf or (rotation and shape.tag not in _TURNING):
        raise ValueError("it is turned")
    label = shape.attrib["label"].strip()
    if not label:
        raise ValueError("its label is empty")
    instance = SHAPES[shape.tag](label, shape, size_wh, rotation)
    if instance is None:
        raise ValueError("it marks no pixel of the image")
    return replace(instance, attributes=_attributes_of(shape))


def is_painted(shape: ET.Element) -> bool:
    """Whether COCO has no such shape, so that its pixels are written: an ellipse, or a box that is turned."""
    with suppress(ValueError):
        return shape.tag == "ellipse" or (shape.tag == "box" and float(shape.get("rotation") or 0) % 90 != 0)
    return False


def _attributes_of(shape: ET.Element) -> dict[str, Any]:
    """By name: the attributes of its label as text, and `occluded`, `group_id`, `z_order` where they are set."""
    own = {one.get("name", ""): one.text or "" for one in shape.findall("attribute")}
    flags = {name: True for name in _FLAGS if shape.get(name, "0") == "1"}
    numbers = {name: int(shape.get(name) or 0) for name in _NUMBERS}
    kept = {name: value for name, value in own.items() if name not in ("", _RESERVED)}
    return {**kept, **flags, **{name: value for name, value in numbers.items() if value}}


def attributes_to_write(attributes: Mapping[str, Any]) -> dict[str, str]:
    """The XML attributes that say of a shape what `read_shape` reads from them."""
    flags = {name: "1" if attributes.get(name) is True else "0" for name in _FLAGS}
    numbers = {name: str(attributes[name]) for name in _NUMBERS if type(attributes.get(name)) is int}
    return {"z_order": "0", **flags, **numbers}


WRITTEN_ATTRIBUTES = frozenset({*_FLAGS, *_NUMBERS})


def _box(label: str, shape: ET.Element, size_wh: tuple[int, int], rotation: float) -> Instance | None:
    left, top, right, bottom = (float(shape.attrib[name]) for name in ("xtl", "ytl", "xbr", "ybr"))
    if not (right > left and bottom > top and max(map(abs, (left, top, right, bottom))) < inf):
        raise ValueError("a box without area, or without end")
    box: BoxFloat = (left, top, right - left, bottom - top)
    return turned(label, box, rotation, ((left + right) / 2, (top + bottom) / 2), size_wh)


def _ellipse(label: str, shape: ET.Element, size_wh: tuple[int, int], rotation: float) -> Instance | None:
    x, y, across, down = (float(shape.attrib[name]) for name in ("cx", "cy", "rx", "ry"))
    region = ellipse_region((x, y), (across, down), rotation, size_wh)
    return None if region is None else Instance.of(label, region)


def _polygon(label: str, shape: ET.Element, size_wh: tuple[int, int], _: float) -> Instance | None:
    points = [float(number) for point in shape.attrib["points"].split(";") for number in point.split(",")]
    return outlined(label, region_of_polygons([points], size_wh[::-1]), hull(points), size_wh)


def _mask(label: str, shape: ET.Element, size_wh: tuple[int, int], _: float) -> Instance | None:
    left, top, width, height = (int(shape.attrib[name]) for name in ("left", "top", "width", "height"))
    region = _region_of_runs(shape.attrib["rle"], (left, top, width, height), size_wh)
    return None if region is None else Instance.of(label, region)


def _region_of_runs(text: str, place: BoxXYWH, size_wh: tuple[int, int]) -> Region | None:
    left, top, width, height = place
    runs = np.array([int(word) for word in text.split(",")])
    if min(place) < 0 or left + width > size_wh[0] or top + height > size_wh[1]:
        raise ValueError("a mask that leaves the image")
    if (runs < 0).any() or runs.sum() != width * height:
        raise ValueError("runs that do not fill their box")
    ends = np.cumsum(runs, dtype=np.int64)
    return region_of_row_runs(ends[:-1:2], ends[1::2], width, (left, top))


SHAPES = {"box": _box, "ellipse": _ellipse, "polygon": _polygon, "mask": _mask}
