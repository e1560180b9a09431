"""Pascal VOC folders of masks alone, which CVAT exports as Segmentation mask 1.1, with colours of its own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from conftest import write_png
from PIL import Image

from mvtec.convert.formats.coco.files import read_coco
from mvtec.convert.pixels.rle import decode_rle

WIDTH, HEIGHT = 60, 45


def colours(path: Path, *painted: tuple[tuple[slice, slice], tuple[int, int, int]]) -> None:
    pixels = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    for place, colour in painted:
        pixels[place] = colour
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


ONE, TWO, BESIDE = np.s_[15:25, 20:35], np.s_[2:6, 3:8], np.s_[15:25, 35:40]


@pytest.fixture
def masks(tmp_path: Path) -> Path:
    """Two rivets that touch and an upper, in colours of labelmap.txt that are not those of Pascal VOC's palette."""
    root = tmp_path / "m"
    root.mkdir()
    (root / "labelmap.txt").write_text(
        "# label:color_rgb:parts:actions\nbackground:0,0,0::\nrivet:0,255,0::\nupper:255,7,9::\n"
    )
    colours(root / "SegmentationClass" / "a.png", (ONE, (0, 255, 0)), (BESIDE, (0, 255, 0)), (TWO, (255, 7, 9)))
    colours(root / "SegmentationObject" / "a.png", (ONE, (128, 0, 0)), (BESIDE, (0, 128, 0)), (TWO, (128, 128, 0)))
    write_png(root / "JPEGImages" / "a.png", np.full((HEIGHT, WIDTH, 3), 90))
    return root


def test_masks_without_xml_are_read_with_their_colours(masks: Path, tmp_path: Path, mvtec):
    assert mvtec("convert", "voc-to-coco", masks, "--out", tmp_path / "o.json").code == 0
    content = read_coco(tmp_path / "o.json")
    names = content.category_names()
    assert [names[one.category_id] for one in content.annotations] == ["rivet", "rivet", "upper"]
    for one, place in zip(content.annotations, (ONE, BESIDE, TWO), strict=True):
        expected = np.zeros((HEIGHT, WIDTH), bool)
        expected[place] = True
        np.testing.assert_array_equal(decode_rle(one.segmentation), expected)
    assert [image.file_name for image in content.images] == ["JPEGImages/a.png"]


def test_masks_without_objects_or_photos_say_so(masks: Path, tmp_path: Path, mvtec):
    (masks / "SegmentationObject" / "a.png").unlink()
    (masks / "SegmentationObject").rmdir()
    (masks / "JPEGImages" / "a.png").unlink()
    done = mvtec("convert", "voc-to-coco", masks, "--out", tmp_path / "o.json")
    assert len(read_coco(tmp_path / "o.json").annotations) == 2
    assert "each region of a class is an instance" in done.err
    assert "no photo is in" in done.err


@pytest.mark.parametrize(
    ("file", "complaint"),
    [
        ("SegmentationClass", "has the colour 1,2,3, which is not in labelmap.txt"),
        ("SegmentationObject", "has the colour 1,2,3, which is not in the palette of Pascal VOC"),
    ],
)
def test_a_colour_that_is_not_listed_is_refused(masks: Path, tmp_path: Path, mvtec, file: str, complaint: str):
    colours(masks / file / "a.png", (ONE, (1, 2, 3)))
    done = mvtec("convert", "voc-to-coco", masks, "--out", tmp_path / "o.json")
    assert done.code == 2
    assert complaint in done.err


def test_objects_and_classes_that_do_not_fit_are_refused(masks: Path, tmp_path: Path, mvtec):
    for painted, complaint in (
        ([(ONE, (128, 0, 0))], "has no object for some pixels of SegmentationClass"),
        ([(np.s_[:, :], (128, 0, 0))], "object 1 has 2 classes in SegmentationClass"),
    ):
        colours(masks / "SegmentationObject" / "a.png", *painted)
        done = mvtec("convert", "voc-to-coco", masks, "--out", tmp_path / "o.json")
        assert done.code == 2
        assert complaint in done.err


def test_semantic_to_coco_names_the_command_for_such_a_folder(masks: Path, tmp_path: Path, mvtec):
    done = mvtec("convert", "semantic-to-coco", masks, "--out", tmp_path / "o.json")
    assert done.code == 2
    assert "Give it to mvtec convert voc-to-coco" in done.err
