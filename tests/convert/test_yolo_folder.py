import json
from pathlib import Path

import numpy as np
import pytest
import yaml
from conftest import Category, noise, write_png

from mvtec.convert.formats.coco.files import read_coco
from mvtec.convert.formats.yolo.read_folder import read_yolo_folder
from mvtec.errors import InputError


@pytest.fixture
def folder(category: Category, tmp_path: Path, mvtec) -> Path:
    out = tmp_path / "yolo"
    assert mvtec("convert", "masks-to-yolo", category.root, "--out", out).code == 0
    return out


def test_photos_labels_and_annotations_are_the_same_photos(folder: Path):
    for part, count in (("train", 12), ("test", 3)):
        photos = sorted(path.stem for path in (folder / "images" / part).iterdir())
        assert len(photos) == count
        assert photos == sorted(path.stem for path in (folder / "labels" / part).iterdir())
        annotations = read_coco(folder / "annotations" / f"instances_{part}.json")
        assert photos == sorted(Path(image.file_name).stem for image in annotations.images)
    assert not (folder / "images" / "val").exists()


def test_labels_are_the_boxes_of_the_annotations(folder: Path):
    annotations = read_coco(folder / "annotations" / "instances_train.json")
    for image in annotations.images:
        lines = (folder / "labels" / "train" / image.file_name).with_suffix(".txt").read_text().splitlines()
        boxes = []
        for line in lines:
            label, cx, cy, w, h = (float(word) for word in line.split())
            boxes.append((label + 1, *(np.array([cx - w / 2, cy - h / 2, w, h]) * [48, 40, 48, 40]).round(2)))
        expected = [(a.category_id, *a.bbox) for a in annotations.annotations if a.image_id == image.id]
        assert boxes == expected
    assert (folder / "labels" / "train").joinpath(
        next(p.name for p in (folder / "labels" / "train").glob("good*"))
    ).read_text() == ""


def test_data_yaml_is_relative_and_val_is_never_test(folder: Path):
    content = yaml.safe_load((folder / "data.yaml").read_text())
    assert content == {
        "train": "images/train",
        "val": "images/train",
        "test": "images/test",
        "names": {0: "crack", 1: "stain"},
    }
    assert read_yolo_folder(folder).images["val"] == ()


def test_names_of_two_classes_do_not_overwrite_each_other(folder: Path):
    names = sorted(path.name for part in ("train", "test") for path in (folder / "images" / part).iterdir())
    assert names == sorted(f"{defect}_{n:03}.png" for defect in ("good", "crack", "stain") for n in range(5))


def test_names_that_clash_once_joined_are_kept_apart(category: Category, tmp_path: Path, mvtec):
    for defect, name in (("a", "b_0"), ("a_b", "0"), ("A", "b_0")):
        write_png(category.root / "test" / defect / f"{name}.png", noise(len(defect) + 60 + ord(defect[0])))
        mask = np.zeros((40, 48))
        mask[3:9, 3:9] = 255
        write_png(category.root / "ground_truth" / defect / f"{name}_mask.png", mask)
    out = tmp_path / "yolo"
    assert mvtec("convert", "masks-to-yolo", category.root, "--out", out).code == 0
    names = [path.name for path in out.rglob("*.png")]
    assert len({name.casefold() for name in names}) == len(names) == 18


@pytest.mark.parametrize("images", ["link", "copy", "hardlink"])
def test_photos_are_linked_or_copied(category: Category, tmp_path: Path, mvtec, images: str):
    out = tmp_path / "yolo"
    assert mvtec("convert", "masks-to-yolo", category.root, "--out", out, "--images", images).code == 0
    photo = next((out / "images" / "train").iterdir())
    assert photo.is_symlink() == (images == "link")
    assert (photo.lstat().st_nlink > 1) == (images == "hardlink")
    assert photo.read_bytes()[:4] == b"\x89PNG"


def test_a_fold_becomes_val(category: Category, tmp_path: Path, mvtec):
    mvtec("datasets", "split", category.root, "--out", tmp_path / "s.json", "--folds", 2)
    out = tmp_path / "yolo"
    mvtec("convert", "masks-to-yolo", category.root, "--out", out, "--split", tmp_path / "s.json", "--fold", 1)
    folder = read_yolo_folder(out)
    assert {part: len(photos) for part, photos in folder.images.items()} == {"train": 6, "val": 6, "test": 3}
    assert folder.split is not None
    assert folder.split.hash == json.loads((out / "split.json").read_text())["hash"]


def test_two_runs_write_the_same_bytes(folder: Path, category: Category, tmp_path: Path, mvtec):
    other = tmp_path / "again"
    mvtec("convert", "masks-to-yolo", category.root, "--out", other)
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    assert len(files) == 15 * 2 + 2 + 3  # labels and photos, annotations, data.yaml, split.json, conversion.json
    assert all(path.read_bytes() == (other / path.relative_to(folder)).read_bytes() for path in files)


def test_an_existing_folder_is_kept(folder: Path, category: Category, mvtec):
    (folder / "mine.txt").write_text("")
    outcome = mvtec("convert", "masks-to-yolo", category.root, "--out", folder)
    assert (outcome.code, (folder / "mine.txt").exists()) == (2, True)
    assert "exists already" in outcome.err
    assert mvtec("convert", "masks-to-yolo", category.root, "--out", folder, "--overwrite").code == 0
    assert not (folder / "mine.txt").exists()


def test_a_corrupt_photo_stops_it_and_leaves_nothing(category: Category, tmp_path: Path, mvtec):
    photo = category.photo("good", 1)
    photo.write_bytes(photo.read_bytes()[:60])
    outcome = mvtec("convert", "masks-to-yolo", category.root, "--out", tmp_path / "yolo")
    assert outcome.code == 2
    assert "good/001.png" in outcome.err
    assert "Traceback" not in outcome.err
    assert [path.name for path in tmp_path.iterdir()] == ["widget"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("train: [", "not a readable YAML", id="broken"),
        pytest.param("train: images/train", "no list of class names", id="no_names"),
        pytest.param("train: nowhere\nnames: [a]", "holds no photo", id="no_photo"),
    ],
)
def test_a_broken_data_yaml_is_named(tmp_path: Path, text: str, message: str):
    (tmp_path / "data.yaml").write_text(text)
    with pytest.raises(InputError, match=message):
        read_yolo_folder(tmp_path)


def test_a_data_yaml_of_another_tool_is_read(tmp_path: Path):
    for part in ("train", "valid"):
        write_png(tmp_path / part / "images" / "a.png", noise(1))
    (tmp_path / "list.txt").write_text("valid/images/a.png\n")
    (tmp_path / "data.yaml").write_text("train: train/images\nval: list.txt\nnames: [a, b]\nnc: 2\n")
    folder = read_yolo_folder(tmp_path / "data.yaml")
    assert folder.names == ("a", "b")
    assert [len(folder.images[part]) for part in ("train", "val", "test")] == [1, 1, 0]
    assert folder.annotations("test") is None


def test_a_conversion_onto_its_own_input_is_refused(category: Category, mvtec):
    before = sorted(category.root.rglob("*"))
    for out in (category.root, category.root.parent):
        outcome = mvtec("convert", "masks-to-yolo", category.root, "--out", out, "--overwrite")
        assert outcome.code == 2
        assert "would be lost" in outcome.err
    assert sorted(category.root.rglob("*")) == before


def test_unreadable_photos_can_be_left_out_without_a_split(category: Category, tmp_path: Path, mvtec):
    category.photo("good", 1).write_bytes(b"no photo")
    command = ["convert", "masks-to-yolo", category.root, "--out", tmp_path / "yolo"]
    assert mvtec(*command).code == 2
    outcome = mvtec(*command, "--on-error", "skip")
    assert outcome.code == 0
    assert "left out: " in outcome.err
    assert "good/001.png" in outcome.err
    assert len(list((tmp_path / "yolo").rglob("*.png"))) == 14


def test_mixed_keys_and_parent_paths_of_a_data_yaml(tmp_path: Path):
    write_png(tmp_path / "train" / "images" / "a.png", noise(1))
    (tmp_path / "data.yaml").write_text("train: ../train/images\nnames: {0: a, '1': b}\n")  # as Roboflow writes it
    folder = read_yolo_folder(tmp_path)
    assert folder.names == ("a", "b")
    assert len(folder.images["train"]) == 1
