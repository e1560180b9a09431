import json
import shutil
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from conftest import Category, noise, write_png
from PIL import Image

from mvtec.datasets.check import check
from mvtec.datasets.tree import read_tree


def kinds(category: Category) -> list[tuple[str, str]]:
    return [(problem.kind, problem.file) for problem in check(read_tree(category.root))]


def flip_a_bit(path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0x10
    path.write_bytes(content)


def cut(path) -> None:
    path.write_bytes(path.read_bytes()[:-20])


MASK = "ground_truth/crack/001_mask.png"
SPOILERS: list[tuple[str, Callable[[Category], object], list[tuple[str, str]]]] = [
    ("missing", lambda c: c.mask("crack", 1).unlink(), [("missing-mask", "test/crack/001.png")]),
    ("odd_sized", lambda c: write_png(c.mask("crack", 1), np.ones((40, 47))), [("odd-sized-mask", MASK)]),
    ("empty", lambda c: write_png(c.mask("crack", 1), np.zeros((40, 48))), [("empty-mask", MASK)]),
    ("cut_mask", lambda c: cut(c.mask("crack", 1)), [("unreadable-mask", MASK)]),
    ("damaged_mask", lambda c: flip_a_bit(c.mask("crack", 1)), [("unreadable-mask", MASK)]),
    ("damaged_photo", lambda c: flip_a_bit(c.photo("crack", 1)), [("unreadable-photo", "test/crack/001.png")]),
    ("text_mask", lambda c: c.mask("crack", 1).write_text("no image"), [("unreadable-mask", MASK)]),
    ("no_bytes", lambda c: c.mask("crack", 1).write_bytes(b""), [("unreadable-mask", MASK)]),
    ("colour", lambda c: write_png(c.mask("crack", 1), noise(3)), [("colour-mask", MASK)]),
    ("orphan", lambda c: c.photo("crack", 1).unlink(), [("orphan-mask", MASK)]),
    ("cut_photo", lambda c: cut(c.photo("crack", 1)), [("unreadable-photo", "test/crack/001.png")]),
    (
        "duplicate",
        lambda c: shutil.copy(c.photo("crack", 1), c.photo("good", 0)),
        [("contradictory-duplicate", "test/good/000.png")],
    ),
    (
        "mask_for_good",
        lambda c: write_png(c.mask("good", 0), np.ones((40, 48))),
        [("mask-for-good", "ground_truth/good/000_mask.png")],
    ),
    (
        "badly_named",
        lambda c: write_png(c.mask("crack", 1).with_name("extra.png"), np.ones((40, 48))),
        [("orphan-mask", "ground_truth/crack/extra.png")],
    ),
    (
        "doubled",
        lambda c: write_png(c.photo("crack", 1).with_suffix(".bmp"), noise(50)),
        [("doubled-name", "test/crack/001.png")],
    ),
    (
        "defect_in_train",
        lambda c: write_png(c.root / "train" / "crack" / "000.png", noise(51)),
        [("defect-in-train", "train/crack/000.png")],
    ),
]


def test_a_clean_category_has_no_problem(category: Category):
    assert kinds(category) == []


@pytest.mark.parametrize(("spoil", "expected"), [pytest.param(s, e, id=name) for name, s, e in SPOILERS])
def test_each_problem_is_named_with_its_file(category: Category, spoil, expected, capfd: pytest.CaptureFixture[str]):
    spoil(category)
    assert kinds(category) == expected
    assert capfd.readouterr().err == ""  # no library adds a complaint of its own


def test_a_mask_with_three_equal_channels_is_grey(category: Category):
    mask = np.zeros((40, 48, 3))
    mask[4:9, 4:9] = 255
    write_png(category.mask("crack", 1), mask)
    assert kinds(category) == []


def test_the_command_lists_problems_and_exits_1(category: Category, mvtec):
    assert mvtec("datasets", "check", category.root).code == 0
    category.mask("crack", 1).unlink()
    outcome = mvtec("datasets", "check", category.root)
    assert outcome.code == 1
    assert (
        "test/crack/001.png: has no ground-truth mask. Put the mask at ground_truth/crack/001_mask.png." in outcome.out
    )


def test_one_bad_photo_does_not_hide_the_other_problems(category: Category):
    category.photo("good", 0).unlink()
    category.photo("good", 0).symlink_to(category.root / "gone.png")
    category.mask("crack", 1).unlink()
    assert kinds(category) == [("missing-mask", "test/crack/001.png"), ("unreadable-photo", "test/good/000.png")]


@pytest.mark.parametrize("shape", [(40, 48), (40, 48, 3)], ids=["grey", "colour"])
@pytest.mark.parametrize("suffix", [".png", ".tiff"])
def test_a_photo_of_a_camera_with_12_bits_is_warned_of(category: Category, mvtec, suffix: str, shape: tuple[int, ...]):
    category.photo("good", 1).unlink()
    deep = np.random.default_rng(0).integers(0, 4096, shape).astype(np.uint16)
    photo = category.photo("good", 1).with_suffix(suffix)
    photo.write_bytes(cv2.imencode(suffix, deep)[1].tobytes())
    found = [problem for problem in check(read_tree(category.root)) if problem.kind == "deep-photo"]
    assert [problem.file for problem in found] == [f"test/good/001{suffix}"]
    outcome = mvtec("datasets", "check", category.root)
    assert outcome.code == 0
    assert "more than 8 bits" in outcome.out


@pytest.mark.parametrize("colour", [0, 255])
def test_a_mask_whose_shape_is_in_its_transparency_is_named(colour: int, category: Category):
    rgba = np.full((40, 48, 4), colour, np.uint8)
    rgba[..., 3] = 0
    rgba[5:9, 3:13, 3] = 255
    category.mask("crack", 0).write_bytes(cv2.imencode(".png", rgba)[1].tobytes())
    (problem,) = check(read_tree(category.root))
    assert (problem.kind, problem.file) == ("alpha-mask", "ground_truth/crack/000_mask.png")


def test_a_mask_of_nearly_the_whole_photo_is_a_warning(category: Category, mvtec, tmp_path: Path):
    mask = np.full((40, 48), 255)
    mask[5:9, 3:13] = 0
    write_png(category.mask("crack", 0), mask)
    (problem,) = check(read_tree(category.root))
    assert (problem.kind, problem.is_warning) == ("inverted-mask", True)
    assert "98 %" in problem.problem
    done = mvtec("convert", "masks-to-coco", category.root, "--out", tmp_path / "gt.json")
    assert done.code == 0
    assert "1 mask marks more than 90 % of its photo, ground_truth/crack/000_mask.png" in done.err


def test_a_conversion_says_that_masks_have_grey_values(category: Category, mvtec, tmp_path: Path):
    for number in (0, 1):
        mask = np.zeros((40, 48))
        mask[5:9, 3:13] = 255
        mask[9, 3:13] = 100
        write_png(category.mask("crack", number), mask)
    for words in (("--split", tmp_path / "split.json"), ()):
        if words:
            assert mvtec("datasets", "split", category.root, "--out", words[1]).code == 0
        out = tmp_path / f"gt{len(words)}.json"
        done = mvtec("convert", "masks-to-coco", category.root, "--out", out, *words)
        assert done.err.count("2 masks have grey values") == 1, done.err
        assert "--threshold 127" in done.err
    done = mvtec("convert", "masks-to-coco", category.root, "--out", tmp_path / "t.json", "--threshold", 127)
    assert "grey" not in done.err


def test_a_mask_that_is_to_be_shown_turned_is_named(category: Category):
    mask = np.zeros((40, 48), np.uint8)
    mask[5:9, 3:13] = 255
    for orientation, found in ((1, []), (3, [("turned-mask", "ground_truth/crack/000_mask.png")])):
        exif = Image.Exif()
        exif[0x0112] = orientation
        Image.fromarray(mask).save(category.mask("crack", 0), exif=exif)
        assert kinds(category) == found


def test_images_that_are_not_read_are_named(category: Category):
    for place in (
        "test/good/new.gif",
        "test/rust/000.PPM",
        "test/good/._new.gif",
        "train/good/a.heic",
        "test/note.txt",
    ):
        path = category.root / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"an image")
    (category.root / "test/good/without").write_bytes(category.photo("good", 0).read_bytes())
    found = ["test/good/new.gif", "test/good/without", "test/rust/000.PPM", "train/good/a.heic"]
    assert kinds(category) == [("unread-photo", file) for file in found]
    (note,) = read_tree(category.root).notes
    assert "(1 .gif, 1 .heic, 1 .ppm, 1 no ending): test/good/new.gif, test/good/without, " in note


def test_a_link_in_the_place_of_a_defect_type_that_leads_to_nothing_is_named(category: Category):
    (category.root / "test" / "dent").symlink_to("elsewhere")
    (category.root / "test" / "loop").symlink_to("loop")
    assert kinds(category) == [("broken-link", "test/dent"), ("broken-link", "test/loop")]


def test_a_second_mask_of_a_photo_is_named_as_that(category: Category):
    shutil.copy(category.mask("crack", 0), category.mask("crack", 1).with_suffix(".bmp"))
    assert kinds(category) == [("doubled-mask", MASK)]


def test_the_same_photo_with_another_mask_is_said_first(category: Category, mvtec):
    for number in (1, 2, 3, 4):  # of these, only the mask of 001 is another one
        shutil.copy(category.photo("crack", 0), category.photo("crack", number))
        if number > 1:
            shutil.copy(category.mask("crack", 0), category.mask("crack", number))
    found = kinds(category)
    assert found[0] == ("contradictory-duplicate", "test/crack/001.png")
    assert found[1:] == [("duplicate-photo", f"test/crack/00{number}.png") for number in (2, 3, 4)]
    lines = mvtec("datasets", "check", category.root).out.splitlines()
    assert lines[0].startswith("test/crack/001.png: is the same photo as test/crack/000.png, and their masks differ.")


def test_problems_are_grouped_by_kind_with_three_examples(category: Category, mvtec):
    for defect in ("crack", "stain"):
        for number in range(5):
            mask = np.zeros((40, 48))
            mask[5:9, 3:13], mask[9, 3:13] = 255, 100
            mask[20, 20] = 3  # compression noise
            write_png(category.mask(defect, number), mask)
    category.mask("stain", 4).unlink()
    done = mvtec("datasets", "check", category.root)
    lines = done.out.splitlines()
    assert lines[0].startswith("test/stain/004.png: has no ground-truth mask")
    assert [line for line in lines if line.startswith("warning: ground_truth/crack/00")] == lines[1:4]
    assert "2 instances, 1 without a pixel above 127. Convert with --threshold 127 where its edges are soft" in lines[1]
    assert lines[4] == "and 6 more of the kind grey-mask; --all lists them"
    assert lines[5] == "15 photos checked, 10 problems: 1 missing-mask, 9 grey-mask"
    assert len(mvtec("datasets", "check", category.root, "--all").out.splitlines()) == 11
    assert len(json.loads(mvtec("datasets", "check", category.root, "--json").out)["problems"]) == 10
