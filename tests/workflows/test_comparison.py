"""`mvtec evaluate compare`, whole: tiny models, both ways of judging, three sides, resumed, and what it refuses."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from conftest import Category, make_category
from tiny import TINY, call

from mvtec.anomaly.normal_images import select_normal_images
from mvtec.anomaly.train import train_anomaly
from mvtec.backbones.weights import Backbone
from mvtec.classify.recipe import Recipe
from mvtec.datasets.tree import read_tree
from mvtec.errors import InputError, WeightsError
from mvtec.files import sha256_file
from mvtec.run import RunRecord
from mvtec.workflows.comparison.classifier_side import recipe_of
from mvtec.workflows.comparison.run import _check_classes

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def category(tmp_path_factory: pytest.TempPathFactory) -> Category:
    return make_category(tmp_path_factory.mktemp("data") / "widget", per_class=5, train_good=6)


@pytest.fixture(scope="module")
def anomaly(category: Category, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that has learnt from train/good/."""
    out = tmp_path_factory.mktemp("runs") / "anomaly"
    out.mkdir()
    dataset = read_tree(category.root)
    train_anomaly(dataset, select_normal_images(dataset, None), out, start=Backbone("resnet18", None), imgsz=64)
    return out


@pytest.fixture(scope="module", autouse=True)
def quick() -> Iterator[None]:
    small = Recipe(about="quick", epochs=3, imgsz=64, report_accuracy=0.65)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("mvtec.classify.recipe.recipes", lambda: {"original": small})
        yield


@pytest.fixture(scope="module")
def runs(category: Category, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs")
    split = folder / "split.json"
    assert call("datasets", "split", category.root, "--out", split) == 0
    assert call("train-detector", category.root, "--split", split, "--out", folder / "detector", *TINY) == 0
    words = ("--split", split, "--recipe", "original", "--from-scratch", "--out", folder / "classifier")
    assert call("train-classifier", category.root, *words) == 0
    return folder


def test_both_ways(category: Category, runs: Path, anomaly: Path, tmp_path: Path, mvtec):
    words = ["evaluate", "compare", "--data", category.root, "--anomaly", anomaly]
    words += ["--detector", runs / "detector", "--classifier", runs / "classifier"]
    out = tmp_path / "test-part"
    done = mvtec(*words, "--split", runs / "split.json", "--out", out)
    assert done.code == 0, done.err
    page = (out / "report.html").read_text(encoding="utf-8")
    for heading in ("Summary", "Data", "Labels", "Detector", "Baseline", "Comparison", "How it was run"):
        assert f"<h2>{heading}" in page, heading
    assert 'src="' not in page  # nothing is fetched
    assert "no multiple of 1/16" in page
    found = json.loads((out / "comparison.json").read_text())
    assert len(found["photos"]) == 3
    assert found["metrics"]["detector/accuracy"]["n"] == found["metrics"]["classifier/accuracy"]["n"] == 3
    assert {photo["threshold"] for photo in found["photos"].values()} == {0.25}
    assert found["metrics"]["classifier/heat_in_mask"]["n"] <= 2
    for name in ("image_auroc", "binary_accuracy", "pixel_auroc", "aupro"):
        assert found["metrics"][f"anomaly/{name}"]["n"] == 3, name
    assert [found["metrics"][f"{side}/sensitivity"]["n"] for side in ("detector", "classifier", "anomaly")] == [2] * 3
    assert "anomaly/accuracy" not in found["metrics"]  # it names no class
    assert {photo["anomaly"] for photo in found["photos"].values()} <= {"good", "defect"}
    assert "Where the heat lies" in page
    assert {path.parts[-2] for path in (out / "anomaly" / "heat").rglob("*.png")} == {"good", "crack", "stain"}
    assert json.loads((out / "run.json").read_text())["settings"]["anomaly"]["run"] == str(anomaly)
    assert mvtec(*words, "--split", runs / "split.json", "--out", out).code == 2

    folds = tmp_path / "folds"
    done = mvtec(*words, "--folds", 2, "--out", folds, "--json")
    assert done.code == 0, done.err
    said = json.loads(done.out)
    assert said["metrics"]["classifier/accuracy"]["n"] == said["metrics"]["anomaly/binary_accuracy"]["n"] == 15
    found = json.loads((folds / "comparison.json").read_text())
    assert len(found["photos"]) == 15
    for number in range(2):
        seen = set(json.loads((folds / "folds" / f"fold{number}" / "run.json").read_text())["train_images"])
        asked = json.loads((folds / "folds" / f"predictions{number}" / "provenance.json").read_text())
        assert seen.isdisjoint(asked["image_sha256"].values())

    # As if it had been interrupted after the first detector: what is finished stays, and the end is the same.
    (folds / "run.json").unlink()
    shutil.rmtree(folds / "folds" / "fold1")
    kept = (folds / "folds" / "fold0" / "run.json").stat().st_mtime_ns
    assert mvtec(*words, "--folds", 2, "--out", folds).code == 2
    failed = mvtec(*words, "--folds", 3, "--out", folds, "--resume")
    assert (failed.code, "began with" in failed.err) == (2, True)
    two_sides = [word for word in words if word not in ("--anomaly", anomaly)]
    failed = mvtec(*two_sides, "--folds", 2, "--out", folds, "--resume")
    assert (failed.code, "began with" in failed.err) == (2, True)
    done = mvtec(*words, "--folds", 2, "--out", folds, "--resume")
    assert done.code == 0, done.err
    assert (folds / "folds" / "fold0" / "run.json").stat().st_mtime_ns == kept
    assert json.loads((folds / "comparison.json").read_text()) == found


def test_the_threshold_is_chosen_where_the_split_has_folds(category: Category, runs: Path, tmp_path: Path, mvtec):
    split = tmp_path / "split.json"
    assert mvtec("datasets", "split", category.root, "--out", split, "--folds", 2).code == 0
    words = ["evaluate", "compare", "--data", category.root, "--split", split, "--out", tmp_path / "out"]
    done = mvtec(*words, "--detector", runs / "detector", "--classifier", runs / "classifier")
    assert done.code == 0, done.err
    assert "on 12 train photos, in 2 folds" in done.out
    assert "different photos" not in done.err
    assert "anomaly" not in (tmp_path / "out" / "comparison.json").read_text()  # two sides are as they were
    assert "anomaly" not in (tmp_path / "out" / "report.html").read_text(encoding="utf-8").split("<body>")[1]


def test_an_anomaly_detector_must_not_have_seen_the_photos(category: Category, runs: Path, tmp_path: Path, mvtec):
    split, run = runs / "split.json", tmp_path / "run"
    done = mvtec("train-anomaly", category.root, "--split", split, "--out", run, "--imgsz", 64)
    assert done.code == 0, done.err
    words = ["evaluate", "compare", "--data", category.root, "--anomaly", run, "--out", tmp_path / "out"]
    words += ["--detector", runs / "detector", "--classifier", runs / "classifier"]
    failed = mvtec(*words, "--folds", 2)
    assert (failed.code, "was trained on test/good/" in failed.err) == (2, True)
    assert not (tmp_path / "out").exists()
    assert mvtec(*words, "--split", split).code == 0


def test_folds_are_not_trained_from_weights_that_have_seen_them(category: Category, runs: Path, tmp_path: Path, mvtec):
    again = tmp_path / "again"
    seen = ("--weights", runs / "detector" / "weights" / "last.pt", "--epochs", 1, "--imgsz", 64, "--device", "cpu")
    split = tmp_path / "split.json"
    assert mvtec("datasets", "split", category.root, "--out", split, "--folds", 2).code == 0
    assert mvtec("train-detector", category.root, "--split", split, "--out", again, *seen).code == 0
    words = ["evaluate", "compare", "--data", category.root, "--out", tmp_path / "out"]
    words += ["--detector", again, "--classifier", runs / "classifier"]
    for how in (["--folds", 2], ["--split", split]):
        failed = mvtec(*words, *how)
        assert (failed.code, "began with weights that have seen" in failed.err) == (2, True)
        assert ("--threshold" in failed.err) == ("--split" in how)
        assert not (tmp_path / "out").exists()


def test_what_it_refuses(category: Category, runs: Path, anomaly: Path, tmp_path: Path, mvtec):
    detector, classifier, split = runs / "detector", runs / "classifier", runs / "split.json"
    out = tmp_path / "out"

    def run(*words: object) -> tuple[int, str]:
        done = mvtec("evaluate", "compare", "--data", category.root, "--out", out, *words)
        return done.code, done.err

    code, err = run("--detector", detector, "--classifier", classifier)
    assert (code, "--folds" in err) == (2, True)
    code, err = run("--detector", classifier, "--classifier", classifier, "--split", split)
    assert (code, "train-detector" in err) == (2, True)
    code, err = run("--detector", detector, "--classifier", detector, "--split", split)
    assert (code, "train-classifier" in err) == (2, True)
    code, err = run("--detector", detector, "--classifier", anomaly, "--split", split)
    assert (code, "not a run of mvtec train-classifier" in err) == (2, True)
    sides = ("--detector", detector, "--classifier", classifier)
    code, err = run(*sides, "--anomaly", classifier, "--split", split)
    assert (code, "not a run of mvtec train-anomaly" in err) == (2, True)
    code, err = run("--detector", tmp_path / "none", "--classifier", classifier, "--split", split)
    assert (code, "not a finished run" in err) == (2, True)
    other = tmp_path / "other.json"
    assert mvtec("datasets", "split", category.root, "--out", other, "--seed", 1).code == 0
    code, err = run("--detector", detector, "--classifier", classifier, "--split", other)
    assert (code, "trained on" in err) == (2, True)
    code, err = run("--detector", detector, "--classifier", classifier, "--split", split, "--masks", tmp_path / "none")
    assert (code, "no such file" in err) == (2, True)
    assert run("--detector", detector, "--classifier", classifier, "--folds", 0)[0] == 2
    words = ("--detector", detector, "--classifier", classifier, "--split", split)
    failed = mvtec("evaluate", "compare", "--data", tmp_path / "nowhere", "--out", out, *words)
    assert (failed.code, "nowhere" in failed.err) == (2, True)
    spoilt = Category(shutil.copytree(category.root, tmp_path / "widget"))
    broken = spoilt.root / json.loads(split.read_text())["test"][0]
    broken.write_bytes(broken.read_bytes()[:200])
    failed = mvtec("evaluate", "compare", "--data", spoilt.root, "--out", out, *words)
    assert (failed.code, broken.name in failed.err) == (2, True)
    assert not out.exists()


def test_photos_named_otherwise_than_their_defects_are_refused(category: Category):
    dataset = read_tree(category.root)
    _check_classes(dataset, dataset.labelled)
    with pytest.raises(InputError, match="no box could name a photo"):
        _check_classes(replace(dataset, defects=("crack",)), dataset.labelled)


def test_a_classifier_is_judged_without_the_weights_it_began_with(tmp_path: Path):
    settings = {"recipe": "best", "backbone": "resnet18", "seed": 3, **Recipe(about="as it was").model_dump()}
    (tmp_path / "moved.pth").write_bytes(b"weights")
    weights = {"file": "/gone/resnet18.pth", "sha256": sha256_file(tmp_path / "moved.pth")}
    record = RunRecord("classifier", [], settings, "data", None, weights, {}, 1.0, None, {})
    assert recipe_of(record)[2:] == ("resnet18", 3)
    with pytest.raises(WeightsError, match="not there any more"):
        record.weights_file([None, tmp_path / "gone.pth"])
    assert record.weights_file([None, tmp_path / "moved.pth"]) == tmp_path / "moved.pth"
