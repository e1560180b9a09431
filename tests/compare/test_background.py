"""`mvtec evaluate imbalance-detector`: what each arm learns from, one budget, and a measurement that goes on."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from conftest import Category, make_category, noise, write_png

from mvtec.run import read_run

pytestmark = pytest.mark.slow

TINY = ("--model", "yolov5n.yaml", "--from-scratch", "--epochs", 2, "--imgsz", 64, "--batch", 4, "--device", "cpu")


@pytest.fixture
def widget(tmp_path: Path) -> Category:
    """Four photos of each class, and six more good ones set aside for learning."""
    category = make_category(tmp_path / "widget", per_class=4)
    for number in range(6):
        write_png(category.root / "train" / "good" / f"{number:03}.png", noise(100 + number))
    return category


@pytest.fixture
def run(widget: Category, tmp_path: Path, mvtec) -> Path:
    assert mvtec("train-detector", widget.root, "--out", tmp_path / "run", *TINY).code == 0
    return tmp_path / "run"


def test_arms_differ_in_good_photos_and_made_defects_alone(widget: Category, run: Path, tmp_path: Path, mvtec):
    out = tmp_path / "out"
    words = ["evaluate", "imbalance-detector", widget.root, "--like", run, "--out", out, "--folds", 2]
    words += ["--ratios", "1,all", "--method", "paste", "--per-defect", 2]
    done = mvtec(*words)
    assert done.code == 0, done.err
    assert "all-paste" in done.out
    found = json.loads((out / "imbalance.json").read_text())
    assert found["per_defect"] == 2
    assert [(row["ratio"], row["method"], row["good"]) for row in found["rows"]] == [
        (1, None, 2),
        (1, "paste", 2),
        ("all", None, 8),
        ("all", "paste", 8),
    ]
    assert found["rows"][0]["AP50_gain"]["value"] == 0
    assert {row["FPR95"]["n"] for row in found["rows"]} == {4}
    seen = {}
    for arm in ("1x", "1x-paste", "all", "all-paste"):
        for fold in range(2):
            record = read_run(out / arm / f"fold{fold}")
            seen[arm, fold] = set(record.train_images)
            assert record.settings["epochs"] * len(record.train_images) >= 10
            answered = json.loads((out / arm / f"predictions{fold}" / "provenance.json").read_text())
            assert answered["seen_in_training"] == []
    for fold in range(2):
        assert seen["1x", fold] < seen["all", fold]
        assert seen["1x", fold] < seen["1x-paste", fold]
        epochs = {arm: read_run(out / arm / f"fold{fold}").settings["epochs"] for arm in ("1x", "all", "1x-paste")}
        assert epochs == {"1x": 2, "all": 1, "1x-paste": 1}
    assert mvtec(*words).code == 2

    (out / "run.json").unlink()  # as if it had been interrupted in the last arm
    (out / "imbalance.json").unlink()
    shutil.rmtree(out / "all-paste" / "fold1")
    before = (out / "1x" / "fold0" / "run.json").stat().st_mtime_ns
    again = mvtec(*words, "--resume", "--json")
    assert again.code == 0, again.err
    assert json.loads(again.out)["metrics"]["all-paste/AP50"]["n"] == 12
    assert (out / "1x" / "fold0" / "run.json").stat().st_mtime_ns == before


def test_what_is_refused_leaves_nothing(widget: Category, run: Path, tmp_path: Path, mvtec):
    out = tmp_path / "out"
    words = ["evaluate", "imbalance-detector", widget.root, "--like", run, "--out", out]
    for more in (
        ["--ratios", "99"],
        ["--ratios", "all,1"],
        ["--method", "gan"],
        ["--like", tmp_path],
    ):
        failed = mvtec(*words, *more)
        assert failed.code == 2, more
        assert len(failed.err.splitlines()) == 1, failed.err
        assert not out.exists(), more
