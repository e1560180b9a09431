"""Which device computes, on machines with and without GPUs."""

from __future__ import annotations

import os

import pytest
import torch

from mvtec.devices import choose_device
from mvtec.errors import InputError
from mvtec.segment.model import torch_device


@pytest.fixture
def two_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)


@pytest.mark.usefixtures("two_gpus")
def test_the_first_gpu_is_taken_and_any_can_be_named():
    assert [choose_device(device) for device in ("auto", "1", " CPU ")] == ["0", "1", "cpu"]
    assert [torch_device(device) for device in ("auto", "1", "cpu")] == ["cuda:0", "cuda:1", "cpu"]


@pytest.mark.usefixtures("two_gpus")
@pytest.mark.parametrize("device", ["2", "-1", "mps", "cuda", "00", ""])
def test_what_is_not_there_is_named_with_what_is(device: str):
    with pytest.raises(InputError, match=f"there is no device {device}. Give one of auto, 0, 1, cpu"):
        choose_device(device)


@pytest.mark.usefixtures("two_gpus")
def test_asking_hides_no_gpu(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    choose_device("cpu")
    assert "CUDA_VISIBLE_DEVICES" not in os.environ


def test_without_a_gpu_auto_is_the_cpu(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    assert (choose_device("auto"), torch_device("auto")) == ("cpu", "cpu")
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert (choose_device("auto"), torch_device("mps")) == ("mps", "mps")
