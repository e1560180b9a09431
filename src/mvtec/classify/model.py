"""A classifier in three parts: a frozen trunk, a tail that may learn, and a last layer."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import numpy.typing as npt

from mvtec.backbones.networks import build_backbone, network_pixels
from mvtec.backbones.normal_patches import NormalPatches
from mvtec.backbones.weights import Backbone, Name
from mvtec.classify.recipe import Recipe
from mvtec.classify.unlike import pool_unlike
from mvtec.datasets.images import Photo, read_photo
from mvtec.errors import InputError, MvtecError, whose_memory_is_full
from mvtec.files import read_tensors, staged_file, write_tensors
from mvtec.tta import VIEWS, turn

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, eq=False)
class Classifier:
    """A network for one recipe. Before `fit` it makes features; after it, answers.

    Attributes:
        recipe: The recipe.
        backbone: The network's name.
        classes: The classes, in the order of the answers.
        trunk: Frozen; makes feature maps of a photo.
        tail: The last stage of the backbone where it learns, else nothing.
        last: The last layer, `torch.nn.Linear`; None before `fit`.
        normal_patches: What good photos look like, where the recipe pools by it; None before `fit`.
    """

    recipe: Recipe
    backbone: Name
    classes: tuple[str, ...]
    trunk: Any
    tail: Any
    last: Any = None
    normal_patches: NormalPatches | None = None

    @property
    def views(self) -> int:
        """How many views of a photo are looked at."""
        return VIEWS if self.recipe.augment else 1

    @property
    def parameters(self) -> int:
        """How many numbers were learnt, here or before."""
        modules = [module for module in (self.trunk, self.tail, self.last) if module is not None]
        return sum(weight.numel() for module in modules for weight in module.parameters())

    @property
    def _keeps_maps(self) -> bool:
        """Whether what is computed once for each photo ends before the pooling."""
        return self.recipe.trains == "last-stage" or self.recipe.pooling == "unlike-good"

    def features(self, photo: Path | Photo) -> torch.Tensor:
        """What is computed once for each photo, views first: float32 vectors, or float16 maps still to be pooled.

        Args:
            photo: The file, or uint8 H×W×3 in OpenCV's BGR order.

        Raises:
            BadPhotoError: The photo cannot be read.
        """
        import torch

        scaled = self._scaled(photo)
        made = []
        with torch.no_grad():
            for view in range(self.views):
                maps = self.trunk(network_pixels(turn(scaled, view)))
                made.append(maps[0].half() if self._keeps_maps else self.pooled(maps)[0])
        return torch.stack(made)

    def pixels(self, photo: Path) -> torch.Tensor:
        """A photo as the trunk wants it, float32 1×3×H×W.

        Raises:
            BadPhotoError: The photo cannot be read.
        """
        return network_pixels(self._scaled(photo))

    def _scaled(self, photo: Path | Photo) -> npt.NDArray[np.uint8]:
        side = self.recipe.imgsz
        pixels = read_photo(photo) if isinstance(photo, Path) else photo
        return np.asarray(cv2.resize(pixels, (side, side), interpolation=cv2.INTER_AREA), np.uint8)

    def vectors(self, features: torch.Tensor) -> torch.Tensor:
        """What the last layer sees, float32 N×D, of features N×…"""
        return self.pooled(self.tail(features.float())) if self._keeps_maps else features

    def pooled(self, maps: torch.Tensor) -> torch.Tensor:
        """Vectors of feature maps N×C×H×W, as the recipe says."""
        if self.recipe.pooling == "mean":
            return maps.mean(dim=(2, 3))
        assert self.normal_patches is not None
        return pool_unlike(maps, self.normal_patches)

    def logits(self, features: torch.Tensor) -> torch.Tensor:
        """float32 N×classes of features N×…"""
        answers: torch.Tensor = self.last(self.vectors(features))
        return answers

    def probabilities(self, features: torch.Tensor) -> npt.NDArray[np.float64]:
        """float64, one for each class, the mean over the views of `features`."""
        import torch

        with torch.no_grad():
            answers = self.logits(features).softmax(dim=1)
        return np.asarray(answers.mean(dim=0).double().numpy())


def new_classifier(start: Backbone, recipe: Recipe, classes: Iterable[str], seed: int) -> Classifier:
    """A classifier that can make features and has learnt nothing yet; `seed` is that of random weights.

    Raises:
        WeightsError: The weights do not fit, or the package of the network is missing.
    """
    import torch
    from torch import nn

    torch.manual_seed(seed)
    first, second = build_backbone(start)
    last_stage = recipe.trains == "last-stage"
    only_first = last_stage or recipe.features == "middle"
    trunk = (first if only_first else nn.Sequential(first, second)).eval().requires_grad_(False)
    trunk.to(memory_format=torch.channels_last)  # a third faster
    tail = second.eval() if last_stage else nn.Identity()
    return Classifier(recipe, start.name, tuple(classes), trunk, tail)


def save_classifier(path: Path, model: Classifier) -> None:
    """Write a classifier that `load_classifier` reads."""
    content = {
        "recipe": model.recipe.model_dump(),
        "backbone": model.backbone,
        "classes": list(model.classes),
        "tensors": {name: getattr(model, name).state_dict() for name in ("trunk", "tail", "last")},
        "normal_patches": None if model.normal_patches is None else asdict(model.normal_patches),
    }
    with staged_file(path, overwrite=True) as staged:
        write_tensors(staged, content)


def load_classifier(path: Path) -> Classifier:
    """Read what `save_classifier` wrote.

    Raises:
        InputError: It is no such file.
        WeightsError: It is cut off, or holds more than tensors.
    """
    import torch

    try:
        content = read_tensors(path, "Give the --out of mvtec train-classifier")
        recipe = Recipe.model_validate(content["recipe"])
        model = new_classifier(Backbone(content["backbone"], None), recipe, content["classes"], seed=0)
        tensors = content["tensors"]
        model.trunk.load_state_dict(tensors["trunk"])
        model.tail.load_state_dict(tensors["tail"])
        classes, width = tensors["last"]["weight"].shape
        last = torch.nn.Linear(width, classes)
        last.load_state_dict(tensors["last"])
        normal_patches = None if content["normal_patches"] is None else NormalPatches(**content["normal_patches"])
    except MvtecError:  # the package of its network is missing
        raise
    except Exception as error:  # a broken file fails in many ways
        if whose_memory_is_full(error):
            raise
        raise InputError(path, "is no classifier", "Give the --out of mvtec train-classifier") from error
    return Classifier(recipe, model.backbone, model.classes, model.trunk, model.tail, last, normal_patches)
