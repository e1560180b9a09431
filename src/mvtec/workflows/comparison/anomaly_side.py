"""The anomaly detector's side: asked as it is about the same photos, and judged on what it says, good or defect."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from mvtec.anomaly.predict import AnomalyRun, load_run, predict_maps
from mvtec.classify.heat import write_heat
from mvtec.datasets.samples import GOOD, Sample
from mvtec.evaluate.anomaly import AnomalyFigures, evaluate_anomaly
from mvtec.evaluate.anomaly_maps import MapShare, map_shares, mean_map_shares
from mvtec.evaluate.statistics.metric import Metric

# What it is judged on; the other figures of `evaluate anomaly` are by defect.
WHOLE = ("image_auroc", "FPR95", "binary_accuracy", "sensitivity", "specificity")
PLACE = ("pixel_auroc", "aupro")


@dataclass(frozen=True, eq=False)
class AnomalySide:
    """What it said, and how good that is.

    Attributes:
        run: The run.
        figures: Its figures on the photos.
        heat: Of each defect photo, how much of its heat lies in the mask.
        seconds_per_photo: The median from a photo's file to its map.
        seed: Seed of the resampling.
    """

    run: AnomalyRun
    figures: AnomalyFigures
    heat: dict[str, MapShare]
    seconds_per_photo: float
    seed: int

    @property
    def noticed(self) -> list[MapShare]:
        """The heat of the defect photos that it called defective."""
        return [share for path, share in self.heat.items() if self.figures.answers[path] != GOOD]

    @property
    def metrics(self) -> dict[str, Metric]:
        """Those of `WHOLE` and `PLACE`, and how much of the heat lies in the mask."""
        own = self.figures.metrics
        return {name: own[name] for name in (*WHOLE, *PLACE)} | mean_map_shares(self.noticed, seed=self.seed)


def load_unseen(folder: Path, samples: Sequence[Sample]) -> AnomalyRun:
    """The run that is to be asked about photos.

    Raises:
        InputError: The folder is no run of `mvtec train-anomaly`.
        LeakError: It was trained on one of the photos.
    """
    run = load_run(folder)
    run.refuse_seen(samples)
    return run


def answer(
    run: AnomalyRun, samples: Sequence[Sample], out: Path, *, seed: int, on_photo: Callable[[], None] = lambda: None
) -> AnomalySide:
    """Ask a run about photos; its heat maps are kept in `out`, as those of the classifier are.

    Raises:
        BadPhotoError: A photo cannot be read.
        BadMaskError: A mask breaks a label rule.
    """
    heats = predict_maps(run.model, samples, on_photo=on_photo)
    for path, heat in heats.maps.items():
        write_heat(out, path, run.model.shown(heat))
    return AnomalySide(
        run=run,
        figures=evaluate_anomaly(samples, heats.maps, run.model.threshold, seed=seed),
        heat=map_shares(out, samples),
        seconds_per_photo=heats.seconds_per_photo,
        seed=seed,
    )
