"""`mvtec segment propose`: from heat to a COCO file that a person can correct."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from anomaly_case import make_plates
from conftest import Category
from pycocotools import mask as coco_mask

from mvtec.anomaly.normal_images import select_normal_images
from mvtec.anomaly.predict import load_run
from mvtec.anomaly.train import train_anomaly
from mvtec.backbones.weights import find_backbone
from mvtec.convert.formats.coco.files import read_coco
from mvtec.convert.pixels.geometry import box_iou
from mvtec.datasets.tree import read_tree
from mvtec.segment.model import EMBEDDING, Answer
from mvtec.workflows.propose import hot_regions, propose


@dataclass
class LeftHalf:
    """A SAM that answers each box with its left half."""

    name: str = "left-half"
    encoder_digest: str = "0" * 64
    tuned: bool = False
    train_images: dict[str, str] = field(default_factory=dict)

    def encode(self, photo: np.ndarray):
        import torch

        del photo
        return torch.zeros(EMBEDDING, dtype=torch.float16)

    def answer(self, embeddings, size_hw, boxes_xyxy, points_xy=None, *, choose):
        del embeddings, points_xy, choose
        answers = []
        for x1, y1, x2, y2 in boxes_xyxy.astype(int):
            mask = np.zeros(size_hw, bool)
            mask[y1:y2, x1 : (x1 + x2) // 2] = True
            answers.append(Answer(mask, 0.9, 0.8))
        return answers


@pytest.fixture(scope="module")
def plates(tmp_path_factory: pytest.TempPathFactory) -> Category:
    return make_plates(tmp_path_factory.mktemp("data") / "plate", train=20)


@pytest.fixture(scope="module")
def run(plates: Category, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "run"
    out.mkdir()
    dataset = read_tree(plates.root)
    train_anomaly(
        dataset, select_normal_images(dataset, None), out, start=find_backbone("efficientnet_lite0"), imgsz=256
    )
    return out


def test_a_cache_that_is_not_used_is_not_made(plates: Category, run: Path, tmp_path: Path, mvtec):
    (tmp_path / "cache").touch()
    words = ("segment", "propose", plates.root, "--anomaly", run, "--out", tmp_path / "p.json")
    assert mvtec(*words, "--no-sam", "--cache", tmp_path / "cache").code == 0


def test_a_file_to_correct(plates: Category, run: Path, tmp_path: Path, mvtec):
    out, truth = tmp_path / "proposals.json", tmp_path / "truth.json"
    words = ("segment", "propose", plates.root, "--anomaly", run, "--out", out, "--no-sam")
    done = mvtec(*words)
    assert (done.code, "4 of 8 photos" in done.out) == (0, True), done.err
    file = read_coco(out)
    assert [category.name for category in file.categories] == ["defect"]
    names = {image.id: image.file_name for image in file.images}
    assert set(names.values()) == {f"test/{kind}/{n:03}.png" for kind in ("good", "crack") for n in range(4)}
    assert {(image.width, image.height) for image in file.images} == {(96, 96)}
    assert "seen_in_training" not in file.info
    assert mvtec("convert", "masks-to-coco", plates.root, "--out", truth).code == 0
    true = read_coco(truth)
    true_boxes = {image.file_name: a.bbox for image in true.images for a in true.annotations if a.image_id == image.id}
    for annotation in file.annotations:
        mask = coco_mask.decode(annotation.segmentation)
        assert (mask.shape, int(mask.sum())) == ((96, 96), annotation.area)
        assert tuple(coco_mask.toBbox(annotation.segmentation)) == annotation.bbox
        assert annotation.attributes == {"source": "anomaly", "proposed_by": "run"}
        assert 0.5 < annotation.score < 1
        assert box_iou(annotation.bbox, true_boxes[names[annotation.image_id]]) > 0.4
    assert len(file.annotations) == 4
    assert "exists already" in mvtec(*words).err
    before = out.read_bytes()
    assert mvtec(*words, "--overwrite").code == 0
    assert out.read_bytes() == before


def test_sam_gives_the_shapes(plates: Category, run: Path, tmp_path: Path):
    asked, regions, masks = load_run(run), tmp_path / "regions.json", tmp_path / "masks.json"
    propose(asked, plates.root, regions, sam=None)
    done = propose(asked, plates.root, masks, sam=LeftHalf())
    assert (done.photos, done.with_proposals, done.proposals, done.refined.masks) == (8, 4, 4, 4)
    for before, after in zip(read_coco(regions).annotations, read_coco(masks).annotations, strict=True):
        x, y, w, h = before.bbox
        assert after.bbox == (x, y, w // 2, h)
        assert after.score == before.score
        assert after.attributes["source"] == "sam"
        assert (after.attributes["model"], after.attributes["proposed_by"]) == ("left-half", "run")
        assert after.attributes["prompt_bbox"] == list(before.bbox)


def test_photos_it_has_learnt_from_are_named(plates: Category, run: Path, tmp_path: Path, mvtec):
    out = tmp_path / "out.json"
    done = mvtec("segment", "propose", plates.root / "train", "--anomaly", run, "--out", out, "--no-sam", "--json")
    assert json.loads(done.out)["seen_in_training"] == 20
    assert len(json.loads(out.read_text())["info"]["seen_in_training"]) == 20


def test_what_it_refuses(plates: Category, run: Path, tmp_path: Path, mvtec):
    out = tmp_path / "out.json"

    def fails(source: Path, *words: object) -> str:
        done = mvtec("segment", "propose", source, "--out", out, *words)
        assert (done.code, done.out, len(done.err.splitlines())) == (2, "", 1)
        assert not out.exists()
        return done.err

    assert "nowhere" in fails(tmp_path / "nowhere", "--anomaly", run, "--no-sam")
    assert "not a finished run" in fails(plates.root, "--anomaly", tmp_path / "none", "--no-sam")
    assert "mobile_sam" in fails(plates.root, "--anomaly", run)  # no weights in the tests' cache
    assert "--min-overlap" in fails(plates.root, "--anomaly", run, "--min-overlap", 2)
    for words in (("--weights", "gone.pt"), ("--model", "vit_b"), ("--device", "cpu"), ("--min-overlap", 0.5)):
        assert f"{words[0]}: is of SAM" in fails(plates.root, "--anomaly", run, "--no-sam", *words)
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "a.png").write_bytes(b"no picture")
    assert "a.png" in fails(tmp_path / "photos", "--anomaly", run, "--no-sam")


def test_regions_are_what_is_above_the_threshold():
    heat = np.zeros((4, 6), np.float32)
    heat[1, 1], heat[2, 4] = 8, 4
    found = hot_regions(heat, 2.0, (40, 60))
    assert [round(peak) for _, peak in found] == [7, 4]  # no pixel's centre is a place's
    for region, _ in found:
        x, y, w, h = region.box_xywh
        assert w == h
        assert region.area <= w * h
        assert (x + w / 2, y + h / 2) in {(15, 15), (45, 25)}  # the centres of the two places
    assert hot_regions(heat, 8.0, (40, 60)) == []


def test_a_region_is_cut_down_to_half_its_peak():
    """Threshold 2, peak 9: 3 is hot, and belongs to the glow; 5 belongs to the defect. The far 3 is one of its own."""
    heat = np.array([[3, 5, 9, 3, 0, 3]], np.float32)
    found = hot_regions(heat, 2.0, (1, 6))
    assert [(region.box_xywh, peak) for region, peak in found] == [((1, 0, 2, 1), 9), ((5, 0, 1, 1), 3)]


def test_a_peak_that_scaling_flattens_still_has_a_region():
    """Two places become one pixel, their mean, which is below the threshold."""
    found = hot_regions(np.array([[1.0, 3.0]], np.float32), 2.5, (1, 1))
    assert [region.box_xywh for region, _ in found] == [(0, 0, 1, 1)]
