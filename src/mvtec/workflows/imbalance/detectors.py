"""`mvtec evaluate imbalance`, of detectors: what good photos to learn from are worth, and made defects beside them.

OUT holds:

    plan.json            what the measurement sets out to do
    instances.json       the truth of the photos
    1x/ 5x/ 1x-paste/ …  a configuration each, see `configurations.py`
    imbalance.json       every figure
    run.json             the record: a folder without it is an unfinished measurement
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from mvtec.datasets.samples import Dataset
from mvtec.datasets.split import Split, make_split
from mvtec.detect.plan import start_and_recipe
from mvtec.detect.recipe import Recipe
from mvtec.detect.weights import Start
from mvtec.evaluate.boxes import evaluate_boxes
from mvtec.evaluate.paired_differences import COMPARED_METRICS, paired_differences
from mvtec.evaluate.predictions import EvaluationInput
from mvtec.evaluate.statistics.metric import Metric
from mvtec.files import sha256_file, write_json
from mvtec.run import RunRecord, keep_plan
from mvtec.synthesize.make import linked_photos
from mvtec.synthesize.methods import Method
from mvtec.workflows.comparison.detector_side import check_unseen
from mvtec.workflows.imbalance.configurations import Configuration, budget, evaluate_configuration, write_truth
from mvtec.workflows.imbalance.photos import photos_per_defect, photos_to_learn_from, without_look_alikes
from mvtec.workflows.stage import Stage

WORK = "imbalance"


@dataclass(frozen=True)
class Row:
    """One arm.

    Attributes:
        ratio: How many times as frequent as each defect type the good photos are; None for all there are.
        method: How further defects were made; None for none.
        good: Good photos learnt from, of the fold with the fewest.
        epochs: Passes over the train photos, of each fold.
        looks: Photos looked at in all, the mean over the folds.
        metrics: The figures of `COMPARED_METRICS`, those of a type as `AP50/TYPE`; and each of `COMPARED_METRICS` with
            `_gain`: its difference from the first row; and of a row with synthesis with `_synthesis_gain`: its
            difference from the same row without.
    """

    ratio: int | None
    method: str | None
    good: int
    epochs: tuple[int, ...]
    looks: float
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
            "epochs": self.epochs,
            "looks": self.looks,
            **figures,
        }


@dataclass(frozen=True)
class Backgrounds:
    """What was found.

    Attributes:
        photos_per_defect: Photos of each defect type learnt from in each fold.
        made_per_defect: And with synthesis, made ones.
        left_out: Good photos set aside for learning that look like one to be judged.
        folds: Folds of the cross-validation.
        photos: Photos judged.
        split: Hash of the split with the folds.
        start: What the detectors began with.
        recipe: How they learnt; of its epochs as many as the budget allows.
        rows: By ratio, without synthesis first.
    """

    photos_per_defect: int
    made_per_defect: int
    left_out: int
    folds: int
    photos: int
    split: str
    start: Start
    recipe: Recipe
    rows: tuple[Row, ...]

    @property
    def notes(self) -> list[str]:
        """What a reader of the figures must know."""
        found = [
            "the intervals are over photos, of one training a fold; what another training would give is not in them"
        ]
        looks = [row.looks for row in self.rows]
        if max(looks) > 1.05 * min(looks):
            found.append(
                f"the budgets differ, {min(looks):.0f} to {max(looks):.0f} photos looked at: give a run of more epochs"
            )
        if self.left_out:
            found.append(f"{self.left_out} good photos to learn from look like one to be judged and are left out")
        return found

    def to_json(self) -> dict[str, Any]:
        """What was measured, and how."""
        named = ("photos_per_defect", "made_per_defect", "left_out", "folds", "photos", "split")
        rest = {"weights": self.start.record(), "recipe": asdict(self.recipe), "notes": self.notes}
        return {name: getattr(self, name) for name in named} | rest | {"rows": [row.to_json() for row in self.rows]}

    @property
    def metrics(self) -> dict[str, Metric]:
        """Every figure by `ARM/FIGURE`."""
        return {f"{row.name}/{name}": metric for row in self.rows for name, metric in row.metrics.items()}

    def record(self, dataset: Dataset, command: list[str], *, seconds: float) -> RunRecord:
        """The record that ends the measurement."""
        return RunRecord(
            kind="imbalance",
            command=command,
            settings={name: value for name, value in self.to_json().items() if name != "rows"},
            data=str(dataset.root.resolve()),
            split=self.split,
            weights=self.start.record(),
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
        out: The folder, made by `run.prepare_run`; what is trained in it is not trained again.
        ratios: How many times as many good photos as of each defect type; None for all there are.
        methods: Kinds of synthesis, each at every ratio.
        per_defect: Made photos of each defect type.
        folds: Folds of the cross-validation.
        seed: Seed of the folds, the draw of photos and the synthesis.
        command: The words of the command line, for the records.
        stage: See `workflows.stage.Stage`.

    Raises:
        InputError: There are too few photos, they are not laid out as a synthesis needs them, or `out` began with other
            things.
        LeakError: The weights to begin with have seen one of the photos.
    """
    start, recipe = start_and_recipe(like)
    recipe = replace(recipe, seed=seed)
    whole, dataset = dataset, without_look_alikes(dataset)
    split = make_split(dataset, test_fraction=0, folds=folds, seed=seed)
    real = photos_per_defect(dataset, [split], max((ratio for ratio in ratios if ratio), default=1))
    check_unseen(like, split)
    if methods:
        linked_photos(dataset, {sample.path for sample in dataset.samples}, methods)
    digests = {sample.path: sha256_file(sample.photo) for sample in dataset.samples}
    parts = {ratio: _parts(dataset, split, digests, real, ratio, seed) for ratio in ratios}
    looks = budget(recipe, parts[ratios[0]])
    truth = write_truth(dataset, split, out / "instances.json")
    plan = {
        "split": split.hash,
        "recipe": asdict(recipe),
        "weights": (start.record() or {}).get("sha256"),
        "per_defect": real,
        "looks": looks,
    }
    keep_plan(out, WORK, {**plan, "truth": sha256_file(truth)})
    is_good = {sample.path: sample.is_good for sample in dataset.samples}
    rows: list[Row] = []
    first: EvaluationInput | None = None
    for ratio in ratios:
        plain: EvaluationInput | None = None
        for method in (None, *methods):
            name = _name(ratio, method)
            arm = Configuration(name, start, recipe, parts[ratio], looks, method, per_defect)
            with stage(f"learning {name}", 100 * folds) as step:
                answered = evaluate_configuration(
                    arm,
                    dataset,
                    split,
                    truth,
                    out,
                    command=command,
                    on_epoch=lambda fold, epoch, epochs: step(completed=100 * fold + 100 * epoch // epochs),
                )
            judged = answered.judged
            first = judged if first is None else first
            metrics = _metrics(judged, first, plain)
            plain = judged if plain is None else plain
            good = min(sum(is_good[path] for path in part.train) for part in parts[ratio])
            epochs = tuple(number for number, _ in answered.took)
            rows.append(Row(ratio, method, good, epochs, answered.looks, metrics))
    left_out = len(whole.samples) - len(dataset.samples)
    found = Backgrounds(real, per_defect, left_out, folds, len(split.train), split.hash, start, recipe, tuple(rows))
    write_json(out / "imbalance.json", found.to_json(), overwrite=True)
    return found


def _name(ratio: int | None, method: str | None) -> str:
    return ("all" if ratio is None else f"{ratio}x") + (f"-{method}" if method else "")


def _parts(
    dataset: Dataset, split: Split, digests: dict[str, str], per_defect: int, ratio: int | None, seed: int
) -> tuple[Split, ...]:
    """Of each fold the split to learn by: what was chosen as train, the fold as test."""
    parts = []
    for number, fold in enumerate(split.folds):
        chosen = photos_to_learn_from(dataset, split, fold, per_defect, ratio, seed)
        train = tuple(sorted(sample.path for sample in chosen))
        images = {path: digests[path] for path in (*fold, *train)}
        parts.append(replace(split.held_out(number), train=train, images=images))
    return tuple(parts)


def _metrics(judged: EvaluationInput, first: EvaluationInput, plain: EvaluationInput | None) -> dict[str, Metric]:
    """The figures of a row; `plain` are the answers at its ratio without synthesis, where it has one."""
    every = evaluate_boxes(judged)
    found = {name: metric for name, metric in every.items() if name.split("/")[0] in COMPARED_METRICS}
    found |= {f"{name}_gain": metric for name, metric in paired_differences([judged], [first]).items()}
    if plain is not None:
        found |= {f"{name}_synthesis_gain": metric for name, metric in paired_differences([judged], [plain]).items()}
    return found
