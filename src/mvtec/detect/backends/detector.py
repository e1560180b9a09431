"""What every detector can do: learn, predict, be saved and loaded."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from mvtec.convert.formats.yolo.read_folder import YoloFolder
from mvtec.detect.plan import Plan
from mvtec.detect.recipe import Recipe
from mvtec.detect.weights import Start
from mvtec.results.detections import Detections

OnEpoch = Callable[[int, int, dict[str, float]], None]


@dataclass(frozen=True)
class Training:
    """What a detector is to learn from, and how.

    Attributes:
        folder: Photos and labels of the train and the val part; the labels have been checked.
        out: The run's folder, which is there. Checkpoints go to `out/weights`: `best.pt` where a val part chose it,
            else `last.pt`.
        start: What to begin with; None where the checkpoint in `out` is resumed.
        recipe: The settings.
        device: `cpu`, `mps`, or the number of a GPU.
        warn: Told what is doubtful, a sentence each.
        on_epoch: Told each epoch's number from 1, the number of epochs, and the losses by name.
    """

    folder: YoloFolder
    out: Path
    start: Start | None
    recipe: Recipe
    device: str
    warn: Callable[[str], None] = lambda _warning: None
    on_epoch: OnEpoch = lambda _epoch, _epochs, _losses: None


@dataclass(frozen=True)
class Trained:
    """What came of a training.

    Attributes:
        plan: What it set out to do.
        settings: What is to be recorded besides the settings of the plan.
        seconds: Time it took.
        seconds_per_epoch: The median over the epochs; None where there are none.
        figures: What was measured, by name.
    """

    plan: Plan
    settings: Mapping[str, Any] = field(default_factory=dict)
    seconds: float = 0.0
    seconds_per_epoch: float | None = None
    figures: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Limits:
    """Which detections of a photo are kept.

    Attributes:
        min_score: Those with this score or a higher one.
        iou: Of two boxes that overlap by more, the one with the higher score.
        max_detections: At most so many.
    """

    min_score: float = 0.001
    iou: float = 0.7
    max_detections: int = 100


class Detector(Protocol):
    """Finds instances of given classes in photos. A new object knows nothing: it is to `fit`."""

    def fit(self, training: Training) -> Trained:
        """Learn.

        Raises:
            InputError: The data or a setting is wrong.
            WeightsError: The weights to begin with do not fit.
        """

    @property
    def names(self) -> tuple[str, ...]:
        """The classes; the number of a class is its place."""

    def predict(self, photo: npt.NDArray[np.uint8], limits: Limits = Limits()) -> Detections:
        """Find instances in a photo.

        Args:
            photo: uint8 RGB H×W×3.
            limits: Which to keep.
        """

    def save(self, file: Path) -> None:
        """Write what `load` reads."""

    @classmethod
    def load(cls, file: Path, *, device: str = "cpu", settings: Mapping[str, Any] | None = None) -> Detector:
        """Read what `save` or `fit` has written.

        Args:
            file: The checkpoint.
            device: `cpu`, `mps`, or the number of a GPU.
            settings: Those of the run's record; None where there is no record.

        Raises:
            WeightsError: It cannot be loaded.
        """
