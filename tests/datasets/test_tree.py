import os
from pathlib import Path

import pytest
from conftest import Category, noise, write_png

from mvtec.datasets.tree import read_tree
from mvtec.errors import InputError


def test_photos_are_paired_with_masks_by_name_and_sorted(category: Category):
    dataset = read_tree(category.root)
    assert dataset.category == "widget"
    assert dataset.defects == ("crack", "stain")
    assert [sample.path for sample in dataset.samples] == sorted(
        f"test/{defect}/{number:03}.png" for defect in ("good", "crack", "stain") for number in range(5)
    )
    for sample in dataset.samples:
        assert sample.masks == (() if sample.is_good else (category.mask(sample.defect, int(sample.photo.stem)),))


def test_a_missing_mask_does_not_shift_the_others(category: Category):
    category.mask("crack", 1).unlink()
    masks = [sample.masks for sample in read_tree(category.root).samples if sample.defect == "crack"]
    assert [[mask.name for mask in of_photo] for of_photo in masks] == [
        ["000_mask.png"],
        [],
        ["002_mask.png"],
        ["003_mask.png"],
        ["004_mask.png"],
    ]


@pytest.mark.parametrize("suffix", [".jpg", ".jpeg", ".jpe", ".JFIF", ".bmp", ".tif", ".tiff", ".PNG"])
def test_photos_of_other_formats_are_found(category: Category, suffix: str):
    category.photo("crack", 0).rename(category.photo("crack", 0).with_suffix(suffix))
    sample = next(s for s in read_tree(category.root).samples if s.path == f"test/crack/000{suffix}")
    assert sample.masks == (category.mask("crack", 0),)


def test_train_photos_are_read_but_not_labelled(category: Category):
    write_png(category.root / "train" / "good" / "000.png", noise(99))
    dataset = read_tree(category.root)
    assert len(dataset.samples) == 16
    assert len(dataset.labelled) == 15


def test_hidden_files_of_a_mac_archive_are_no_photos(category: Category):
    (category.photo("crack", 0).parent / "._000.png").write_bytes(b"")
    assert len(read_tree(category.root).samples) == 15


def test_orphan_masks_and_doubled_names_are_noted(category: Category):
    category.photo("crack", 2).unlink()
    write_png(category.photo("stain", 0).with_suffix(".bmp"), noise(7))
    dataset = read_tree(category.root)
    assert dataset.orphan_masks == ("ground_truth/crack/002_mask.png",)
    assert dataset.doubled == (("test/stain/000.png", "test/stain/000.bmp"),)


@pytest.mark.parametrize(
    ("inside", "message"),
    [
        pytest.param([], "it has no folder test/", id="empty"),
        pytest.param(["bottle/test", "capsule/test"], r"several categories \(bottle, capsule\)", id="parent"),
        pytest.param(["test"], "holds no labelled photo", id="no_photo"),
    ],
)
def test_a_folder_that_is_no_category_is_refused(tmp_path: Path, inside: list[str], message: str):
    for folder in inside:
        (tmp_path / folder).mkdir(parents=True)
    with pytest.raises(InputError, match=message):
        read_tree(tmp_path)


def test_a_wrong_path_is_refused(tmp_path: Path):
    with pytest.raises(InputError, match="no such folder"):
        read_tree(tmp_path / "nowhere")


def test_a_name_that_is_no_text_is_refused(category: Category):
    photo = bytes(category.photo("good", 0).parent) + b"/\xff.png"
    try:
        Path(os.fsdecode(photo)).write_bytes(b"")
    except OSError:
        pytest.skip("this file system allows text only")
    with pytest.raises(InputError, match="not UTF-8"):
        read_tree(category.root)
