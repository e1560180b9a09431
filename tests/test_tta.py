"""Pixels, points, boxes and answers in the eight views agree."""

from __future__ import annotations

import numpy as np
import pytest

from mvtec.convert.pixels.geometry import box_of
from mvtec.segment.model import EMBEDDING, LOGITS_SIDE, SIDE, SamModel
from mvtec.tta import VIEWS, turn, turn_back, turn_boxes, turn_points, turned_size


@pytest.mark.parametrize("view", range(VIEWS))
def test_points_and_boxes_go_where_the_pixels_go(view: int):
    import torch

    mask = np.zeros((40, 48), bool)
    mask[4:10, 6:30] = True
    turned = turn(mask, view)
    assert turned.shape == turned_size((40, 48), view)
    x, y, w, h = box_of(turned)
    found = turn_boxes(np.array([[6.0, 4, 30, 10]]), (40, 48), view)
    np.testing.assert_array_equal(found, [[x, y, x + w, y + h]])
    spot = np.zeros((40, 48), bool)
    spot[7, 11] = True
    row, column = np.argwhere(turn(spot, view))[0]
    np.testing.assert_array_equal(turn_points(np.array([11.5, 7.5]), (40, 48), view), [column + 0.5, row + 0.5])
    np.testing.assert_array_equal(turn_back(torch.from_numpy(turned), view).numpy(), mask)


def test_the_views_differ():
    pixels = np.arange(12).reshape(3, 4)
    assert len({turn(pixels, view).tobytes() for view in range(VIEWS)}) == VIEWS


@pytest.mark.parametrize("size_hw", [(40, 48), (48, 40), (45, 45), (300, 200)])
def test_the_mean_of_views_that_agree_is_what_each_says(size_hw: tuple[int, int]):
    """A model that answers with its box and its point says the same in every view."""
    import torch

    class Boxes(SamModel):
        def logits(self, embedding, boxes_xyxy, points_xy=None, positive=None):
            assert tuple(embedding.shape) == EMBEDDING
            assert positive is None
            masks = torch.full((len(boxes_xyxy), 4, LOGITS_SIDE, LOGITS_SIDE), -5.0)
            for mask, box, points in zip(masks, boxes_xyxy, points_xy, strict=True):
                x1, y1, x2, y2 = (box * LOGITS_SIDE / SIDE).round().int().tolist()
                mask[:, y1:y2, x1:x2] = 5
                assert box[0] < points[0, 0] < box[2]
                assert box[1] < points[0, 1] < box[3]
            return masks, torch.full((len(boxes_xyxy), 4), 0.5)

    from segment_anything.modeling import Sam

    network = Sam(torch.nn.Identity(), torch.nn.Identity(), torch.nn.Identity())
    network.image_encoder.img_size = SIDE
    model = Boxes("boxes", network, "cpu", False, {}, "0" * 64)
    height, width = size_hw
    box = np.array([[0.1 * width, 0.2 * height, 0.5 * width, 0.9 * height]])
    point = np.array([[[0.15 * width, 0.25 * height]]])
    embedding = torch.zeros(EMBEDDING)
    one, all_views = (model.answer([embedding] * count, size_hw, box, point)[0] for count in (1, VIEWS))
    assert one.mask.shape == size_hw
    assert (one.mask ^ all_views.mask).sum() <= 0.05 * one.mask.sum()
    assert one.predicted_iou == all_views.predicted_iou == 0.5


@pytest.mark.parametrize("size_hw", [(501, 1000), (1000, 501), (600, 1000), (900, 900), (1200, 1600)])
def test_the_views_lie_on_one_another_to_a_part_of_a_pixel(size_hw: tuple[int, int]):
    """A model that answers with the distance from its box's edge: moved by part of a pixel, the mean would be another.

    Where the short side fills whole pixels of the logits nothing is moved, and the mean is that of equal numbers.
    """
    import torch
    from segment_anything.modeling import Sam

    class Distance(SamModel):
        def logits(self, embedding, boxes_xyxy, points_xy=None, positive=None):
            del embedding, points_xy, positive
            centres = (torch.arange(LOGITS_SIDE) + 0.5) * (SIDE / LOGITS_SIDE)
            x1, y1, x2, y2 = boxes_xyxy[0].tolist()
            across, down = (torch.minimum(centres - low, high - centres) for low, high in ((x1, x2), (y1, y2)))
            distance = torch.minimum(across[None, :], down[:, None]).clamp(-20, 20)
            return distance.expand(1, 4, -1, -1), torch.full((1, 4), 0.5)

    network = Sam(torch.nn.Identity(), torch.nn.Identity(), torch.nn.Identity())
    network.image_encoder.img_size = SIDE
    model = Distance("distance", network, "cpu", False, {}, "0" * 64)
    height, width = size_hw
    box = np.array([[0.3 * width, 0.3 * height, 0.5 * width, 0.6 * height]])
    embedding = torch.zeros(EMBEDDING)
    one, mean = (model._mean_logits([embedding] * count, size_hw, box, None, None)[0] for count in (1, VIEWS))
    inside = (slice(None), slice(None), slice(height * 256 // max(size_hw)), slice(width * 256 // max(size_hw)))
    near = one[inside].abs() < 10  # about the outline; lerp rounds the corners of the roof
    assert (one[inside] - mean[inside]).abs()[near].mean() < 0.05
    masks = [model.answer([embedding] * count, size_hw, box)[0].mask for count in (1, VIEWS)]
    ratio = (masks[0] & masks[1]).sum() / (masks[0] | masks[1]).sum()
    assert ratio > 0.995
