"""Pascal VOC folders as tools lay them out: which photo a file is about, what of an object is kept, what is refused."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import write_png

from mvtec.convert.formats.coco.files import CocoDataset, read_coco

WIDTH, HEIGHT = 60, 45
SIZE = f"<size><width>{WIDTH}</width><height>{HEIGHT}</height><depth>3</depth></size>"
BOX = "<bndbox><xmin>21</xmin><ymin>16</ymin><xmax>35</xmax><ymax>25</ymax></bndbox>"  # 20, 15, 15 × 10
DENT = f"<object><name>dent</name>{BOX}</object>"


def photo(path: Path) -> Path:
    write_png(path, np.full((HEIGHT, WIDTH, 3), 90))
    return path


def label(path: Path, *objects: str, filename: str = "a.png", size: str = SIZE) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"<annotation><filename>{filename}</filename>{size}{''.join(objects)}</annotation>")
    return path


def voc(root: Path, *objects: str, **options: Any) -> Path:
    photo(root / "JPEGImages" / "a.png")
    label(root / "Annotations" / "a.xml", *objects, **options)
    return root


def read(tmp_path: Path, mvtec, root: Path, *words: str) -> tuple[CocoDataset, str]:
    done = mvtec("convert", "voc-to-coco", root, "--out", tmp_path / "o.json", "--overwrite", *words)
    assert done.code == 0, done.err
    return read_coco(tmp_path / "o.json"), done.err


def names_of(content: CocoDataset) -> dict[str, int]:
    """How many annotations each photo has."""
    return {image.file_name: sum(one.image_id == image.id for one in content.annotations) for image in content.images}


def test_flags_are_kept_counted_and_written_back(tmp_path: Path, mvtec):
    flags = "<pose>Left</pose><truncated>1</truncated><difficult>1</difficult><occluded>1</occluded>"
    root = voc(tmp_path / "v", DENT, f"<object><name>dent</name>{flags}{BOX}</object>")
    content, err = read(tmp_path, mvtec, root)
    said = {"difficult": True, "truncated": True, "occluded": True, "pose": "Left"}
    assert [one.attributes for one in content.annotations] == [None, said]
    assert "1 object marked difficult" in err
    assert "marked difficult" in str(json.loads((tmp_path / "o.conversion.json").read_text())["notes"])
    assert mvtec("convert", "coco-to-voc", tmp_path / "o.json", "--images", root, "--out", tmp_path / "again").code == 0
    again, _ = read(tmp_path, mvtec, tmp_path / "again")
    assert [one.attributes for one in again.annotations] == [None, said]


@pytest.mark.parametrize("filename", ["a", "b.png", "", "C:\\photos\\a.png", "x" * 5000 + ".png"])
def test_the_photo_has_the_name_of_its_file_whatever_filename_says(tmp_path: Path, mvtec, filename: str):
    content, err = read(tmp_path, mvtec, voc(tmp_path / "v", DENT, filename=filename))
    assert names_of(content) == {"JPEGImages/a.png": 1}
    assert ("1 XML file whose <filename>" in err) == (not filename.endswith("\\a.png"))


def test_a_file_of_another_name_is_not_a_second_photo(tmp_path: Path, mvtec):
    photo(tmp_path / "v" / "JPEGImages" / "photo 7.png")
    label(tmp_path / "v" / "Annotations" / "0007.xml", DENT, filename="photo 7.png")
    content, _ = read(tmp_path, mvtec, tmp_path / "v")
    assert names_of(content) == {"JPEGImages/photo 7.png": 1}


def test_two_files_about_one_photo_are_refused(tmp_path: Path, mvtec):
    root = voc(tmp_path / "v", DENT)
    label(root / "Annotations" / "other.xml", DENT)
    done = mvtec("convert", "voc-to-coco", root, "--out", tmp_path / "o.json")
    assert done.code == 2
    assert "is about JPEGImages/a.png, as a.xml is" in done.err


def test_a_photo_that_is_missing_is_said(tmp_path: Path, mvtec):
    root = voc(tmp_path / "v", DENT)
    label(root / "Annotations" / "gone.xml", DENT, filename="gone.png")
    words = ["convert", "voc-to-coco", root, "--out", tmp_path / "o.json"]
    assert "gone.xml: its photo is not there" in mvtec(*words).err
    assert mvtec(*words, "--on-error", "skip").code == 0
    assert names_of(read_coco(tmp_path / "o.json")) == {"JPEGImages/a.png": 1}
    (root / "JPEGImages" / "a.png").unlink()
    content, err = read(tmp_path, mvtec, root)
    assert names_of(content) == {"JPEGImages/a.png": 1, "JPEGImages/gone.png": 1}
    assert "no photo is in" in err


@pytest.mark.parametrize(
    ("photos", "labels"),
    [
        ("", ""),
        ("train", "train"),
        ("images", "annotations"),
        ("images", "Annotations"),
        ("JPEGImages/s", "Annotations/s"),
    ],
    ids=["labelimg", "roboflow", "kaggle", "images", "nested"],
)
def test_other_layouts_are_read(tmp_path: Path, mvtec, photos: str, labels: str):
    root = tmp_path / "v"
    for name in ("a.png", "good.png"):
        photo(root / photos / name)
    photo(root / "docs" / "logo.png")
    label(root / labels / "a.xml", DENT)
    content, err = read(tmp_path, mvtec, root)
    folder = f"{photos}/" if photos else ""
    assert names_of(content) == {f"{folder}a.png": 1, f"{folder}good.png": 0}
    assert "1 photo without an XML file" in err


def test_a_size_of_nothing_is_that_of_the_photo(tmp_path: Path, mvtec):
    zero = "<size><width>0</width><height>0</height></size>"
    for size in (zero, ""):
        content, err = read(tmp_path, mvtec, voc(tmp_path / "v", DENT, size=size))
        assert (content.images[0].width, content.images[0].height) == (WIDTH, HEIGHT)
        assert "1 XML file without a size" in err


@pytest.mark.parametrize(
    ("box", "expected", "said"),
    [
        ("<xmin>35</xmin><ymin>25</ymin><xmax>21</xmax><ymax>16</ymax>", (20, 15, 15, 10), "1 object with swapped"),
        ("<xmin>21.5</xmin><ymin>16</ymin><xmax>35.0</xmax><ymax>25</ymax>", (20.5, 15, 14.5, 10), ""),
        ("<xmin>0</xmin><ymin>0</ymin><xmax>10</xmax><ymax>10</ymax>", (0, 0, 10, 10), "--from-zero"),
    ],
)
def test_boxes_of_other_tools(tmp_path: Path, mvtec, box: str, expected: tuple[float, ...], said: str):
    root = voc(tmp_path / "v", f"<object><name> dent\n</name><bndbox>{box}</bndbox></object>")
    content, err = read(tmp_path, mvtec, root)
    assert [one.bbox for one in content.annotations] == [expected]
    assert [one.name for one in content.categories] == ["dent"]
    assert said in err


def test_parts_and_polygons_beside_a_box_are_said(tmp_path: Path, mvtec):
    more = f"<part><name>head</name>{BOX}</part><polygon><x1>1</x1></polygon>"
    content, err = read(tmp_path, mvtec, voc(tmp_path / "v", f"<object><name>dent</name>{more}{BOX}</object>"))
    assert len(content.annotations) == 1
    assert "1 part of objects" in err
    assert "1 object with a polygon beside the box" in err


REFUSED = {
    "it has no name": f"<object><name> </name>{BOX}</object>",
    "it has no bndbox": "<object><name>dent</name></object>",
    "its shape is a robndbox": "<object><name>dent</name><robndbox><cx>3</cx></robndbox></object>",
    "bndbox/xmax is missing": "<object><name>dent</name><bndbox><xmin>1</xmin><ymin>1</ymin></bndbox></object>",
    "could not convert": f"<object><name>dent</name>{BOX.replace('21', 'left')}</object>",
    "it has a box without end": f"<object><name>dent</name>{BOX.replace('21', 'nan')}</object>",
    "its difficult is 'maybe'": f"<object><name>dent</name><difficult>maybe</difficult>{BOX}</object>",
}


@pytest.mark.parametrize("complaint", REFUSED)
def test_an_object_that_cannot_be_read_stops_and_can_be_left_out(tmp_path: Path, mvtec, complaint: str):
    root = voc(tmp_path / "v", REFUSED[complaint])
    photo(root / "JPEGImages" / "b.png")
    label(root / "Annotations" / "b.xml", REFUSED[complaint], DENT, filename="b.png")
    words = ["convert", "voc-to-coco", root, "--out", tmp_path / "o.json"]
    done = mvtec(*words)
    assert (done.code, len(done.err.splitlines())) == (2, 1)
    assert "a.xml: object 1 cannot be read" in done.err
    assert complaint in done.err
    done = mvtec(*words, "--on-error", "skip")
    assert done.code == 0, done.err
    assert names_of(read_coco(tmp_path / "o.json")) == {"JPEGImages/b.png": 1}
    assert "JPEGImages/a.png lost all its objects" in done.err


@pytest.mark.parametrize("content", ["<annotation", "<annotations/>", "<annotation>" * 2000])
def test_a_file_that_cannot_be_read_does_not_make_its_photo_good(tmp_path: Path, mvtec, content: str):
    root = voc(tmp_path / "v", DENT)
    photo(root / "JPEGImages" / "b.png")
    (root / "Annotations" / "b.xml").write_text(content)
    words = ["convert", "voc-to-coco", root, "--out", tmp_path / "o.json"]
    done = mvtec(*words)
    assert (done.code, len(done.err.splitlines())) == (2, 1)
    assert "b.xml: " in done.err
    assert mvtec(*words, "--on-error", "skip").code == 0
    assert names_of(read_coco(tmp_path / "o.json")) == {"JPEGImages/a.png": 1}


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
@pytest.mark.parametrize("name", ["Annotations/b.xml", "SegmentationObject/a.png"])
def test_a_pipe_is_refused_and_not_waited_for(tmp_path: Path, mvtec, name: str):
    root = voc(tmp_path / "v", DENT)
    photo(root / "JPEGImages" / "b.png")
    (root / name).parent.mkdir(exist_ok=True)
    os.mkfifo(root / name)
    done = mvtec("convert", "voc-to-coco", root, "--out", tmp_path / "o.json")
    assert done.code == 2
    assert "not a plain file" in done.err


def test_a_folder_without_label_files_is_refused(tmp_path: Path, mvtec):
    photo(tmp_path / "v" / "a.png")
    done = mvtec("convert", "voc-to-coco", tmp_path / "v", "--out", tmp_path / "o.json")
    assert done.code == 2
    assert "there is no XML file in Annotations/ or beside the photos" in done.err
