"""What a comparison found, as a record, and as the JSON files it leaves."""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from mvtec.convert.receipt import Receipt
from mvtec.datasets.info import DataCard
from mvtec.datasets.samples import GOOD, Dataset, Sample
from mvtec.datasets.split import Split
from mvtec.evaluate.anomaly_maps import MapShare, mean_map_shares
from mvtec.evaluate.compare import Comparison
from mvtec.evaluate.detector_errors import ErrorKind
from mvtec.evaluate.mask_pairs import PairedMasks
from mvtec.evaluate.masks import evaluate_masks
from mvtec.evaluate.operating_points import OperatingPoint
from mvtec.evaluate.predictions import EvaluationInput
from mvtec.evaluate.statistics.metric import Metric
from mvtec.files import sha256_file
from mvtec.run import RunRecord
from mvtec.workflows.comparison.anomaly_side import AnomalySide

DETECTOR, CLASSIFIER, ANOMALY = "detector", "classifier", "anomaly"
SPOKEN = {DETECTOR: "detector", CLASSIFIER: "classifier", ANOMALY: "anomaly detector"}


@dataclass(frozen=True)
class Effort:
    """What a side costs.

    Attributes:
        parameters: Numbers its network has learnt.
        train_seconds: The time the training took, of all folds.
        seconds_per_photo: The median from a photo's file to its answer.
        device: Where it answered.
    """

    parameters: int
    train_seconds: float
    seconds_per_photo: float
    device: str


@dataclass(frozen=True, eq=False)
class ComparisonResult:
    """All that a comparison found.

    Attributes:
        dataset: The category.
        card: It in numbers.
        samples: The photos all were judged on.
        folds: The number of folds, or 0 where both were given as they are.
        judged: Truth and boxes.
        boxes: The detector's figures, as `mvtec evaluate boxes` has them.
        points: What the detector does from which score on.
        errors: The detector's errors, by kind.
        comparison: Both, judged on the classes of whole photos.
        thresholds: The score from which on a box counts, for each photo.
        how_chosen: How, in words.
        heat: Of each defect photo that has heat of the classifier, how much of it lies in the mask.
        unlike: The anomaly detector's side, if there is one.
        masks: SAM's masks, and what they are compared with, if they were given.
        efforts: By side.
        records: By side the records of the runs that answered; of several folds that of the first detector.
        report_note: What the report that started this project says of the classifier's recipe.
        receipt: That of the labels.
        notes: What a reader must know before the figures.
        seed: Seed of the resampling.
    """

    dataset: Dataset
    card: DataCard
    samples: tuple[Sample, ...]
    folds: int
    judged: EvaluationInput
    boxes: dict[str, Metric]
    points: list[OperatingPoint]
    errors: dict[str, ErrorKind]
    comparison: Comparison
    thresholds: dict[str, float]
    how_chosen: str
    heat: dict[str, MapShare]
    unlike: AnomalySide | None
    masks: tuple[PairedMasks, PairedMasks | None] | None
    efforts: dict[str, Effort]
    records: dict[str, RunRecord]
    report_note: str | None
    receipt: Receipt
    notes: tuple[str, ...]
    seed: int

    @property
    def threshold_text(self) -> str:
        """`0.250`, or `0.004 to 0.086`."""
        low, high = min(self.thresholds.values()), max(self.thresholds.values())
        return f"{low:.3f}" if low == high else f"{low:.3f} to {high:.3f}"

    @property
    def noticed(self) -> dict[str, MapShare]:
        """The heat of the defect photos that the classifier did not call good."""
        said = self.comparison.answers[CLASSIFIER].classes
        return {path: share for path, share in self.heat.items() if said[path] != GOOD}

    @property
    def calls(self) -> dict[str, dict[str, str]]:
        """By side what it called each photo; what the anomaly detector does not call good it calls `defect`."""
        said = {side: answers.classes for side, answers in self.comparison.answers.items()}
        return said if self.unlike is None else said | {ANOMALY: self.unlike.figures.answers}

    @cached_property
    def metrics(self) -> dict[str, Metric]:
        """All figures: those of a side begin with its name."""
        found = {f"{DETECTOR}/{name}": metric for name, metric in self.boxes.items()}
        for side, figures in self.comparison.figures.items():
            found |= {f"{side}/{name}": metric for name, metric in figures.metrics.items()}
        heat = mean_map_shares(list(self.noticed.values()), seed=self.seed)
        found |= {f"{CLASSIFIER}/{name}": metric for name, metric in heat.items()}
        if self.unlike is not None:
            found |= {f"{ANOMALY}/{name}": metric for name, metric in self.unlike.metrics.items()}
        if self.masks is not None:
            found |= {f"masks/{name}": metric for name, metric in evaluate_masks(*self.masks, seed=self.seed).items()}
        return found | {"accuracy_difference": self.comparison.difference}


def comparison_json(result: ComparisonResult) -> dict[str, Any]:
    """Every figure and answer, as `comparison.json` holds them; what differs from run to run is in `run.json`."""
    comparison = result.comparison
    return {
        "photos": {
            path: {
                "truth": label,
                "threshold": result.thresholds[path],
                **{side: said[path] for side, said in result.calls.items()},
            }
            for path, label in comparison.truth.items()
        },
        "metrics": {name: metric.to_json() for name, metric in result.metrics.items()},
        "mcnemar": {
            "only_detector": len(comparison.only_first),
            "only_classifier": len(comparison.only_second),
            "p_value": comparison.p_value,
        },
        "operating_points": [point.to_json() for point in result.points],
        "detector_errors": {
            kind: {"count": error.count, "cost": round(error.cost, 5)} for kind, error in result.errors.items()
        },
        "confusion": {side: figures.confusion.tolist() for side, figures in comparison.figures.items()},
        "classes": list(comparison.classes),
        "threshold": result.how_chosen,
        **({} if result.unlike is None else {"anomaly_threshold": result.unlike.figures.threshold}),
    }


def comparison_record(
    result: ComparisonResult, split: Split, command: list[str], *, began: float, seed: int, runs: dict[str, Path]
) -> RunRecord:
    """The record that ends a comparison.

    Args:
        result: What it found.
        split: The split it was judged by.
        command: The words of the command line.
        began: When, as `time.perf_counter` has it.
        seed: Seed of the resampling.
        runs: The runs it was given, by side.
    """
    sides = {
        side: {
            "run": str(runs[side].resolve()),
            "record_sha256": sha256_file(runs[side] / "run.json"),
            "parameters": effort.parameters,
            "seconds_per_photo": round(effort.seconds_per_photo, 4),
            "train_seconds": round(effort.train_seconds, 1),
            "device": effort.device,
        }
        for side, effort in result.efforts.items()
    }
    return RunRecord(
        kind="comparison",
        command=command,
        settings={**sides, "folds": result.folds, "seed": seed, "threshold": result.threshold_text},
        data=str(result.dataset.root.resolve()),
        split=split.hash,
        weights=None,
        train_images={},
        seconds=round(time.perf_counter() - began, 1),
        seconds_per_epoch=None,
        figures={name: metric.value for name, metric in result.metrics.items() if metric.value is not None},
    )
