"""The `segmentation` of a COCO annotation: an instance written as RLE or polygons, and read back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from pycocotools import mask as coco_mask

from mvtec.convert.formats.coco.files import CocoAnnotation, CocoLabels, CocoResult
from mvtec.convert.instances import Instance, LabelledImage
from mvtec.convert.pixels.geometry import Region, box_iou
from mvtec.convert.pixels.polygons import edge_polygons
from mvtec.convert.pixels.rle import Rle, decode_region, encode_region, rle_iou
from mvtec.errors import InputError

SegmentationKind = Literal["rle", "polygon"]

_LONGEST = 1e7  # pixels


class EmptyMaskError(ValueError):
    """A segmentation that is one, and marks no pixel."""


@dataclass(frozen=True)
class SegmentationOptions:
    """How a mask is written.

    Attributes:
        kind: `rle`, which is lossless, or `polygon`, for readers that want outlines.
        tolerance: How far, in pixels, a polygon may run beside the true outline; 0 keeps it exact.
    """

    kind: SegmentationKind = "rle"
    tolerance: float = 0

    def __post_init__(self) -> None:
        if not 0 <= self.tolerance < inf:
            raise InputError("--tolerance", f"{self.tolerance} pixels is no distance", "Give 0 or more")
        if self.tolerance and self.kind == "rle":
            raise InputError("--tolerance", "run-length encoding is exact", "Give --segmentation polygon, too")

    @property
    def reader(self) -> str:
        return f"pycocotools, {'RLE' if self.kind == 'rle' else 'polygons'}"


def coco_labels(image: LabelledImage, options: SegmentationOptions) -> tuple[CocoLabels, list[float]]:
    """An image as COCO has it, and for each instance the IoU between the given one and what pycocotools gives back."""
    annotations, ious = [], []
    for instance in image.instances:
        segmentation, iou = _segmentation(instance, image.size_hw, options)
        if instance.region is None or instance.has_other_box:
            iou = min(iou, box_iou(instance.source_box_xywh, instance.box_xywh))
        bbox = [plain_number(number) for number in instance.box_xywh]
        fields = {"bbox": bbox, "area": plain_number(instance.area), "segmentation": segmentation}
        if instance.attributes:
            fields["attributes"] = dict(instance.attributes)
        annotations.append((instance.defect, fields))
        ious.append(iou)
    return CocoLabels(image.path, image.size_wh, tuple(annotations)), ious


def plain_number(number: float) -> float:
    """Whole numbers without a point: 350, not 350.0."""
    return int(number) if number == int(number) else number


def _segmentation(instance: Instance, size_hw: tuple[int, int], options: SegmentationOptions) -> tuple[Any, float]:
    if instance.region is None:
        return [], 1.0  # the box is all there is
    if options.kind == "rle":
        rle = encode_region(instance.region, size_hw)
        return rle, rle_iou(rle, instance.region)
    polygons = [polygon.ravel().tolist() for polygon in edge_polygons(instance.region, options.tolerance)]
    return polygons, rle_iou(_paint(polygons, size_hw), instance.region)


def _paint(polygons: Sequence[Sequence[float]], size_hw: tuple[int, int]) -> Rle:
    """What pycocotools makes of polygons."""
    merged = coco_mask.merge(coco_mask.frPyObjects(polygons, *size_hw))
    return {"size": list(size_hw), "counts": merged["counts"].decode("ascii")}


def region_of_annotation(annotation: CocoAnnotation | CocoResult, size_hw: tuple[int, int]) -> Region | None:
    """The pixels of an annotation as pycocotools paints them; None where it has only a box.

    Raises:
        EmptyMaskError: Its segmentation marks no pixel.
        ValueError: Its segmentation is damaged, is of another size, or its box has no area.
    """
    segmentation = annotation.segmentation
    if segmentation is None or segmentation == []:
        if min(annotation.bbox[2:]) <= 0:
            raise ValueError("has a box without area and no segmentation")
        return None
    if isinstance(segmentation, dict) and segmentation:
        if segmentation.get("size") not in (list(size_hw), size_hw):
            raise ValueError(f"its segmentation is not {size_hw[1]}×{size_hw[0]} pixels as its image")
        region = decode_region(segmentation)
    else:
        region = region_of_polygons(segmentation, size_hw)
    if region is None:
        raise EmptyMaskError("its segmentation marks no pixel of the image")
    return region


def region_of_polygons(polygons: Any, size_hw: tuple[int, int]) -> Region | None:
    """What pycocotools paints for polygons, lists of x, y, x, y, … in pixels; None if nothing.

    Raises:
        ValueError: They are no polygons.
    """
    return decode_region(_paint(_polygons(polygons), size_hw))


def _polygons(segmentation: Any) -> list[list[float]]:
    if isinstance(segmentation, list) and all(isinstance(polygon, list) for polygon in segmentation):
        try:
            arrays = [np.array(polygon, np.float64) for polygon in segmentation]
        except (TypeError, ValueError):
            arrays = []
        arrays = [array for array in arrays if array.ndim != 1 or len(array) not in (2, 4)]  # a point, a line
        if arrays and all(_is_polygon(array) for array in arrays):
            if sum(_length(array) for array in arrays) > _LONGEST:
                raise ValueError("its outline is longer than any in a photo")  # pycocotools takes memory by its length
            return [array.tolist() for array in arrays]
    raise ValueError("its segmentation is neither RLE nor polygons of three points or more")


def _length(numbers: npt.NDArray[np.float64]) -> float:
    """How long a closed polygon is, pixels."""
    points = numbers.reshape(-1, 2)
    return float(np.hypot(*(points - np.roll(points, 1, axis=0)).T).sum())


def _is_polygon(numbers: npt.NDArray[np.float64]) -> bool:
    """Whether they are three points or more (pycocotools takes four numbers for a box) and near a photo."""
    return numbers.ndim == 1 and len(numbers) >= 6 and len(numbers) % 2 == 0 and bool((np.abs(numbers) < 1e6).all())
