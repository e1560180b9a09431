"""How well photos are classified: accuracy, macro-F1, recall of each class, and which is taken for which."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from sklearn.metrics import confusion_matrix

from mvtec.convert.class_results import ClassResults
from mvtec.evaluate.statistics.bootstrap import bootstrapped, draw_photos, weights_of
from mvtec.evaluate.statistics.matching import Floats
from mvtec.evaluate.statistics.metric import Metric
from mvtec.evaluate.statistics.shares import share


@dataclass(frozen=True, eq=False)
class ClassFigures:
    """The figures of some answers.

    Attributes:
        metrics: `accuracy` and `recall/CLASS` with Wilson's interval (Wilson 1927), `macro_f1` with a bootstrap
            interval over photos; all 95 %.
        confusion: int, rows are the true classes, columns the answers.
    """

    metrics: dict[str, Metric]
    confusion: npt.NDArray[np.int64]


def evaluate_classes(results: ClassResults, *, resamples: int = 1000, seed: int = 0) -> ClassFigures:
    """Score the answers for all photos of a file, see `score_answers`."""
    said = {path: results.answer(path) for path in results.truth}
    return score_answers(results.truth, said, results.classes, resamples=resamples, seed=seed)


def score_answers(
    truth: Mapping[str, str],
    answers: Mapping[str, str],
    classes: Sequence[str],
    *,
    resamples: int = 1000,
    seed: int = 0,
) -> ClassFigures:
    """Score answers.

    Macro-F1 is the mean over the classes that a photo has or that is answered, as scikit-learn takes it.

    Args:
        truth: The class of each photo, by its path.
        answers: What was said of each.
        classes: All classes, in the order of the confusion matrix.
        resamples: How often to draw the photos anew for macro-F1; 0 for no interval.
        seed: Seed of the draw.
    """
    paths = sorted(truth)
    true, said = np.array([truth[path] for path in paths]), np.array([answers[path] for path in paths])
    metrics = {"accuracy": share(int((true == said).sum()), len(true))}
    names, numbers = np.unique(np.concatenate([true, said]), return_inverse=True)
    drawn = weights_of(draw_photos(len(true), resamples, seed), len(true))
    as_it_is = np.ones((1, len(true)))
    of_truth, of_answers = numbers.reshape(2, -1)
    macro_f1, _ = class_scores(of_truth, of_answers, len(names), np.concatenate([as_it_is, drawn]))
    metrics["macro_f1"] = bootstrapped(float(macro_f1[0]), len(true), len(true), macro_f1[1:])
    for name in classes:
        own = true == name
        metrics[f"recall/{name}"] = share(int((said[own] == name).sum()), int(own.sum()))
    return ClassFigures(metrics, np.asarray(confusion_matrix(true, said, labels=list(classes))))


def class_scores(
    truth: npt.NDArray[np.intp], said: npt.NDArray[np.intp], classes: int, weights: Floats
) -> tuple[Floats, Floats]:
    """Macro-F1 and recalls of many resamples at once.

    Args:
        truth: int N, the number of each photo's class.
        said: int N, the number of the class that was answered.
        classes: How many classes there are.
        weights: float64 R×N, how often each photo is in a resample.

    Returns:
        float64 R, the mean F1 of the classes that a photo of the resample has or is said to have; float64 R×K, the
        recall of each class, NaN where no photo has it.
    """
    hit, real, claimed = (
        np.stack([weights @ mask for mask in masks], axis=1)
        for masks in (
            [(truth == label) & (said == label) for label in range(classes)],
            [truth == label for label in range(classes)],
            [said == label for label in range(classes)],
        )
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        f1 = np.where(real + claimed > 0, 2 * hit / (real + claimed), np.nan)
        recall = np.where(real > 0, hit / real, np.nan)
    return np.nanmean(f1, axis=1), recall
