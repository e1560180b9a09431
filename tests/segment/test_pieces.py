"""Small pieces are dropped and small holes are filled, and nothing else changes."""

from __future__ import annotations

import numpy as np
import pytest

from mvtec.segment.pieces import count_pieces, without_small_parts


def drawn() -> np.ndarray:
    """A block of 10×10 with a hole of 4 pixels, a piece of 6, and two pixels that touch at a corner."""
    mask = np.zeros((20, 30), bool)
    mask[2:12, 3:13] = True
    mask[5:7, 5:7] = False
    mask[15:17, 20:23] = True
    mask[18, 1] = mask[19, 2] = True
    return mask


@pytest.mark.parametrize(
    ("min_piece", "min_hole", "area", "pieces"),
    [
        (0, 0, 96 + 6 + 2, 3),
        (2, 0, 96 + 6 + 2, 3),
        (3, 0, 96 + 6, 2),
        (7, 0, 96, 1),
        (1000, 0, 96, 1),  # the largest stays
        (0, 4, 96 + 6 + 2, 3),
        (0, 5, 100 + 6 + 2, 3),
        (3, 5, 100 + 6, 2),
        (98, 5, 100, 1),  # holes are filled first
    ],
)
def test_pieces_and_holes(min_piece: int, min_hole: int, area: int, pieces: int):
    mask = drawn()
    tidy = without_small_parts(mask, min_piece, min_hole)
    assert (int(tidy.sum()), count_pieces(tidy)) == (area, pieces)
    assert (mask == drawn()).all()


def test_what_lies_around_a_mask_is_not_a_hole():
    ring = np.ones((6, 6), bool)
    ring[1:5, 2] = False  # a hole of 4
    ring[0, 4] = False  # a notch at the edge of the photo
    tidy = without_small_parts(ring, 0, 5)
    assert np.argwhere(~tidy).tolist() == [[0, 4]]


def test_an_empty_mask_stays_empty():
    assert not without_small_parts(np.zeros((4, 4), bool), 9, 9).any()
