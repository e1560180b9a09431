"""A new kind of detector is one class and one line of the table: it trains, predicts and is evaluated as any other."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import Category

from mvtec.detect.backends import DETECTORS, DetectorKind
from mvtec.detect.backends.detector import Limits, Trained, Training
from mvtec.detect.plan import make_plan
from mvtec.detect.predict import predict_photos
from mvtec.detect.train import train_detector
from mvtec.errors import ArgumentError
from mvtec.results.detections import Detections


class OneBox:
    """Says that each photo has one defect of the first class, in the box that every mask of `make_category` begins."""

    def __init__(self, names: tuple[str, ...] = ()) -> None:
        self.names = names

    def fit(self, training: Training) -> Trained:
        assert training.start is not None
        self.names = training.folder.names
        training.on_epoch(1, 1, {"box_loss": 0.0})
        return Trained(make_plan(training.folder, training.start, {"epochs": 1, "imgsz": training.recipe.imgsz}))

    def predict(self, photo: np.ndarray, limits: Limits = Limits()) -> Detections:  # noqa: B008
        assert photo.shape == (40, 48, 3)
        assert limits.max_detections >= 1
        return Detections(
            boxes_xyxy=np.array([[3, 5, 13, 11]], np.float32),
            scores=np.array([0.5], np.float32),
            class_ids=np.array([0]),
            masks=None,
            size_hw=(40, 48),
        )

    def save(self, file: Path) -> None:
        file.write_text(json.dumps(self.names))

    @classmethod
    def load(cls, file: Path, *, device: str = "cpu", settings: Mapping[str, Any] | None = None) -> OneBox:
        del device, settings
        return cls(tuple(json.loads(file.read_text())))


@pytest.fixture(autouse=True)
def _in_the_table(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(DETECTORS, "one-box", DetectorKind("one box, always", f"{__name__}:OneBox"))


def test_the_commands_take_a_new_detector(category: Category, tmp_path: Path, mvtec):
    run, predicted = tmp_path / "run", tmp_path / "p"
    trained = mvtec("train-detector", category.root, "--model", "one-box", "--out", run)
    assert trained.code == 0, trained.err
    record = json.loads((run / "run.json").read_text())
    assert (record["kind"], record["settings"]["detector"]) == ("detector", "one-box")
    assert len(record["train_images"]) == 12  # 5 photos of 3 classes, a fifth of each is test

    done = mvtec("predict", run, run / "data", "--out", predicted, "--device", "cpu")
    assert done.code == 0, done.err
    results = json.loads((predicted / "predictions.json").read_text())
    assert [(one["category_id"], one["bbox"], one["score"]) for one in results] == [(1, [3, 5, 10, 6], 0.5)] * 3
    assert len(list((predicted / "images").rglob("*.jpg"))) == 3

    truth = run / "data" / "annotations" / "instances_test.json"
    scored = mvtec("evaluate", "boxes", truth, predicted / "predictions.json", "--json")
    assert scored.code == 0, scored.err
    assert json.loads(scored.out)["metrics"]["AP50/stain"]["value"] == 0
    again = mvtec("train-detector", category.root, "--model", "one-box", "--download", "--out", tmp_path / "no")
    assert "--model one-box takes no --weights and no --download" in again.err


def test_python_trains_and_predicts_with_the_same_functions(category: Category, tmp_path: Path):
    epochs: list[int] = []
    record = train_detector(
        category.root, tmp_path / "run", model="one-box", on_epoch=lambda epoch, *_: epochs.append(epoch)
    )
    assert (record.settings["epochs"], epochs) == (1, [1])
    said = predict_photos(tmp_path / "run", category.root / "test" / "good", tmp_path / "p")
    assert len(said.defective_photos) == 5
    assert "the model was trained on 4 of these 5 photos" in said.notes[0]
    with pytest.raises(ArgumentError, match=r"^`epochs` must be at least 1 \(got 0\)\.$"):
        train_detector(category.root, tmp_path / "none", epochs=0)
