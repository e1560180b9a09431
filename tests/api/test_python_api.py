"""`import mvtec`: the names it offers, data sets as objects, trained models on arrays, figures."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from conftest import REPOSITORY, Category, make_category, noise, write_png
from PIL import Image
from tiny import FIVE_CONVS, call

import mvtec

PAGE = REPOSITORY / "docs" / "python.md"


def rgb(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path).convert("RGB"))


def test_names_are_sorted_and_all_are_there():
    assert mvtec.__all__ == sorted(mvtec.__all__)
    assert [name for name in mvtec.__all__ if getattr(mvtec, name).__doc__ is None] == []
    assert set(mvtec.__all__) <= set(dir(mvtec))
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        mvtec.nothing  # noqa: B018


def test_importing_is_quick_and_a_star_brings_what_the_page_lists():
    script = "import sys, mvtec; assert 'torch' not in sys.modules and 'cv2' not in sys.modules; from mvtec import *; "
    script += "print(sorted(name for name in dir() if name not in ('sys', 'mvtec') and not name.startswith('_')))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    listed = re.findall(r"^\| `(\w+)` \|", PAGE.read_text(encoding="utf-8"), re.M)
    assert done.stdout.strip() == str(mvtec.__all__)
    assert sorted(listed) == mvtec.__all__


def test_the_examples_of_the_page_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """All blocks of the page, one after the other, as a reader would type them."""
    monkeypatch.chdir(tmp_path)
    make_category(tmp_path / "widget", per_class=6)
    code = "\n".join(re.findall(r"^```python\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.M | re.S))
    assert code.count("mvtec.") >= 5
    smaller = code.replace('model="starter", epochs=50', f'model="{FIVE_CONVS}", from_scratch=True, epochs=1, imgsz=64')
    assert smaller != code
    exec(compile(smaller, str(PAGE), "exec"), {})


def test_a_data_set_has_a_length_and_yields_photos_with_instances(category: Category):
    dataset = mvtec.read_dataset(str(category.root))
    assert (len(dataset), dataset.names, dataset.root) == (15, ("crack", "stain"), category.root)
    found = {path: (image, instances) for path, image, instances in dataset}
    assert list(found) == sorted(found)
    assert len(found) == 15
    image, instances = found["test/crack/001.png"]
    assert np.array_equal(image, rgb(category.photo("crack", 1)))
    assert [(one.defect, one.box_xywh) for one in instances] == [("crack", (3, 5, 10, 5)), ("crack", (40, 30, 6, 3))]
    assert found["test/good/000.png"][1] == ()


def test_options_of_a_data_set_are_those_of_the_conversion(category: Category):
    dataset = mvtec.read_dataset(category.root, min_area=45)
    with pytest.warns(mvtec.MvtecWarning, match="instances below --min-area were dropped"):
        assert min(one.area for *_, instances in dataset for one in instances) == 50
    with pytest.raises(mvtec.InputError, match="500"):
        mvtec.read_dataset(category.root, threshold=500)
    with pytest.raises(mvtec.InputError, match="no such folder"):
        mvtec.read_dataset(category.root / "none")


def test_a_data_set_writes_what_the_commands_write(category: Category, tmp_path: Path, mvtec):
    import mvtec as api

    dataset = api.read_dataset(category.root)
    receipt = dataset.to_coco(tmp_path / "api.json")
    assert (receipt.images, receipt.mean_iou) == (15, 1.0)
    assert mvtec("convert", "masks-to-coco", category.root, "--out", tmp_path / "command.json").code == 0
    assert (tmp_path / "api.json").read_bytes() == (tmp_path / "command.json").read_bytes()

    dataset.to_yolo(tmp_path / "api", task="segment")
    assert mvtec("convert", "masks-to-yolo", category.root, "--out", tmp_path / "cli", "--task", "segment").code == 0
    files = sorted(path.relative_to(tmp_path / "cli") for path in (tmp_path / "cli").rglob("*") if path.is_file())
    assert [
        file for file in files if (tmp_path / "api" / file).read_bytes() != (tmp_path / "cli" / file).read_bytes()
    ] == []


def test_parts_of_a_split(category: Category, tmp_path: Path):
    dataset = mvtec.read_dataset(category.root)
    split = dataset.split(test_fraction=0.4, seed=3)
    assert (len(split.train), len(split.test)) == (9, 6)
    dataset.to_coco(tmp_path / "i.json", split=split)
    content = json.loads((tmp_path / "i_test.json").read_text())
    assert [image["file_name"] for image in content["images"]] == list(split.test)


@pytest.fixture(scope="module")
def widget(tmp_path_factory: pytest.TempPathFactory) -> Category:
    return make_category(tmp_path_factory.mktemp("api") / "widget", train_good=6)


@pytest.fixture(scope="module")
def runs(widget: Category, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of each kind."""
    out = tmp_path_factory.mktemp("runs")
    mvtec.train_detector(widget.root, out / "detector", model=FIVE_CONVS, from_scratch=True, epochs=1, imgsz=64)
    for words in (
        ("train-classifier", widget.root, "--recipe", "original", "--from-scratch", "--out", out / "classifier"),
        ("train-anomaly", widget.root, "--imgsz", 64, "--backbone", "efficientnet_lite0", "--out", out / "anomaly"),
    ):
        assert call(*words) == 0
    return out


@pytest.mark.parametrize("kind", ["detector", "classifier", "anomaly"])
def test_an_array_a_file_and_a_stream_get_the_same_answers(kind: str, widget: Category, runs: Path):
    model = mvtec.load(str(runs / kind))
    assert model.kind == kind
    photo = widget.photo("crack", 0)
    options = {"min_score": 0.0} if kind == "detector" else {}
    fields = {
        "detector": ("boxes_xyxy", "scores", "class_ids"),
        "classifier": ("probabilities",),
        "anomaly": ("anomaly_map",),
    }[kind]
    of_file, of_array = model.predict(photo, **options), model.predict(rgb(photo), **options)

    def camera() -> Iterator[np.ndarray]:
        while True:  # never ends: only what is asked for is looked at
            yield rgb(photo)

    of_stream = next(model.predict(camera(), **options))
    (of_list,) = model.predict([str(photo)], **options)
    of_folder = list(model.predict(photo.parent, **options))
    assert len(of_folder) == 5
    for field in fields:
        for other in (of_array, of_stream, of_list, of_folder[0]):
            assert np.array_equal(getattr(of_file, field), getattr(other, field))


def test_what_each_kind_answers(widget: Category, runs: Path, tmp_path: Path):
    photo = widget.photo("crack", 0)
    detections = mvtec.load(runs / "detector").predict(photo, min_score=0.0, max_detections=7)
    assert isinstance(detections, mvtec.Detections)
    assert (len(detections), detections.size_hw) == (7, (40, 48))
    with pytest.raises(mvtec.ArgumentError, match="must be between 0 and 1"):
        mvtec.load(runs / "detector").predict(photo, min_score=2)
    mvtec.predict_photos(runs / "detector", photo, tmp_path / "p", options=None)
    scores = [one["score"] for one in json.loads((tmp_path / "p" / "predictions.json").read_text())]
    assert len(scores) > 0
    assert np.allclose(scores[:7], detections.scores[: len(scores)], atol=1e-5)

    classes = mvtec.load(runs / "classifier").predict(photo)
    assert classes.names == ("crack", "good", "stain")
    assert classes.probabilities.sum() == pytest.approx(1)
    assert classes.name in classes.names

    anomaly = mvtec.load(runs / "anomaly").predict(photo)
    assert (anomaly.anomaly_map.shape, anomaly.anomaly_map.dtype) == ((40, 48), np.float32)
    assert anomaly.mask.shape == (40, 48)
    assert anomaly.is_defective == (anomaly.score > anomaly.threshold)


@pytest.mark.parametrize(
    "array",
    [
        pytest.param(np.zeros((4, 4), np.uint8), id="grey"),
        pytest.param(np.zeros((4, 4, 4), np.uint8), id="four channels"),
        pytest.param(np.zeros((4, 4, 3), np.float32), id="float"),
        pytest.param(np.zeros((0, 4, 3), np.uint8), id="empty"),
    ],
)
def test_an_array_that_is_no_photo_is_refused(array: np.ndarray, runs: Path):
    with pytest.raises(mvtec.ArgumentError, match="must be uint8 RGB"):
        mvtec.load(runs / "classifier").predict(array)


def test_what_is_no_model_is_refused(tmp_path: Path, runs: Path):
    with pytest.raises(mvtec.InputError, match="is not a finished run"):
        mvtec.load(tmp_path)
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no photo")
    with pytest.raises(mvtec.InputError, match=r"broken\.png"):
        mvtec.load(runs / "anomaly").predict(broken)


def test_figures_of_boxes_and_masks(category: Category, tmp_path: Path):
    mvtec.read_dataset(category.root).to_coco(tmp_path / "truth.json")
    boxes = mvtec.evaluate_boxes(tmp_path / "truth.json", tmp_path / "truth.json", resamples=20)
    assert (boxes["AP"].value, boxes["AP"].n) == (1.0, 15)
    masks = mvtec.evaluate_masks(tmp_path / "truth.json", tmp_path / "truth.json", resamples=20)
    assert (masks["IoU"].value, masks["IoU"].n) == (1.0, 10)


def test_sam_answers_boxes(tmp_path: Path):
    shared = Path(os.environ.get("MVTEC_SHARED_DATA", REPOSITORY.parent / "shared" / "data")).parent
    weights = shared / "weights" / "mobile_sam.pt"
    if not weights.is_file():
        pytest.skip(f"MobileSAM's weights are not at {weights}")
    photo = np.full((120, 160, 3), 90, np.uint8)
    photo[40:80, 50:100] = (220, 40, 40)
    write_png(tmp_path / "noise.png", noise(1))
    model = mvtec.load(weights)
    boxes = [[50, 40, 100, 80], [5, 5, 30, 30]]
    found = model.predict(photo, boxes_xyxy=boxes)
    assert (len(found), sorted(found.class_ids.tolist())) == (2, [0, 1])
    red = found.masks[found.class_ids.tolist().index(0)]
    truth = np.zeros((120, 160), bool)
    truth[40:80, 50:100] = True
    assert (red & truth).sum() / (red | truth).sum() > 0.95
    with pytest.raises(mvtec.ArgumentError, match="boxes_xyxy"):
        model.predict(photo)
    assert len(model.predict(photo, boxes_xyxy=np.zeros((0, 4)))) == 0
