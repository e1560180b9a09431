"""What users' own files hold: nothing of it is lost, guessed or overwritten without a word."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import Category, noise, write_png
from foreign import coco, labels_of
from PIL import Image

from mvtec.convert.formats.coco.files import read_coco
from mvtec.convert.pixels.rle import encode_rle
from mvtec.files import sha256_file


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    write_png(tmp_path / "photos" / "a.png", noise(1))
    return tmp_path / "photos"


def split_file(path: Path, *photos: str, root: Path) -> Path:
    """A split of which the last photo is test."""
    content = {
        "format": "mvtec-split/1",
        "category": "photos",
        "seed": 0,
        "train": sorted(photos[:-1]),
        "test": [photos[-1]],
        "images": {photo: sha256_file(root / photo.replace("\\", "/")) for photo in photos},
    }
    path.write_text(json.dumps(content))
    return path


def two_photos(path: Path, one: str, other: str) -> Path:
    content = {
        "images": [{"id": n, "file_name": name, "width": 48, "height": 40} for n, name in enumerate((one, other), 1)],
        "annotations": [
            {"id": n, "image_id": n, "category_id": 1, "bbox": [5, 6, 10, 8], "area": 80, "iscrowd": 0} for n in (1, 2)
        ],
        "categories": [{"id": 1, "name": "crack"}],
    }
    path.write_text(json.dumps(content))
    return path


@pytest.mark.parametrize("command", ["masks-to-yolo", "coco-to-yolo", "masks-to-coco"])
def test_the_split_that_is_read_is_not_overwritten(category: Category, tmp_path: Path, mvtec, command: str):
    root, out = category.root, tmp_path / "out"
    assert mvtec("convert", "masks-to-coco", root, "--out", tmp_path / "i.json").code == 0
    out.mkdir()
    split = out / "split.json" if command != "masks-to-coco" else tmp_path / "s_train.json"
    assert mvtec("datasets", "split", root, "--out", split, "--folds", "2").code == 0
    before = split.read_bytes()
    words = {
        "masks-to-yolo": [root, "--out", out],
        "coco-to-yolo": [tmp_path / "i.json", "--images", root, "--out", out],
        "masks-to-coco": [root, "--out", tmp_path / "s.json"],
    }[command]
    done = mvtec("convert", command, *words, "--split", split, "--overwrite")
    assert (done.code, split.read_bytes()) == (2, before)
    assert "would be lost" in done.err


def test_brush_masks_of_cvat_are_not_lost(photos: Path, tmp_path: Path, mvtec):
    mask = np.zeros((40, 48), bool)
    mask[6:14, 5:15] = True
    source = coco(tmp_path / "i.json", {"segmentation": encode_rle(mask), "iscrowd": 1})
    words = ["convert", "coco-to-yolo", source, "--images", photos]
    done = mvtec(*words, "--out", tmp_path / "a")
    assert done.code == 2
    assert "--keep-crowds" in done.err
    assert mvtec(*words, "--out", tmp_path / "b", "--keep-crowds").code == 0
    assert len(labels_of(tmp_path / "b")) == 1
    done = mvtec(*words, "--out", tmp_path / "c", "--on-error", "skip")
    assert done.code == 2
    assert "no photo is left to write; first:" in done.err
    assert not (tmp_path / "c").exists()
    for command in ("coco-to-cvat", "coco-to-labelstudio", "coco-to-voc", "coco-to-semantic", "coco-to-masks"):
        done = mvtec("convert", command, source, "--out", tmp_path / f"{command}.x", "--keep-crowds")
        assert "1 photo, 1 instance" in done.out


@pytest.mark.parametrize("name", ["../a.png", ".hidden/a.png", "..a.png"])
def test_no_photo_of_a_yolo_folder_is_hidden(tmp_path: Path, mvtec, name: str):
    (tmp_path / "ann").mkdir()
    write_png(tmp_path / "ann" / name, noise(1))
    source = coco(tmp_path / "i.json", {}, name=name)
    assert mvtec("convert", "coco-to-yolo", source, "--images", tmp_path / "ann", "--out", tmp_path / "y").code == 0
    (made,) = (tmp_path / "y" / "images" / "train").iterdir()
    assert made.name in ("a.png", "hidden_a.png")
    assert mvtec("convert", "yolo-to-coco", tmp_path / "y", "--out", tmp_path / "o.json").code == 0


def test_two_images_of_one_name_are_refused(photos: Path, tmp_path: Path, mvtec):
    source = two_photos(tmp_path / "i.json", "a.png", "a.png")
    write_png(photos / "b.png", noise(2))
    split = split_file(tmp_path / "s.json", "a.png", root=photos)
    for more in ([], ["--split", split]):
        done = mvtec("convert", "coco-to-yolo", source, "--images", photos, "--out", tmp_path / "y", *more)
        assert done.code == 2
        assert "two images a.png" in done.err
    single = two_photos(tmp_path / "j.json", "a.png", "b.png")
    done = mvtec("convert", "coco-to-yolo", single, "--images", photos, "--out", tmp_path / "y", "--test", single)
    assert done.code == 0
    assert "test shares 2 photos with train" in done.err


def test_names_of_windows_meet_a_split(tmp_path: Path, mvtec):
    for number in (0, 1):
        write_png(tmp_path / "p" / "crack" / f"{number}.png", noise(number))
    source = two_photos(tmp_path / "i.json", "crack\\0.png", "crack\\1.png")
    split = split_file(tmp_path / "s.json", "crack/0.png", "crack/1.png", root=tmp_path / "p")
    words = ["convert", "coco-to-yolo", source, "--images", tmp_path / "p", "--out", tmp_path / "y", "--split", split]
    assert mvtec(*words).code == 0
    assert [file.name for file in (tmp_path / "y" / "images" / "test").iterdir()] == ["crack_1.png"]
    mask = encode_rle(np.ones((40, 48), bool))
    masked = coco(tmp_path / "j.json", {"segmentation": mask}, name="crack\\0.png")
    assert mvtec("convert", "coco-to-masks", masked, "--out", tmp_path / "m").code == 0
    assert (tmp_path / "m" / "ground_truth" / "crack" / "0_mask.png").is_file()


def test_a_missing_photo_can_be_left_out(photos: Path, tmp_path: Path, mvtec):
    source = two_photos(tmp_path / "i.json", "a.png", "gone.png")
    words = ["convert", "coco-to-yolo", source, "--images", photos, "--out", tmp_path / "y"]
    failed = mvtec(*words).err
    assert "gone.png: no such photo" in failed
    assert failed.endswith("or pass --on-error skip.\n")
    done = mvtec(*words, "--on-error", "skip")
    assert done.code == 0
    assert "1 photo, 1 instance" in done.out
    assert "left out" in done.err
    assert "pass --on-error skip" not in done.err


def test_what_is_missing_is_taken_from_what_is_there(tmp_path: Path):
    polygon = [5, 6, 15, 6, 15, 14, 5, 14]
    mask = np.zeros((40, 48), bool)
    mask[6:14, 5:15] = True
    source = coco(
        tmp_path / "i.json",
        {"bbox": None, "segmentation": [polygon]},
        {"bbox": None, "segmentation": encode_rle(mask)},
        categories=[{"id": 1, "name": 7}],
    )
    read = read_coco(source)
    assert [one.bbox for one in read.annotations] == [(5, 6, 10, 8)] * 2
    assert read.category_names() == {1: "7"}


def test_a_defect_called_ok_is_refused(tmp_path: Path, mvtec):
    mask = encode_rle(np.ones((40, 48), bool))
    for name, said in (("ok", "is for none"), ("Good", "is for none"), (".x", "cannot name a folder")):
        source = coco(tmp_path / "i.json", {"segmentation": mask}, categories=[{"id": 1, "name": name}])
        done = mvtec("convert", "coco-to-masks", source, "--out", tmp_path / "m")
        assert done.code == 2
        assert said in done.err


def test_a_blank_class_is_refused(tmp_path: Path, mvtec):
    mask = encode_rle(np.ones((40, 48), bool))
    source = coco(tmp_path / "i.json", {"segmentation": mask}, categories=[{"id": 1, "name": " "}])
    assert (
        "categories.0.name ( ): is empty" in mvtec("convert", "coco-to-semantic", source, "--out", tmp_path / "m").err
    )


def test_pascal_voc_holds_many_boxes(tmp_path: Path, mvtec):
    source = coco(tmp_path / "i.json", *({"bbox": [n % 40, 5, 4, 4], "area": 16} for n in range(300)))
    assert mvtec("convert", "coco-to-voc", source, "--out", tmp_path / "v").code == 0
    done = mvtec("convert", "voc-to-coco", tmp_path / "v", "--out", tmp_path / "o.json")
    assert "300 instances" in done.out


@pytest.mark.parametrize(("rotation", "left"), [("abc", "0"), ("0", "inf")])
def test_odd_numbers_of_cvat_are_no_traceback(tmp_path: Path, mvtec, rotation: str, left: str):
    (tmp_path / "c.xml").write_text(
        '<annotations><image id="0" name="a.png" width="48" height="40">'
        f'<box label="crack" xtl="{left}" ytl="0" xbr="inf" ybr="9" rotation="{rotation}"/></image></annotations>'
    )
    done = mvtec("convert", "cvat-to-coco", tmp_path / "c.xml", "--out", tmp_path / "o.json")
    assert done.code == 2
    assert "a box of a.png cannot be read" in done.err


def test_a_tolerance_that_is_no_number_is_refused(category: Category, tmp_path: Path, mvtec):
    words = ["convert", "masks-to-coco", category.root, "--out", tmp_path / "o.json", "--segmentation", "polygon"]
    done = mvtec(*words, "--tolerance", "nan")
    assert (done.code, list(tmp_path.glob("o*"))) == (2, [])
    assert "--tolerance" in done.err


def test_a_part_of_a_data_yaml_that_is_not_there_is_named(photos: Path, tmp_path: Path, mvtec):
    source = coco(tmp_path / "i.json", {})
    assert mvtec("convert", "coco-to-yolo", source, "--images", photos, "--out", tmp_path / "y").code == 0
    yaml = tmp_path / "y" / "data.yaml"
    text = yaml.read_text()
    write_png(tmp_path / "y" / "images" / "val" / "v.png", noise(3))
    for line, said, written in (
        ("val: images/wal", "names a val part, and there is no photo in it", ["n_train.json"]),
        ("validation: images/val", "have no label file", ["o_train.json", "o_val.json"]),
        ("val: [images/val, images/train]", "val shares 1 photo with train", ["p_train.json", "p_val.json"]),
    ):
        yaml.write_text("\n".join(line if one.startswith("val:") else one for one in text.splitlines()) + "\n")
        out = tmp_path / f"{written[0][0]}.json"
        done = mvtec("convert", "yolo-to-coco", tmp_path / "y", "--out", out)
        assert done.code == 0
        assert said in done.err
        assert sorted(file.name for file in tmp_path.glob(f"{out.stem}_*.json")) == written


def test_a_photo_that_is_listed_twice_is_one(photos: Path, tmp_path: Path, mvtec):
    source = coco(tmp_path / "i.json", {})
    assert mvtec("convert", "coco-to-yolo", source, "--images", photos, "--out", tmp_path / "y").code == 0
    (tmp_path / "y" / "list.txt").write_text("images/train/a.png\nimages/train/a.png\n")
    yaml = tmp_path / "y" / "data.yaml"
    yaml.write_text(yaml.read_text().replace("train: images/train", "train: [list.txt, images/train]"))
    assert mvtec("convert", "yolo-to-coco", tmp_path / "y", "--out", tmp_path / "o.json").code == 0
    assert len(read_coco(tmp_path / "o_train.json").images) == 1


def tasks(path: Path, *all_tasks: dict[str, Any]) -> Path:
    path.write_text(json.dumps(all_tasks))
    return path


RECTANGLE = {
    "type": "rectanglelabels",
    "original_width": 48,
    "original_height": 40,
    "value": {"x": 10, "y": 10, "width": 20, "height": 20, "rectanglelabels": ["crack"]},
}


def labelled_task(url: str) -> dict[str, Any]:
    return {"data": {"image": url}, "annotations": [{"result": [RECTANGLE]}]}


def test_photos_of_label_studio_are_found_by_what_they_are_called(tmp_path: Path, mvtec):
    for name in ("test/crack/000.png", "test/hole/000.png", "1a2b3c4d-001.png", "001.png"):
        write_png(tmp_path / "p" / name, noise(len(name)))
    urls = ["s3://bucket/test/crack/000.png", "s3://bucket/test/hole/000.png", "/data/upload/1/1a2b3c4d-001.png"]
    source = tasks(tmp_path / "ls.json", *map(labelled_task, urls))
    words = ["convert", "labelstudio-to-coco", source]
    assert mvtec(*words, "--out", tmp_path / "o.json", "--images", tmp_path / "p").code == 0
    names = [image.file_name for image in read_coco(tmp_path / "o.json").images]
    assert names == ["test/crack/000.png", "test/hole/000.png", "1a2b3c4d-001.png"]
    done = mvtec(*words, "--out", tmp_path / "without.json")
    assert done.code == 2
    assert "tasks 1 and 2 both name 000.png" in done.err


def test_skipped_and_open_tasks_of_label_studio(photos: Path, tmp_path: Path, mvtec):
    write_png(photos / "b.png", noise(2))
    write_png(photos / "c.png", noise(3))
    source = tasks(
        tmp_path / "ls.json",
        labelled_task("a.png"),
        {"data": {"image": "b.png"}, "annotations": [{"was_cancelled": True, "result": []}]},
        {"data": {"image": "c.png"}, "annotations": []},
        {"data": {"image": "gone.png"}, "annotations": []},
    )
    words = ["convert", "labelstudio-to-coco", source, "--images", photos, "--out", tmp_path / "o.json"]
    done = mvtec(*words)
    assert done.code == 0
    assert [image.file_name for image in read_coco(tmp_path / "o.json").images] == ["a.png"]
    assert "the task of b.png was skipped" in done.err
    assert "the task of c.png has no annotation" in done.err
    assert "the task of gone.png has no annotation" in done.err


def test_an_unreadable_photo_without_a_file_of_pascal_voc_can_be_left_out(photos: Path, tmp_path: Path, mvtec):
    source = coco(tmp_path / "i.json", {})
    assert mvtec("convert", "coco-to-voc", source, "--images", photos, "--out", tmp_path / "v").code == 0
    (tmp_path / "v" / "JPEGImages" / "b.png").write_bytes(b"no image")
    words = ["convert", "voc-to-coco", tmp_path / "v", "--out", tmp_path / "o.json"]
    assert mvtec(*words).code == 2
    assert mvtec(*words, "--on-error", "skip").code == 0
    assert len(read_coco(tmp_path / "o.json").images) == 1


def test_semantic_masks_of_other_depths(tmp_path: Path, mvtec):
    root = tmp_path / "s"
    (root / "masks").mkdir(parents=True)
    (root / "classes.txt").write_text("background\ncrack\n")
    numbers = np.zeros((40, 48), np.uint8)
    numbers[6:14, 5:15] = 1
    made = {
        "bit": Image.fromarray(numbers * 255).convert("1"),
        "deep": Image.fromarray(numbers.astype(np.uint16)),
        "alpha": Image.merge("LA", (Image.fromarray(numbers), Image.new("L", (48, 40), 255))),
        "void": Image.fromarray(numbers * 255),
    }
    for name, mask in made.items():
        write_png(root / "images" / f"{name}.png", noise(len(name)))
        mask.save(root / "masks" / f"{name}.png")
    done = mvtec("convert", "semantic-to-coco", root, "--out", tmp_path / "o.json")
    assert "4 photos, 3 instances" in done.out
    assert "1 mask with no value but 0 and 255" in done.err
    assert {one.bbox for one in read_coco(tmp_path / "o.json").annotations} == {(5, 6, 10, 8)}
    Image.fromarray(numbers.astype(np.uint16) * 300).save(root / "masks" / "deep.png")
    done = mvtec("convert", "semantic-to-coco", root, "--out", tmp_path / "p.json")
    assert done.code == 2
    assert "has the value 300" in done.err
