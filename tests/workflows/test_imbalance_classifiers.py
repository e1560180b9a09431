"""`mvtec evaluate imbalance`: photos are drawn as said, and its figures are scikit-learn's."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from conftest import Category, make_category
from sklearn.metrics import f1_score, recall_score

from mvtec.classify.recipe import Recipe
from mvtec.datasets.split import make_split
from mvtec.datasets.tree import read_tree
from mvtec.workflows.imbalance.classifiers import WAYS, _figures
from mvtec.workflows.imbalance.photos import photos_to_learn_from


@pytest.fixture
def widget(tmp_path: Path) -> Category:
    """Six photos of each class, and six more good ones set aside for learning."""
    return make_category(tmp_path / "widget", per_class=6, train_good=6)


def test_the_figures_are_those_of_sklearn():
    random = np.random.default_rng(0)
    truth, said = random.integers(0, 3, 40), random.integers(0, 3, 40)
    drawn = random.integers(0, 40, 40)
    weights = np.stack([np.ones(40), np.bincount(drawn, minlength=40)])
    found = _figures(truth, said, 3, weights)
    for row, (true, answers) in zip(found, ((truth, said), (truth[drawn], said[drawn])), strict=True):
        assert row[0] == pytest.approx(f1_score(true, answers, average="macro"))
        assert row[1:] == pytest.approx(recall_score(true, answers, average=None))


def test_only_the_good_photos_grow(widget: Category):
    dataset = read_tree(widget.root)
    split = make_split(dataset, test_fraction=0, folds=3, seed=0)
    once = photos_to_learn_from(dataset, split, split.folds[0], 2, 1, seed=0)
    often = photos_to_learn_from(dataset, split, split.folds[0], 2, 4, seed=0)
    assert [sample.defect for sample in once] == ["crack"] * 2 + ["good"] * 2 + ["stain"] * 2
    assert sum(sample.is_good for sample in often) == 8
    assert {sample.path for sample in once} <= {sample.path for sample in often}
    assert {sample.path for sample in often}.isdisjoint(split.folds[0])


def test_the_command(widget: Category, tmp_path: Path, mvtec, monkeypatch: pytest.MonkeyPatch):
    quick = Recipe(about="quick", epochs=2, imgsz=32)
    monkeypatch.setattr("mvtec.classify.recipe.recipes", lambda: {"original": quick})
    words = ["evaluate", "imbalance", widget.root, "--recipe", "original", "--ratios", "1,2", "--seeds", 2]
    words += ["--folds", 3, "--from-scratch", "--out", tmp_path / "out.json"]
    done = mvtec(*words)
    assert done.code == 0, done.err
    assert "2x adaptive-focal" in done.out
    found = json.loads((tmp_path / "out.json").read_text())
    assert len(found["rows"]) == 2 * len(WAYS)
    assert found["rows"][0]["macro_f1_gain"]["value"] == 0
    assert found["rows"][0]["macro_f1"]["n"] == 18
    assert found["per_defect"] == 4
    assert mvtec(*words).code == 2
    assert mvtec("evaluate", "imbalance", tmp_path / "nowhere", *words[3:-1], tmp_path / "new.json").code == 2
    words[-1] = tmp_path / "other.json"
    for option, value in (("--ratios", "0"), ("--ratios", "1,x"), ("--ratios", "100"), ("--recipe", "best")):
        failed = mvtec(*words, option, value)
        assert (failed.code, (tmp_path / "other.json").exists()) == (2, False), failed.err
