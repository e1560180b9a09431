"""`mvtec evaluate imbalance-detector`: what each arm learns from, one budget, and a measurement that goes on."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from conftest import Category, make_category
from tiny import TINY, call

from mvtec.run import read_run

pytestmark = pytest.mark.slow


def _widget(folder: Path) -> Category:
    """Four photos of each class, and six more good ones set aside for learning."""
    return make_category(folder / "widget", per_class=4, train_good=6)


@pytest.fixture
def widget(tmp_path: Path) -> Category:
    return _widget(tmp_path)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run, trained on the same photos."""
    folder = tmp_path_factory.mktemp("runs")
    assert call("train-detector", _widget(folder).root, "--out", folder / "run", *TINY) == 0
    return folder / "run"


def test_arms_differ_in_good_photos_and_made_defects_alone(widget: Category, run: Path, tmp_path: Path, mvtec):
    out = tmp_path / "out"
    words = ["evaluate", "imbalance-detector", widget.root, "--like", run, "--out", out, "--folds", 2]
    words += ["--ratios", "1,all", "--method", "paste", "--per-defect", 2]
    done = mvtec(*words)
    assert done.code == 0, done.err
    assert "all-paste" in done.out
    found = json.loads((out / "imbalance.json").read_text())
    assert (found["photos_per_defect"], found["made_per_defect"], found["folds"], found["photos"]) == (2, 2, 2, 12)
    assert [(row["ratio"], row["method"], row["good"]) for row in found["rows"]] == [
        (1, None, 2),
        (1, "paste", 2),
        ("all", None, 8),
        ("all", "paste", 8),
    ]
    assert found["rows"][0]["AP50_gain"]["value"] == 0
    plain, made = found["rows"][2:]
    assert "AP50_synthesis_gain" not in plain
    assert made["AP50_synthesis_gain"]["value"] == pytest.approx(made["AP50"]["value"] - plain["AP50"]["value"])
    assert "what made defects add at each ratio" in done.out
    assert {row["FPR95"]["n"] for row in found["rows"]} == {4}
    seen = {}
    for arm in ("1x", "1x-paste", "all", "all-paste"):
        for fold in range(2):
            record = read_run(out / arm / f"fold{fold}")
            seen[arm, fold] = set(record.train_images)
            answered = json.loads((out / arm / f"predictions{fold}" / "provenance.json").read_text())
            assert answered["seen_in_training"] == []
    for fold in range(2):
        assert seen["1x", fold] < seen["all", fold]
        assert seen["1x", fold] < seen["1x-paste", fold]
        epochs = {arm: read_run(out / arm / f"fold{fold}").settings["epochs"] for arm in ("1x", "all", "1x-paste")}
        assert epochs == {"1x": 2, "all": 1, "1x-paste": 1}
    assert [row["epochs"] for row in found["rows"]] == [[2, 2], [1, 1], [1, 1], [1, 1]]
    assert [row["looks"] for row in found["rows"]] == [12, 10, 12, 16]
    assert any("budgets differ, 10 to 16" in note for note in found["notes"])
    assert mvtec(*words).code == 2

    (out / "run.json").unlink()  # as if it had been interrupted in the last arm
    (out / "imbalance.json").unlink()
    shutil.rmtree(out / "all-paste" / "fold1")
    before = (out / "1x" / "fold0" / "run.json").stat().st_mtime_ns
    again = mvtec(*words, "--resume", "--json")
    assert again.code == 0, again.err
    assert json.loads(again.out)["metrics"]["all-paste/AP50"]["n"] == 12
    assert (out / "1x" / "fold0" / "run.json").stat().st_mtime_ns == before


def test_what_cannot_be_measured_is_said_before_anything_is_trained(widget: Category, run: Path, tmp_path: Path, mvtec):
    own = tmp_path / "own"
    words = ["train-detector", widget.root, "--out", own, "--weights", run / "weights" / "last.pt", *TINY[3:]]
    assert mvtec(*words).code == 0
    out = tmp_path / "out"
    failed = mvtec("evaluate", "imbalance-detector", widget.root, "--like", own, "--out", out, "--folds", 2)
    assert failed.code != 0
    assert "have seen" in failed.err
    assert not out.exists()
    other = tmp_path / "btad"
    (other / "test").mkdir(parents=True)
    (widget.root / "test" / "good").rename(other / "test" / "ok")
    (widget.root / "test" / "crack").rename(other / "test" / "ko")
    (widget.root / "ground_truth" / "crack").rename(tmp_path / "masks")
    (other / "ground_truth").mkdir()
    (tmp_path / "masks").rename(other / "ground_truth" / "ko")
    for mask in (other / "ground_truth" / "ko").iterdir():
        mask.rename(mask.with_name(mask.name.replace("_mask", "")))
    words = ["evaluate", "imbalance-detector", other, "--like", run, "--out", out, "--folds", 2, "--ratios", 1]
    failed = mvtec(*words, "--method", "paste")
    assert failed.code == 2
    assert "as in MVTec AD" in failed.err
    assert not out.exists()


def test_a_resumed_command_takes_nothing_away(widget: Category, run: Path, tmp_path: Path, mvtec):
    out = tmp_path / "out"
    words = ["evaluate", "imbalance-detector", widget.root, "--like", run, "--folds", 2, "--ratios", 1]
    assert mvtec(*words, "--out", out).code == 0
    (out / "run.json").unlink()
    (out / ".unfinished").touch()  # as a killed command leaves it
    before = sorted(out.rglob("*"))
    for command in (
        [*words, "--out", out / "1x"],
        [*words, "--out", out, "--seed", 1],
        ["train-detector", widget.root, "--out", out, *TINY],
    ):
        failed = mvtec(*command, "--resume")
        assert failed.code == 2, command
        assert sorted(out.rglob("*")) == before
    widget.mask("crack", 1).write_bytes(widget.mask("crack", 2).read_bytes())  # other masks: another measurement
    assert "began with other" in mvtec(*words, "--out", out, "--resume").err


def test_what_is_refused_leaves_nothing(widget: Category, run: Path, tmp_path: Path, mvtec):
    out, other = tmp_path / "out", tmp_path / "other"
    shutil.copytree(run, other)
    record = json.loads((other / "run.json").read_text())
    (other / "run.json").write_text(json.dumps({**record, "kind": "classifier"}))
    words = ["evaluate", "imbalance-detector", widget.root, "--like", run, "--out", out]
    for more in (
        ["--ratios", "99"],
        ["--ratios", "1,x"],
        ["--method", "gan"],
        ["--like", tmp_path],
        ["--like", other],
    ):
        failed = mvtec(*words, *more)
        assert failed.code == 2, more
        assert len(failed.err.splitlines()) == 1, failed.err
        assert not out.exists(), more
    failed = mvtec("evaluate", "imbalance-detector", tmp_path / "nowhere", *words[3:])
    assert (failed.code, out.exists()) == (2, False)
    assert "no such folder" in failed.err
    widget.photo("crack", 0).write_bytes(b"\x89PNG")
    failed = mvtec(*words)
    assert (failed.code, out.exists()) == (2, False)
    assert "crack/000.png" in failed.err
