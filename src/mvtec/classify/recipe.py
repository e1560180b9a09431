"""The recipes a classifier can be trained by, read from `recipes.yaml`."""

from __future__ import annotations

from importlib.resources import files
from typing import Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field

from mvtec.errors import InputError


class Recipe(BaseModel):
    """How a classifier is trained.

    Attributes:
        about: What is special about it, in words.
        report_accuracy: What the report that started this project says it reached; None for our own.
        trains: What learns: the last layer, or the last stage of the backbone with it. The rest is frozen, and what it
            makes of the photos is computed once.
        features: What the last layer sees: the mean of the backbone's `last` feature map; or mean and maximum of its
            `middle` one, at a sixteenth of the photo's size, which tells small things apart.
        solver: `adam`, epoch by epoch, or `logistic`: a regression solved to its end.
        epochs: Passes over the train photos, of `adam`.
        learning_rate: Of `adam`.
        batch: Photos a step, of `adam`.
        regularisation: Inverse strength of the penalty, of `logistic`.
        imgsz: Photos are scaled to a square of so many pixels.
        augment: Learn from all eight ways to turn and mirror a photo, and answer with the mean over them.
        dropout: Share of the features left out in each step, of `adam`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    about: str
    report_accuracy: float | None = None
    trains: Literal["head", "last-stage"] = "head"
    features: Literal["last", "middle"] = "last"
    solver: Literal["adam", "logistic"] = "adam"
    epochs: int = Field(1, ge=1)
    learning_rate: float = Field(1e-3, gt=0)
    batch: int = Field(16, ge=1)
    regularisation: float = Field(1.0, gt=0)
    imgsz: int = Field(224, ge=32)
    augment: bool = False
    dropout: float = Field(0.0, ge=0, lt=1)


def recipes() -> dict[str, Recipe]:
    """All recipes by name, in the order of the file."""
    content = yaml.safe_load(files("mvtec.classify").joinpath("recipes.yaml").read_text(encoding="utf-8"))
    return {name: Recipe.model_validate(fields) for name, fields in content.items()}


def find_recipe(name: str) -> Recipe:
    """The recipe of a name.

    Raises:
        InputError: There is none.
    """
    known = recipes()
    if name not in known:
        raise InputError("--recipe", f"there is no recipe {name}", f"Give one of {', '.join(known)}")
    return known[name]
