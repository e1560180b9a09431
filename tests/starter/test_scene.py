"""Drawn photos: the same of a seed for ever, with boxes around what was changed, of every part and every mechanism."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import cv2
import numpy as np
import pytest

from mvtec.detect.model import load_model
from mvtec.errors import InputError
from mvtec.starter.mechanisms import MECHANISMS
from mvtec.starter.parts import PARTS, draw_part
from mvtec.starter.scene import NAMES, draw_scene
from mvtec.starter.sheet import write_sheet
from mvtec.starter.surfaces import SURFACES
from mvtec.starter.train import InOrder, Scenes, train_starter


def test_there_are_many_parts_and_mechanisms():
    assert len(PARTS) >= 30
    assert len(MECHANISMS) >= 8
    assert {surface for _, surfaces in PARTS.values() for surface in surfaces} == set(SURFACES)


@pytest.mark.parametrize("name", sorted(PARTS))
def test_every_part_is_drawn(name: str):
    part = draw_part(name, 96, np.random.default_rng(1))
    assert part.picture.shape == part.table.shape == (96, 96, 3)
    assert part.picture.dtype == np.float32
    assert np.isfinite(part.picture).all()
    assert 0.02 < part.mask.mean() <= 1
    assert part.mask.all() == (PARTS[name][0] is None)


@pytest.mark.parametrize("name", sorted(MECHANISMS))
def test_every_mechanism_changes_something_near_the_part_and_not_everything(name: str):
    shares = []
    for seed in range(8):
        rng = np.random.default_rng(seed)
        part = draw_part("plate", 128, rng)
        after = MECHANISMS[name](part.picture, part, rng)
        assert after.shape == part.picture.shape
        assert np.isfinite(after).all()
        shares.append(float((np.abs(after - part.picture).max(axis=2) > 12).mean()))
    assert max(shares) > 0.0005
    assert max(shares) < 0.5


def test_a_seed_is_a_photo():
    one, same, other = draw_scene((3, 7), 96), draw_scene((3, 7), 96), draw_scene((3, 8), 96)
    assert (one.photo == same.photo).all()
    assert (one.boxes_xywh == same.boxes_xywh).all()
    assert (one.photo != other.photo).any()


def test_boxes_are_tight_and_mechanisms_balanced():
    found: Counter[str] = Counter()
    good = 0
    for number in range(120):
        scene = draw_scene((0, number), 128)
        assert scene.photo.dtype == np.uint8
        good += not scene.masks
        for mechanism, mask, (x, y, w, h) in zip(scene.mechanisms, scene.masks, scene.boxes_xywh, strict=True):
            found[NAMES[mechanism]] += 1
            rows, columns = np.nonzero(mask)
            assert (x, y, x + w - 1, y + h - 1) == (columns.min(), rows.min(), columns.max(), rows.max())
    assert 10 < good < 70
    assert set(found) == set(NAMES)


def test_the_stream_is_what_ultralytics_wants_and_never_repeats():
    sampler = InOrder(4)
    assert list(sampler) == [0, 1, 2, 3]
    sampler.epoch = 2
    assert list(sampler) == [8, 9, 10, 11]
    for number in range(6):
        sample = Scenes(0, 96, 4)[number]
        assert tuple(sample["img"].shape) == (3, 96, 96)
        assert sample["cls"].shape == (len(sample["bboxes"]), 1)
        assert ((sample["bboxes"] >= 0) & (sample["bboxes"] <= 1)).all()
        agnostic = Scenes(0, 96, 4, one_class=True)[number]
        assert agnostic["cls"].tolist() == [[0.0]] * len(sample["bboxes"])
        assert (agnostic["img"] == sample["img"]).all()
        assert (agnostic["bboxes"] == sample["bboxes"]).all()


@pytest.mark.slow
def test_a_training_goes_on_where_it_was(tmp_path: Path):
    class Stop(Exception):  # noqa: N818
        pass

    def stop(epoch: int, _epochs: int, _losses: dict[str, float]) -> None:
        if epoch == 2:
            raise Stop

    size = {"epochs": 3, "photos": 8, "side": 64, "batch": 4, "workers": 0}
    with pytest.raises(Stop):
        train_starter(tmp_path / "run", on_epoch=stop, **size)
    seen = []
    made = train_starter(tmp_path / "run", on_epoch=lambda epoch, _epochs, _losses: seen.append(epoch), **size)
    assert seen == [2, 3]
    with pytest.raises(InputError, match="finished"):
        train_starter(tmp_path / "run", **size)
    assert made.stat().st_size < 6_000_000
    before = made.read_bytes()
    made.unlink()
    plan = json.loads((tmp_path / "run" / "starter.json").read_text())
    (tmp_path / "run" / "starter.json").write_text(json.dumps({**plan, "finished": False}))
    assert train_starter(tmp_path / "run", **size).read_bytes() == before


@pytest.mark.slow
def test_the_mechanisms_can_be_one_class(tmp_path: Path):
    size = {"epochs": 1, "photos": 8, "side": 64, "batch": 4, "workers": 0}
    made = train_starter(tmp_path / "run", one_class=True, **size)
    assert load_model(str(made)).names == {0: "defect"}
    plan = json.loads((tmp_path / "run" / "starter.json").read_text())
    assert plan["classes"] == ["defect"]
    (tmp_path / "run" / "starter.json").write_text(json.dumps({**plan, "finished": False}))
    with pytest.raises(InputError, match="other options"):
        train_starter(tmp_path / "run", **size)


def test_the_sheet_shows_the_first_photos(tmp_path: Path):
    write_sheet(tmp_path / "sheet.png", rows=2, columns=3, side=64, shown=50)
    sheet = cv2.imread(str(tmp_path / "sheet.png"))
    assert sheet.shape == (100, 150, 3)
    first = cv2.resize(draw_scene((0, 0), 64).photo, (50, 50), interpolation=cv2.INTER_AREA)
    assert (sheet[:50, :50] == first).all(axis=2).mean() > 0.4  # but for boxes and names
