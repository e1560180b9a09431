"""A classifier in three parts: a frozen trunk, a tail that may learn, and a last layer."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import numpy.typing as npt

from mvtec.classify.backbone import Name, Start, build
from mvtec.classify.recipe import Recipe
from mvtec.datasets.images import read_photo
from mvtec.errors import InputError
from mvtec.files import staged_file
from mvtec.views import VIEWS, turn

if TYPE_CHECKING:
    import torch

# Of ImageNet's photos, RGB.
_MEAN = np.array([0.485, 0.456, 0.406], np.float32)
_DEVIATION = np.array([0.229, 0.224, 0.225], np.float32)


@dataclass(frozen=True, eq=False)
class Classifier:
    """A network for one recipe.

    Attributes:
        recipe: The recipe.
        backbone: The network's name.
        classes: The classes, in the order of the answers.
        trunk: Frozen; makes features of a photo.
        tail: The last stage of the backbone where it learns, else nothing.
        last: The last layer, `torch.nn.Linear`.
    """

    recipe: Recipe
    backbone: Name
    classes: tuple[str, ...]
    trunk: Any
    tail: Any
    last: Any

    @property
    def views(self) -> int:
        """How many views of a photo are looked at."""
        return VIEWS if self.recipe.augment else 1

    def features(self, photo: Path) -> torch.Tensor:
        """What the trunk makes of a photo: float32, views first; vectors, or maps where there is a tail to learn.

        Raises:
            BadPhotoError: The photo cannot be read.
        """
        import torch

        side = self.recipe.imgsz
        scaled = cv2.resize(read_photo(photo), (side, side), interpolation=cv2.INTER_AREA)
        made = []
        with torch.inference_mode():
            for view in range(self.views):
                maps = self.trunk(_pixels(turn(scaled, view)))
                made.append((maps if self.recipe.trains == "last-stage" else self._pooled(maps))[0])
        return torch.stack(made).clone()

    def logits(self, features: torch.Tensor) -> torch.Tensor:
        """float32 N×classes of features N×…"""
        vectors = self._pooled(self.tail(features)) if self.recipe.trains == "last-stage" else features
        answers: torch.Tensor = self.last(vectors)
        return answers

    def _pooled(self, maps: torch.Tensor) -> torch.Tensor:
        """Vectors of feature maps N×C×H×W: their mean, and of the middle their maximum, too."""
        import torch

        mean = maps.mean(dim=(2, 3))
        return torch.cat([mean, maps.amax(dim=(2, 3))], dim=1) if self.recipe.features == "middle" else mean

    def probabilities(self, features: torch.Tensor) -> npt.NDArray[np.float64]:
        """float64, one for each class, the mean over the views of `features`."""
        import torch

        with torch.no_grad():
            answers = self.logits(features).softmax(dim=1)
        return np.asarray(answers.mean(dim=0).double().numpy())


def new_classifier(start: Start, recipe: Recipe, classes: Iterable[str], seed: int) -> Classifier:
    """A classifier whose last layer has learnt nothing yet."""
    import torch
    from torch import nn

    torch.manual_seed(seed)
    first, second = build(start)
    last_stage = recipe.trains == "last-stage"
    only_first = last_stage or recipe.features == "middle"
    trunk = (first if only_first else nn.Sequential(first, second)).eval().requires_grad_(False)
    tail = second.eval() if last_stage else nn.Identity()
    names = tuple(classes)
    model = Classifier(recipe, start.name, names, trunk, tail, nn.Identity())
    with torch.no_grad():
        maps = tail(trunk(torch.zeros(1, 3, 64, 64)))
        width = model._pooled(maps).shape[1]
    return replace(model, last=nn.Linear(width, len(names)))


def save_classifier(path: Path, model: Classifier) -> None:
    """Write a classifier that `load_classifier` reads."""
    import torch

    content = {
        "recipe": model.recipe.model_dump(),
        "backbone": model.backbone,
        "classes": list(model.classes),
        "tensors": {name: getattr(model, name).state_dict() for name in ("trunk", "tail", "last")},
    }
    with staged_file(path, overwrite=True) as staged:
        torch.save(content, staged)


def load_classifier(path: Path) -> Classifier:
    """Read what `save_classifier` wrote.

    Raises:
        InputError: It is no such file.
    """
    import torch

    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
        recipe = Recipe.model_validate(content["recipe"])
        model = new_classifier(Start(content["backbone"], None), recipe, content["classes"], seed=0)
        for name, tensors in content["tensors"].items():
            getattr(model, name).load_state_dict(tensors)
    except Exception as error:  # a broken file fails in many ways
        raise InputError(path, "is no classifier", "Give the --out of mvtec train-classifier") from error
    return model


def all_features(
    model: Classifier, photos: Iterable[Path], on_photo: Callable[[], None] = lambda: None
) -> torch.Tensor:
    """Features of photos, photos first, then views."""
    import torch

    found = []
    for photo in photos:
        found.append(model.features(photo))
        on_photo()
    return torch.stack(found)


def _pixels(photo: npt.NDArray[np.uint8]) -> torch.Tensor:
    """float32 1×3×H×W of a photo in OpenCV's BGR order, as ImageNet's networks want it."""
    import torch

    rgb = (photo[..., ::-1].astype(np.float32) / 255 - _MEAN) / _DEVIATION
    return torch.from_numpy(np.ascontiguousarray(rgb.transpose(2, 0, 1)))[None]
