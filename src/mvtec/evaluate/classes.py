"""How well photos are classified: accuracy, macro-F1, recall of each class, and which is taken for which."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.stats import binomtest
from sklearn.metrics import confusion_matrix, f1_score

from mvtec.convert.class_results import ClassResults
from mvtec.evaluate.bootstrap import interval
from mvtec.evaluate.metric import Metric


@dataclass(frozen=True, eq=False)
class ClassFigures:
    """The figures of some answers.

    Attributes:
        metrics: `accuracy` and `recall/CLASS` with Wilson's interval (Wilson 1927), `macro_F1` with a bootstrap
            interval over photos; all 95 %.
        confusion: int, rows are the true classes, columns the answers.
    """

    metrics: dict[str, Metric]
    confusion: npt.NDArray[np.int64]


def evaluate_classes(results: ClassResults, *, resamples: int = 1000, seed: int = 0) -> ClassFigures:
    """Score the answers for all photos of a file.

    Macro-F1 is the mean over the classes that a photo has or that is answered, as scikit-learn takes it.
    """
    paths = sorted(results.truth)
    true = np.array([results.truth[path] for path in paths])
    said = np.array([results.answer(path) for path in paths])
    metrics = {"accuracy": share(int((true == said).sum()), len(true))}
    value = float(f1_score(true, said, average="macro", zero_division=0.0))
    random = np.random.default_rng(seed)
    drawn = [random.integers(0, len(true), len(true)) for _ in range(resamples)] if len(true) > 1 else []
    scores = [float(f1_score(true[at], said[at], average="macro", zero_division=0.0)) for at in drawn]
    ends = interval(np.array(scores)) if scores else None
    metrics["macro_F1"] = Metric(value, len(true), len(true), *(ends or (None, None)))
    for name in results.classes:
        own = true == name
        metrics[f"recall/{name}"] = share(int((said[own] == name).sum()), int(own.sum()))
    return ClassFigures(metrics, np.asarray(confusion_matrix(true, said, labels=results.classes)))


def share(count: int, n: int) -> Metric:
    """A share with Wilson's 95 % interval.

    >>> share(9, 10).text()
    '0.900 (0.60 to 0.98)'
    """
    if not n:
        return Metric(None, 0, 0, reason="no photo")
    ends = binomtest(count, n).proportion_ci(method="wilson")
    return Metric(count / n, n, n, low=float(ends.low), high=float(ends.high))
