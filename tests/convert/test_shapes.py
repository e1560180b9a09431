"""Turned boxes, ellipses and runs along the rows, each against a plain reference that paints the whole photo."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mvtec.convert.pixels.geometry import region_of
from mvtec.convert.pixels.row_runs import region_of_row_runs
from mvtec.convert.shapes import ellipse_region, turned_box

SIZE_WH = (31, 23)


def test_a_box_turned_by_45_degrees_about_its_centre_has_the_hull_of_the_formula():
    """40×5 pixels: (40 + 5) / √2 = 31.82 wide and high, about the same centre."""
    corners = np.array(turned_box((10, 20, 40, 5), 45, (30, 22.5))).reshape(-1, 2)
    low, high = corners.min(axis=0), corners.max(axis=0)
    assert high - low == pytest.approx([31.8198, 31.8198], abs=1e-4)
    assert (low + high) / 2 == pytest.approx([30, 22.5])


@settings(deadline=None, max_examples=60)
@given(
    st.tuples(st.floats(-5, 36), st.floats(-5, 28)),
    st.tuples(st.floats(0.1, 30), st.floats(0.1, 30)),
    st.floats(-360, 360),
)
def test_an_ellipse_is_the_pixels_whose_centre_it_encloses(centre, radii, degrees):
    xs, ys = np.meshgrid(np.arange(SIZE_WH[0]) + 0.5 - centre[0], np.arange(SIZE_WH[1]) + 0.5 - centre[1])
    angle = np.radians(degrees)
    along, beside = xs * np.cos(angle) + ys * np.sin(angle), ys * np.cos(angle) - xs * np.sin(angle)
    distance = (along / radii[0]) ** 2 + (beside / radii[1]) ** 2
    region = ellipse_region(centre, radii, degrees, SIZE_WH)
    painted = np.zeros(SIZE_WH[::-1], bool) if region is None else region.full(SIZE_WH[::-1])
    clear = abs(distance - 1) > 1e-6  # on the edge itself, rounding decides
    np.testing.assert_array_equal(painted[clear], (distance <= 1)[clear])


@pytest.mark.parametrize("radii", [(0, 3), (-1, 3), (float("nan"), 3), (float("inf"), 3), (1e-300, 1)])
def test_an_ellipse_without_area_is_refused(radii: tuple[float, float]):
    with pytest.raises(ValueError, match="without area, or without end"):
        ellipse_region((5, 5), radii, 0, SIZE_WH)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.integers(0, 30), min_size=1, max_size=30), st.integers(1, 12))
def test_runs_along_the_rows_are_what_painting_them_gives(lengths: list[int], width: int):
    height = -(-sum(lengths) // width) or 1
    flat = np.zeros(height * width, np.uint8)
    ends = np.cumsum(lengths)
    starts, stops = (ends - lengths)[1::2], ends[1::2]
    for start, stop in zip(starts, stops, strict=True):
        flat[start:stop] = 1
    expected = region_of(flat.reshape(height, width), (3, 4))
    found = region_of_row_runs(starts, stops, width, (3, 4))
    assert (found is None) == (expected is None)
    if found is not None and expected is not None:
        assert (found.box_xywh, found.area) == (expected.box_xywh, expected.area)
        np.testing.assert_array_equal(found.crop, expected.crop)
