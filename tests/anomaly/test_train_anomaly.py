"""`mvtec train-anomaly`: what it learns from, the run it leaves, and what it refuses."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from anomaly_case import make_plates, plate
from conftest import Category, write_png

from mvtec.anomaly.memory_bank import make_memory, remember
from mvtec.anomaly.model import CHECKPOINT
from mvtec.anomaly.normal_images import choose_threshold, make_folds, select_normal_images
from mvtec.anomaly.predict import load_run, predict_maps
from mvtec.anomaly.train import train_anomaly
from mvtec.backbones.normal_patches import NormalPatches
from mvtec.backbones.weights import Backbone, find_backbone
from mvtec.datasets.split import make_split
from mvtec.datasets.tree import read_tree
from mvtec.errors import WeightsError
from mvtec.run import read_run

SMALL = ("--imgsz", 64, "--backbone", "efficientnet_lite0")


@pytest.fixture(scope="module")
def plates(tmp_path_factory: pytest.TempPathFactory) -> Category:
    return make_plates(tmp_path_factory.mktemp("data") / "plate")


def test_it_learns_from_train_good_alone_and_the_same_each_time(plates: Category, tmp_path: Path, mvtec):
    for name in ("one", "two"):
        done = mvtec("train-anomaly", plates.root, "--out", tmp_path / name, *SMALL)
        assert done.code == 0, done.err
    record = read_run(tmp_path / "one")
    assert sorted(record.train_images.values()) == [f"train/good/{number:03}.png" for number in range(10)]
    assert record.settings["bank"] == 640  # all that ten photos of 8×8 places have
    assert (tmp_path / "one/normal_scores.json").read_bytes() == (tmp_path / "two/normal_scores.json").read_bytes()
    first, second = (load_run(tmp_path / name).model for name in ("one", "two"))
    assert torch.equal(first.memory.patches, second.memory.patches)
    scores = json.loads((tmp_path / "one/normal_scores.json").read_text())["scores"]
    assert first.threshold == max(scores.values())  # of fewer than 19
    heats = predict_maps(first, read_tree(plates.root).labelled)
    for path, heat in heats.maps.items():
        assert (heat.max() > first.threshold) == ("crack" in path), path
    shown = first.shown(heats.maps["test/crack/000.png"])
    assert (shown.dtype, int(shown.max())) == (np.uint8, 255)
    assert first.shown(heats.maps["test/good/000.png"]).max() < 255  # a good photo does not glow


def test_resnet_18_works_too(plates: Category, tmp_path: Path):
    dataset = read_tree(plates.root)
    (tmp_path / "run").mkdir()
    train_anomaly(
        dataset, select_normal_images(dataset, None), tmp_path / "run", start=Backbone("resnet18", None), imgsz=64
    )
    run = load_run(tmp_path / "run")
    assert (run.model.extractor.backbone, run.model.memory.patches.shape[1]) == ("resnet18", 128 + 256)
    assert run.model.anomaly_map(dataset.labelled[0].photo).shape == (8, 8)


def test_good_photos_alone_are_enough(plates: Category, tmp_path: Path, mvtec):
    shutil.copytree(plates.root / "train", tmp_path / "tree" / "train")
    shutil.copytree(plates.root / "train" / "good", tmp_path / "flat")
    shutil.copytree(tmp_path / "tree", tmp_path / "waiting")
    (tmp_path / "waiting" / "test" / "good").mkdir(parents=True)
    for name, prefix in (("tree", "train/good/"), ("flat", ""), ("waiting", "train/good/")):
        done = mvtec("train-anomaly", tmp_path / name, "--out", tmp_path / f"run-{name}", *SMALL)
        assert done.code == 0, done.err
        record = read_run(tmp_path / f"run-{name}")
        assert sorted(record.train_images.values()) == [f"{prefix}{number:03}.png" for number in range(10)]
    refused = mvtec("evaluate", "anomaly", plates.root, "--anomaly", tmp_path / "run-flat")
    assert refused.code == 0, refused.err
    (tmp_path / "empty").mkdir()
    done = mvtec("train-anomaly", tmp_path / "empty", "--out", tmp_path / "run", *SMALL)
    assert (done.code, "is not an MVTec category" in done.err) == (2, True)
    done = mvtec("train-anomaly", plates.root.parent, "--out", tmp_path / "run", *SMALL)
    assert (done.code, "holds several categories" in done.err) == (2, True)


def test_with_a_split_the_good_train_photos_count_and_the_test_photos_do_not(plates: Category, tmp_path: Path, mvtec):
    root = Path(shutil.copytree(plates.root, tmp_path / "plate"))
    split = make_split(read_tree(root), seed=0)
    held_out = next(path for path in split.test if "good" in path)
    shutil.copy(root / held_out, root / "train" / "good" / "copy.png")
    saved_anew = cv2.imencode(".jpg", cv2.imread(str(root / held_out)), [cv2.IMWRITE_JPEG_QUALITY, 90])[1].tobytes()
    (root / "train" / "good" / "anew.jpg").write_bytes(saved_anew)
    normals = {sample.path for sample in select_normal_images(read_tree(root), split)}
    assert normals == {
        *(f"train/good/{number:03}.png" for number in range(10)),
        *(path for path in split.train if "good" in path),
    }
    file = tmp_path / "split.json"
    file.write_text(json.dumps(split.to_json()))
    run = tmp_path / "run"
    assert mvtec("train-anomaly", root, "--split", file, "--out", run, *SMALL).code == 0
    assert read_run(run).split == split.hash
    assert mvtec("evaluate", "anomaly", root, "--anomaly", run, "--split", file).code == 0
    refused = mvtec("evaluate", "anomaly", root, "--anomaly", run)
    assert (refused.code, "was trained on test/good/" in refused.err) == (2, True)
    plain = tmp_path / "plain"
    assert mvtec("train-anomaly", root, "--out", plain, *SMALL).code == 0  # it may be asked about all of test/
    assert sorted(read_run(plain).train_images.values()) == [f"train/good/{number:03}.png" for number in range(10)]
    assert mvtec("evaluate", "anomaly", root, "--anomaly", plain).code == 0
    knows = make_plates(tmp_path / "knows")
    shutil.copy(root / "train" / "good" / "003.png", knows.photo("good", 9))  # a copy, under another name
    refused = mvtec("evaluate", "anomaly", knows.root, "--anomaly", plain)
    assert (refused.code, "was trained on test/good/009.png" in refused.err) == (2, True)


def test_what_it_refuses(plates: Category, tmp_path: Path, mvtec, monkeypatch: pytest.MonkeyPatch):
    out = tmp_path / "run"

    def run(root: Path, *words: object) -> str:
        done = mvtec("train-anomaly", root, "--out", out, *words)
        assert (done.code, done.out, len(done.err.splitlines())) == (2, "", 1)
        assert not out.exists()
        return done.err

    assert "nowhere" in run(tmp_path / "nowhere")
    assert "multiple of 32" in run(plates.root, "--imgsz", 100)
    assert "no such weights" in run(plates.root, "--weights", tmp_path / "none.pth")
    monkeypatch.setenv("MVTEC_WEIGHTS", str(tmp_path))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    missing = run(plates.root, "--backbone", "resnet18")
    assert ("--download" in missing, "--from-scratch" in missing) == (True, False)
    assert "no such file" in run(plates.root, "--split", tmp_path / "none.json")
    few = make_plates(tmp_path / "few", train=4)
    assert "has 4 good photos" in run(few.root)
    shutil.rmtree(few.root / "train")
    assert "has 0 good photos" in run(few.root)
    alike = make_plates(tmp_path / "alike", train=0)
    for number in range(6):
        write_png(alike.root / "train" / "good" / f"{number}.png", plate(0))
    assert "the same photo" in run(alike.root, *SMALL)
    spoilt = make_plates(tmp_path / "spoilt")
    broken = spoilt.root / "train" / "good" / "003.png"
    broken.write_bytes(broken.read_bytes()[:300])
    assert str(broken) in run(spoilt.root, *SMALL)


def test_a_training_that_fails_leaves_what_was_there(plates: Category, tmp_path: Path, mvtec, monkeypatch):
    out = tmp_path / "run"
    assert mvtec("train-anomaly", plates.root, "--out", out, *SMALL).code == 0
    before = (out / "run.json").read_bytes()
    assert "exists already" in mvtec("train-anomaly", plates.root, "--out", out, *SMALL).err

    def interrupted(*_words: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("mvtec.anomaly.train.save_model", interrupted)
    mvtec("train-anomaly", plates.root, "--out", out, "--overwrite", *SMALL)
    assert (out / "run.json").read_bytes() == before
    assert load_run(out).record.settings["imgsz"] == 64


def test_other_runs_and_broken_checkpoints_are_refused(plates: Category, tmp_path: Path, mvtec):
    done = mvtec("evaluate", "anomaly", plates.root, "--anomaly", tmp_path)
    assert (done.code, "not a finished run" in done.err) == (2, True)
    out = tmp_path / "run"
    assert mvtec("train-anomaly", plates.root, "--out", out, *SMALL).code == 0
    (out / CHECKPOINT).write_bytes(b"no tensors")
    done = mvtec("evaluate", "anomaly", plates.root, "--anomaly", out)
    assert (done.code, "anomaly.pt: is cut off or no file of torch" in done.err) == (2, True)
    record = json.loads((out / "run.json").read_text())
    record["kind"] = "detector"
    (out / "run.json").write_text(json.dumps(record))
    done = mvtec("evaluate", "anomaly", plates.root, "--anomaly", out)
    assert (done.code, "not a run of mvtec train-anomaly" in done.err) == (2, True)


def test_near_identical_photos_are_in_one_fold(tmp_path: Path):
    category = make_plates(tmp_path / "plate", train=0)
    for number in range(8):
        seed = number if number < 6 else 0  # the last two show the first again, a little lighter
        photo = np.zeros((96, 96, 3), np.uint8)
        photo[10 * seed : 10 * seed + 20] = 200
        write_png(category.root / "train" / "good" / f"{number}.png", photo + (number // 6))
    normals = select_normal_images(read_tree(category.root), None)
    folds = make_folds(normals, seed=3)
    assert sorted(number for fold in folds for number in fold) == list(range(8))
    assert len(folds) == 5
    assert any({0, 6, 7} <= set(fold) for fold in folds)
    assert make_folds(normals, seed=3) == folds


@pytest.mark.parametrize(("photos", "rank"), [(5, 5), (18, 18), (19, 19), (20, 20), (40, 39), (100, 96)])
def test_the_threshold_is_the_conformal_quantile(photos: int, rank: int):
    """⌈(n + 1) · 0.95⌉, by hand, and never more than n."""
    assert choose_threshold([float(score) for score in range(photos, 0, -1)]) == rank


def test_a_distance_is_that_to_the_nearest_place():
    random = torch.Generator().manual_seed(0)
    places = torch.randn(700, 5, generator=random) * torch.tensor([1.0, 5, 0.1, 2, 1]) + 3
    memory = make_memory([remember(places[:400], 100, random), remember(places[400:], 100, random)], size=60)
    assert memory.patches.shape == (60, 5)
    assert torch.allclose(memory.mean, places.mean(dim=0), atol=1e-5)
    assert torch.allclose(memory.deviation, places.std(dim=0, correction=0), atol=1e-5)
    standard = (places - memory.mean) / memory.deviation
    expected = [min(float((row - kept).norm()) for kept in memory.patches) for row in standard[:20]]
    assert memory.distances(places)[:20].tolist() == pytest.approx(expected, abs=2e-3)
    same = NormalPatches(torch.zeros(5), torch.ones(5), places)
    assert same.distances(places).max() < 0.01


@pytest.mark.slow
def test_real_bottles(real_bottle: Path, tmp_path: Path):
    """At a quarter of the pixels: 40 good photos tell 4 of each kind apart."""
    dataset = read_tree(real_bottle)
    (tmp_path / "run").mkdir()
    normals = select_normal_images(dataset, None)
    assert len(normals) == 40
    try:
        start = find_backbone("efficientnet_lite0")
    except WeightsError as error:
        pytest.skip(str(error))
    train_anomaly(dataset, normals, tmp_path / "run", start=start, imgsz=224)
    run = load_run(tmp_path / "run")
    chosen = [sample for sample in dataset.labelled if int(sample.photo.stem) < 4]
    scores = {sample.path: predict_maps(run.model, [sample]).maps[sample.path].max() for sample in chosen}
    assert max(score for path, score in scores.items() if "good" in path) < min(
        score for path, score in scores.items() if "good" not in path
    )
