"""A training reads the photos that it is given, whatever lies beside them and whatever is installed."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from conftest import Category, noise, write_png
from PIL import Image
from tiny import TINY

from mvtec.convert.formats.yolo.read_folder import read_yolo_folder
from mvtec.datasets.images import read_photo
from mvtec.datasets.samples import IMAGE_SUFFIXES
from mvtec.detect.view import make_view
from mvtec.offline import ultralytics

ALBUMENTATIONS = """
__version__ = "2.0.0"
class BaseCompose: pass
class DualTransform: pass
class Step:
    def __init__(self, p=0.5, **_): self.p = p
Blur = MedianBlur = ToGray = CLAHE = RandomBrightnessContrast = RandomGamma = ImageCompression = Step
class Compose(BaseCompose):
    def __init__(self, transforms, **_): self.transforms = transforms
    def __call__(self, image): return {"image": 255 - image}
"""


@pytest.fixture
def albumentations(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A package of that name, which inverts each photo."""
    (tmp_path / "site" / "albumentations").mkdir(parents=True)
    (tmp_path / "site" / "albumentations" / "__init__.py").write_text(ALBUMENTATIONS)
    monkeypatch.syspath_prepend(tmp_path / "site")
    monkeypatch.delitem(sys.modules, "albumentations", raising=False)


def dataset(kind: str, photos: list[Path], imgsz: int = 64) -> Any:
    """Ultralytics' data set of some photos, or ours."""
    ultralytics()
    from ultralytics.cfg import get_cfg
    from ultralytics.data.dataset import YOLODataset

    from mvtec.detect.own_photos import own_photos_class

    listed = photos[0].parent / "train.txt"
    listed.write_text("".join(f"{photo}\n" for photo in photos))
    for photo in photos:
        label = photo.parent.with_name("labels") / f"{photo.stem}.txt"
        label.parent.mkdir(exist_ok=True)
        label.write_text("0 0.5 0.5 0.5 0.5\n")
    made = {"ours": own_photos_class(), "theirs": YOLODataset}[kind]
    settings = get_cfg(overrides={"task": "detect", "mosaic": 0.0})
    return made(
        img_path=str(listed), imgsz=imgsz, augment=True, hyp=settings, data={"names": {0: "a"}, "nc": 1, "channels": 3}
    )


def test_an_array_beside_a_photo_is_not_read_for_it(tmp_path: Path):
    photo = tmp_path / "images" / "a.png"
    write_png(photo, noise(1, 40, 64))
    np.save(photo.with_suffix(".npy"), np.zeros((40, 64, 3), np.uint8))
    os.utime(photo, (0, 0))
    assert dataset("theirs", [photo]).load_image(0)[0].max() == 0
    pixels, size_hw, scaled_hw = dataset("ours", [photo]).load_image(0)
    assert np.array_equal(pixels, read_photo(photo))
    assert (size_hw, scaled_hw) == ((40, 64), (40, 64))
    assert np.load(photo.with_suffix(".npy")).max() == 0


@pytest.mark.parametrize("size_hw", [(40, 48), (100, 75), (64, 64), (33, 97)], ids=str)
def test_a_photo_is_scaled_as_ultralytics_scales_it(size_hw: tuple[int, int], tmp_path: Path):
    write_png(tmp_path / "images" / "a.png", noise(2, *size_hw))
    ours = dataset("ours", [tmp_path / "images" / "a.png"]).load_image(0)
    theirs = dataset("theirs", [tmp_path / "images" / "a.png"]).load_image(0)
    assert np.array_equal(ours[0], theirs[0])
    assert ours[1:] == theirs[1:]


def test_photos_are_found_by_any_ending_that_we_read(tmp_path: Path):
    photos = [tmp_path / "images" / f"{number}{suffix}" for number, suffix in enumerate(sorted(IMAGE_SUFFIXES))]
    photos[0].parent.mkdir()
    for number, photo in enumerate(photos):
        kind = photo.suffix if photo.suffix in {".png", ".bmp", ".tif", ".tiff", ".webp"} else ".jpg"
        photo.write_bytes(cv2.imencode(kind, noise(number))[1].tobytes())
    (tmp_path / "labels").mkdir()
    for photo in photos:
        (tmp_path / "labels" / f"{photo.stem}.txt").write_text("0 0.5 0.5 0.5 0.5\n")
    (tmp_path / "data.yaml").write_text("train: images\nnames: [a]\n")
    view = make_view(read_yolo_folder(tmp_path), tmp_path / "view")
    assert list(view.photos.values()) == sorted(photos)
    found = dataset("ours", list(view.photos))
    assert [Path(file) for file in found.im_files] == list(view.photos)
    assert [len(label["cls"]) for label in found.labels] == [1] * len(photos)


def test_a_deep_photo_is_learnt_as_it_is_shown_at_prediction(tmp_path: Path):
    photo = tmp_path / "images" / "deep.png"
    photo.parent.mkdir()
    deep = np.random.default_rng(0).integers(0, 1 << 16, (64, 64), dtype=np.uint16)
    photo.write_bytes(cv2.imencode(".png", deep)[1].tobytes())
    assert np.array_equal(dataset("ours", [photo]).load_image(0)[0], read_photo(photo))
    gray = tmp_path / "images" / "grey.tif"
    Image.fromarray(noise(3, 64, 64)[..., 0]).save(gray)
    assert np.array_equal(dataset("ours", [gray]).load_image(0)[0], read_photo(gray))


@pytest.mark.usefixtures("albumentations")
def test_albumentations_takes_no_part_where_it_is_installed(tmp_path: Path):
    write_png(tmp_path / "images" / "a.png", noise(1))
    from ultralytics.data.augment import Albumentations

    def steps(kind: str) -> list[Any]:
        made = dataset(kind, [tmp_path / "images" / "a.png"]).transforms.transforms
        return [step.transform for step in made if isinstance(step, Albumentations)]

    assert [step is None for step in steps("theirs")] == [False]
    assert steps("ours") == [None]


@pytest.mark.slow
def test_a_training_is_the_same_with_and_without_both(category: Category, tmp_path: Path, mvtec, request):
    yolo = tmp_path / "yolo"
    assert mvtec("convert", "masks-to-yolo", category.root, "--out", yolo, "--images", "copy").code == 0
    assert mvtec("train-detector", yolo, "--out", tmp_path / "alone", *TINY).code == 0
    for photo in (yolo / "images" / "train").glob("*.png"):
        np.save(photo.with_suffix(".npy"), np.zeros((40, 48, 3), np.uint8))
    request.getfixturevalue("albumentations")
    assert mvtec("train-detector", yolo, "--out", tmp_path / "both", *TINY).code == 0
    losses = [(tmp_path / run / "results.csv").read_text().splitlines() for run in ("alone", "both")]
    columns = [[line.split(",")[2:] for line in lines] for lines in losses]  # the second one is the time
    assert columns[0] == columns[1]
    boxes = [
        json.loads((tmp_path / run / "run.json").read_text())["settings"]["boxes_of_first_epoch"]
        for run in ("alone", "both")
    ]
    assert boxes[0] == boxes[1] != {}
