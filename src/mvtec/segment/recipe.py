"""The settings SAM is fine-tuned with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from mvtec.errors import InputError
from mvtec.tta import VIEWS

Train = Literal["decoder", "decoder+neck"]


@dataclass(frozen=True)
class FinetuneRecipe:
    """What the user chooses of a fine-tuning.

    Attributes:
        train: What learns: the mask decoder, or the neck of the image encoder with it.
        epochs: Passes over the instances of the train part.
        views: How many of the eight views of each photo, turned and mirrored, are shown; 1 is the photo as it is.
        jitter: The sides of a box are moved by up to this share of its width and height.
        learning_rate: The highest of the decoder.
        patience: With a val part, stop after so many epochs without a better IoU on it.
        seed: Seed of the order, the views and the boxes.
    """

    train: Train = "decoder+neck"
    epochs: int = 60
    views: int = VIEWS
    jitter: float = 0.1
    learning_rate: float = 5e-4
    patience: int = 20
    seed: int = 0

    def __post_init__(self) -> None:
        for option, value in (("--epochs", self.epochs), ("--patience", self.patience)):
            if value < 1:
                raise InputError(option, f"{value} is no number of epochs", "Give 1 or more")
        if not 1 <= self.views <= VIEWS:
            raise InputError("--views", f"{self.views} views of a photo there are not", f"Give 1 to {VIEWS}")
        if not 0 <= self.jitter <= 0.5:
            raise InputError("--jitter", f"{self.jitter} of a box is out of range", "Give 0 to 0.5")
        if not 0 < self.learning_rate <= 0.1:
            raise InputError("--learning-rate", f"{self.learning_rate} is out of range", "Give 0.0005, or near it")
