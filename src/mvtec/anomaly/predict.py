"""Asks a trained anomaly detector about photos that it has not learnt from."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from mvtec.anomaly.model import CHECKPOINT, AnomalyMap, AnomalyModel, load_model
from mvtec.datasets.samples import Sample
from mvtec.errors import LeakError
from mvtec.files import sha256_file
from mvtec.run import RunRecord, read_run


@dataclass(frozen=True, eq=False)
class AnomalyRun:
    """A finished run of `mvtec train-anomaly`.

    Attributes:
        folder: Where it lies.
        record: Its record.
        model: What it has learnt.
    """

    folder: Path
    record: RunRecord
    model: AnomalyModel

    def refuse_seen(self, samples: Sequence[Sample]) -> None:
        """See that the run has learnt from none of these photos, by their contents.

        Raises:
            LeakError: It has.
        """
        for sample in samples:
            if sha256_file(sample.photo) in self.record.train_images:
                raise LeakError(
                    self.folder,
                    f"was trained on {sample.path}",
                    "Judge it on photos it has not seen: give the --split it was trained by",
                )


@dataclass(frozen=True, eq=False)
class PredictedMaps:
    """What was said of some photos.

    Attributes:
        maps: The heat map of each by its path, float32 h×w; a hundredth of the photo's pixels, so all are kept.
        seconds_per_photo: The median from the file to the map.
    """

    maps: dict[str, AnomalyMap]
    seconds_per_photo: float


def load_run(folder: Path) -> AnomalyRun:
    """Read a run.

    Raises:
        InputError: The folder is not a finished run of `mvtec train-anomaly`.
    """
    return AnomalyRun(folder, read_run(folder, "anomaly"), load_model(folder / CHECKPOINT))


def predict_maps(
    model: AnomalyModel, samples: Sequence[Sample], *, on_photo: Callable[[], None] = lambda: None
) -> PredictedMaps:
    """Map the heat of photos, at least one.

    Raises:
        BadPhotoError: A photo cannot be read.
    """
    maps, spans = {}, []
    for sample in samples:
        before = time.perf_counter()
        maps[sample.path] = model.anomaly_map(sample.photo)
        spans.append(time.perf_counter() - before)
        on_photo()
    return PredictedMaps(maps, statistics.median(spans))
