"""Defects that hardly anything is left of once a photo is scaled for a network."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from conftest import make_category, write_png

from mvtec.datasets.small_defects import defect_sides, say_small
from mvtec.datasets.tree import read_tree


def test_the_largest_region_counts_by_the_share_of_its_photo(tmp_path: Path):
    """Photos are 48×40; a region of 12×10 is a quarter of each side, and the speck beside it does not count."""
    category = make_category(tmp_path / "widget", per_class=1)
    mask = np.zeros((40, 48))
    mask[2:12, 3:15] = 255
    mask[30, 40] = 255
    write_png(category.mask("crack", 0), mask)
    category.mask("stain", 0).unlink()
    assert defect_sides(read_tree(category.root).samples) == {"crack": [0.25]}


def test_small_ones_are_named_by_class_with_the_size_that_would_do():
    sides = {"crack": [0.01] * 3 + [0.5], "stain": [0.5] * 20}
    said = say_small(sides, 100, 2)
    assert said is not None
    assert "narrower than 2 pixels (crack 3 of 4)" in said
    assert "95 of 100 photos have one at 224 pixels" in said  # 2 / 0.01 = 200, and 224 is a multiple of 32
    assert say_small(sides, 224, 2) is None
    assert say_small({"crack": [0.5] * 20 + [0.01]}, 100, 2) is None
