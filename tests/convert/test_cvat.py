"""CVAT files: every shape is read exactly or refused by its name, and no photo becomes good for what is left out."""

from __future__ import annotations

import json
import os
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from foreign import coco

from mvtec.convert.formats.coco.files import CocoAnnotation, read_coco
from mvtec.convert.formats.cvat.files import read_cvat
from mvtec.convert.pixels.rle import decode_rle
from mvtec.convert.receipt import Receipt
from mvtec.errors import InputError

WIDTH, HEIGHT = 60, 45
PLAIN = '<box label="dent" xtl="20" ytl="15" xbr="35" ybr="25"/>'


def image(name: str, shapes: str, size: tuple[int, int] = (WIDTH, HEIGHT)) -> str:
    return f'<image id="0" name="{name}" width="{size[0]}" height="{size[1]}">{shapes}</image>'


def cvat(path: Path, *images: str) -> Path:
    path.write_text(f"<annotations><version>1.1</version>{''.join(images)}</annotations>")
    return path


def annotations_of(tmp_path: Path, mvtec, *images: str, words: tuple[str, ...] = ()) -> list[CocoAnnotation]:
    source = cvat(tmp_path / "c.xml", *images)
    done = mvtec("convert", "cvat-to-coco", source, "--out", tmp_path / "o.json", "--overwrite", *words)
    assert done.code == 0, done.err
    return read_coco(tmp_path / "o.json").annotations


def painted(annotation: CocoAnnotation) -> np.ndarray:
    return decode_rle(annotation.segmentation)


def test_a_turned_box_is_its_polygon_and_the_upright_box_around_it(tmp_path: Path, mvtec):
    """40×5 pixels turned by 45° about (30, 22.5): 200 pixels of area in a box of 31.8 × 31.8 about the same centre."""
    shape = '<box label="scratch" xtl="10" ytl="20" xbr="50" ybr="25" rotation="45.0"/>'
    (found,) = annotations_of(tmp_path, mvtec, image("a.png", shape))
    assert found.bbox == pytest.approx((14.1, 6.6, 31.8, 31.8), abs=1)
    assert found.area == pytest.approx(200, abs=12)  # pycocotools paints on a grid of a fifth of a pixel
    mask = painted(found)
    ys, xs = np.mgrid[0:HEIGHT, 0:WIDTH] + 0.5
    along, beside = ((xs - 30) + (ys - 22.5)) / 2**0.5, ((ys - 22.5) - (xs - 30)) / 2**0.5
    inside = np.maximum(abs(along) - 20, abs(beside) - 2.5)  # below 0 inside, above 0 outside
    assert mask[inside < -0.75].all()
    assert not mask[inside > 0.75].any()


@pytest.mark.parametrize("rotation", ["90", "-270", "450"])
def test_a_box_turned_by_a_quarter_is_the_box_on_its_side(tmp_path: Path, mvtec, rotation: str):
    shape = f'<box label="dent" xtl="20" ytl="15" xbr="40" ybr="25" rotation="{rotation}"/>'
    (found,) = annotations_of(tmp_path, mvtec, image("a.png", shape))
    assert (found.bbox, found.area) == ((25, 10, 10, 20), 200)


def test_an_ellipse_is_the_pixels_it_encloses(tmp_path: Path, mvtec):
    shape = '<ellipse label="dent" cx="25" cy="20" rx="6" ry="4" rotation="0"/>'
    (found,) = annotations_of(tmp_path, mvtec, image("a.png", shape))
    ys, xs = np.mgrid[0:HEIGHT, 0:WIDTH] + 0.5
    np.testing.assert_array_equal(painted(found), ((xs - 25) / 6) ** 2 + ((ys - 20) / 4) ** 2 <= 1)
    assert found.bbox == (19, 16, 12, 8)


REFUSED = {
    "polyline": '<polyline label="scratch" points="1,1;9,9"/>',
    "points": '<points label="scratch" points="1,1"/>',
    "cuboid": '<cuboid label="scratch" xtl1="1"/>',
    "skeleton": '<skeleton label="scratch"><points label="1" points="1,1"/></skeleton>',
    "polygon": '<polygon label="scratch" points="1,1;9,9"/>',
    "mask": '<mask label="scratch" rle="5, 4" left="0" top="0" width="3" height="2"/>',
    "box": '<box label="" xtl="1" ytl="1" xbr="5" ybr="5"/>',
    "ellipse": '<ellipse label="scratch" cx="5" cy="5" rx="0" ry="4"/>',
}


@pytest.mark.parametrize("kind", REFUSED)
def test_a_shape_that_cannot_be_read_stops_and_can_be_left_out_by_name(kind: str, tmp_path: Path, mvtec):
    source = cvat(tmp_path / "c.xml", image("a.png", REFUSED[kind]), image("b.png", REFUSED[kind] + PLAIN))
    words = ["convert", "cvat-to-coco", source, "--out", tmp_path / "o.json"]
    done = mvtec(*words)
    assert (done.code, len(done.err.splitlines())) == (2, 1)
    assert f"c.xml: a {kind} of a.png cannot be read" in done.err
    done = mvtec(*words, "--on-error", "skip")
    assert done.code == 0
    assert [one.file_name for one in read_coco(tmp_path / "o.json").images] == ["b.png"]
    assert "a.png lost all its objects and is left out" in done.err
    receipt = json.loads((tmp_path / "o.conversion.json").read_text())
    assert receipt["objects"]["left_out"]["by_kind"] == {f"{kind} not read": 2}
    assert mvtec(*words, "--on-error", "skip", "--overwrite", "--min-iou", "0.5").code == 1


def test_a_shape_that_reaches_out_of_the_photo_is_counted_as_cut(tmp_path: Path, mvtec):
    polygon = '<polygon label="dent" points="40,10;80,10;80,20;40,20"/>'
    done = mvtec("convert", "cvat-to-coco", cvat(tmp_path / "c.xml", image("a.png", polygon)), "--out", tmp_path / "o")
    assert "1 box reaches out of the photo" in done.err
    (found,) = read_coco(tmp_path / "o").annotations
    assert (found.bbox, found.area) == ((40, 10, 20, 10), 200)


def test_tags_beside_shapes_are_named_and_a_photo_with_a_tag_alone_is_not_good(tmp_path: Path, mvtec):
    tag = '<tag label="scrap"/>'
    source = cvat(tmp_path / "c.xml", image("a.png", tag + PLAIN), image("b.png", tag), image("c.png", ""))
    words = ["convert", "cvat-to-coco", source, "--out", tmp_path / "o.json"]
    assert "b.png has the tag 'scrap' and no shape" in mvtec(*words).err
    done = mvtec(*words, "--on-error", "skip")
    assert [one.file_name for one in read_coco(tmp_path / "o.json").images] == ["a.png", "c.png"]
    assert "labels of whole photos (tag) are not kept beside shapes: 1 scrap" in done.err
    assert "b.png lost all its objects" in done.err


def test_a_tag_good_says_what_a_photo_without_shapes_is(tmp_path: Path, mvtec):
    assert annotations_of(tmp_path, mvtec, image("a.png", PLAIN), image("b.png", '<tag label="OK"/>'))
    assert len(read_coco(tmp_path / "o.json").images) == 2


def test_two_images_of_one_name_are_refused(tmp_path: Path, mvtec):
    source = cvat(tmp_path / "c.xml", image("a.png", PLAIN), image("a.png", PLAIN))
    done = mvtec("convert", "cvat-to-coco", source, "--out", tmp_path / "o.json")
    assert done.code == 2
    assert "has two images a.png" in done.err


def test_what_a_shape_says_of_itself_is_kept_and_written_back(tmp_path: Path, mvtec):
    shape = (
        '<box label="dent" xtl="20" ytl="15" xbr="35" ybr="25" occluded="1" group_id="3" z_order="2">'
        '<attribute name="severity">high</attribute><attribute name="rotation">9</attribute></box>'
    )
    (found,) = annotations_of(tmp_path, mvtec, image("a.png", shape))
    assert found.attributes == {"severity": "high", "occluded": True, "group_id": 3, "z_order": 2}
    done = mvtec("convert", "coco-to-cvat", tmp_path / "o.json", "--out", tmp_path / "again.xml")
    assert "attributes are not kept in CVAT 1.1: severity" in done.err
    (again,) = next(iter(read_cvat(tmp_path / "again.xml", Receipt("")))).instances
    assert again.attributes == {"occluded": True, "group_id": 3, "z_order": 2}


def test_a_photo_of_many_pixels_takes_memory_for_what_is_marked_alone(tmp_path: Path):
    """A mask of 16384² pixels with one run of 5: the whole photo would be 268 MB, and four of it were taken before."""
    side = 1 << 14
    runs = f"{side * 100 + 7}, 5, {side * side - side * 100 - 12}"
    shape = f'<mask label="dent" rle="{runs}" left="0" top="0" width="{side}" height="{side}"/>'
    source = cvat(tmp_path / "c.xml", image("a.png", shape, (side, side)))
    tracemalloc.start()
    (found,) = read_cvat(source, Receipt(""))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert [one.box_xywh for one in found.instances] == [(7, 100, 5, 1)]
    assert peak < 1 << 20


def test_a_size_beyond_the_limit_is_refused(tmp_path: Path, mvtec):
    source = cvat(tmp_path / "c.xml", image("a.png", PLAIN, (1 << 15, 1 << 15)))
    done = mvtec("convert", "cvat-to-coco", source, "--out", tmp_path / "o.json")
    assert done.code == 2
    assert "a.png has a stated size of 32768×32768 pixels" in done.err


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("<annotations>" + "<a>" * 200_000, "nested more than 100 deep"),
        ("<annotations><image", "not a readable XML file"),
        ('{"images": 1}', "not a readable XML file"),
        ("<data><image/></data>", "has no root <annotations>"),
        (image("", PLAIN).join(("<annotations>", "</annotations>")), "image '0' has no name"),
    ],
)
def test_a_file_that_is_not_one_of_cvat_is_refused_in_one_line(tmp_path: Path, mvtec, content: str, complaint: str):
    (tmp_path / "c.xml").write_text(content)
    done = mvtec("convert", "cvat-to-coco", tmp_path / "c.xml", "--out", tmp_path / "o.json")
    assert (done.code, len(done.err.splitlines())) == (2, 1)
    assert complaint in done.err


def test_many_large_masks_of_one_photo_are_refused_before_memory_is_full(tmp_path: Path, monkeypatch):
    monkeypatch.setattr("mvtec.convert.instances.MOST_MARKED", 250)
    mask = '<mask label="dent" rle="0, 100" left="0" top="0" width="10" height="10"/>'
    with pytest.raises(InputError, match="take more than 250 pixels together"):
        list(read_cvat(cvat(tmp_path / "c.xml", image("a.png", mask * 3)), Receipt("")))
    assert len(list(read_cvat(cvat(tmp_path / "c.xml", image("a.png", mask * 2)), Receipt("")))) == 1


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_in_place_of_a_file_is_refused_and_not_waited_for(tmp_path: Path, mvtec):
    os.mkfifo(tmp_path / "c.xml")
    done = mvtec("convert", "cvat-to-coco", tmp_path / "c.xml", "--out", tmp_path / "o.json")
    assert done.code == 2
    assert "not a plain file" in done.err


NAMES = {
    "a\x01b": "control character",
    "": "is empty",
    " a ": "begins or ends with a space",
    "a\nb": "control character",
}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("command", ["coco-to-cvat", "coco-to-voc", "coco-to-labelstudio", "coco-to-semantic"])
def test_a_class_name_that_would_not_come_back_is_refused(tmp_path: Path, mvtec, command: str, name: str):
    source = coco(tmp_path / "i.json", {}, categories=[{"id": 1, "name": name}])
    done = mvtec("convert", command, source, "--out", tmp_path / "o")
    assert (done.code, len(done.err.splitlines())) == (2, 1)
    assert done.err.startswith(f"error: {source}: ")  # the file to correct, not the one to write
    assert not (tmp_path / "o").exists()
    if name:
        assert NAMES[name] in done.err


@pytest.mark.parametrize("command", ["coco-to-cvat", "coco-to-voc"])
def test_a_photo_name_that_xml_cannot_hold_is_refused(tmp_path: Path, mvtec, command: str):
    source = coco(tmp_path / "i.json", {}, name="a\x02.png")
    done = mvtec("convert", command, source, "--out", tmp_path / "o")
    assert (done.code, (tmp_path / "o").exists()) == (2, False)
    assert done.err.startswith(f"error: {source}: ")
    assert "holds a control character" in done.err


def test_a_box_thinner_than_two_decimals_comes_back(tmp_path: Path, mvtec):
    source = coco(tmp_path / "i.json", {"bbox": [10.005, 6, 0.0101, 8]})
    assert mvtec("convert", "coco-to-cvat", source, "--out", tmp_path / "o.xml").code == 0
    (found,) = next(iter(read_cvat(tmp_path / "o.xml", Receipt("")))).instances
    assert found.box_xywh[2] > 0


def test_shapes_that_become_pixels_are_counted(tmp_path: Path, mvtec):
    shapes = '<ellipse label="dent" cx="30" cy="20" rx="8" ry="5"/>'
    shapes += '<box label="dent" xtl="10" ytl="10" xbr="30" ybr="20" rotation="30"/>'
    shapes += '<box label="dent" xtl="10" ytl="30" xbr="30" ybr="40" rotation="90"/>'
    (tmp_path / "a.xml").write_text(
        f'<annotations><image id="0" name="a.png" width="60" height="45">{shapes}</image></annotations>'
    )
    done = mvtec("convert", "cvat-to-coco", tmp_path / "a.xml", "--out", tmp_path / "o.json")
    assert done.code == 0
    assert "2 shapes of a.xml that are ellipses or turned boxes: their pixels are written" in done.err
