"""Semantic masks: no class number shifts, and no mask is passed over without a word."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from conftest import write_png
from PIL import Image

from mvtec.convert.formats.coco.files import read_coco

WIDTH, HEIGHT = 60, 45
ONE = np.s_[15:25, 20:35]


def semantic(root: Path, classes: str = "background\ncrack\nstain\n") -> Path:
    write_png(root / "images" / "a.png", np.full((HEIGHT, WIDTH, 3), 90))
    numbers = np.zeros((HEIGHT, WIDTH), np.uint8)
    numbers[ONE] = 2
    (root / "masks").mkdir()
    Image.fromarray(numbers).save(root / "masks" / "a.png")
    (root / "classes.txt").write_text(classes)
    return root


@pytest.mark.parametrize(
    ("classes", "complaint"),
    [("background\n\ncrack\nstain\n", "line 2 is empty"), ("background\ncrack\ncrack\n", "line 3 gives a class twice")],
)
def test_lines_of_classes_that_would_shift_or_join_numbers_are_refused(tmp_path: Path, mvtec, classes, complaint):
    done = mvtec("convert", "semantic-to-coco", semantic(tmp_path / "s", classes), "--out", tmp_path / "o.json")
    assert done.code == 2
    assert complaint in done.err


def test_a_mask_without_a_photo_is_said_and_can_be_left_out(tmp_path: Path, mvtec):
    root = semantic(tmp_path / "s")
    Image.fromarray(np.ones((HEIGHT, WIDTH), np.uint8)).save(root / "masks" / "gone.png")
    words = ["convert", "semantic-to-coco", root, "--out", tmp_path / "o.json"]
    done = mvtec(*words)
    assert done.code == 2
    assert "gone.png: is not NAME.png of a photo in images/" in done.err
    assert mvtec(*words, "--on-error", "skip").code == 0
    assert [image.file_name for image in read_coco(tmp_path / "o.json").images] == ["images/a.png"]


def test_a_large_mask_is_refused_before_it_is_decoded(tmp_path: Path, mvtec):
    root = semantic(tmp_path / "s")
    Image.new("1", (20_000, 20_000)).save(root / "masks" / "a.png")
    done = mvtec("convert", "semantic-to-coco", root, "--out", tmp_path / "o.json")
    assert done.code == 2
    assert "is not 60×45 pixels as its photo" in done.err


def test_class_numbers_survive_semantic_to_coco_to_semantic(tmp_path: Path, mvtec):
    root = semantic(tmp_path / "s", "background\nzebra\nant\n")
    assert mvtec("convert", "semantic-to-coco", root, "--out", tmp_path / "o.json").code == 0
    categories = read_coco(tmp_path / "o.json").categories
    assert [(one.id, one.name) for one in categories] == [(1, "zebra"), (2, "ant")]
    done = mvtec("convert", "coco-to-semantic", tmp_path / "o.json", "--images", root, "--out", tmp_path / "again")
    assert done.code == 0
    assert (tmp_path / "again/classes.txt").read_text() == "background\nzebra\nant\n"
    (mask,) = (tmp_path / "again/masks").iterdir()
    assert set(np.unique(np.array(Image.open(mask))[ONE])) == {2}
