"""Heat maps judged: AUROC and AUPRO of pixels against plain implementations, and `mvtec evaluate anomaly` whole."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from anomaly_case import make_plates
from conftest import Category
from scipy import ndimage
from sklearn.metrics import roc_auc_score

from mvtec.datasets.tree import read_tree
from mvtec.evaluate.anomaly import CATCHING, CATCHING_ALL, OWN, SILENT, evaluate_anomaly
from mvtec.evaluate.statistics.good_or_defect import yes_or_no
from mvtec.evaluate.statistics.pixels import PixelTable, area, count_pixels, histogram_edges

SMALL = ("--imgsz", 64, "--backbone", "efficientnet_lite0")


def drawn_case(seed: int, *, distinct: int | None) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Five photos of 24×30: heat that is higher in the mask more often than not; the first mask is empty."""
    random = np.random.default_rng(seed)
    heats, masks = [], []
    for number in range(5):
        mask = np.zeros((24, 30), bool)
        for _ in range(number):
            y, x = random.integers(0, 18, 2)
            mask[y : y + random.integers(1, 6), x : x + random.integers(1, 6)] = True
        if number == 4:
            mask[20, 25] = mask[21, 26] = True  # touch at a corner: one region
        heat = random.random((24, 30)) + 0.4 * mask
        heats.append((np.round(heat * distinct) if distinct else heat).astype(np.float32))
        masks.append(mask)
    return heats, masks


def plain_aupro(heats: list[np.ndarray], masks: list[np.ndarray], limit: float = 0.3) -> float:
    """Bergmann et al. (2021) word for word: threshold after threshold, region after region."""
    regions = []
    for number, mask in enumerate(masks):
        labels, count = ndimage.label(mask, structure=np.ones((3, 3)))
        regions += [(number, labels == label) for label in range(1, count + 1)]
    points = [(0.0, 0.0)]
    for threshold in sorted({float(value) for heat in heats for value in heat.ravel()}, reverse=True):
        false = sum(int((heat[~mask] >= threshold).sum()) for heat, mask in zip(heats, masks, strict=True))
        rate = false / sum(int((~mask).sum()) for mask in masks)
        overlap = float(np.mean([(heats[number][region] >= threshold).mean() for number, region in regions]))
        points.append((rate, overlap))
    fpr, pro = (np.array(axis) for axis in zip(*points, strict=True))
    inside = fpr <= limit
    x = np.append(fpr[inside], limit)
    y = np.append(pro[inside], np.interp(limit, fpr, pro))
    return float(np.trapezoid(y, x) if hasattr(np, "trapezoid") else np.trapz(y, x)) / limit


def table(heats: list[np.ndarray], masks: list[np.ndarray]) -> PixelTable:
    edges = histogram_edges(heats)
    return PixelTable.of([count_pixels(heat, mask, edges) for heat, mask in zip(heats, masks, strict=True)])


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("distinct", [8, None], ids=["many_ties", "no_ties"])
def test_pixel_auroc_and_aupro_equal_plain_ones(seed: int, distinct: int | None):
    heats, masks = drawn_case(seed, distinct=distinct)
    counted, once = table(heats, masks), np.ones((1, 5))
    truth, scores = np.concatenate([m.ravel() for m in masks]), np.concatenate([h.ravel() for h in heats])
    assert counted.auroc(once)[0] == pytest.approx(roc_auc_score(truth, scores), abs=1e-9)
    assert counted.aupro(once)[0] == pytest.approx(plain_aupro(heats, masks), abs=1e-9)


def test_a_weight_is_a_photo_counted_so_often():
    heats, masks = drawn_case(7, distinct=None)
    drawn = [0, 3, 3, 4, 1]
    weights = np.bincount(drawn, minlength=5)[None].astype(float)
    counted = table(heats, masks)
    again = [heats[n] for n in drawn], [masks[n] for n in drawn]
    assert counted.aupro(weights)[0] == pytest.approx(plain_aupro(*again), abs=1e-9)
    truth, scores = (np.concatenate([part.ravel() for part in parts]) for parts in again[::-1])
    assert counted.auroc(weights)[0] == pytest.approx(roc_auc_score(truth, scores), abs=1e-9)
    only_good = np.array([[5.0, 0, 0, 0, 0]])
    assert np.isnan(counted.auroc(only_good)[0])
    assert np.isnan(counted.aupro(only_good)[0])


def test_many_heats_share_bins_and_the_figures_hardly_move():
    random = np.random.default_rng(0)
    mask = np.zeros((150, 150), bool)
    mask[20:50, 30:80] = True
    heats = [random.gamma(2, 1, (150, 150)).astype(np.float32) + 2 * mask, random.gamma(2, 1, (150, 150))]
    masks = [mask, np.zeros((150, 150), bool)]
    edges = histogram_edges(heats)
    assert len(edges) == 4096 < len(np.unique(heats))
    found = table(heats, masks)
    truth, scores = np.concatenate([m.ravel() for m in masks]), np.concatenate([h.ravel() for h in heats])
    assert found.auroc(np.ones((1, 2)))[0] == pytest.approx(roc_auc_score(truth, scores), abs=1e-5)
    one_of_100 = [np.round(heat, 2) for heat in heats]
    assert found.aupro(np.ones((1, 2)))[0] == pytest.approx(plain_aupro(one_of_100, masks), abs=2e-3)


def test_the_area_ends_between_two_points():
    """By hand: from (0, 0.2) to (0.2, 0.6), cut at 0.1 where the line is at 0.4."""
    assert area(np.array([[0, 0.2, 1]]), np.array([[0.2, 0.6, 1]]), 0.1)[0] == pytest.approx(0.1 * 0.3)


def test_figures_of_photos(tmp_path: Path):
    """Two cracks of three are hotter than every good photo; a map of one place has the photo's score everywhere."""
    category = make_plates(tmp_path / "plate", train=0, test=3)
    samples = read_tree(category.root).labelled
    scores = {"test/crack/000.png": 5, "test/crack/001.png": 4, "test/crack/002.png": 1.5}
    scores |= {"test/good/000.png": 1, "test/good/001.png": 2, "test/good/002.png": 3}
    maps = {path: np.full((1, 1), score, np.float32) for path, score in scores.items()}
    found = evaluate_anomaly(samples, maps, threshold=2.5, resamples=50)
    values = {name: metric.value for name, metric in found.metrics.items()}
    assert values["image_auroc"] == values["image_auroc/crack"] == pytest.approx(7 / 9)
    at_threshold = [values[name] for name in ("binary_accuracy", "sensitivity", "specificity")]
    assert at_threshold == pytest.approx([4 / 6, 2 / 3, 2 / 3])
    assert found.answers["test/good/002.png"] == "defect"
    assert found.margin("test/crack/002.png") == pytest.approx(-0.4)
    assert found.margin("test/good/001.png") == pytest.approx(0.2)
    assert (found.metrics["aupro"].n, found.metrics["aupro"].instances) == (6, 3)
    assert found.metrics["sensitivity/crack"].n == 3
    low, high = found.metrics["pixel_auroc"].low, found.metrics["pixel_auroc"].high
    assert low <= values["pixel_auroc"] <= high
    goods = [sample for sample in samples if sample.is_good]
    alone = evaluate_anomaly(goods, maps, threshold=2.5, resamples=0).metrics
    assert [alone[name].value for name in ("image_auroc", "pixel_auroc", "aupro", "sensitivity")] == [None] * 4
    assert alone["specificity"].value == pytest.approx(2 / 3)


def test_wilson_intervals_of_yes_or_no():
    truth = {f"g{n}": "good" for n in range(10)} | {"d": "crack"}
    answers = dict.fromkeys(truth, "good") | {"g0": "stain", "d": "stain"}
    found = yes_or_no(truth, answers)
    assert found["specificity"].text() == "0.900 (0.596 to 0.982)"  # Wilson 1927, 9 of 10
    assert (found["sensitivity"].value, found["binary_accuracy"].n) == (1, 11)


@pytest.fixture(scope="module")
def plates(tmp_path_factory: pytest.TempPathFactory) -> Category:
    return make_plates(tmp_path_factory.mktemp("data") / "plate")


def test_the_command_and_its_page(plates: Category, tmp_path: Path, mvtec):
    run, out = tmp_path / "run", tmp_path / "judged"
    assert mvtec("train-anomaly", plates.root, "--out", run, *SMALL).code == 0
    words = ("evaluate", "anomaly", plates.root, "--anomaly", run, "--out", out)
    done = mvtec(*words)
    assert done.code == 0, done.err
    assert re.search(r"image_auroc +1\.000 \(no resample differs\) +8\n", done.out)
    content = json.loads((out / "anomaly.json").read_text())
    assert content["metrics"]["image_auroc"]["reason"] == "no resample differs"
    assert set(content["photos"]) == {f"test/{kind}/{n:03}.png" for kind in ("good", "crack") for n in range(4)}
    assert content["photos"]["test/crack/000.png"]["answer"] == "defect"
    page = (out / "report.html").read_text(encoding="utf-8")
    for heading in ("Scores", "Photos, worst first", "Figures", "By defect", "How it was trained"):
        assert f"<h2>{heading}" in page, heading
    assert 'src="' not in page  # nothing is fetched
    assert page.count("<figure>") == 16
    assert mvtec(*words).code == 2
    drawn = tmp_path / "drawn"
    shutil.copytree(plates.root, drawn)
    shutil.copy(plates.photo("crack", 0), drawn / "test" / "crack" / "synthetic_paste_000.png")
    shutil.copy(plates.mask("crack", 0), drawn / "ground_truth" / "crack" / "synthetic_paste_000_mask.png")
    image = {"id": 1, "file_name": "test/crack/synthetic_paste_000.png", "width": 9, "height": 9}
    (drawn / "synthetic.json").write_text(json.dumps({"images": [image], "annotations": [], "categories": []}))
    done = mvtec("evaluate", "anomaly", drawn, "--anomaly", run)
    assert "1 photo that mvtec datasets synthesize has drawn: left out" in done.err
    assert "8 photos; value" in done.out
    again = mvtec(*words, "--overwrite", "--json")
    said = json.loads(again.out)
    assert said["metrics"] == content["metrics"] == json.loads((out / "anomaly.json").read_text())["metrics"]
    assert said["outputs"] == [str(out / "report.html"), str(out / "anomaly.json")]


def test_what_the_command_refuses(plates: Category, tmp_path: Path, mvtec):
    run, out = tmp_path / "run", tmp_path / "judged"
    assert mvtec("train-anomaly", plates.root, "--out", run, *SMALL).code == 0

    def fails(root: Path, *words: object) -> str:
        done = mvtec("evaluate", "anomaly", root, "--out", out, *words)
        assert (done.code, done.out, len(done.err.splitlines())) == (2, "", 1)
        assert not out.exists()
        return done.err

    assert "nowhere" in fails(tmp_path / "nowhere", "--anomaly", run)
    assert "not a finished run" in fails(plates.root, "--anomaly", tmp_path / "none")
    broken = make_plates(tmp_path / "broken", test=2)
    photo = broken.photo("crack", 1)
    photo.write_bytes(photo.read_bytes()[:200])
    assert str(photo) in fails(broken.root, "--anomaly", run)
    maskless = make_plates(tmp_path / "maskless", test=2)
    maskless.mask("crack", 0).unlink()
    assert "has no ground-truth mask" in fails(maskless.root, "--anomaly", run)


def test_what_is_caught_and_what_is_a_false_alarm_from_which_score_on(category: Category):
    """10 bad photos of heat 1.1 to 2.0, 5 good ones of 0.9 to 1.3, threshold 1.2."""
    samples = read_tree(category.root).labelled
    heat = iter(np.arange(1.1, 2.05, 0.1))
    good = iter(np.arange(0.9, 1.35, 0.1))
    maps = {
        sample.path: np.full((4, 4), next(good if sample.is_good else heat), np.float32)
        for sample in sorted(samples, key=lambda sample: sample.path)
    }
    points = {point.why: point for point in evaluate_anomaly(samples, maps, 1.2, resamples=0).points}
    own = points[OWN]
    assert (own.min_score, own.caught, own.defective, own.alarms, own.good) == (1.2, 9, 10, 2, 5)
    assert own.sensitivity.text() == "0.900 (0.596 to 0.982)"  # Wilson's, of 9 in 10
    most = points[f"{CATCHING}, {CATCHING_ALL}"]  # of ten photos 95 % are all
    assert (most.min_score, most.caught, most.alarms) == (1.1, 10, 3)
    silent = points[SILENT]
    assert (silent.min_score, silent.caught, silent.alarms) == (pytest.approx(1.3, abs=0.0011), 7, 0)
