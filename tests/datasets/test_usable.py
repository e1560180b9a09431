"""A mask that belongs to no photo never makes its photo a good one."""

import unicodedata
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from conftest import Category, noise, write_png

from mvtec.convert.formats.coco.files import read_coco
from mvtec.datasets.check import check
from mvtec.datasets.split import read_split
from mvtec.datasets.tree import read_tree
from mvtec.datasets.usable import suspects, usable

MASK = np.zeros((40, 48))
MASK[5:13, 3:13] = 255


def images_masks(root: Path, photos: dict[str, str | None]) -> Path:
    """Photos by name, each with the name of its mask."""
    for number, (photo, mask) in enumerate(photos.items()):
        write_png(root / "images" / photo, noise(number))
        if mask is not None:
            write_png(root / "masks" / mask, MASK)
    (root / "masks").mkdir(exist_ok=True)
    return root


@pytest.mark.parametrize(
    ("photo", "mask"),
    [
        pytest.param("8.png", "08.png", id="zeros"),
        pytest.param("p8.png", "p8_seg.png", id="seg"),
        pytest.param("p8.png", "p8_gt.png", id="gt"),
        pytest.param("p8.png", "P8.png", id="case"),
        pytest.param("p8.png", "p8_mask.gif", id="ending_not_read"),
        pytest.param("crack/8.png", "crack/08.png", id="in_a_folder"),
        pytest.param("photo8.png", "x.png", id="nothing_alike"),
    ],
)
def test_a_mask_of_another_name_stops_the_command_and_its_photo_is_never_good(
    photo: str, mask: str, tmp_path: Path, mvtec
):
    names = {f"a{number}.png": f"a{number}.png" for number in range(4)}
    root = images_masks(tmp_path / "c", {**names, "good/g.png": None, "good/h.png": None, photo: mask})
    coco, yolo, split = tmp_path / "o.json", tmp_path / "y", tmp_path / "s.json"
    commands = (
        ("convert", "masks-to-coco", root, "--out", coco),
        ("convert", "masks-to-yolo", root, "--out", yolo),
        ("datasets", "split", root, "--out", split),
        ("datasets", "info", root),
    )
    for words in commands:
        done = mvtec(*words)
        assert done.code == 2, words
        assert f"masks/{mask}: belongs to no photo" in done.err
        assert ("--on-error skip" in done.err) == (words[1] != "info")
    assert "orphan-mask" in {problem.kind for problem in check(read_tree(root))}
    for words in commands[:3]:
        done = mvtec(*words, "--on-error", "skip")
        assert done.code == 0, done.err
        assert f"left out: {root}/images/{photo}: counts as good for want of a mask, and masks/{mask}" in done.err
    kept = {"images/good/g.png", "images/good/h.png", *(f"images/{name}" for name in names)}
    assert {image.file_name for image in read_coco(coco).images} == kept
    assert set(read_split(split).images) == kept
    assert set(read_split(yolo / "split.json").images) == kept


def test_only_the_photo_of_nearly_its_name_is_in_doubt(tmp_path: Path):
    root = images_masks(tmp_path / "c", {"1.png": None, "2.png": None, "a.png": "a.png", "8.png": "008_mask.png"})
    assert suspects(read_tree(root)) == {"images/8.png": "masks/008_mask.png"}
    write_png(root / "masks" / "other.png", MASK)
    assert set(suspects(read_tree(root))) == {"images/1.png", "images/2.png", "images/8.png"}


@pytest.mark.parametrize("layout", ["images-masks", "mvtec-ad"])
@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_the_other_unicode_form_of_a_name_is_the_same_name(layout: str, form: str, tmp_path: Path):
    other = {"NFC": "NFD", "NFD": "NFC"}[form]
    photo, mask = unicodedata.normalize(form, "grün"), unicodedata.normalize(other, "grün")
    places = {"images-masks": ("images/{}.png", "masks/{}.png")}
    at, mask_at = places.get(layout, ("test/crack/{}.png", "ground_truth/crack/{}_mask.png"))
    write_png(tmp_path / at.format(photo), noise(1))
    write_png(tmp_path / mask_at.format(mask), MASK)
    (sample,) = read_tree(tmp_path).labelled
    assert sample.mask_paths == (mask_at.format(mask),)
    write_png(tmp_path / at.format(mask), noise(2))  # now the mask belongs to this one alone
    by_photo = {sample.path: sample.mask_paths for sample in read_tree(tmp_path).labelled}
    assert by_photo == {at.format(mask): (mask_at.format(mask),), at.format(photo): ()}


def test_masks_named_as_their_photos_are_taken_and_it_is_said_once(category: Category, mvtec, tmp_path: Path):
    for mask in sorted((category.root / "ground_truth" / "crack").iterdir()):
        mask.rename(mask.with_name(mask.name.replace("_mask", "")))
    assert check(read_tree(category.root)) == []
    done = mvtec("convert", "masks-to-yolo", category.root, "--out", tmp_path / "y")
    assert done.code == 0
    assert done.err.count("the masks in ground_truth/crack/ are named as their photos, without _mask") == 1
    assert "10 instances" not in done.err
    write_png(category.mask("crack", 1), MASK)  # one with the ending: the others are no longer meant so
    assert mvtec("convert", "masks-to-yolo", category.root, "--out", tmp_path / "z").code == 2


def test_a_folder_ok_with_masks_of_mvtec_ad_is_not_btad(category: Category, mvtec, tmp_path: Path):
    (category.root / "test" / "good").rename(category.root / "test" / "ok")
    done = mvtec("convert", "masks-to-coco", category.root, "--out", tmp_path / "o.json")
    assert done.code == 2
    assert "test/ok: is not called good. Rename it" in done.err
    for number in range(5):
        write_png(category.mask("ok", number), MASK)
    assert read_tree(category.root).layout == "mvtec-ad"
    assert read_tree(category.root).defects == ("crack", "ok", "stain")


def test_a_mask_of_a_good_photo_of_btad_is_named(tmp_path: Path):
    for place in ("test/ok/0.png", "test/ko/0.png", "test/ko/1.png"):
        write_png(tmp_path / place, noise(len(place)))
    for place in ("ok/0.png", "ko/0.png", "ko/1.png"):
        write_png(tmp_path / "ground_truth" / place, MASK)
    assert ("mask-for-good", "ground_truth/ok/0.png") in {(one.kind, one.file) for one in check(read_tree(tmp_path))}


SPOILERS: dict[str, tuple[Callable[[Category], object], str]] = {
    "empty": (lambda c: write_png(c.mask("crack", 1), np.zeros((40, 48))), "marks no pixel"),
    "missing": (lambda c: c.mask("crack", 1).unlink(), "has no ground-truth mask"),
    "odd": (lambda c: write_png(c.mask("crack", 1), np.ones((40, 47))), "is 47×40 pixels and its photo 48×40"),
    "doubled": (
        lambda c: (
            c.photo("crack", 1)
            .with_suffix(".jpg")
            .write_bytes(cv2.imencode(".jpg", noise(77).astype(np.uint8))[1].tobytes())
        ),
        "has the name of test/crack/001",
    ),
}


@pytest.mark.parametrize("spoiler", SPOILERS)
def test_a_split_refuses_what_a_conversion_refuses(spoiler: str, category: Category, mvtec, tmp_path: Path):
    spoil, problem = SPOILERS[spoiler]
    spoil(category)
    done = mvtec("datasets", "split", category.root, "--out", tmp_path / "s.json")
    assert (done.code, problem in done.err, "--on-error skip" in done.err) == (2, True, True)
    done = mvtec("datasets", "split", category.root, "--out", tmp_path / "s.json", "--on-error", "skip")
    assert done.code == 0
    assert "left out: " in done.err
    images = set(read_split(tmp_path / "s.json").images)
    assert len(images) == 14
    assert "test/crack/001.png" not in images
    words = ("--split", tmp_path / "s.json", "--out", tmp_path / "y", "--on-error", "skip")
    assert mvtec("convert", "masks-to-yolo", category.root, *words).code == 0


def test_a_photo_of_specks_alone_does_not_become_good(category: Category, mvtec, tmp_path: Path):
    speck = np.zeros((40, 48))
    speck[5, 5] = 255
    write_png(category.mask("crack", 1), speck)
    words = ("convert", "masks-to-coco", category.root, "--out", tmp_path / "o.json", "--min-area", "2")
    done = mvtec(*words)
    assert done.code == 0
    assert "test/crack/001.png: shows a defect, and nothing of 2 pixels or more" in done.err
    coco = read_coco(tmp_path / "o.json")
    assert len(coco.images) == 14
    assert "test/crack/001.png" not in {image.file_name for image in coco.images}


def test_a_clean_data_set_is_kept_whole(category: Category):
    dataset = read_tree(category.root)
    assert usable(dataset, skip_errors=True) == (dataset, [])
