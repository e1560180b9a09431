"""The recipes a classifier can be trained by, read from `recipes.yaml`."""

from __future__ import annotations

from importlib.resources import files
from typing import Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field

from mvtec.classify.losses import LOSSES, LossName
from mvtec.errors import InputError

Sampling = Literal["plain", "balanced"]


class Recipe(BaseModel):
    """How a classifier is trained.

    Attributes:
        about: What is special about it, in words.
        report_accuracy: What the report that started this project says it reached; None for our own.
        trains: What learns: the last layer, or the last stage of the backbone with it. The rest is frozen, and what it
            makes of the photos is computed once.
        features: Which feature map is looked at: the backbone's `last` one; or its `middle` one, at a sixteenth of the
            photo's size, which tells small things apart.
        pooling: What is made of the map: its `mean`; or `unlike-good`, where places unlike good photos weigh more, see
            `unlike.py`.
        solver: `adam`, epoch by epoch, or `logistic`: a regression solved to its end.
        epochs: Passes over the train photos, of `adam`.
        learning_rate: Of `adam`.
        batch: Photos a step, of `adam`.
        regularisation: Inverse strength of the penalty, of `logistic`.
        imgsz: Photos are scaled to a square of so many pixels.
        augment: Learn from all eight ways to turn and mirror a photo, and answer with the mean over them.
        dropout: Share of the features left out in each step, of `adam`.
        loss: See `losses.py`; `logistic` knows the first two.
        sampling: `plain` shows each photo once an epoch; `balanced` draws as many, each class as often, of `adam`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    about: str
    report_accuracy: float | None = None
    trains: Literal["head", "last-stage"] = "head"
    features: Literal["last", "middle"] = "last"
    pooling: Literal["mean", "unlike-good"] = "mean"
    solver: Literal["adam", "logistic"] = "adam"
    epochs: int = Field(1, ge=1)
    learning_rate: float = Field(1e-3, gt=0)
    batch: int = Field(16, ge=1)
    regularisation: float = Field(1.0, gt=0)
    imgsz: int = Field(224, ge=32)
    augment: bool = False
    dropout: float = Field(0.0, ge=0, lt=1)
    loss: LossName = "cross-entropy"
    sampling: Sampling = "plain"

    @property
    def report_note(self) -> str | None:
        """What the report that started this project says of the recipe, and what is odd about it."""
        if self.report_accuracy is None:
            return None
        said = f"The report that started this project gives {self.report_accuracy:.2%}, on 16 photos of its own split"
        whole = 16 * self.report_accuracy == round(16 * self.report_accuracy)
        return f"{said}." if whole else f"{said}; that is no multiple of 1/16, so it was measured otherwise."

    def learning_by(self, loss: str | None = None, sampling: str | None = None) -> Recipe:
        """The recipe with another loss or sampling; None keeps its own.

        Raises:
            InputError: There is no such loss, or the solver does not know it.
        """
        for option, value, known in (("--loss", loss, LOSSES), ("--sampling", sampling, ("plain", "balanced"))):
            if value is not None and value not in known:
                raise InputError(option, f"there is no {value}", f"Give one of {', '.join(known)}")
        changed = {name: value for name, value in (("loss", loss), ("sampling", sampling)) if value is not None}
        recipe = self.model_copy(update=changed)
        if recipe.solver == "logistic" and (recipe.loss not in LOSSES[:2] or recipe.sampling != "plain"):
            raise InputError(
                "--recipe",
                "is a logistic regression, which learns by cross-entropy or weighted, sampling plain",
                "Give another recipe, such as augment",
            )
        return recipe


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
