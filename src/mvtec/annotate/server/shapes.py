"""Shapes as the page draws them, as COCO keeps them, and what a person can do to one: fill, divide, merge, outline."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from mvtec.annotate.server.records import BoxShape, MaskShape, Operation, PolygonShape, Shape
from mvtec.annotate.server.stored import to_json
from mvtec.convert.formats.coco.files import CocoAnnotation
from mvtec.convert.formats.coco.segmentation import region_of_annotation, region_of_polygons
from mvtec.convert.pixels.geometry import Region, region_of, split_mask
from mvtec.convert.pixels.polygons import edge_polygons
from mvtec.convert.pixels.rle import decode_region, encode_region, run_lengths
from mvtec.errors import InputError

_OUTLINE_TOLERANCE = 1.0  # pixels: fewer vertices to move, and a mask that is hardly another
_MEND = "Draw it again"


def region_of_counts(counts: Sequence[int], size_hw: tuple[int, int]) -> Region:
    """The pixels of a mask as the page sends it.

    Raises:
        InputError: They are not of this photo's size, or none.
    """
    try:
        region = decode_region({"size": size_hw, "counts": list(counts)})
    except ValueError as error:
        raise InputError("the mask", str(error), _MEND) from error
    if region is None:
        raise InputError("the mask", "marks no pixel", _MEND)
    return region


def stored_shape(
    shape: BoxShape | MaskShape | PolygonShape, size_hw: tuple[int, int]
) -> tuple[tuple[float, float, float, float], float, Any]:
    """`bbox`, `area` and `segmentation` of a shape, as COCO has them.

    Raises:
        InputError: It marks no pixel of the photo.
    """
    if isinstance(shape, BoxShape):
        x, y, w, h = shape.bbox
        left, top = max(x, 0.0), max(y, 0.0)
        right, bottom = min(x + w, float(size_hw[1])), min(y + h, float(size_hw[0]))
        if right <= left or bottom <= top:
            raise InputError("the box", "is not in the photo", _MEND)
        box = (left, top, right - left, bottom - top)
        return box, box[2] * box[3], []
    if isinstance(shape, MaskShape):
        region = region_of_counts(shape.counts, size_hw)
        return region.box_xywh, region.area, encode_region(region, size_hw)
    try:
        painted = region_of_polygons(shape.polygon, size_hw)
    except ValueError as error:
        raise InputError("the polygon", "has fewer than three points", _MEND) from error
    if painted is None:
        raise InputError("the polygon", "encloses no pixel of the photo", _MEND)
    return painted.box_xywh, painted.area, shape.polygon


def shown_shape(
    bbox: tuple[float, float, float, float], area: float, segmentation: Any, size_hw: tuple[int, int]
) -> Shape:
    """A shape of a COCO file as the page sees it.

    Raises:
        ValueError: The file's segmentation breaks a rule.
    """
    if not segmentation:
        return Shape(bbox=bbox, area=area, counts=None)
    area, counts = _painted(to_json(segmentation), size_hw)
    polygon = segmentation if isinstance(segmentation, list) else None
    return Shape(bbox=bbox, area=area, counts=counts.tolist(), polygon=polygon)


@lru_cache(maxsize=1024)  # of many shapes a save changes one
def _painted(segmentation: str, size_hw: tuple[int, int]) -> tuple[int, npt.NDArray[np.int32]]:
    """How many pixels a segmentation, as JSON, marks, and the counts of its mask."""
    said = json.loads(segmentation)
    counts = _plain_counts(said, size_hw)
    if counts is None:
        annotation = CocoAnnotation(
            id=1, image_id=1, category_id=1, bbox=(0, 0, 1, 1), area=1, segmentation=said
        )  # the box says nothing where there is a segmentation
        region = region_of_annotation(annotation, size_hw)
        assert region is not None
        counts = run_lengths(encode_region(region, size_hw))
    return sum(counts[1::2]), np.array(counts, np.int32)


def _plain_counts(segmentation: Any, size_hw: tuple[int, int]) -> list[int] | None:
    """The counts of a mask as `encode_region` writes it, which need no painting; None for any other segmentation."""
    if not isinstance(segmentation, dict) or not isinstance(segmentation.get("counts"), str):
        return None
    if segmentation.get("size") != list(size_hw):
        return None
    try:
        counts = run_lengths(segmentation)
    except ValueError:
        return None
    is_plain = len(counts) > 1 and counts[0] >= 0 and min(counts[1:]) > 0 and sum(counts) == size_hw[0] * size_hw[1]
    return counts if is_plain else None


def shape_of(
    region: Region,
    size_hw: tuple[int, int],
    *,
    polygon: list[list[float]] | None = None,
) -> Shape:
    """A region as the page sees it."""
    counts = run_lengths(encode_region(region, size_hw))
    return Shape(bbox=region.box_xywh, area=region.area, counts=counts, polygon=polygon)


def work_on(operation: Operation, masks: Sequence[Sequence[int]], size_hw: tuple[int, int]) -> list[Shape]:
    """What comes of masks.

    Args:
        operation: `merge` makes one of all; `components` one of each 8-connected region, in reading order;
            `fill-holes` fills what each encloses; `outline` makes a polygon of each, whose vertices can be moved.
        masks: Their counts.
        size_hw: The photo's height and width.

    Raises:
        InputError: A mask is not of this photo, or none.
    """
    # One after the other: a thousand masks of a large photo would not fit into memory.
    regions = (region_of_counts(counts, size_hw) for counts in masks)
    if operation == "merge":
        merged = np.zeros(size_hw, bool)
        for region in regions:
            x, y, w, h = region.box_xywh
            merged[y : y + h, x : x + w] |= region.crop
        found = region_of(merged)
        return [shape_of(found, size_hw)] if found else []
    if operation == "components":
        parts = [part for region in regions for part in split_mask(region.full(size_hw))]
        return [shape_of(part, size_hw) for part in parts]
    if operation == "fill-holes":
        return [shape_of(_filled(region), size_hw) for region in regions]
    return [_outlined(region, size_hw) for region in regions]


def _filled(region: Region) -> Region:
    contours, _ = cv2.findContours(region.crop.view(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    filled = np.zeros(region.crop.shape, np.uint8)
    cv2.drawContours(filled, contours, -1, 1, cv2.FILLED)
    found = region_of(filled, region.box_xywh[:2])
    assert found is not None
    return found


def _outlined(region: Region, size_hw: tuple[int, int]) -> Shape:
    polygon = [[float(number) for number in ring.ravel()] for ring in edge_polygons(region, _OUTLINE_TOLERANCE)]
    painted = region_of_polygons(polygon, size_hw)
    return shape_of(painted or region, size_hw, polygon=polygon if painted else None)
