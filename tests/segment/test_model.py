"""Checkpoints are found, and our answers are those of segment-anything's own predictor."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from conftest import REPOSITORY

from mvtec.datasets.images import read_photo
from mvtec.errors import InputError, WeightsError
from mvtec.segment.checkpoint import load_sam, save_sam
from mvtec.segment.model import choose_mask, torch_device
from mvtec.segment.weights import CHECKPOINTS, fetch_checkpoint, find_checkpoint


@pytest.fixture(scope="module")
def mobile_sam() -> Path:
    shared = Path(os.environ.get("MVTEC_SHARED_DATA", REPOSITORY.parent / "shared" / "data")).parent
    path = shared / "weights" / "mobile_sam.pt"
    if not path.is_file():
        pytest.skip(f"MobileSAM's weights are not at {path}")
    return path


def test_a_device_that_is_not_there():
    with pytest.raises(InputError, match="no device 99"):
        torch_device("99")


def test_which_mask_is_taken():
    import torch

    masks = torch.full((4, 256, 256), -1.0)
    masks[0, :10, :10] = masks[1, :100, :100] = masks[2, :50, :50] = masks[3, 200:, 200:] = 1
    quality = torch.tensor([0.9, 0.1, 0.2, 0.8])
    box = [0.0, 0.0, 204.0, 196.0]  # of 1024: about 50 of 256
    assert choose_mask(masks, quality, box, "fit") == 2
    assert choose_mask(masks, quality, box, "single") == 0
    assert choose_mask(masks, quality, box, "best") == 3
    assert choose_mask(masks, quality, box, "largest") == 1


def test_a_checkpoint_that_is_not_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("MVTEC_WEIGHTS", str(tmp_path))
    with pytest.raises(WeightsError, match="mvtec segment weights mobile_sam"):
        find_checkpoint()
    with pytest.raises(InputError, match="there is no model sam3"):
        find_checkpoint("sam3")
    with pytest.raises(WeightsError, match="no checkpoint and no run"):
        find_checkpoint(weights=tmp_path)
    unfinished = tmp_path / "run"
    unfinished.mkdir()
    (unfinished / "plan.json").touch()
    with pytest.raises(WeightsError, match=r"is an unfinished run\. .*--resume"):
        find_checkpoint(weights=unfinished)
    (tmp_path / CHECKPOINTS["vit_b"].file).touch()
    assert find_checkpoint() == tmp_path / CHECKPOINTS["vit_b"].file


def test_a_checkpoint_is_fetched_once_and_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    asked = []

    def fetch(url: str, target: Path, *, sha256: str, **_: object) -> None:
        asked.append((url, sha256))
        target.write_bytes(b"weights")

    monkeypatch.setenv("MVTEC_CACHE", str(tmp_path))
    monkeypatch.setattr("mvtec.segment.weights.fetch", fetch)
    assert fetch_checkpoint("vit_b") == fetch_checkpoint("vit_b") == tmp_path / "weights" / "sam_vit_b_01ec64.pth"
    url = "https://dl.fbaipublicfiles.com/segment_anything/sam_vit_b_01ec64.pth"
    assert asked == [(url, CHECKPOINTS["vit_b"].sha256)]


def test_answers_are_those_of_sam_predictor(mobile_sam: Path, real_bottle: Path, tmp_path: Path):
    """In float32, in one batch, mask for mask; and a saved model answers the same and is known as tuned."""
    from dataclasses import replace

    from segment_anything import SamPredictor

    model = replace(load_sam(mobile_sam, "cpu"), half=False)
    photo = read_photo(real_bottle / "test" / "broken_small" / "000.png")
    boxes = np.array([[100, 300, 350, 620], [400, 100, 700, 300.5], [0, 0, 900, 900]], np.float64)
    embedding = model.encode(photo)
    found = model.answer([embedding], (900, 900), boxes, choose="single")
    predictor = SamPredictor(model.network)
    predictor.set_image(photo, "BGR")
    for box, answer in zip(boxes, found, strict=True):
        masks, quality, _ = predictor.predict(box=box, multimask_output=False)
        assert (masks[0] != answer.mask).mean() < 1e-3  # the embedding was rounded to float16
        assert answer.predicted_iou == pytest.approx(float(quality[0]), abs=0.01)
        assert 0 < answer.stability <= 1
    save_sam(tmp_path / "sam.pt", model, {"0" * 64: "000.png"})
    again = load_sam(tmp_path / "sam.pt", "cpu")
    assert (model.tuned, again.tuned, again.name) == (False, True, "mobile_sam")
    for one, other in zip(found, again.answer([embedding], (900, 900), boxes, choose="single"), strict=True):
        np.testing.assert_array_equal(one.mask, other.mask)


def test_points_alone_are_a_prompt_and_one_beside_the_object_counts(mobile_sam: Path, real_bottle: Path):
    photo = read_photo(real_bottle / "test" / "broken_large" / "000.png")
    model = load_sam(mobile_sam, "cpu")
    embedding = model.encode(photo)
    points = np.array([[[760.0, 700.0], [430.0, 430.0]]])  # on the broken part, and in the opening
    areas = [
        int(model.answer([embedding], (900, 900), None, points, labels, choose="single")[0].mask.sum())
        for labels in (np.array([[True, True]]), np.array([[True, False]]))
    ]
    assert areas[1] < 0.8 * areas[0]
    with pytest.raises(ValueError, match="no mask fits a box"):
        model.answer([embedding], (900, 900), None, points, choose="fit")


def test_there_is_no_checkpoint_called_auto(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("MVTEC_CACHE", str(tmp_path))
    with pytest.raises(InputError, match=r"there is no checkpoint auto\. Give one of mobile_sam, vit_b, vit_l, vit_h"):
        fetch_checkpoint("auto")
