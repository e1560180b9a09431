"""Trains tiny models for real: two epochs of a nano YOLO at 64 pixels. What is interrupted is in `test_resume.py`."""

from __future__ import annotations

import csv
import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from conftest import Category, make_category, noise, write_png
from PIL import Image
from tiny import FIVE_CONVS, TINY, call

from mvtec.convert.formats.coco.files import read_coco, read_results
from mvtec.convert.formats.yolo.read_folder import label_file, read_yolo_folder
from mvtec.detect.plan import has_polygons, start_and_recipe
from mvtec.errors import WeightsError
from mvtec.files import sha256_file
from mvtec.run import photos_seen_by, read_run

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def category(tmp_path_factory: pytest.TempPathFactory) -> Category:
    return make_category(tmp_path_factory.mktemp("train") / "widget")


@pytest.fixture(scope="module")
def run(category: Category, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run, trained on the category itself."""
    out = tmp_path_factory.mktemp("runs") / "run"
    assert call("train-detector", category.root, "--out", out, *TINY) == 0
    return out


def test_the_record_says_how_it_was_made(run: Path):
    record = json.loads((run / "run.json").read_text())
    split = json.loads((run / "data" / "split.json").read_text())
    assert record["split"] == split["hash"]
    assert set(record["train_images"]) == {split["images"][path] for path in split["train"]}
    assert record["weights"] is None
    assert record["settings"]["epochs"] == 2
    assert record["versions"]["ultralytics"]
    assert record["command"][:2] == ["mvtec", "train-detector"]


def test_without_a_val_part_the_last_epoch_is_kept_and_nothing_is_judged(run: Path):
    assert [path.name for path in (run / "weights").iterdir()] == ["last.pt"]
    header = (run / "results.csv").read_text().splitlines()[0]
    assert "metrics" not in header
    assert len((run / "results.csv").read_text().splitlines()) == 3


def test_predictions_can_be_judged_and_drawn(run: Path, tmp_path: Path, mvtec):
    outcome = mvtec("predict", run, run / "data", "--out", tmp_path / "p", "--draw-score", "0")
    assert outcome.code == 0, outcome.err
    truth = read_coco(run / "data" / "annotations" / "instances_test.json")
    results = read_results(tmp_path / "p" / "predictions.json")
    assert {result.image_id for result in results} <= {image.id for image in truth.images}
    assert {result.category_id for result in results} <= {1, 2}
    assert len(list((tmp_path / "p" / "images").iterdir())) == len(truth.images)
    provenance = json.loads((tmp_path / "p" / "provenance.json").read_text())
    assert provenance["seen_in_training"] == []
    with (tmp_path / "p" / "photos.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["file_name"] for row in rows] == [image.file_name for image in truth.images]
    for row, image in zip(rows, truth.images, strict=True):
        own = [result for result in results if result.image_id == image.id]
        best = max(own, key=lambda result: result.score)
        assert (row["class"], float(row["score"])) == (["crack", "stain"][best.category_id - 1], best.score)
        assert int(row["boxes"]) == len(own)
    judged = mvtec("evaluate", "boxes", run / "data/annotations/instances_test.json", tmp_path / "p/predictions.json")
    assert judged.code == 0, judged.err


def test_a_photo_without_a_drawn_box_is_listed_as_good(run: Path, tmp_path: Path, mvtec):
    said = mvtec("predict", run, run / "data", "--out", tmp_path / "p", "--draw-score", "1", "--no-pictures")
    assert f"{tmp_path / 'p' / 'photos.csv'}: 0 of them with a box of score 1 or more" in said.out
    with (tmp_path / "p" / "photos.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert {(row["class"], row["boxes"]) for row in rows} == {("good", "0")}
    assert all(float(row["score"]) > 0 for row in rows)


def test_a_judgement_on_train_photos_is_refused(run: Path, tmp_path: Path, mvtec):
    outcome = mvtec("predict", run, run / "data", "--out", tmp_path / "p", "--part", "train", "--no-pictures")
    assert "trained on 12 of these 12 photos" in outcome.err
    truth = run / "data" / "annotations" / "instances_train.json"
    outcome = mvtec("evaluate", "boxes", truth, tmp_path / "p" / "predictions.json")
    assert outcome.code == 2
    assert "the model was trained on crack_" in outcome.err


def test_a_train_photo_under_another_name_is_found_too(run: Path, category: Category, tmp_path: Path, mvtec):
    """The whole category has other file names than the YOLO folder; contents give the train photos away."""
    assert mvtec("predict", run, category.root, "--out", tmp_path / "p", "--no-pictures").code == 0
    mvtec("convert", "masks-to-coco", category.root, "--out", tmp_path / "truth.json")
    outcome = mvtec("evaluate", "boxes", tmp_path / "truth.json", tmp_path / "p" / "predictions.json")
    assert (outcome.code, "trained on test/crack/" in outcome.err) == (2, True)


def test_one_photo_and_a_folder_of_photos(run: Path, category: Category, tmp_path: Path, mvtec):
    assert mvtec("predict", run, category.photo("crack", 0), "--out", tmp_path / "one").code == 0
    assert mvtec("predict", run, category.root / "test" / "crack", "--out", tmp_path / "five").code == 0
    assert len(list((tmp_path / "five" / "images").iterdir())) == 5


def test_the_same_seed_gives_the_same_model(run: Path, category: Category, tmp_path: Path, mvtec):
    assert mvtec("train-detector", category.root, "--out", tmp_path / "again", *TINY).code == 0
    for name in ("run", "again"):
        where = run if name == "run" else tmp_path / "again"
        mvtec("predict", where, run / "data", "--out", tmp_path / f"p-{name}", "--no-pictures")
    first, second = ((tmp_path / f"p-{name}" / "predictions.json").read_bytes() for name in ("run", "again"))
    assert first == second


def test_with_a_val_part_the_best_epoch_is_kept(category: Category, tmp_path: Path, mvtec):
    mvtec("datasets", "split", category.root, "--out", tmp_path / "s.json", "--val-fraction", "0.2")
    outcome = mvtec("train-detector", category.root, "--out", tmp_path / "run", "--split", tmp_path / "s.json", *TINY)
    assert outcome.code == 0, outcome.err
    assert sorted(path.name for path in (tmp_path / "run" / "weights").iterdir()) == ["best.pt", "last.pt"]
    assert "best.pt: chosen by val" in outcome.out
    assert "metrics/mAP50(B)" in json.loads((tmp_path / "run" / "run.json").read_text())["figures"]


def test_a_batch_that_is_found_leaves_steps_and_is_recorded(category: Category, tmp_path: Path, mvtec):
    words = [*TINY[:7], "--batch", "-1", "--device", "cpu"]
    assert mvtec("train-detector", category.root, "--out", tmp_path / "run", *words).code == 0
    settings = json.loads((tmp_path / "run" / "run.json").read_text())["settings"]
    assert (settings["batch"], settings["nbs"]) == (8, 8)  # Ultralytics would take all 12, one step an epoch
    (tmp_path / "run" / "run.json").unlink()  # as if interrupted after the last epoch
    assert mvtec("train-detector", category.root, "--out", tmp_path / "run", *words, "--resume").code == 0
    settings = json.loads((tmp_path / "run" / "run.json").read_text())["settings"]
    assert (settings["batch"], settings["nbs"]) == (8, 8)


def test_a_copied_checkpoint_knows_what_it_has_seen(run: Path, category: Category, tmp_path: Path, mvtec):
    (tmp_path / "own.pt").write_bytes((run / "weights" / "last.pt").read_bytes())
    words = ("--weights", tmp_path / "own.pt", "--epochs", "1", "--imgsz", "64", "--device", "cpu")
    mvtec("datasets", "split", category.root, "--out", tmp_path / "s.json", "--seed", "7")
    split = ("--split", tmp_path / "s.json")
    assert mvtec("train-detector", category.root, "--out", tmp_path / "again", *split, *words).code == 0
    before = json.loads((run / "run.json").read_text())["train_images"]
    seen = json.loads((tmp_path / "again" / "run.json").read_text())["train_images"]
    assert before.items() <= seen.items()
    assert len(seen) > len(before)


def test_an_unfinished_run_has_seen_what_it_set_out_to(run: Path, tmp_path: Path):
    shutil.copytree(run, tmp_path / "run", symlinks=True)
    (tmp_path / "run" / "run.json").unlink()
    (tmp_path / "link.pt").symlink_to(tmp_path / "run" / "weights" / "last.pt")
    expected = json.loads((run / "run.json").read_text())["train_images"]
    assert photos_seen_by(tmp_path / "run" / "weights" / "last.pt") == expected
    assert photos_seen_by(tmp_path / "link.pt") == expected
    (tmp_path / "run" / "weights").rename(tmp_path / "disk")
    (tmp_path / "run" / "weights").symlink_to(tmp_path / "disk")
    assert photos_seen_by(tmp_path / "run" / "weights" / "last.pt") == expected
    (tmp_path / "run" / "plan.json").write_text("[1]")
    assert photos_seen_by(tmp_path / "run" / "weights" / "last.pt") == {}


@pytest.mark.parametrize("model", ["yolov8s-world.yaml", "yolov8n-pose.yaml"])
def test_models_that_are_trained_otherwise_are_refused(category: Category, tmp_path: Path, mvtec, model: str):
    words = ("--model", model, "--from-scratch", "--device", "cpu")
    outcome = mvtec("train-detector", category.root, "--out", tmp_path / "run", *words)
    assert (outcome.code, len(outcome.err.splitlines())) == (2, 1)
    assert "is trained otherwise" in outcome.err


@pytest.mark.parametrize(
    ("device", "message"), [("0,1", "0,1 are several"), ("mps", "no device mps"), ("-1", "no device -1")]
)
def test_devices_that_are_not_one_are_refused(category: Category, tmp_path: Path, mvtec, device: str, message: str):
    if device == "mps" and torch.backends.mps.is_available():
        pytest.skip("this is a Mac with a GPU")
    outcome = mvtec("train-detector", category.root, "--out", tmp_path / "run", *TINY[:-1], device)
    assert (outcome.code, len(outcome.err.splitlines())) == (2, 1)
    assert message in outcome.err
    assert not (tmp_path / "run").exists()


def test_photos_are_turned_only_where_all_labels_are_polygons(category: Category, tmp_path: Path, mvtec):
    """Of a mixture Ultralytics keeps the boxes, and the box of a turned box is too large."""
    mvtec("convert", "masks-to-yolo", category.root, "--out", tmp_path / "yolo", "--task", "segment")
    folder = read_yolo_folder(tmp_path / "yolo")
    assert has_polygons(folder)
    label = label_file(folder.images["train"][-1])
    label.write_text(label.read_text() + "0 0.5 0.5 0.1 0.1\n")
    assert not has_polygons(folder)


def test_without_the_right_to_link_photos_are_copied(
    category: Category, tmp_path: Path, mvtec, monkeypatch: pytest.MonkeyPatch
):
    def refused(*_: object, **__: object) -> None:
        raise OSError(1314, "a required privilege is not held by the client")

    monkeypatch.setattr(Path, "symlink_to", refused)
    monkeypatch.setattr(os, "link", refused)
    words = [*TINY[:3], "--epochs", "1", *TINY[5:]]
    outcome = mvtec("train-detector", category.root, "--out", tmp_path / "run", *words)
    assert outcome.code == 0, outcome.err
    photos = list((tmp_path / "run" / "data" / "images" / "train").iterdir())
    assert photos
    assert not any(photo.is_symlink() for photo in photos)


def test_without_weights_ours_are_taken_and_the_command_says_so(category: Category, tmp_path: Path, mvtec):
    small = ("--epochs", 1, "--imgsz", 64, "--batch", 4, "--device", "cpu")
    outcome = mvtec("train-detector", category.root, "--out", tmp_path / "run", *small)
    assert outcome.code == 0, outcome.err
    assert "begins with the starter weights" in outcome.out
    record = json.loads((tmp_path / "run" / "run.json").read_text())
    assert Path(record["weights"]["file"]).name == "starter.pt"
    assert record["settings"]["freeze"] == 0
    took, there = record["settings"]["transferred"]
    assert 0 < there - took < 10  # the last layers, which are for other classes
    log = (tmp_path / "run" / "train.log").read_text()
    assert "Remapped 2/2 cls head rows from pretrained weights by class name" in log  # crack and stain it knows
    again = mvtec("train-detector", category.root, "--out", tmp_path / "frozen", "--freeze", 10, "--json", *small)
    assert json.loads(again.out)["weights"] == record["weights"]
    assert json.loads((tmp_path / "frozen" / "run.json").read_text())["settings"]["freeze"] == 10


def test_a_segmentation_model_predicts_masks(category: Category, tmp_path: Path, mvtec):
    words = ("--model", "yolov8n-seg.yaml", "--from-scratch", "--epochs", "1", "--imgsz", "64", "--device", "cpu")
    outcome = mvtec("train-detector", category.root, "--out", tmp_path / "run", *words)
    assert outcome.code == 0, outcome.err
    options = ("--min-score", "0", "--max-detections", "3")
    assert mvtec("predict", tmp_path / "run", tmp_path / "run/data", "--out", tmp_path / "p", *options).code == 0
    results = json.loads((tmp_path / "p" / "predictions.json").read_text())
    assert results
    assert all(result["segmentation"]["size"] == [40, 48] for result in results)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        pytest.param(["--model", "yolo99x.yaml", "--from-scratch"], "no model that Ultralytics knows", id="model"),
        pytest.param(["--device", "77", "--model", "yolov5n.yaml", "--from-scratch"], "no device 77", id="device"),
        pytest.param(["--model", "yolo11n.pt"], "--from-scratch", id="no_weights"),
        pytest.param(["--from-scratch", "--freeze", "3"], "keeps random weights", id="frozen_random"),
        pytest.param(["--out", "what?/run", *TINY], "has a ? in its path", id="question_mark"),
        pytest.param(
            ["--fold", "0", "--model", "yolov5n.yaml", "--from-scratch"], "Give --split", id="fold_of_nothing"
        ),
    ],
)
def test_a_mistake_is_one_line_and_leaves_nothing(category: Category, tmp_path: Path, mvtec, words, message):
    outcome = mvtec("train-detector", category.root, "--out", tmp_path / "run", *words)
    assert outcome.code == 2
    assert message in outcome.err
    assert len(outcome.err.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def test_what_it_begins_with_is_said(run: Path, category: Category, tmp_path: Path, mvtec, monkeypatch):
    small = ("--epochs", 1, "--imgsz", 64, "--batch", 4, "--device", "cpu")
    done = mvtec("train-detector", category.root, "--out", tmp_path / "random", *TINY)
    assert "begins with random weights" in done.out
    (tmp_path / "weights").mkdir()
    found = Path(shutil.copy(run / "weights" / "last.pt", tmp_path / "weights" / "yolo11n.pt"))
    monkeypatch.setenv("MVTEC_WEIGHTS", str(found.parent))
    done = mvtec("train-detector", category.root, "--out", tmp_path / "found", "--freeze", 3, *small)
    assert f"begins with {found}, its first 3 layers kept as they are" in done.out


def test_data_that_is_not_there_is_found_before_weights_are_looked_for(tmp_path: Path, mvtec):
    (tmp_path / "empty").mkdir()
    for name, problem in (("nowhere", "no such folder"), ("empty", "is neither")):
        done = mvtec("train-detector", tmp_path / name, "--out", tmp_path / "run", "--model", "yolo99x.pt")
        assert (done.code, done.out) == (2, "")
        assert f"{name}: {problem}" in done.err
        assert "data.yaml" in done.err
        assert "ground_truth/" in done.err


def test_labels_in_another_folder_are_refused(category: Category, tmp_path: Path, mvtec):
    yolo = tmp_path / "yolo"
    assert mvtec("convert", "masks-to-yolo", category.root, "--out", yolo, "--images", "copy").code == 0
    labels = sorted((yolo / "labels" / "train").glob("*.txt"))
    moved = next(label for label in labels if label.read_text())
    moved.rename(yolo / "labels" / moved.name)
    done = mvtec("train-detector", yolo, "--out", tmp_path / "run", *TINY)
    assert done.code == 2
    assert f"{yolo / 'labels' / moved.name}: seems to be the label of" in done.err
    assert not (tmp_path / "run").exists()


def test_a_run_of_another_command_is_told_apart(run: Path, tmp_path: Path, mvtec):
    other = tmp_path / "classifier"
    (other / "weights").mkdir(parents=True)
    record = json.loads((run / "run.json").read_text())
    (other / "run.json").write_text(json.dumps({**record, "kind": "classifier"}))
    done = mvtec("predict", other, run / "data", "--out", tmp_path / "p")
    assert done.code == 2
    assert "is not a run of mvtec train-detector" in done.err


def test_weights_that_are_some_other_file_are_one_line(category: Category, tmp_path: Path, mvtec):
    (tmp_path / "readme.txt").write_text("no weights")
    words = ("--out", tmp_path / "run", "--weights", tmp_path / "readme.txt")
    done = mvtec("train-detector", category.root, *words)
    assert (done.code, len(done.err.splitlines())) == (2, 1)
    assert "readme.txt: is no YOLO checkpoint" in done.err
    assert not (tmp_path / "run").exists()


def test_what_the_conversion_warns_of_is_said(tmp_path: Path, mvtec):
    grey = make_category(tmp_path / "widget")
    mask = np.zeros((40, 48))
    mask[5:9, 3:13] = 255
    mask[9, 3:13] = 100
    write_png(grey.mask("crack", 0), mask)
    done = mvtec("train-detector", grey.root, "--out", tmp_path / "run", *TINY)
    assert done.code == 0, done.err
    assert "warning: 1 mask has grey values, ground_truth/crack/000_mask.png" in done.err


def test_photos_of_one_name_have_pictures_of_their_own(run: Path, category: Category, tmp_path: Path, mvtec):
    photo = cv2.imread(str(category.photo("crack", 0)))
    (tmp_path / "photos").mkdir()
    for name in ("a.png", "a.bmp", "b.png"):
        cv2.imwrite(str(tmp_path / "photos" / name), photo)
    assert mvtec("predict", run, tmp_path / "photos", "--out", tmp_path / "p").code == 0
    assert sorted(path.name for path in (tmp_path / "p/images").iterdir()) == ["a.bmp.jpg", "a.png.jpg", "b.jpg"]


def test_a_photo_that_ultralytics_would_leave_out_stops_the_training(category: Category, tmp_path: Path, mvtec):
    yolo = tmp_path / "yolo"
    mvtec("convert", "masks-to-yolo", category.root, "--out", yolo, "--images", "copy")
    photo = next((yolo / "images" / "train").iterdir())
    content = bytearray(photo.read_bytes())
    content[len(content) // 2] ^= 0x55
    photo.write_bytes(content)
    outcome = mvtec("train-detector", yolo, "--out", tmp_path / "run", *TINY)
    assert outcome.code == 2
    assert f"{photo}: is left out by Ultralytics, or its label" in outcome.err
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("label", "said"),
    [(b"9 0.5 0.5 0.2 0.2\n", "line 1 "), (b"\xff\xfe0 0.1", "is no text in UTF-8")],
    ids=["class", "encoding"],
)
def test_a_label_that_cannot_be_used_is_named(category: Category, tmp_path: Path, mvtec, label: bytes, said: str):
    mvtec("convert", "masks-to-yolo", category.root, "--out", tmp_path / "yolo")
    file = sorted((tmp_path / "yolo" / "labels" / "train").iterdir())[0]
    file.write_bytes(label)
    outcome = mvtec("train-detector", tmp_path / "yolo", "--out", tmp_path / "run", *TINY)
    assert outcome.code == 2
    assert f"{file}: {said}" in outcome.err
    assert not (tmp_path / "run").exists()


def test_photos_are_not_written_anew_and_nothing_is_left_beside_them(tmp_path: Path, mvtec):
    """JPEGs with something behind their end, as cameras write them, Ultralytics would save again."""
    category = make_category(tmp_path / "widget")
    for photo in sorted(category.root.glob("test/*/*.png")):
        Image.open(photo).save(photo.with_suffix(".jpg"))
        photo.unlink()
        photo.with_suffix(".jpg").open("ab").write(b"\0" * 22)
    yolo = tmp_path / "yolo"
    assert mvtec("convert", "masks-to-yolo", category.root, "--out", yolo, "--images", "copy").code == 0
    before = {file: file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()}
    assert mvtec("train-detector", yolo, "--out", tmp_path / "run", *TINY).code == 0
    after = {
        file: file.read_bytes() for folder in (category.root, yolo) for file in folder.rglob("*") if file.is_file()
    }
    assert after == before
    outcome = mvtec("predict", tmp_path / "run", category.root, "--out", tmp_path / "p")
    assert "was trained on 12 of these 15 photos" in outcome.err


class Trap:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(Path(os.environ["TRAP"])),)


def test_a_pickle_beside_the_labels_is_not_read(category: Category, tmp_path: Path, mvtec, monkeypatch):
    monkeypatch.setenv("TRAP", str(tmp_path / "trap"))
    mvtec("convert", "masks-to-yolo", category.root, "--out", tmp_path / "yolo")
    np.save(tmp_path / "labels.npy", np.array(Trap(), dtype=object), allow_pickle=True)
    (tmp_path / "labels.npy").rename(tmp_path / "yolo" / "labels" / "train.cache")
    assert mvtec("train-detector", tmp_path / "yolo", "--out", tmp_path / "run", *TINY).code == 0
    assert not (tmp_path / "trap").exists()


def test_predictions_take_the_place_of_nothing_that_is_read(run: Path, category: Category, tmp_path: Path, mvtec):
    yolo = tmp_path / "yolo"
    mvtec("convert", "masks-to-yolo", category.root, "--out", yolo)
    for place in ("labels", "annotations", "images/test"):
        for source in (yolo, yolo / "data.yaml"):
            outcome = mvtec("predict", run, source, "--out", yolo / place, "--overwrite")
            assert (outcome.code, len(outcome.err.splitlines())) == (2, 1)
        outcome = mvtec("train-detector", yolo / "data.yaml", "--out", yolo / place, "--overwrite", *TINY)
        assert "would be lost" in outcome.err or "lies in" in outcome.err
    assert len(list((yolo / "labels" / "test").iterdir())) == 3


def test_photos_that_predict_has_drawn_are_no_photos(run: Path, category: Category, tmp_path: Path, mvtec):
    photos = tmp_path / "photos"
    shutil.copytree(category.root / "test" / "crack", photos)
    for out in (photos / "first", photos / "second", tmp_path / "third"):
        assert "predictions.json: 5 photos" in mvtec("predict", run, photos, "--out", out).out
    assert "predictions.json: 5 photos" in mvtec("predict", run, photos / "first", "--out", tmp_path / "fourth").out


def test_photos_that_the_annotations_do_not_name_are_counted(run: Path, category: Category, tmp_path: Path, mvtec):
    mvtec("convert", "masks-to-yolo", category.root, "--out", tmp_path / "yolo", "--images", "copy")
    write_png(tmp_path / "yolo" / "images" / "test" / "more.png", noise(99))
    outcome = mvtec("predict", run, tmp_path / "yolo", "--out", tmp_path / "p")
    assert "1 photo of the test part not in" in outcome.err


def test_weights_that_were_moved_are_found_where_they_are_now(run: Path, tmp_path: Path, monkeypatch):
    weights = tmp_path / "here" / "own.pt"
    weights.parent.mkdir()
    shutil.copy(run / "weights" / "last.pt", weights)
    record = replace(read_run(run), weights={"file": "/gone/own.pt", "sha256": sha256_file(weights)})
    with pytest.raises(WeightsError, match=r"/gone/own\.pt"):
        start_and_recipe(record)
    monkeypatch.setenv("MVTEC_WEIGHTS", str(weights.parent))
    assert start_and_recipe(record)[0].weights == weights


def test_weights_that_are_no_checkpoint_are_named(category: Category, tmp_path: Path, mvtec):
    (tmp_path / "bad.pt").write_bytes(b"not a checkpoint")
    words = ("--model", "yolov5n.yaml", "--weights", tmp_path / "bad.pt")
    outcome = mvtec("train-detector", category.root, "--out", tmp_path / "run", *words)
    assert outcome.code == 2
    assert "bad.pt: cannot be loaded" in outcome.err


def test_photos_the_starting_weights_had_seen_count_as_seen(run: Path, tmp_path: Path, mvtec):
    other = make_category(tmp_path / "other", defects=("crack", "stain", "dent"), per_class=6)  # holds the first one's
    words = ("--model", FIVE_CONVS, "--weights", run / "weights" / "last.pt", *TINY[3:])
    outcome = mvtec("train-detector", other.root, "--out", tmp_path / "run", *words)
    assert outcome.code == 0, outcome.err
    before = json.loads((run / "run.json").read_text())["train_images"]
    assert set(before) < set(json.loads((tmp_path / "run" / "run.json").read_text())["train_images"])


def test_a_data_yaml_runs_no_code_and_fetches_nothing(category: Category, tmp_path: Path, mvtec):
    yolo, trap = tmp_path / "yolo", tmp_path / "executed"
    mvtec("convert", "masks-to-yolo", category.root, "--out", yolo)
    text = (yolo / "data.yaml").read_text().replace("val: images/train", "val: images/gone")
    (yolo / "data.yaml").write_text(f"{text}\ndownload: |\n  open({str(trap)!r}, 'w')\n")
    assert mvtec("train-detector", yolo, "--out", tmp_path / "run", *TINY).code == 0
    assert not trap.exists()


def test_one_part_in_several_folders(run: Path, category: Category, tmp_path: Path, mvtec):
    for defect in ("good", "crack"):
        shutil.copytree(category.root / "test" / defect, tmp_path / "set" / "images" / "test" / defect)
    (tmp_path / "set" / "data.yaml").write_text("train: images/test/good\ntest: images/test\nnames: [crack, stain]\n")
    outcome = mvtec("predict", run, tmp_path / "set", "--out", tmp_path / "p", "--no-pictures")
    assert outcome.code == 0, outcome.err
    provenance = json.loads((tmp_path / "p" / "provenance.json").read_text())
    assert "crack/000.png" in provenance["image_ids"]


SPY = """
import socket, sys
calls = []
def refuse(*args, **kwargs):
    calls.append(args)
    raise OSError("no network in this test")
socket.getaddrinfo = refuse
socket.socket.connect = refuse
sys.argv = ["mvtec", *sys.argv[1:]]
from mvtec.cli.main import main
try:
    main()
finally:
    print("CALLS", calls)
"""


def test_nothing_calls_out(category: Category, tmp_path: Path):
    """A training, a prediction with pictures and a cross-check, with every way to the network watched."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("YOLO_", "PYTEST_"))}
    environment["MVTEC_CACHE"] = str(tmp_path / "cache")
    run, predictions = tmp_path / "run", tmp_path / "p"
    for words in (
        ["train-detector", category.root, "--out", run, *TINY],
        ["predict", run, run / "data", "--out", predictions, "--draw-score", "0"],
        ["evaluate", "boxes", run / "data/annotations/instances_test.json", predictions / "predictions.json"],
    ):
        done = spy(words, environment)
        assert done.returncode == 0, done.stderr
        assert "CALLS []" in done.stdout


def spy(words: list[object], environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", SPY, *map(str, words)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("place", ["yolov5n.pt", "Bob's/last.pt"], ids=["a_name_ultralytics_changes", "apostrophe"])
def test_weights_are_read_from_where_they_are(run: Path, category: Category, tmp_path: Path, place: str):
    weights = tmp_path / place
    weights.parent.mkdir(exist_ok=True)
    shutil.copy(run / "weights" / "last.pt", weights)
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("YOLO_", "PYTEST_"))}
    words = ["--model", FIVE_CONVS, "--weights", weights, *TINY[3:]]
    done = spy(["train-detector", category.root, "--out", tmp_path / "run", *words], environment)
    assert done.returncode == 0, done.stderr
    assert "CALLS []" in done.stdout
