"""Grad-CAM by its closed form: behind a mean, a channel counts as much as the last layer weighs it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import noise, write_png

from mvtec.backbones.weights import Backbone
from mvtec.classify.heat import heat_map
from mvtec.classify.model import new_classifier
from mvtec.classify.recipe import Recipe


@pytest.mark.parametrize(
    "recipe",
    [Recipe(about="head", imgsz=64), Recipe(about="stage", trains="last-stage", imgsz=64)],
    ids=["head", "last-stage"],
)
def test_a_map_is_the_channels_weighed_by_the_last_layer(recipe: Recipe, tmp_path: Path):
    photo = tmp_path / "a.png"
    write_png(photo, noise(0))
    model = replace(new_classifier(Backbone("resnet18", None), recipe, ["a", "b"], 0), last=torch.nn.Linear(512, 2))
    with torch.no_grad():
        channels = model.tail(model.trunk(model.pixels(photo)))[0].numpy()
        weights = model.last.weight.numpy()
    for label in (0, 1):
        expected = np.maximum(np.einsum("c,chw->hw", weights[label], channels), 0)
        expected = expected / max(expected.max(), 1e-12) * 255
        found = heat_map(model, photo, label)
        assert found.shape == (2, 2)
        assert np.abs(found - expected).max() <= 1
    assert not np.array_equal(heat_map(model, photo, 0), heat_map(model, photo, 1))
