"""Checkpoints are told apart by what they hold, and what is none is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from mvtec.errors import WeightsError
from mvtec.segment.checkpoint import load_sam, recognise


@pytest.mark.parametrize(
    ("keys", "name"),
    [
        (["image_encoder.layers.0.x"], "mobile_sam"),
        ([f"image_encoder.blocks.{n}.attn.x" for n in range(12)], "vit_b"),
        ([f"image_encoder.blocks.{n}.attn.x" for n in range(24)], "vit_l"),
        ([f"image_encoder.blocks.{n}.attn.x" for n in range(32)], "vit_h"),
    ],
)
def test_a_checkpoint_is_known_by_its_keys(keys: list[str], name: str):
    assert recognise(Path("x.pt"), dict.fromkeys([*keys, "mask_decoder.iou_token.weight"])) == name


def test_what_is_no_checkpoint_is_said(tmp_path: Path):
    import torch

    with pytest.raises(WeightsError, match="no such checkpoint"):
        load_sam(tmp_path / "none.pt")
    (tmp_path / "text.pt").write_text("hello")
    with pytest.raises(WeightsError, match="cannot be loaded"):
        load_sam(tmp_path / "text.pt")
    torch.save({"a": torch.zeros(1)}, tmp_path / "other.pt")
    with pytest.raises(WeightsError, match="is of no SAM"):
        load_sam(tmp_path / "other.pt")
    torch.save({"model": {"sam_mask_decoder.iou_token.weight": torch.zeros(1)}}, tmp_path / "sam2.pt")
    with pytest.raises(WeightsError, match="SAM 2"):
        load_sam(tmp_path / "sam2.pt")
    torch.save({"image_encoder.layers.0": torch.zeros(1), "mask_decoder.iou_token.weight": 0}, tmp_path / "odd.pt")
    with pytest.raises(WeightsError, match="more than tensors"):
        load_sam(tmp_path / "odd.pt")
