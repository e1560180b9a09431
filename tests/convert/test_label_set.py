"""COCO files and YOLO folders are checked, described and divided as categories are."""

import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from conftest import noise, write_png

from mvtec.convert.formats.coco.files import read_coco
from mvtec.datasets.split import PARTS, read_split

BOX = [20.0, 15.0, 15.0, 10.0]


def coco_file(folder: Path, count: int = 6, *, photos: str = "photos") -> Path:
    """Photos of 48×40; the even ones have a dent, the fourth a scratch, too."""
    images, annotations = [], []
    for number in range(count):
        write_png(folder / photos / f"{number}.png", noise(number))
        images.append({"id": number + 1, "file_name": f"{number}.png", "width": 48, "height": 40})
        for category in [1] * (number % 2 == 0) + [2] * (number == 4):
            one = {"id": len(annotations) + 1, "image_id": number + 1, "category_id": category, "iscrowd": 0}
            annotations.append({**one, "bbox": BOX, "area": 150, "segmentation": []})
    categories = [{"id": 1, "name": "dent"}, {"id": 2, "name": "scratch"}]
    path = folder / "instances.json"
    path.write_text(json.dumps({"images": images, "annotations": annotations, "categories": categories}))
    return path


def change(path: Path, edit) -> None:
    content = json.loads(path.read_text())
    edit(content)
    path.write_text(json.dumps(content))


@pytest.fixture
def coco(tmp_path: Path) -> Path:
    return coco_file(tmp_path / "set", 12)


@pytest.fixture
def yolo(coco: Path, tmp_path: Path, mvtec) -> Path:
    out = tmp_path / "yolo"
    assert mvtec("convert", "coco-to-yolo", coco, "--images", coco.parent / "photos", "--out", out).code == 0
    return out


def kinds(mvtec, *words: object) -> list[tuple[str, str]]:
    found = json.loads(mvtec("datasets", "check", *words, "--json").out)["problems"]
    return [(one["kind"], Path(one["file"]).name) for one in found]


@pytest.mark.parametrize("place", ["photos", ".", "../images"])
def test_a_coco_file_is_divided_and_the_split_converts(place: str, tmp_path: Path, mvtec):
    path = coco_file(tmp_path / "set" / "annotations", 12, photos=place)
    out, photos = tmp_path / "s.json", path.parent / place
    done = mvtec("datasets", "split", path, "--out", out, "--test-fraction", "0.4")
    assert done.code == 0
    assert "the photos are taken from " in done.err
    split = read_split(out)
    assert sorted(split.images) == sorted(f"{number}.png" for number in range(12))
    assert [line.split() for line in done.out.splitlines()[1:4]] == [
        ["dent", "3", "0", "2"],
        ["dent+scratch", "1", "0", "0"],
        ["good", "4", "0", "2"],
    ]
    words = ("convert", "coco-to-yolo", path, "--images", photos, "--split", out, "--out", tmp_path / "y")
    assert mvtec(*words).code == 0
    for part in ("train", "test"):
        written = read_coco(tmp_path / "y" / "annotations" / f"instances_{part}.json")
        assert sorted(image.file_name for image in written.images) == sorted(split.part(part))


def test_a_split_of_a_file_with_paths_of_a_server_fits_it(coco: Path, tmp_path: Path, mvtec):
    def to_server(content):
        for image in content["images"]:
            image["file_name"] = f"/data/upload/1/0123abcd-{image['file_name']}"

    change(coco, to_server)
    out, images = tmp_path / "s.json", ("--images", coco.parent / "photos")
    for beside in (images, ()):
        assert mvtec("datasets", "split", coco, *beside, "--out", out, "--overwrite").code == 0
        assert len(read_split(out).images) == 12
    assert mvtec("datasets", "split", coco, *images, "--out", out, "--overwrite").code == 0
    assert mvtec("convert", "coco-to-yolo", coco, *images, "--split", out, "--out", tmp_path / "y").code == 0


def test_a_yolo_folder_is_divided_anew_for_a_training(yolo: Path, tmp_path: Path, mvtec):
    from mvtec.convert.formats.yolo.read_folder import read_yolo_folder
    from mvtec.detect.prepare import yolo_folder_for

    out = tmp_path / "s.json"
    assert mvtec("datasets", "split", yolo, "--out", out, "--test-fraction", "0.4", "--folds", "2").code == 0
    split = read_split(out)
    assert {path.split("/")[0] for path in split.images} == {"images"}
    made = read_yolo_folder(yolo_folder_for(yolo, tmp_path / "run", out, 1))
    assert made.split == split.fold(1)
    assert made.names == ("dent", "scratch")
    for part in PARTS:
        assert sorted(photo.stem.removeprefix("train_") for photo in made.images[part]) == sorted(
            Path(path).stem for path in split.fold(1).part(part)
        )
    labels = {file.stem: file.read_text() for file in (yolo / "labels").rglob("*.txt")}
    assert {
        file.stem.removeprefix("train_"): file.read_text() for file in (tmp_path / "run/data/labels").rglob("*.txt")
    } == labels
    assert yolo_folder_for(yolo, tmp_path / "run", out, 1) == tmp_path / "run" / "data"  # resumed
    assert yolo_folder_for(yolo, tmp_path / "other") == yolo


def test_a_clean_set_has_no_problem(coco: Path, yolo: Path, mvtec):
    assert kinds(mvtec, coco) == kinds(mvtec, coco, "--images", coco.parent / "photos") == kinds(mvtec, yolo) == []
    assert "12 photos checked, no problems" in mvtec("datasets", "check", yolo).out


def box_of(number: int, bbox: list[float]):
    return lambda content: content["annotations"][number].update(bbox=bbox, area=bbox[2] * bbox[3])


SPOILERS = {
    "photo_missing": (lambda p: (p.parent / "photos/2.png").unlink(), ("photo-missing", "2.png")),
    "other_size": (lambda p: write_png(p.parent / "photos/2.png", noise(2, 40, 47)), (None, "2.png")),
    "tiny_box": (lambda p: change(p, box_of(1, [5, 5, 1, 9])), ("tiny-box", "2.png")),
    "box_reaches_out": (lambda p: change(p, box_of(1, [40, 5, 20, 9])), ("box-out-of-photo", "2.png")),
    "same_photo": (
        lambda p: shutil.copy(p.parent / "photos/1.png", p.parent / "photos/3.png"),
        ("duplicate-photo", "3.png"),
    ),
    "same_photo_other_label": (
        lambda p: shutil.copy(p.parent / "photos/1.png", p.parent / "photos/2.png"),
        ("contradictory-duplicate", "2.png"),
    ),
    "same_box_twice": (
        lambda p: change(p, lambda c: c["annotations"].append({**c["annotations"][1], "id": 99})),
        ("doubled-box", "2.png"),
    ),
    "unused_class": (
        lambda p: change(p, lambda c: c["categories"].append({"id": 3, "name": "rust"})),
        ("unused-class", "instances.json"),
    ),
    "other_ending": (lambda p: (p.parent / "photos/x.gif").write_bytes(b"GIF89a"), ("unread-photo", "x.gif")),
    "twelve_bits": (
        lambda p: cv2.imwrite(str(p.parent / "photos/2.png"), np.full((40, 48), 4000, np.uint16)),
        ("deep-photo", "2.png"),
    ),
    "cut_off": (
        lambda p: (p.parent / "photos/2.png").write_bytes((p.parent / "photos/2.png").read_bytes()[:-20]),
        (None, "2.png"),
    ),
}


@pytest.mark.parametrize("name", SPOILERS)
def test_each_problem_of_a_coco_file_is_named(name: str, coco: Path, mvtec):
    spoil, (kind, file) = SPOILERS[name]
    spoil(coco)
    ((found_kind, found_file),) = kinds(mvtec, coco)
    assert found_file == file
    assert kind in (None, found_kind)


def test_each_problem_of_a_yolo_folder_is_named(yolo: Path, mvtec):
    photos, labels = yolo / "images" / "train", yolo / "labels" / "train"
    (labels / "0.txt").write_text("0 0.5 0.5 0.01 0.4\n")
    (labels / "1.txt").unlink()
    (labels / "2.txt").write_text("7 0.5 0.5 0.1 0.1\n")
    (yolo / "images" / "val").mkdir()
    (yolo / "labels" / "val").mkdir()
    shutil.move(photos / "4.png", yolo / "images" / "val" / "4.png")
    shutil.move(labels / "4.txt", yolo / "labels" / "val" / "4.txt")
    shutil.copy(photos / "3.png", yolo / "images" / "val" / "again.png")
    (yolo / "labels" / "val" / "again.txt").write_text("")
    content = (yolo / "data.yaml").read_text()
    lines = ["val: images/val" if line.startswith("val:") else line for line in content.splitlines()]
    (yolo / "data.yaml").write_text("\n".join(lines))
    assert sorted(kinds(mvtec, yolo)) == [
        ("class-not-in-train", "yolo"),
        ("no-label", "1.png"),
        ("photo-in-two-parts", "again.png"),
        ("photo-or-label-not-readable", "2.txt"),
        ("tiny-box", "0.png"),
    ]


def test_the_data_card(coco: Path, yolo: Path, mvtec):
    for place in (coco, yolo):
        card = json.loads(mvtec("datasets", "info", place, "--json").out)["card"]
        assert card["images"] == {"good": 6, "dent": 5, "dent+scratch": 1}
        assert card["sizes_wh"] == [[48, 40, 12]]
        assert card["defect_size"]["dent"]["median"] == pytest.approx(100 * 150 / (48 * 40), rel=1e-4)
        assert card["defect_size"]["dent+scratch"]["maximum"] == pytest.approx(100 * 300 / (48 * 40), rel=1e-4)


def test_what_a_conversion_refuses_stops_a_split_or_is_left_out(coco: Path, tmp_path: Path, mvtec):
    (coco.parent / "photos" / "2.png").unlink()
    words = ("datasets", "split", coco, "--out", tmp_path / "s.json")
    done = mvtec(*words)
    assert (done.code, "2.png: no such photo" in done.err, "--on-error skip" in done.err) == (2, True, True)
    assert mvtec("datasets", "info", coco).code == 2
    done = mvtec(*words, "--on-error", "skip")
    assert (done.code, "left out: " in done.err) == (0, True)
    assert "2.png" not in read_split(tmp_path / "s.json").images


def test_photos_that_are_not_beside_the_file_are_asked_for(coco: Path, tmp_path: Path, mvtec):
    shutil.move(coco.parent / "photos", tmp_path / "elsewhere" / "deep")
    done = mvtec("datasets", "check", coco)
    assert (done.code, "its photos are not beside it. Give their folder as --images" in done.err) == (2, True)
    assert mvtec("datasets", "check", coco, "--images", tmp_path / "elsewhere" / "deep").code == 0
    assert mvtec("datasets", "check", tmp_path, "--images", tmp_path).code == 2
