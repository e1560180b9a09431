"""The view of a training's data has the photos and their labels, and nothing that lies beside them."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import yaml
from conftest import noise, write_png

from mvtec.convert.formats.yolo.read_folder import read_yolo_folder
from mvtec.datasets.images import read_photo
from mvtec.detect.view import make_view


def make(root: Path) -> Path:
    for number, name in enumerate(("b.png", "a.jfif", "c.png")):
        write_png(root / "images" / "b.png", noise(0))
        encoded = cv2.imencode(Path(name).suffix.replace("jfif", "jpg"), noise(number))[1].tobytes()
        (root / "images" / name).write_bytes(encoded + (b"\0" if name == "a.jfif" else b""))
    np.save(root / "images" / "b.npy", np.zeros((40, 48, 3), np.uint8))
    (root / "labels").mkdir()
    (root / "labels" / "b.txt").write_text("0 0.5 0.5 0.5 0.5\n")
    (root / "labels" / "a.txt").touch()
    (root / "labels.cache").write_bytes(b"a pickle")
    (root / "data.yaml").write_text("train: images\nnames: [crack]\n")
    return root


def test_a_view_holds_what_was_checked_alone(tmp_path: Path):
    data = read_yolo_folder(make(tmp_path / "y"))
    (tmp_path / "run" / "view" / "labels").mkdir(parents=True)
    (tmp_path / "run" / "view" / "labels" / "train.cache").touch()  # of a run that was killed
    view = make_view(data, tmp_path / "run" / "view")
    files = sorted(path.relative_to(view.folder).as_posix() for path in view.folder.rglob("*") if not path.is_dir())
    assert files == [
        "data.yaml",
        *(f"images/train/00000{number}" for number in ("0.jpg", "1.png", "2.png")),
        *(f"labels/train/00000{number}.txt" for number in (0, 1)),
        "train.txt",
        "val.txt",
    ]
    assert [photo.name for photo in view.photos.values()] == ["a.jfif", "b.png", "c.png"]
    assert all(np.array_equal(read_photo(shown), read_photo(photo)) for shown, photo in view.photos.items())
    assert (view.folder / "labels" / "train" / "000001.txt").read_text() == "0 0.5 0.5 0.5 0.5\n"
    content = yaml.safe_load(view.data_yaml.read_text())
    assert content == {
        "train": str(view.folder / "train.txt"),
        "val": str(view.folder / "train.txt"),
        "names": {0: "crack"},
    }


def test_a_jpeg_that_does_not_end_as_one_is_a_copy_that_does(tmp_path: Path):
    view = make_view(read_yolo_folder(make(tmp_path / "y")), tmp_path / "view")
    jpeg = view.folder / "images" / "train" / "000000.jpg"
    assert (jpeg.is_symlink(), jpeg.read_bytes()[-2:]) == (False, b"\xff\xd9")
    assert (tmp_path / "y" / "images" / "a.jfif").read_bytes()[-1:] == b"\0"
