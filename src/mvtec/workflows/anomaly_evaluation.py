"""`mvtec evaluate anomaly`: asks an anomaly detector about photos it has not seen, and judges what it says."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from mvtec.anomaly.predict import AnomalyRun, PredictedMaps, load_run, predict_maps
from mvtec.datasets.samples import Dataset, Sample
from mvtec.datasets.split import Split, select
from mvtec.errors import InputError
from mvtec.evaluate.anomaly import AnomalyFigures, evaluate_anomaly
from mvtec.synthesize.make import synthetic_photos

Stage = Callable[[str, int], AbstractContextManager[Callable[[], None]]]


@dataclass(frozen=True, eq=False)
class AnomalyEvaluation:
    """What came of it.

    Attributes:
        dataset: The category.
        samples: The photos judged.
        split: Hash of the split they are the test part of, if any.
        run: The run.
        predicted: What it said.
        figures: How good that is.
        synthetic: How many drawn photos were left out.
    """

    dataset: Dataset
    samples: tuple[Sample, ...]
    split: str | None
    run: AnomalyRun
    predicted: PredictedMaps
    figures: AnomalyFigures
    synthetic: int = 0


def evaluate_anomaly_run(
    dataset: Dataset, split: Split | None, run: Path, *, seed: int = 0, stage: Stage
) -> AnomalyEvaluation:
    """Judge a run on the test part of a split, or on all photos under `test/`; `train/good/` is never judged.

    Nor are photos that `mvtec datasets synthesize` has drawn.

    Args:
        dataset: The category.
        split: Its split, if only its test part is to be judged.
        run: A run of `mvtec train-anomaly`.
        seed: Seed of the resampling.
        stage: Called with the name and the number of steps of a stage; its `with` block gets what moves the bar.

    Raises:
        InputError: The run, the split, a photo or a mask is not as it should be.
        LeakError: The run was trained on one of the photos.
    """
    asked = load_run(run)
    test = dataset.labelled if split is None else select(dataset, split, "test")
    drawn = synthetic_photos(dataset.root)
    labelled = [sample for sample in test if sample.official_split == "test"]
    samples = tuple(sample for sample in labelled if sample.path not in drawn)
    if not samples:
        raise InputError("--split", "has no test part to judge on", "Make one with a test part, or leave it out")
    asked.refuse_seen(samples)
    with stage("asking", len(samples)) as step:
        predicted = predict_maps(asked.model, samples, on_photo=step)
    with stage("judging", len(samples)) as step:
        figures = evaluate_anomaly(samples, predicted.maps, asked.model.threshold, seed=seed, on_photo=step)
    left_out = len(labelled) - len(samples)
    return AnomalyEvaluation(
        dataset, samples, None if split is None else split.hash, asked, predicted, figures, left_out
    )
