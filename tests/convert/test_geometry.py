import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from mvtec.convert.pixels.geometry import box_of, split_mask

masks = arrays(bool, st.tuples(st.integers(1, 14), st.integers(1, 14)))


def drawn(*rows: str) -> np.ndarray:
    return np.array([[cell == "#" for cell in row] for row in rows])


@pytest.mark.parametrize(
    ("mask", "boxes", "areas"),
    [
        pytest.param(drawn("....", ".##.", "...."), [(1, 1, 2, 1)], [2], id="two_pixels"),
        pytest.param(drawn("#..", ".#.", "..#"), [(0, 0, 3, 3)], [3], id="corners_touch"),
        pytest.param(
            drawn("#.#", "...", "#.#"), [(0, 0, 1, 1), (2, 0, 1, 1), (0, 2, 1, 1), (2, 2, 1, 1)], [1] * 4, id="four"
        ),
        pytest.param(drawn("###", "#.#", "###"), [(0, 0, 3, 3)], [8], id="hole"),
        pytest.param(
            drawn("#####", "#...#", "#.#.#", "#...#", "#####"), [(0, 0, 5, 5), (2, 2, 1, 1)], [16, 1], id="nested"
        ),
        pytest.param(drawn("##", "##"), [(0, 0, 2, 2)], [4], id="full_image"),
        pytest.param(drawn("..", ".."), [], [], id="empty"),
    ],
)
def test_boxes_and_areas(mask, boxes, areas):
    instances = split_mask(mask)
    assert [instance.box_xywh for instance in instances] == boxes
    assert [instance.area for instance in instances] == areas


@pytest.mark.parametrize("pairs", [1, 2, 12])
def test_pixels_that_touch_at_a_corner_are_one_region(pairs: int):
    """One region, few and many are found in three ways."""
    mask = np.zeros((4, 48), bool)
    for left in range(0, 4 * pairs, 4):
        mask[1, left] = mask[2, left + 1] = True
    assert [(region.box_xywh, region.area) for region in split_mask(mask)] == [
        ((left, 1, 2, 2), 2) for left in range(0, 4 * pairs, 4)
    ]


@given(masks)
def test_regions_are_a_partition_and_their_boxes_are_tight(mask):
    instances = split_mask(mask)
    total = np.zeros(mask.shape, int)
    for instance in instances:
        full = instance.full(mask.shape)
        total += full
        ys, xs = np.nonzero(full)
        assert instance.box_xywh == (xs.min(), ys.min(), xs.max() - xs.min() + 1, ys.max() - ys.min() + 1)
        assert instance.area == full.sum()
    np.testing.assert_array_equal(total, mask.astype(int))


def flood_groups(mask: np.ndarray, reach: int) -> set[frozenset[tuple[int, int]]]:
    """Pixels joined step by step to all within `reach` rows and columns: the rule, written the slow way."""
    left = {(int(y), int(x)) for y, x in np.argwhere(mask)}
    groups = set()
    while left:
        group, waiting = set(), [left.pop()]
        while waiting:
            pixel = waiting.pop()
            group.add(pixel)
            near = {p for p in left if max(abs(p[0] - pixel[0]), abs(p[1] - pixel[1])) <= reach}
            left -= near
            waiting += near
        groups.add(frozenset(group))
    return groups


@settings(deadline=None)
@given(masks, st.integers(0, 5))
def test_the_merge_gap_counts_the_sound_pixels_between(mask, gap):
    instances = split_mask(mask, merge_gap=gap)
    found = {frozenset((int(y), int(x)) for y, x in np.argwhere(instance.full(mask.shape))) for instance in instances}
    assert found == flood_groups(mask, gap + 1)


@given(masks)
def test_one_instance_per_image(mask):
    instances = split_mask(mask, per="image")
    assert len(instances) == int(mask.any())
    assert [instance.box_xywh for instance in instances] == ([box_of(mask)] if mask.any() else [])


@pytest.mark.parametrize("gap", [0, 3])
def test_regions_are_those_of_each_label(gap: int):
    rng = np.random.default_rng(5)
    mask = rng.random((60, 90)) < 0.02
    count, labels = cv2.connectedComponents(cv2.dilate(mask.view(np.uint8), np.ones((gap + 1, gap + 1), np.uint8)))
    expected = {(box_of((labels == n) & mask), int(((labels == n) & mask).sum())) for n in range(1, count)}
    found = split_mask(mask, merge_gap=gap)
    assert {(region.box_xywh, region.area) for region in found} == expected
    assert len(found) == len(expected) > 1


def test_a_gap_wider_than_the_mask_joins_all():
    assert len(split_mask(drawn("#....", ".....", "....#"), merge_gap=10**9)) == 1
