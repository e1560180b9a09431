"""Checkpoints are told apart by what they hold, and what is none is named."""

from __future__ import annotations

import hashlib
import zipfile
from pathlib import Path

import pytest

from mvtec.errors import WeightsError
from mvtec.segment.checkpoint import encoder_digest, load_sam, recognise


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
    for content in (b"", b"hello\n", b"<html>"):
        (tmp_path / "text.pt").write_bytes(content)
        with pytest.raises(WeightsError, match="is cut off or no file of torch"):
            load_sam(tmp_path / "text.pt")
    torch.save({"model": tmp_path}, tmp_path / "yolo.pt")
    with pytest.raises(WeightsError, match=r"holds Python objects, not tensors alone\. Give") as raised:
        load_sam(tmp_path / "yolo.pt")
    assert "weights_only" not in str(raised.value)
    torch.save({"a": torch.zeros(1)}, tmp_path / "other.pt")
    with pytest.raises(WeightsError, match="is of no SAM"):
        load_sam(tmp_path / "other.pt")
    torch.save({"model": {"sam_mask_decoder.iou_token.weight": torch.zeros(1)}}, tmp_path / "sam2.pt")
    with pytest.raises(WeightsError, match="SAM 2"):
        load_sam(tmp_path / "sam2.pt")
    torch.save({"image_encoder.layers.0": torch.zeros(1), "mask_decoder.iou_token.weight": 0}, tmp_path / "odd.pt")
    with pytest.raises(WeightsError, match="more than tensors"):
        load_sam(tmp_path / "odd.pt")
    torch.save({1: torch.zeros(1)}, tmp_path / "numbers.pt")
    with pytest.raises(WeightsError, match="no tensors by name"):
        load_sam(tmp_path / "numbers.pt")


def test_a_checkpoint_that_unpacks_to_more_than_it_has_is_refused_before(tmp_path: Path, monkeypatch):
    import torch

    torch.save({"a": torch.zeros(100_000)}, tmp_path / "plain.pt")
    with zipfile.ZipFile(tmp_path / "plain.pt") as plain, zipfile.ZipFile(tmp_path / "packed.pt", "w") as packed:
        for member in plain.infolist():
            packed.writestr(member.filename, plain.read(member), zipfile.ZIP_DEFLATED)
    with pytest.raises(WeightsError, match="is of no SAM"):
        load_sam(tmp_path / "plain.pt")
    monkeypatch.setattr(torch, "load", None)
    with pytest.raises(WeightsError, match=r"packed\.pt: unpacks to more bytes than it has"):
        load_sam(tmp_path / "packed.pt")


def test_the_digest_is_of_the_encoders_bytes_whatever_their_type():
    import torch

    tensors = {"image_encoder.a": torch.tensor(2.0), "image_encoder.b": torch.arange(6.0).reshape(2, 3).T}
    expected = hashlib.sha256(b"float32")
    for key, tensor in tensors.items():
        expected.update(key.encode() + tensor.contiguous().numpy().tobytes())
    assert encoder_digest(tensors, half=False) == expected.hexdigest()
    others = tensors | {"mask_decoder.a": torch.zeros(1)}
    assert encoder_digest(others, half=False) == expected.hexdigest() != encoder_digest(others, half=True)
    halves = {key: tensor.bfloat16() for key, tensor in tensors.items()}
    assert encoder_digest(halves, half=False) != expected.hexdigest()
