import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from pycocotools import mask as coco_mask

from mvtec.convert.formats.yolo.label_lines import box_line, polygon_line
from mvtec.convert.pixels.geometry import split_mask
from mvtec.convert.pixels.polygons import centre_polygon, edge_polygons


def painted(points: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    canvas = np.zeros(shape, np.uint8)
    cv2.fillPoly(canvas, [points.astype(np.int32)], 1)
    return canvas.astype(bool)


masks = arrays(bool, st.tuples(st.integers(1, 12), st.integers(1, 12)))


@settings(deadline=None, max_examples=300)
@given(masks)
def test_fill_poly_gives_every_region_back(mask):
    """With holes, thin lines and corners that touch; the bridges to holes run over the region."""
    for region in split_mask(mask):
        full = region.full(mask.shape)
        np.testing.assert_array_equal(painted(centre_polygon(region), mask.shape), full)


@settings(deadline=None, max_examples=300)
@given(masks, st.sampled_from(["component", "image"]))
def test_pycocotools_gives_every_region_back(mask, per):
    for region in split_mask(mask, per=per):
        polygons = [polygon.ravel().tolist() for polygon in edge_polygons(region)]
        assert all(len(polygon) >= 8 for polygon in polygons)
        rle = coco_mask.merge(coco_mask.frPyObjects(polygons, *mask.shape))
        np.testing.assert_array_equal(coco_mask.decode(rle).astype(bool), region.full(mask.shape))


@settings(deadline=None, max_examples=200)
@given(masks, st.floats(0.5, 6))
def test_tolerance_loses_no_region(mask, tolerance):
    for region in split_mask(mask):
        (polygon,) = edge_polygons(region, tolerance)
        assert len(polygon) >= 3
        assert cv2.contourArea(polygon) > 0


@settings(deadline=None, max_examples=200)
@given(masks)
def test_joined_parts_are_all_there_over_the_shortest_bridges(mask):
    """Each part is reached, and the bridges are no longer than a minimum spanning tree found the slow way."""
    regions = split_mask(mask)
    if len(regions) < 2:
        return
    (joined,) = split_mask(mask, per="image")
    again = painted(centre_polygon(joined), mask.shape)
    assert again[mask].all()
    points = [np.argwhere(region.full(mask.shape)) for region in regions]
    reached, bridges = {0}, 0
    while len(reached) < len(regions):
        length, new = min(
            (int(np.abs(points[a][:, None] - points[b][None]).max(axis=2).min()), b)
            for a in reached
            for b in set(range(len(regions))) - reached
        )
        reached.add(new)
        bridges += length - 1
    assert again.sum() - mask.sum() <= bridges


def test_a_ring_keeps_its_hole():
    ring = np.zeros((60, 60), np.uint8)
    cv2.circle(ring, (30, 30), 25, 1, -1)
    cv2.circle(ring, (32, 28), 10, 0, -1)
    (instance,) = split_mask(ring.astype(bool))
    np.testing.assert_array_equal(painted(centre_polygon(instance), ring.shape), ring.astype(bool))


def test_parts_of_one_instance_are_all_there():
    mask = np.zeros((30, 30), bool)
    mask[2:8, 2:8] = mask[20:26, 20:26] = True
    (instance,) = split_mask(mask, per="image")
    again = painted(centre_polygon(instance), mask.shape)
    assert again[mask].all()
    assert again.sum() - mask.sum() <= 12  # the bridge, one pixel wide


def yolo_mask(line: str, size_wh: tuple[int, int]) -> np.ndarray:
    """As Ultralytics reads a segment: scale up, cut down to whole pixels, paint."""
    numbers = np.array([float(word) for word in line.split()[1:]], np.float64).reshape(-1, 2)
    return painted((numbers * size_wh).astype(np.int32), size_wh[::-1])


@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (9, 1), (37, 53), (899, 901)])
def test_a_written_polygon_lands_on_its_own_pixels(shape: tuple[int, int]):
    mask = np.zeros(shape, bool)
    mask[shape[0] // 2 :, shape[1] // 3 :] = True
    (instance,) = split_mask(mask)
    line = polygon_line(0, instance, shape[::-1])
    assert len(line.split()) >= 7  # three points
    assert all(0 <= float(word) <= 1 for word in line.split()[1:])
    np.testing.assert_array_equal(yolo_mask(line, shape[::-1]), mask)


@given(st.data())
def test_a_written_box_comes_back_to_a_hundredth_of_a_pixel(data):
    width, height = data.draw(st.integers(1, 8000)), data.draw(st.integers(1, 8000))
    x, y = data.draw(st.integers(0, width - 1)), data.draw(st.integers(0, height - 1))
    w, h = data.draw(st.integers(1, width - x)), data.draw(st.integers(1, height - y))
    cx, cy, rw, rh = (float(word) for word in box_line(3, (x, y, w, h), (width, height)).split()[1:])
    assert all(0 <= value <= 1 for value in (cx, cy, rw, rh))
    again = ((cx - rw / 2) * width, (cy - rh / 2) * height, rw * width, rh * height)
    np.testing.assert_allclose(again, (x, y, w, h), atol=0.01)


def test_every_real_mask_comes_back_exactly(real_bottle):
    from mvtec.datasets.masks import read_mask
    from mvtec.datasets.tree import read_tree

    for sample in read_tree(real_bottle).labelled:
        if not sample.is_good:
            mask = read_mask(sample)
            for instance in split_mask(mask):
                line = polygon_line(0, instance, mask.shape[::-1])
                np.testing.assert_array_equal(yolo_mask(line, mask.shape[::-1]), instance.full(mask.shape))
