"""`mvtec evaluate imbalance`, of classifiers: which loss copes with a class that is many times as frequent as others.

The good class is made 1×, 5×, 10× as frequent as each defect type, whose photos stay the same. Each loss then learns
from the same photos and answers for the same others, by cross-validation, for several seeds that draw the folds and
the photos anew. From one ratio to the next the good photos, and with them the steps of an epoch, become more: the
ratios are no fair comparison of one another, the losses at one ratio are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from mvtec.backbones.weights import Backbone
from mvtec.classify.fit import fit
from mvtec.classify.losses import LOSSES, LossName
from mvtec.classify.model import Classifier, new_classifier
from mvtec.classify.recipe import Recipe, Sampling
from mvtec.datasets.samples import GOOD, Dataset, Sample
from mvtec.datasets.split import make_split
from mvtec.errors import InputError
from mvtec.evaluate.classes import class_scores
from mvtec.evaluate.statistics.bootstrap import bootstrapped, draw_weights
from mvtec.evaluate.statistics.matching import Floats
from mvtec.evaluate.statistics.metric import Metric
from mvtec.workflows.imbalance.photos import photos_per_defect, photos_to_learn_from, without_look_alikes
from mvtec.workflows.stage import Stage

if TYPE_CHECKING:
    import torch

WAYS: tuple[tuple[LossName, Sampling], ...] = (*((loss, "plain") for loss in LOSSES), ("cross-entropy", "balanced"))


@dataclass(frozen=True)
class Row:
    """One way to learn at one ratio; every figure is the mean over the seeds, its interval that over photos.

    Attributes:
        ratio: How many times as frequent the good class is.
        loss: The loss.
        sampling: How photos are drawn.
        metrics: `macro_f1`, `recall/CLASS`, and `macro_f1_gain`, by how much it is above that of cross-entropy.
    """

    ratio: int
    loss: str
    sampling: str
    metrics: dict[str, Metric]


@dataclass(frozen=True)
class Imbalance:
    """What was found.

    Attributes:
        per_defect: Train photos of each defect type in each round.
        classes: The classes.
        rows: By ratio, then by way.
    """

    per_defect: int
    classes: tuple[str, ...]
    rows: tuple[Row, ...]


def measure_imbalance(
    dataset: Dataset,
    *,
    start: Backbone,
    recipe: Recipe,
    ratios: Sequence[int] = (1, 5, 10),
    seeds: int = 5,
    folds: int = 5,
    resamples: int = 1000,
    stage: Stage,
) -> Imbalance:
    """Learn in each of `WAYS` at each ratio.

    Args:
        dataset: The category. Its good photos set aside for learning are used to learn from.
        start: The backbone.
        recipe: A recipe that leaves the backbone frozen and learns by `adam`; its loss and sampling are not used.
        ratios: How many times as frequent to make the good class.
        seeds: How often to draw anew.
        folds: Folds of the cross-validation.
        resamples: How often to draw the photos anew for the intervals.
        stage: See `workflows.stage.Stage`.

    Raises:
        InputError: The recipe learns otherwise, or there are too few good photos for the highest ratio.
    """
    if recipe.trains != "head" or recipe.solver != "adam":
        raise InputError("--recipe", "does not learn a last layer by adam", "Give original, augment, long or very-long")
    dataset = without_look_alikes(dataset)
    samples = dataset.samples
    classes = tuple(sorted({sample.defect for sample in dataset.labelled}))
    if GOOD not in classes or len(classes) < 2:
        raise InputError(dataset.root, "has no good photos, or no others", "Give a category with both")
    model = new_classifier(start, recipe, classes, seed=0)
    with stage("looking at photos", len(samples)) as step:
        features = {}
        for sample in samples:
            features[sample.path] = model.features(sample.photo)
            step(1)
    splits = [make_split(dataset, test_fraction=0, folds=folds, seed=seed) for seed in range(seeds)]
    per_defect = photos_per_defect(dataset, splits, max(ratios))
    paths = [sample.path for sample in dataset.labelled]
    truth = np.array([classes.index(sample.defect) for sample in dataset.labelled])
    weights = np.concatenate([np.ones((1, len(paths))), draw_weights(len(paths), resamples, seed=0)])
    rows: list[Row] = []
    with stage("learning", len(ratios) * len(WAYS) * seeds * folds) as step:
        for ratio in ratios:
            base: Floats | None = None
            for loss, sampling in WAYS:
                tables = []
                for seed, split in enumerate(splits):
                    said: dict[str, int] = {}
                    for fold in split.folds:
                        chosen = photos_to_learn_from(dataset, split, fold, per_defect, ratio, seed)
                        learnt = _learn(model, recipe.learning_by(loss, sampling), features, chosen, seed)
                        for path in fold:
                            said[path] = int(learnt.probabilities(features[path]).argmax())
                        step(1)
                    tables.append(_figures(truth, np.array([said[path] for path in paths]), len(classes), weights))
                mean = np.mean(tables, axis=0)  # (1 + resamples) × (1 + classes)
                base = mean[:, 0] if base is None else base
                rows.append(Row(ratio, loss, sampling, _metrics(mean, base, classes, truth)))
    return Imbalance(per_defect, classes, tuple(rows))


def _learn(
    model: Classifier, recipe: Recipe, features: dict[str, torch.Tensor], chosen: Sequence[Sample], seed: int
) -> Classifier:
    labels = [model.classes.index(sample.defect) for sample in chosen]
    learnt, _ = fit(replace(model, recipe=recipe), [features[sample.path] for sample in chosen], labels, seed=seed)
    return learnt


def _figures(
    truth: npt.NDArray[np.intp], said: npt.NDArray[np.intp], classes: int, weights: Floats
) -> npt.NDArray[np.float64]:
    """Macro-F1 and the recall of each class, float64 R×(1+K), one row for each row of weights R×N."""
    macro_f1, recall = class_scores(truth, said, classes, weights)
    return np.concatenate([macro_f1[:, None], recall], axis=1)


def _metrics(
    mean: npt.NDArray[np.float64], base: Floats, classes: Sequence[str], truth: npt.NDArray[np.intp]
) -> dict[str, Metric]:
    def metric(column: Floats, n: int) -> Metric:
        return bootstrapped(float(column[0]), n, n, column[1:])

    found = {"macro_f1": metric(mean[:, 0], len(truth)), "macro_f1_gain": metric(mean[:, 0] - base, len(truth))}
    for number, name in enumerate(classes):
        found[f"recall/{name}"] = metric(mean[:, 1 + number], int((truth == number).sum()))
    return found
