"""Photos that cannot be read while a detector predicts: they stop the command, or keep their line in the list."""

from __future__ import annotations

import csv
import json
import os
from pathlib import Path

import cv2
import pytest
from conftest import noise, write_png

from mvtec.detect import predict as module
from mvtec.detect.weights import STARTER_FILE
from mvtec.files import sha256_file


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A finished run whose checkpoint are the starter weights."""
    folder = tmp_path / "run"
    (folder / "weights").mkdir(parents=True)
    (folder / "weights" / "last.pt").symlink_to(STARTER_FILE)
    record = {
        "kind": "detector",
        "command": [],
        "settings": {"detector": "ultralytics-yolo", "model": "yolov5n.yaml", "epochs": 1, "imgsz": 64, "nbs": 1},
        "data": "",
        "split": None,
        "weights": None,
        "train_images": {},
        "seconds": 0,
        "seconds_per_epoch": None,
        "figures": {},
    }
    (folder / "run.json").write_text(json.dumps(record))
    return folder


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A good photo, one whose ending is not read, one that is cut off, a pipe, and a JPEG."""
    folder = tmp_path / "photos"
    write_png(folder / "a.png", noise(1))
    (folder / "aa.gif").write_bytes(b"GIF89a")
    write_png(folder / "b.png", noise(2))
    (folder / "b.png").write_bytes((folder / "b.png").read_bytes()[:200])
    os.mkfifo(folder / "c.png")
    (folder / "d.jfif").write_bytes(cv2.imencode(".jpg", noise(4))[1].tobytes())
    return folder


def listed(out: Path) -> list[list[str]]:
    with (out / "photos.csv").open(newline="") as stream:
        return [[row["file_name"], row["class"], row["boxes"]] for row in csv.DictReader(stream)]


def test_a_photo_that_cannot_be_read_stops_the_command(run: Path, photos: Path, tmp_path: Path, mvtec):
    outcome = mvtec("predict", run, photos, "--out", tmp_path / "p", "--device", "cpu")
    assert outcome.code == 2
    assert f"{photos / 'b.png'}: is cut off" in outcome.err
    assert "or pass --on-error skip" in outcome.err
    assert not (tmp_path / "p").exists()


def test_left_out_photos_keep_their_line_and_their_number(run: Path, photos: Path, tmp_path: Path, mvtec):
    words = ("--draw-score", "1", "--device", "cpu", "--on-error", "skip")
    outcome = mvtec("predict", run, photos, "--out", tmp_path / "p", *words)
    assert outcome.code == 0, outcome.err
    assert "2 photos that cannot be read: left out of the results (b.png, c.png)" in outcome.err
    assert f"{tmp_path / 'p' / 'predictions.json'}: 2 photos" in outcome.out
    assert listed(tmp_path / "p") == [
        ["a.png", "good", "0"],
        ["aa.gif", "", ""],
        ["b.png", "", ""],
        ["c.png", "", ""],
        ["d.jfif", "good", "0"],
    ]
    provenance = json.loads((tmp_path / "p" / "provenance.json").read_text())
    assert provenance["image_ids"] == {"a.png": 1, "d.jfif": 4}
    said = json.loads(mvtec("predict", run, photos, "--out", tmp_path / "q", *words, "--json").out)
    assert (said["unread_photos"], said["defective_photos"]) == (["aa.gif", "b.png", "c.png"], [])


def test_a_photo_that_goes_while_the_model_predicts(
    run: Path, photos: Path, tmp_path: Path, mvtec, monkeypatch: pytest.MonkeyPatch
):
    for name in ("aa.gif", "b.png", "c.png"):
        (photos / name).unlink()

    def taken_away(photo: Path) -> str:
        (photos / "d.jfif").unlink(missing_ok=True)
        return sha256_file(photo)

    monkeypatch.setattr(module, "sha256_file", taken_away)
    words = ("predict", run, photos, "--no-pictures", "--device", "cpu", "--draw-score", "1")
    outcome = mvtec(*words, "--out", tmp_path / "p", "--on-error", "skip")
    assert outcome.code == 0, outcome.err
    assert listed(tmp_path / "p") == [["a.png", "good", "0"], ["d.jfif", "", ""]]


def test_no_photo_that_can_be_read_is_an_error(run: Path, photos: Path, tmp_path: Path, mvtec):
    for name in ("a.png", "d.jfif"):
        (photos / name).unlink()
    outcome = mvtec("predict", run, photos, "--out", tmp_path / "p", "--device", "cpu", "--on-error", "skip")
    assert (outcome.code, f"{photos / 'b.png'}: is cut off" in outcome.err) == (2, True)
