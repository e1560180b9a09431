"""Detections are checked when they are made, and become COCO results."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from pycocotools import mask as coco_mask

from mvtec.results.coco_results import to_coco_results
from mvtec.results.detections import Detections

MASKS = np.zeros((2, 6, 8), bool)
MASKS[0, 1:3, 2:5] = True
TWO = Detections(
    boxes_xyxy=np.array([[2, 1, 5, 3], [0, 0, 1.5, 6]], np.float32),
    scores=np.array([0.9, 0.25], np.float32),
    class_ids=np.array([1, 0]),
    masks=MASKS,
    size_hw=(6, 8),
)


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("boxes_xyxy", np.zeros((2, 4)), r"boxes_xyxy must be float32 \(2, 4\) \(got float64 \(2, 4\)\)"),
        ("boxes_xyxy", np.zeros((2, 5), np.float32), r"got float32 \(2, 5\)"),
        ("boxes_xyxy", np.array([[3, 0, 2, 1]] * 2, np.float32), "left, top, right, bottom"),
        ("boxes_xyxy", np.full((2, 4), np.nan, np.float32), "finite"),
        ("scores", np.array([0.1, 0.9], np.float32), "the highest first"),
        ("scores", np.array([1.1, 0.9], np.float32), "between 0 and 1"),
        ("scores", [0.9, 0.1], r"got list"),
        ("class_ids", np.array([0, 1], np.int32), "class_ids must be int64"),
        ("class_ids", np.array([0, -1]), "at least 0"),
        ("masks", np.zeros((2, 6, 8), np.uint8), "masks must be bool"),
        ("masks", np.zeros((2, 8, 6), bool), r"masks must be bool \(2, 6, 8\)"),
    ],
)
def test_a_field_of_another_shape_is_refused(field: str, value: object, message: str):
    with pytest.raises(ValueError, match=message):
        replace(TWO, **{field: value})


def test_those_with_a_score_are_kept_with_their_masks():
    kept = TWO.at_least(0.5)
    assert (len(kept), kept.class_ids.tolist(), kept.masks.shape) == (1, [1], (1, 6, 8))
    assert len(TWO.at_least(0.25)) == 2
    assert len(TWO.at_least(0.95)) == 0


def test_coco_results_have_boxes_by_their_width_and_classes_from_1():
    first, second = to_coco_results(TWO, 7)
    assert (first["image_id"], first["category_id"], first["bbox"], first["score"]) == (7, 2, [2, 1, 3, 2], 0.9)
    assert (second["category_id"], second["bbox"], second["score"]) == (1, [0, 0, 1.5, 6], 0.25)
    decoded = coco_mask.decode({"size": [6, 8], "counts": first["segmentation"]["counts"].encode()})
    assert np.array_equal(decoded.astype(bool), MASKS[0])
    assert "segmentation" not in to_coco_results(replace(TWO, masks=None), 7)[0]
