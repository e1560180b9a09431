"""`mvtec evaluate imbalance`, of detectors: what good photos to learn from are worth, and made defects beside them.

OUT holds:

    plan.json            what the measurement sets out to do
    instances.json       the truth of the photos
    1x/ 5x/ 1x-paste/ …  an arm each, see `arms.py`
    imbalance.json       every figure
    run.json             the record: a folder without it is an unfinished measurement
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mvtec.compare import Stage
from mvtec.compare.arms import Arm, budget, judge_arm, write_truth
from mvtec.compare.long_tail import photos_per_defect, photos_to_learn_from, without_look_alikes
from mvtec.datasets.samples import GOOD, Dataset, Sample
from mvtec.datasets.split import Split, make_split
from mvtec.detect.plan import start_and_recipe
from mvtec.evaluate.boxes import evaluate_boxes
from mvtec.evaluate.gains import gains
from mvtec.evaluate.metric import Metric
from mvtec.evaluate.predictions import Judged
from mvtec.files import sha256_file, write_json
from mvtec.run import RunRecord, keep_plan
from mvtec.synthesize.make import Method

FIGURES = ("AP50", "AP", "AR100", "FPR95")


@dataclass(frozen=True)
class Row:
    """One arm.

    Attributes:
        ratio: How many times as frequent as each defect type the good photos are; None for all there are.
        method: How further defects were made; None for none.
        good: Good photos learnt from, of the fold with the fewest.
        metrics: `FIGURES`, `AP50/TYPE` and `AR100/TYPE`, and each of `FIGURES` with `_gain`: what it is above the first
            row's.
    """

    ratio: int | None
    method: str | None
    good: int
    metrics: dict[str, Metric]

    @property
    def name(self) -> str:
        return _name(self.ratio, self.method)

    def to_json(self) -> dict[str, Any]:
        figures = {name: metric.to_json() for name, metric in self.metrics.items()}
        return {
            "ratio": "all" if self.ratio is None else self.ratio,
            "method": self.method,
            "good": self.good,
            **figures,
        }


@dataclass(frozen=True)
class Backgrounds:
    """What was found.

    Attributes:
        per_defect: Photos of each defect type learnt from in each fold.
        folds: Folds of the cross-validation.
        photos: Photos judged.
        split: Hash of the split with the folds.
        like: The record of the run whose settings were taken.
        rows: By ratio, without synthesis first.
    """

    per_defect: int
    folds: int
    photos: int
    split: str
    like: RunRecord
    rows: tuple[Row, ...]

    @property
    def metrics(self) -> dict[str, Metric]:
        """Every figure by `ARM/FIGURE`."""
        return {f"{row.name}/{name}": metric for row in self.rows for name, metric in row.metrics.items()}

    def record(self, dataset: Dataset, command: list[str], *, seconds: float) -> RunRecord:
        """The record that ends the measurement."""
        return RunRecord(
            command=command,
            settings=self.like.settings | {"folds": self.folds, "arms": [row.name for row in self.rows]},
            data=str(dataset.root.resolve()),
            split=self.split,
            weights=self.like.weights,
            train_images={},
            seconds=round(seconds, 1),
            seconds_per_epoch=None,
            figures={name: metric.value for name, metric in self.metrics.items() if metric.value is not None},
        )


def measure_backgrounds(
    dataset: Dataset,
    like: RunRecord,
    out: Path,
    *,
    ratios: Sequence[int | None] = (1, 5, None),
    methods: Sequence[Method] = (),
    per_defect: int = 20,
    folds: int = 5,
    seed: int = 0,
    command: list[str],
    stage: Stage,
) -> Backgrounds:
    """Train detectors with the good class at each ratio, without and with each synthesis, and judge them by folds.

    Every detector looks at as many photos in all: with more good ones, at each less often.

    Args:
        dataset: The category. Its good photos set aside for learning are used to learn from.
        like: The record of the run whose model, weights and settings to use.
        out: The folder, made by `run.prepare_run`; what is finished in it is not done again.
        ratios: How many times as many good photos as of each defect type; None for all there are.
        methods: Kinds of synthesis, each at every ratio.
        per_defect: Made photos of each defect type.
        folds: Folds of the cross-validation.
        seed: Seed of the folds, the draw of photos and the synthesis.
        command: The words of the command line, for the records.
        stage: See `compare.Stage`.

    Raises:
        InputError: There are too few photos, or `out` began with other things.
    """
    start, recipe = start_and_recipe(like)
    recipe = replace(recipe, seed=seed)
    dataset = without_look_alikes(dataset)
    split = make_split(dataset, test_fraction=0, folds=folds, seed=seed)
    real = photos_per_defect(dataset, [split], max((ratio for ratio in ratios if ratio), default=1))
    keep_plan(out, {"split": split.hash, "settings": like.settings, "weights": like.weights, "per_defect": real})
    truth = write_truth(dataset, split, out / "instances.json")
    parts = {ratio: _parts(dataset, split, real, ratio, seed) for ratio in ratios}
    looks = budget(recipe, parts[ratios[0]])
    rows: list[Row] = []
    first: Judged | None = None
    for ratio in ratios:
        for method in (None, *methods):
            name = _name(ratio, method)
            arm = Arm(name, start, recipe, parts[ratio], looks, method, per_defect)
            with stage(f"learning {name}", 100 * folds) as step:
                judged = judge_arm(
                    arm,
                    dataset,
                    split,
                    truth,
                    out,
                    command=command,
                    on_epoch=lambda fold, epoch, epochs: step(completed=100 * fold + 100 * epoch // epochs),
                )
            first = judged if first is None else first
            good = min(sum(f"/{GOOD}/" in f"/{path}" for path in part.train) for part in parts[ratio])
            rows.append(Row(ratio, method, good, _metrics(judged, first)))
    found = Backgrounds(real, folds, len(split.train), split.hash, like, tuple(rows))
    content = {"per_defect": real, "rows": [row.to_json() for row in rows]}
    write_json(out / "imbalance.json", content, overwrite=True)
    return found


def _name(ratio: int | None, method: str | None) -> str:
    return ("all" if ratio is None else f"{ratio}x") + (f"-{method}" if method else "")


def _parts(dataset: Dataset, split: Split, per_defect: int, ratio: int | None, seed: int) -> tuple[Split, ...]:
    """Of each fold the split to learn by."""
    parts = []
    for number, fold in enumerate(split.folds):
        chosen = photos_to_learn_from(dataset, split, fold, per_defect, ratio, seed)
        parts.append(_learning_from(chosen, split.held_out(number)))
    return tuple(parts)


def _learning_from(chosen: Sequence[Sample], part: Split) -> Split:
    """A split whose train part is what was chosen."""
    images = {path: part.images[path] for path in part.test} | {
        sample.path: sha256_file(sample.photo) for sample in chosen
    }
    return replace(part, train=tuple(sorted(sample.path for sample in chosen)), images=images)


def _metrics(judged: Judged, first: Judged) -> dict[str, Metric]:
    every = evaluate_boxes(judged)
    shown = {name: metric for name, metric in every.items() if name.split("/")[0] in FIGURES}
    gained = gains([judged], [first])
    return shown | {f"{name}_gain": gained[name] for name in FIGURES}
