"""COCO annotations as other tools write them, brought to the form that `read_coco` checks."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from mvtec.convert.pixels.rle import decode_region, run_lengths


def as_meant(content: Any) -> Any:
    """The content of a file with what tools leave out or write otherwise put right; other content stays as it is.

    A missing `area` becomes that of the polygons, the RLE or the box, a missing or empty `bbox` that of the polygons or
    the RLE; `iscrowd` and `info` that are null become 0 and none; `ignore` 1, a
    region that is not to be counted, becomes `iscrowd` 1; a `segmentation` of empty lists is none; a category's
    name that is a number becomes text.
    """
    if not isinstance(content, dict):
        return content
    annotations = content.get("annotations")
    if isinstance(annotations, list):
        annotations = [_annotation_as_meant(one) if isinstance(one, dict) else one for one in annotations]
    corrected = {**content, "info": content.get("info") or {}, "annotations": annotations}
    if isinstance(categories := content.get("categories"), list):
        corrected["categories"] = [_category_as_meant(one) for one in categories]
    return corrected


def results_as_meant(content: Any) -> Any:
    """As `as_meant`, of a results file: COCO's format for masks has no `bbox`, which is then that of the mask."""
    if not isinstance(content, list):
        return content
    return [
        {**one, "bbox": _bbox(one["segmentation"]) or [0, 0, 0, 0]}
        if isinstance(one, dict) and one.get("bbox") in (None, []) and one.get("segmentation")
        else one
        for one in content
    ]


def _category_as_meant(category: Any) -> Any:
    if isinstance(category, dict) and type(category.get("name")) is int:
        return {**category, "name": str(category["name"])}
    return category


def _annotation_as_meant(annotation: dict[str, Any]) -> dict[str, Any]:
    corrected = dict(annotation)
    if isinstance(shapes := corrected.get("segmentation"), list) and all(shape == [] for shape in shapes):
        corrected["segmentation"] = []
    if "iscrowd" in corrected and corrected["iscrowd"] is None:
        corrected["iscrowd"] = 0
    if corrected.get("ignore") == 1 and not corrected.get("iscrowd"):
        corrected["iscrowd"] = 1
    if corrected.get("bbox") in (None, []) and corrected.get("segmentation"):
        corrected["bbox"] = _bbox(corrected["segmentation"])
    if corrected.get("area") is None:
        corrected["area"] = _area(corrected.get("segmentation"), corrected.get("bbox"))
    return corrected


def _bbox(segmentation: Any) -> list[float] | None:
    """The box x, y, w, h of polygons or of an RLE; None where they are none, of which others will complain."""
    try:
        if isinstance(segmentation, dict):
            region = decode_region(segmentation)
            return None if region is None else list(map(float, region.box_xywh))
        points = np.concatenate([np.array(polygon, np.float64).reshape(-1, 2) for polygon in segmentation])
        low, high = points.min(axis=0), points.max(axis=0)
        return [*low.tolist(), *(high - low).tolist()]
    except (TypeError, ValueError, AttributeError, LookupError, ArithmeticError):
        return None


def _area(segmentation: Any, bbox: Any) -> float | None:
    """In pixels, of the polygons, the RLE or the box; None where they are none, of which others will complain."""
    try:
        if isinstance(segmentation, dict):
            counts = segmentation["counts"]
            return float(sum((counts if isinstance(counts, list) else run_lengths(segmentation))[1::2]))
        if segmentation:
            return float(sum(_polygon_area(np.array(polygon, np.float64)) for polygon in segmentation))
        return max(0.0, float(bbox[2]) * float(bbox[3]))
    except (TypeError, ValueError, AttributeError, LookupError, ArithmeticError):
        return None


def _polygon_area(numbers: npt.NDArray[np.float64]) -> float:
    """Of a closed polygon x, y, x, y, …, by the shoelace formula."""
    x, y = numbers[0::2], numbers[1::2]
    return abs(float(x @ np.roll(y, -1) - y @ np.roll(x, -1))) / 2
