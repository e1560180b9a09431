"""Trainings that are stopped, killed, moved or fail: what is left, and how they go on."""

from __future__ import annotations

import json
import os
import shutil
import signal
from pathlib import Path

import pytest
import torch
from conftest import Category, make_category
from tiny import FIVE_CONVS, TINY, call

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def category(tmp_path_factory: pytest.TempPathFactory) -> Category:
    return make_category(tmp_path_factory.mktemp("train") / "widget")


@pytest.fixture(scope="module")
def run(category: Category, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "run"
    assert call("train-detector", category.root, "--out", out, *TINY) == 0
    return out


def stopped_in_the_second_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have trainings end as Ctrl-C ends them, until the patch is undone."""
    from mvtec.detect.backends import ultralytics_yolo as module

    original = module._run_training

    def interrupted(model, plan, view, device, resume, on_epoch):
        def stop(epoch: int, epochs: int, losses: dict[str, float]) -> None:
            on_epoch(epoch, epochs, losses)
            if epoch == 2:
                raise KeyboardInterrupt

        return original(model, plan, view, device, resume, stop)

    monkeypatch.setattr(module, "_run_training", interrupted)


def test_an_interrupted_run_is_resumed(category: Category, tmp_path: Path, mvtec, monkeypatch: pytest.MonkeyPatch):
    command = ("train-detector", category.root, "--out", tmp_path / "run", *TINY[:4], "3", *TINY[5:])
    stopped_in_the_second_epoch(monkeypatch)
    outcome = mvtec(*command)
    assert outcome.code == 130
    assert "Traceback" not in outcome.err
    monkeypatch.undo()
    assert mvtec("predict", tmp_path / "run", category.root, "--out", tmp_path / "p").code == 2
    assert "is an unfinished run. Pass --resume" in mvtec(*command).err
    other = make_category(tmp_path / "other", per_class=6)
    other.photo("crack", 0).write_bytes(other.photo("crack", 1).read_bytes())
    said = mvtec(*command[:1], other.root, *command[2:], "--resume").err
    assert f"{other.root}: holds other photos than the run began with" in said
    outcome = mvtec(*command, "--resume", "--epochs", "150")
    assert outcome.code == 0, outcome.err
    assert "--epochs 150 is not taken: a resumed run goes on as it began, with 3" in outcome.err
    assert "3 epochs, the last of them in" in outcome.out
    rows = (tmp_path / "run" / "results.csv").read_text().splitlines()
    assert [row.split(",")[0] for row in rows[1:]] == ["1", "2", "3"]
    assert mvtec(*command, "--resume").code == 2


def test_a_run_that_was_moved_goes_on_where_it_lies(
    category: Category, tmp_path: Path, mvtec, monkeypatch: pytest.MonkeyPatch
):
    words = ("train-detector", category.root, *TINY[:4], "3", *TINY[5:])
    stopped_in_the_second_epoch(monkeypatch)
    assert mvtec(*words, "--out", tmp_path / "run").code == 130
    monkeypatch.undo()
    (tmp_path / "run").rename(tmp_path / "moved")
    outcome = mvtec(*words, "--out", tmp_path / "moved", "--resume")
    assert outcome.code == 0, outcome.err
    assert not (tmp_path / "run").exists()
    rows = (tmp_path / "moved" / "results.csv").read_text().splitlines()
    assert [row.split(",")[0] for row in rows[1:]] == ["1", "2", "3"]
    checkpoint = torch.load(tmp_path / "moved" / "weights" / "last.pt", weights_only=False)
    assert (checkpoint["epoch"], checkpoint["optimizer"]) == (-1, None)


def test_what_a_resumed_run_did_not_begin_with_is_said(category: Category, run: Path, tmp_path: Path, mvtec):
    shutil.copytree(run, tmp_path / "run", symlinks=True)
    (tmp_path / "run" / "run.json").unlink()
    mvtec("datasets", "split", category.root, "--out", tmp_path / "s.json", "--seed", "7")
    words = ("train-detector", category.root, "--out", tmp_path / "run", "--device", "cpu", "--resume")
    other = mvtec(*words, "--split", tmp_path / "s.json")
    assert other.code == 2
    assert "--split is not what the run began with" in other.err
    outcome = mvtec(*words, "--weights", run / "weights" / "last.pt")
    assert outcome.code == 0, outcome.err
    assert f"{run / 'weights' / 'last.pt'} is not taken" in outcome.err
    (tmp_path / "run" / "run.json").unlink()
    outcome = mvtec(*words, "--model", "yolov8n.yaml", "--from-scratch")
    assert outcome.code == 0, outcome.err
    assert f"yolov8n.yaml is not taken: a resumed run goes on as it began, with {FIVE_CONVS}" in outcome.err
    (tmp_path / "run" / "run.json").unlink()
    assert "is not taken" not in mvtec(*words, "--model", FIVE_CONVS, "--from-scratch", "--freeze", 0).err


def test_a_stop_while_a_checkpoint_is_written_leaves_the_one_before(
    category: Category, tmp_path: Path, mvtec, monkeypatch: pytest.MonkeyPatch
):
    run, write = tmp_path / "run", Path.write_bytes
    command = ("train-detector", category.root, "--out", run, *TINY[:4], "3", *TINY[5:])

    def torn(path: Path, content: bytes) -> int:
        if path.stem == "last" and (run / "weights" / "last.pt").is_file():
            write(path, content[: len(content) // 2])
            os.kill(os.getpid(), signal.SIGTERM)
        return write(path, content)

    monkeypatch.setattr(Path, "write_bytes", torn)
    outcome = mvtec(*command)
    monkeypatch.undo()
    assert (outcome.code, outcome.err.splitlines()[-1]) == (130, "interrupted")
    assert f"the finished epochs are in {run}; go on with the same command and --resume" in outcome.err
    assert [path.name for path in (run / "weights").iterdir() if path.stem == "last"] == ["last.pt"]
    outcome = mvtec(*command, "--resume")
    assert outcome.code == 0, outcome.err
    rows = (run / "results.csv").read_text().splitlines()
    assert [row.split(",")[0] for row in rows[1:]] == ["1", "2", "3"]


def test_a_run_without_a_checkpoint_says_how_to_begin_and_where_the_old_one_is(
    run: Path, category: Category, tmp_path: Path, mvtec
):
    killed = tmp_path / "killed"
    (killed / "data").mkdir(parents=True)
    assert "--resume" not in mvtec("train-detector", category.root, "--out", killed, *TINY).err
    resumed = mvtec("train-detector", category.root, "--out", killed, *TINY, "--resume")
    assert resumed.code == 2
    assert "is not a run that could be resumed. Choose another --out, or pass --overwrite instead of" in resumed.err
    shutil.copytree(run, tmp_path / ".killed.old")
    asked = mvtec("predict", killed, category.root, "--out", tmp_path / "p")
    assert (asked.code, f"The run that it was to replace is {tmp_path / '.killed.old'}" in asked.err) == (2, True)


def test_a_run_interrupted_after_its_last_epoch_lacks_its_record_alone(category: Category, tmp_path: Path, mvtec):
    split, run = tmp_path / "split.json", tmp_path / "run"
    assert mvtec("datasets", "split", category.root, "--out", split, "--folds", 2).code == 0
    command = ("train-detector", category.root, "--split", split, "--fold", 0, "--out", run, *TINY)
    assert mvtec(*command).code == 0
    figures = json.loads((run / "run.json").read_text())["figures"]
    weights = (run / "weights" / "best.pt").read_bytes()
    seconds = json.loads((run / "run.json").read_text())["seconds"]
    (run / "run.json").unlink()
    outcome = mvtec(*command, "--resume")
    assert outcome.code == 0, outcome.err
    assert 0 < json.loads((run / "run.json").read_text())["seconds"] <= seconds
    assert json.loads((run / "run.json").read_text())["figures"] == pytest.approx(figures, abs=0.02)
    assert (run / "weights" / "best.pt").read_bytes() == weights


def test_a_run_interrupted_while_it_is_tidied_goes_on(
    category: Category, tmp_path: Path, mvtec, monkeypatch: pytest.MonkeyPatch
):
    from ultralytics.utils import torch_utils

    run = tmp_path / "run"
    command = ("train-detector", category.root, "--out", run, *TINY)

    def interrupted(*_arguments: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(torch_utils, "strip_optimizer", interrupted)
    assert mvtec(*command).code == 130
    monkeypatch.undo()
    large = (run / "weights" / "last.pt").stat().st_size
    outcome = mvtec(*command, "--resume")
    assert outcome.code == 0, outcome.err
    assert (run / "weights" / "last.pt").stat().st_size < large / 2
    assert mvtec("predict", run, category.root, "--out", tmp_path / "p").code == 0


def test_a_failed_overwrite_gives_the_old_run_back(run: Path, category: Category, tmp_path: Path, mvtec):
    shutil.copytree(run, tmp_path / "run")
    words = ("train-detector", category.root, "--out", tmp_path / "run", "--overwrite")
    assert mvtec(*words, "--model", "yolo99x.yaml", "--from-scratch").code == 2
    assert (tmp_path / "run" / "run.json").read_bytes() == (run / "run.json").read_bytes()
    assert mvtec(*words, *TINY).code == 0
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_a_resumed_run_does_not_see_the_draws_of_its_first_epochs_again(
    category: Category, tmp_path: Path, mvtec, monkeypatch: pytest.MonkeyPatch
):
    from ultralytics.models.yolo.detect import DetectionTrainer

    original, seen = DetectionTrainer.preprocess_batch, []

    def looked_at(trainer, batch):
        seen.append((trainer.epoch, int(batch["img"].long().sum())))
        return original(trainer, batch)

    monkeypatch.setattr(DetectionTrainer, "preprocess_batch", looked_at)
    command = ("train-detector", category.root, "--out", tmp_path / "run", *TINY[:4], "4", *TINY[5:])
    with monkeypatch.context() as patch:
        stopped_in_the_second_epoch(patch)
        assert mvtec(*command).code == 130
    first = {sums for epoch, sums in seen if epoch == 0}
    seen.clear()
    assert mvtec(*command, "--resume").code == 0
    assert {epoch for epoch, _ in seen} == {1, 2, 3}
    assert first.isdisjoint(sums for _, sums in seen)
