"""`mvtec train-classifier`: recipes, weights, both solvers, the run it leaves, and its figures."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from conftest import Category, make_category

from mvtec.backbones.networks import build_backbone
from mvtec.backbones.weights import Backbone, find_backbone
from mvtec.classify.fit import fit
from mvtec.classify.model import load_classifier, new_classifier
from mvtec.classify.recipe import Recipe, find_recipe, recipes
from mvtec.convert.class_results import class_results, read_class_results
from mvtec.datasets.split import make_split
from mvtec.datasets.tree import read_tree
from mvtec.errors import InputError, WeightsError
from mvtec.evaluate.classes import evaluate_classes
from mvtec.run import read_run


@pytest.fixture(scope="module")
def colours(tmp_path_factory: pytest.TempPathFactory) -> Category:
    """Three classes that a glance tells apart: red, green and blue photos."""
    category = make_category(tmp_path_factory.mktemp("data") / "colours", per_class=6)
    random = np.random.default_rng(0)
    for channel, defect in enumerate(("good", "crack", "stain")):
        for number in range(6):
            photo = random.integers(0, 40, (40, 48, 3), dtype=np.uint8)
            photo[..., channel] += 150
            cv2.imwrite(str(category.photo(defect, number)), photo)
    return category


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Recipes of few epochs and small photos under their own names."""
    small = {
        "original": Recipe(about="head", epochs=30, learning_rate=0.01, imgsz=64, report_accuracy=0.3125),
        "finetune": Recipe(about="stage", trains="last-stage", epochs=20, learning_rate=1e-3, batch=4, imgsz=64),
        "best": Recipe(
            about="ours", features="middle", pooling="unlike-good", solver="logistic", imgsz=64, augment=True
        ),
    }
    monkeypatch.setattr("mvtec.classify.recipe.recipes", lambda: small)


def test_the_recipes_are_those_of_the_report_and_ours():
    assert [(name, recipe.report_accuracy) for name, recipe in recipes().items()] == [
        ("original", 0.3125),
        ("finetune", 0.375),
        ("augment", 0.375),
        ("long", 0.65),
        ("very-long", 0.5625),
        ("best", None),
    ]
    assert find_recipe("very-long").epochs == 500
    with pytest.raises(InputError, match="there is no recipe bset"):
        find_recipe("bset")


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("recipe", ["original", "finetune", "best"])
def test_it_learns_and_answers_for_the_test_part(recipe, colours: Category, tmp_path: Path, mvtec):
    out = tmp_path / "run"
    words = ["train-classifier", colours.root, "--recipe", recipe, "--out", out, "--from-scratch", "--json"]
    done = mvtec(*words)
    assert done.code == 0, done.err
    said = json.loads(done.out)
    assert said["metrics"]["accuracy"]["value"] == 1
    assert said["metrics"]["accuracy"]["n"] == 3
    assert np.array(said["confusion"]).tolist() == [[1, 0, 0], [0, 1, 0], [0, 0, 1]]
    record = read_run(out)
    split = json.loads((out / "split.json").read_text())
    assert set(record.train_images.values()) == set(split["train"])
    assert (record.weights, record.settings["recipe"]) == (None, recipe)
    model = load_classifier(out / "weights" / "classifier.pt")
    results = read_class_results(out / "classes.json")
    for path, expected in results.probabilities.items():
        found = model.probabilities(model.features(colours.root / path))
        np.testing.assert_allclose(found, expected, atol=1e-4)
        assert sum(expected) == pytest.approx(1, abs=1e-4)
    assert mvtec(*words).code == 2
    again = mvtec(*words[:-1], "--overwrite", "--json")
    assert json.loads(again.out)["metrics"] == said["metrics"]
    assert read_class_results(out / "classes.json") == results


@pytest.mark.usefixtures("quick")
def test_cross_validation_answers_for_every_photo_once(colours: Category, tmp_path: Path, mvtec):
    out = tmp_path / "run"
    words = ["train-classifier", colours.root, "--recipe", "best", "--folds", 3, "--out", out]
    done = mvtec(*words, "--backbone", "efficientnet_lite0", "--from-scratch")
    assert done.code == 0, done.err
    results = read_class_results(out / "classes.json")
    assert set(results.truth) == {sample.path for sample in read_tree(colours.root).labelled}
    assert "18 photos, 3 folds" in done.out
    assert len(json.loads((out / "history.json").read_text())) == 3
    assert not (out / "weights").exists()


def test_a_class_without_a_train_photo_is_never_the_answer():
    import torch

    recipe = Recipe(about="x", solver="logistic", imgsz=32)
    model = new_classifier(Backbone("resnet18", None), recipe, ["a", "b", "c"], seed=0)
    features = torch.cat([torch.randn(5, 1, 512) + 3, torch.randn(5, 1, 512) - 3])
    learnt, _ = fit(model, features, [0] * 5 + [2] * 5, seed=0)
    answers = [learnt.probabilities(one) for one in features]
    assert [int(answer.argmax()) for answer in answers] == [0] * 5 + [2] * 5
    assert max(answer[1] for answer in answers) < 1e-6


def test_figures():
    truth = {f"{number:03}.png": "good" if number < 6 else "crack" for number in range(10)}
    said = {path: [0.9, 0.1] if path in ("000.png", "006.png", "007.png", "008.png") else [0.2, 0.8] for path in truth}
    figures = evaluate_classes(class_results(["crack", "good"], truth, said))
    assert figures.confusion.tolist() == [[3, 1], [1, 5]]
    assert figures.metrics["accuracy"].value == 0.8
    assert figures.metrics["recall/crack"].value == 0.75
    assert figures.metrics["macro_f1"].value == pytest.approx((0.75 + 5 / 6) / 2)
    # Wilson's interval of 8 of 10, as R's prop.test(8, 10, correct = FALSE) gives it
    assert figures.metrics["accuracy"].low == pytest.approx(0.4902, abs=1e-4)
    assert figures.metrics["accuracy"].high == pytest.approx(0.9433, abs=1e-4)


def test_weights_are_never_fetched_unasked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("MVTEC_WEIGHTS", str(tmp_path))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    with pytest.raises(WeightsError, match="--from-scratch"):
        find_backbone("resnet18")
    with pytest.raises(InputError, match="there is no vgg"):
        find_backbone("vgg")
    with pytest.raises(InputError, match="contradicts"):
        find_backbone(download=True, from_scratch=True)
    with pytest.raises(WeightsError, match="no such weights"):
        find_backbone(weights=tmp_path / "none.pth")
    (tmp_path / "resnet18-f37072fd.pth").write_bytes(b"broken")
    start = find_backbone()
    assert start == Backbone("resnet18", tmp_path / "resnet18-f37072fd.pth")
    with pytest.raises(WeightsError, match="is cut off or no file of torch"):
        new_classifier(start, Recipe(about="x"), ["a", "b"], seed=0)


def test_weights_of_the_other_network_are_known(tmp_path: Path):
    import torch

    weights = tmp_path / "w.pth"
    torch.save({"_conv_stem.weight": torch.zeros(1)}, weights)
    with pytest.raises(WeightsError, match=r"does not fit resnet18: it is of efficientnet_lite0\..*--backbone eff"):
        build_backbone(find_backbone("resnet18", weights=weights))
    torch.save({"conv1.weight": torch.zeros(64, 3, 7, 7)}, weights)
    with pytest.raises(
        WeightsError, match=r"does not fit efficientnet_lite0: it is of resnet18\..*--backbone resnet18"
    ):
        build_backbone(find_backbone("efficientnet_lite0", weights=weights))
    torch.save({"conv1.weight": torch.zeros(1)}, weights)
    with pytest.raises(WeightsError, match="its tensors have other shapes"):
        build_backbone(find_backbone("resnet18", weights=weights))


def test_resnet_weights_are_those_of_the_file(tmp_path: Path):
    import torch
    from torchvision.models import resnet18

    torch.manual_seed(1)
    network = resnet18(weights=None).eval()
    torch.save(network.state_dict(), tmp_path / "resnet18.pth")
    start = find_backbone("resnet18", weights=tmp_path / "resnet18.pth")
    model = new_classifier(start, Recipe(about="x", imgsz=64), ["a", "b"], seed=0)
    photo = tmp_path / "photo.png"
    cv2.imwrite(str(photo), np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8))
    rgb = cv2.imread(str(photo))[..., ::-1] / 255.0
    pixels = torch.from_numpy((rgb - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]).permute(2, 0, 1)[None].float()
    network.fc = torch.nn.Identity()
    with torch.no_grad():
        torch.testing.assert_close(model.features(photo), network(pixels), atol=1e-4, rtol=1e-4)


def test_wrong_input(colours: Category, tmp_path: Path, mvtec):
    words = ["train-classifier", colours.root, "--recipe", "original", "--out", tmp_path / "run", "--from-scratch"]
    make_split(read_tree(colours.root))
    assert mvtec(*words, "--folds", 2, "--split", tmp_path / "split.json").code == 2
    assert mvtec("train-classifier", tmp_path / "none", *words[2:]).code == 2
    spoilt = make_category(tmp_path / "spoilt")
    spoilt.photo("crack", 1).write_bytes(spoilt.photo("crack", 1).read_bytes()[:200])
    failed = mvtec("train-classifier", spoilt.root, *words[2:])
    assert (failed.code, "crack/001.png" in failed.err, (tmp_path / "run").exists()) == (2, True, False)
    failed = mvtec("evaluate", "imbalance", spoilt.root, "--recipe", "original", "--from-scratch")
    assert (failed.code, "crack/001.png" in failed.err) == (2, True)
    alone = make_category(tmp_path / "alone", defects=())
    failed = mvtec("train-classifier", alone.root, *words[2:])
    assert (failed.code, "one class" in failed.err, (tmp_path / "run").exists()) == (2, True, False)
    (tmp_path / "classes.json").write_text("{}")
    with pytest.raises(InputError, match=r"no classes\.json"):
        read_class_results(tmp_path / "classes.json")
