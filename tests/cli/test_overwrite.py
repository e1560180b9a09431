"""What `--overwrite` may never replace: the photos, masks and files that a command reads."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from conftest import Category, make_category
from tiny import TINY

from mvtec.convert.from_masks import InstanceOptions
from mvtec.convert.masks_to_coco import masks_to_coco
from mvtec.datasets.split import make_split
from mvtec.datasets.tree import read_tree
from mvtec.files import sha256_file, write_json


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A category with good photos to learn from, its split, and its annotations."""
    folder = tmp_path_factory.mktemp("made")
    dataset = read_tree(make_category(folder / "widget", train_good=6).root)
    write_json(folder / "split.json", make_split(dataset).to_json(), overwrite=False)
    masks_to_coco(dataset, folder / "gt.json", options=InstanceOptions())
    return folder


@pytest.fixture
def category(made: Path, tmp_path: Path) -> Category:
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    return Category(tmp_path / "widget")


def files_of(root: Path) -> dict[str, str]:
    return {path.relative_to(root).as_posix(): sha256_file(path) for path in root.rglob("*") if path.is_file()}


FOLDERS = {
    "masks-to-yolo": ("convert", "masks-to-yolo", "DIR"),
    "coco-to-yolo": ("convert", "coco-to-yolo", "GT", "--images", "DIR"),
    "coco-to-masks": ("convert", "coco-to-masks", "GT", "--images", "DIR"),
    "coco-to-voc": ("convert", "coco-to-voc", "GT", "--images", "DIR"),
    "coco-to-semantic": ("convert", "coco-to-semantic", "GT", "--images", "DIR"),
    "synthesize": ("datasets", "synthesize", "DIR", "--split", "SPLIT"),
    "train-detector": ("train-detector", "DIR", "--model", "yolov5n.yaml", "--from-scratch"),
    "train-anomaly": ("train-anomaly", "DIR", "--backbone", "efficientnet_lite0"),
    "train-classifier": ("train-classifier", "DIR", "--split", "SPLIT", "--recipe", "best"),
}


CASES = [
    *(pytest.param(words, "test", id=name) for name, words in FOLDERS.items()),
    *(
        pytest.param(FOLDERS["masks-to-yolo"], part, id=f"masks-to-yolo, {part}")
        for part in ("ground_truth", "train", "test/good")
    ),
]


@pytest.mark.parametrize(("words", "part"), CASES)
def test_a_folder_of_what_is_read_stays(words: tuple[str, ...], part: str, category: Category, tmp_path: Path, mvtec):
    before = files_of(category.root)
    given = {"DIR": category.root, "GT": tmp_path / "gt.json", "SPLIT": tmp_path / "split.json"}
    done = mvtec(*(given.get(word, word) for word in words), "--out", category.root / part, "--overwrite")
    assert (done.code, len(done.err.splitlines())) == (2, 1)
    assert f"{part}: lies in {category.root}, which is read, and mvtec has not made it" in done.err
    assert files_of(category.root) == before


FILES = {
    "masks-to-coco": ("convert", "masks-to-coco", "DIR", "--out"),
    "split": ("datasets", "split", "DIR", "--out"),
    "refine": ("segment", "refine", "GT", "--images", "DIR", "--out"),
    "propose": ("segment", "propose", "DIR", "--anomaly", "DIR", "--no-sam", "--out"),
    "labelstudio-to-coco": ("convert", "labelstudio-to-coco", "GT", "--images", "DIR", "--out"),
    "semantic-to-coco": ("convert", "semantic-to-coco", "DIR", "--out"),
    "voc-to-coco": ("convert", "voc-to-coco", "DIR", "--out"),
    "imbalance": ("evaluate", "imbalance", "DIR", "--out"),
}


@pytest.mark.parametrize("words", FILES.values(), ids=FILES)
def test_a_photo_that_is_read_stays(words: tuple[str, ...], category: Category, tmp_path: Path, mvtec):
    before = files_of(category.root)
    given = {"DIR": category.root, "GT": tmp_path / "gt.json"}
    done = mvtec(*(given.get(word, word) for word in words), category.photo("good", 0), "--overwrite")
    assert (done.code, len(done.err.splitlines())) == (2, 1)
    assert "000.png: lies in" in done.err
    assert files_of(category.root) == before


@pytest.mark.parametrize(
    "words",
    [
        ("convert", "coco-to-cvat", "GT", "--out"),
        ("convert", "coco-to-labelstudio", "GT", "--out"),
        ("convert", "labelstudio-to-coco", "GT", "--out"),
        ("convert", "cvat-to-coco", "GT", "--out"),
        ("evaluate", "boxes", "GT", "PRED", "--report"),
        ("evaluate", "masks", "GT", "PRED", "--report"),
        ("segment", "refine", "GT", "--out"),
        ("evaluate", "imbalance", "DIR", "--weights", "GT", "--out"),
    ],
    ids=lambda words: " ".join(words[:2]),
)
def test_the_file_that_is_read_stays(words: tuple[str, ...], category: Category, tmp_path: Path, mvtec):
    truth = tmp_path / "gt.json"
    before = truth.read_bytes()
    given = {"GT": truth, "PRED": tmp_path / "pred.json", "DIR": category.root}
    (tmp_path / "pred.json").write_text("[]")
    done = mvtec(*(given.get(word, word) for word in words), truth, "--overwrite")
    assert (done.code, len(done.err.splitlines())) == (2, 1)
    assert "would be lost" in done.err
    assert truth.read_bytes() == before


def test_what_a_command_has_made_in_the_data_is_replaced(category: Category, mvtec):
    for _ in range(2):
        for words, name in ((("masks-to-yolo",), "yolo"), (("masks-to-coco",), "instances.json")):
            done = mvtec("convert", *words, category.root, "--out", category.root / name, "--overwrite")
            assert done.code == 0, done.err


def test_links_to_photos_stay_too(category: Category, tmp_path: Path, mvtec):
    """The photos of a YOLO folder lie elsewhere; its `images/` is read all the same."""
    yolo = tmp_path / "yolo"
    assert mvtec("convert", "masks-to-yolo", category.root, "--out", yolo).code == 0
    run = tmp_path / "run"
    assert mvtec("train-detector", yolo, "--out", run, *TINY).code == 0
    done = mvtec("predict", run, yolo, "--out", yolo / "images", "--overwrite")
    assert (done.code, "would be lost" in done.err) == (2, True)
    assert mvtec("predict", run, yolo, "--out", tmp_path / "p").code == 0
    photo = next((yolo / "images" / "test").iterdir())
    truth, predictions = yolo / "annotations" / "instances_test.json", tmp_path / "p" / "predictions.json"
    done = mvtec("evaluate", "boxes", truth, predictions, "--report", photo, "--overwrite")
    assert (done.code, "which is read" in done.err) == (2, True)
    assert len([path for path in (yolo / "images").rglob("*") if path.is_symlink()]) == 15


def test_an_empty_folder_in_the_data_can_be_written_to(category: Category, mvtec):
    (category.root / "yolo").mkdir()
    done = mvtec("convert", "masks-to-yolo", category.root, "--out", category.root / "yolo", "--overwrite")
    assert done.code == 0, done.err


def test_photos_stay_where_links_lead(category: Category, tmp_path: Path, mvtec):
    """What synthesize makes is a category of links; the photos lie in the one it was made of."""
    more, split = tmp_path / "more", tmp_path / "split.json"
    words = ("--split", split, "--method", "paste", "--per-defect", 1)
    assert mvtec("datasets", "synthesize", category.root, "--out", more, *words).code == 0
    (more / "round").symlink_to(more / "round")
    before = files_of(category.root)
    words = ("--split", more / "split.json", "--method", "cutpaste", "--per-defect", 1)
    for place in (category.root, category.root / "test", tmp_path):
        done = mvtec("datasets", "synthesize", more, *words, "--out", place, "--overwrite")
        assert (done.code, "would be lost" in done.err) == (2, True)
    done = mvtec("convert", "masks-to-yolo", more, "--out", category.root / "test" / "crack", "--overwrite")
    assert (done.code, files_of(category.root)) == (2, before)


def test_a_record_in_a_run_that_is_read_stays(made: Path, tmp_path: Path, mvtec):
    run = tmp_path / "run"
    run.mkdir()
    (run / "run.json").write_text("{}")
    words = ("segment", "propose", made / "widget", "--anomaly", run, "--no-sam", "--out", run / "run.json")
    assert "which is read" in mvtec(*words, "--overwrite").err
    assert (run / "run.json").read_text() == "{}"
