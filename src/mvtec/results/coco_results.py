"""Detections of one photo as COCO results."""

from __future__ import annotations

from typing import Any

import numpy as np

from mvtec.convert.pixels.rle import encode_rle
from mvtec.results.detections import Detections


def to_coco_results(detections: Detections, image_id: int) -> list[dict[str, Any]]:
    """The COCO results of one photo, in the order of the detections.

    Args:
        detections: Of the photo; those of class 0 get the category id 1.
        image_id: Its image id.

    Returns:
        For each detection `image_id`, `category_id`, `bbox` (x, y, width, height, rounded to 1/100 pixel), `score`
        (rounded to 5 digits), and `segmentation` (RLE) where there are masks.
    """
    results = []
    for index, (x1, y1, x2, y2) in enumerate(detections.boxes_xyxy.tolist()):
        result: dict[str, Any] = {
            "image_id": image_id,
            "category_id": int(detections.class_ids[index]) + 1,
            "bbox": [round(value, 2) for value in (x1, y1, x2 - x1, y2 - y1)],
            "score": round(float(detections.scores[index]), 5),
        }
        if detections.masks is not None:
            result["segmentation"] = encode_rle(np.ascontiguousarray(detections.masks[index]))
        results.append(result)
    return results
