from pathlib import Path

import numpy as np
import pytest

from mvtec.convert.pixels.geometry import split_mask
from mvtec.datasets.check import check
from mvtec.datasets.info import describe
from mvtec.datasets.synthetic import make_dataset
from mvtec.datasets.synthetic_bottle import DEFECTS, draw
from mvtec.datasets.tree import read_tree
from mvtec.errors import InputError


@pytest.mark.parametrize("defect", sorted(DEFECTS))
def test_the_mask_is_exactly_where_the_defect_changed_the_picture(defect: str):
    for number in range(12):
        drawing = draw(defect, 200, np.random.default_rng([1, number]))
        changed = (drawing.marred != drawing.sound).any(axis=2)
        np.testing.assert_array_equal(drawing.mask, changed)
        assert drawing.mask.any()


def test_a_good_bottle_has_no_defect():
    drawing = draw("good", 128, np.random.default_rng(0))
    assert not drawing.mask.any()
    assert drawing.photo.shape == (128, 128, 3)


def test_defects_vary_some_have_several_pieces_and_some_have_holes():
    masks = [draw(d, 200, np.random.default_rng([2, n])).mask for d in sorted(DEFECTS) for n in range(40)]
    instances = [split_mask(mask) for mask in masks]
    assert any(len(pieces) > 1 for pieces in instances)
    assert any(_has_hole(instance.crop) for pieces in instances for instance in pieces)
    large, small = (np.median([m.mean() for m in masks[start : start + 40]]) for start in (0, 40))
    assert large > 3 * small


def _has_hole(crop: np.ndarray) -> bool:
    return len(split_mask(np.pad(~crop, 1, constant_values=True))) > 1


def test_the_set_is_clean_deterministic_and_grows_without_changing(tmp_path: Path):
    make_dataset(tmp_path / "a", per_class=2, side=96, seed=3)
    make_dataset(tmp_path / "b", per_class=3, side=96, seed=3)
    dataset = read_tree(tmp_path / "a")
    assert check(dataset) == []
    card = describe(dataset)
    assert card.images == {"good": 2, "broken_large": 2, "broken_small": 2, "contamination": 2}
    assert card.train_good == 2
    for file in sorted((tmp_path / "a").rglob("*.png")):
        assert file.read_bytes() == (tmp_path / "b" / file.relative_to(tmp_path / "a")).read_bytes()


@pytest.mark.parametrize(
    "options",
    [{"category": "cup"}, {"per_class": 0}, {"side": 10}, {"seed": -1}],
    ids=lambda option: next(iter(option)),
)
def test_options_that_make_no_sense_are_refused(tmp_path: Path, options):
    with pytest.raises(InputError):
        make_dataset(tmp_path / "out", **options)
    assert list(tmp_path.iterdir()) == []
