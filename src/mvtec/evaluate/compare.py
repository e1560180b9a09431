"""Two sides judged on the same photos: each one's figures, and whether their difference is more than chance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import binomtest

from mvtec.datasets.samples import GOOD
from mvtec.evaluate.answers import Answers
from mvtec.evaluate.classes import ClassFigures, score_answers
from mvtec.evaluate.statistics.bootstrap import draw_photos
from mvtec.evaluate.statistics.good_or_defect import auroc, false_alarms, yes_or_no
from mvtec.evaluate.statistics.metric import Metric
from mvtec.evaluate.statistics.shares import share_difference


@dataclass(frozen=True, eq=False)
class Comparison:
    """What came of it.

    Attributes:
        truth: The class of each photo, by its path.
        classes: All classes, alphabetical.
        answers: Of each side, by its name; the first one is compared with the second.
        figures: Of each side: `accuracy`, `macro_f1`, `recall/CLASS`, and for good against any defect `image_auroc`,
            `FPR95` and what `yes_or_no` says.
        difference: Accuracy of the first side less that of the second, see `share_difference`.
        only_first: Photos that only the first side gets right.
        only_second: Photos that only the second does.
        p_value: McNemar's exact test, two-sided: how often a difference as large would come of sides that are as good.
    """

    truth: dict[str, str]
    classes: tuple[str, ...]
    answers: dict[str, Answers]
    figures: dict[str, ClassFigures]
    difference: Metric
    only_first: tuple[str, ...]
    only_second: tuple[str, ...]
    p_value: float

    @property
    def p_text(self) -> str:
        """`p = 0.012`, or `p < 0.001`."""
        return "p < 0.001" if self.p_value < 0.001 else f"p = {self.p_value:.3f}"


def compare(
    truth: Mapping[str, str],
    classes: Sequence[str],
    first: tuple[str, Answers],
    second: tuple[str, Answers],
    *,
    resamples: int = 1000,
    seed: int = 0,
) -> Comparison:
    """Judge both sides on all photos of `truth`.

    McNemar, *Note on the sampling error of the difference between correlated proportions*, Psychometrika 12, 1947, in
    its exact form: of the photos that one side alone gets right, each side's are a coin's throws.

    Args:
        truth: The class of each photo, by its path.
        classes: All classes.
        first: Name and answers of a side.
        second: Those of the other.
        resamples: How often to draw the photos anew.
        seed: Seed of the draw.
    """
    paths = sorted(truth)
    sides = dict((first, second))
    drawn = draw_photos(len(paths), resamples, seed)
    figures = {}
    for name, side in sides.items():
        scored = score_answers(truth, side.classes, classes, resamples=resamples, seed=seed)
        defective = np.array([truth[path] != GOOD for path in paths])
        scores = np.array([side.defect_score[path] for path in paths], np.float64)
        scored.metrics["image_auroc"] = auroc(defective, scores, drawn)
        scored.metrics["FPR95"] = false_alarms(defective, scores, resamples, seed)
        scored.metrics.update(yes_or_no(truth, side.classes))
        figures[name] = scored
    right = {name: np.array([side.classes[path] == truth[path] for path in paths]) for name, side in sides.items()}
    one, other = right[first[0]], right[second[0]]
    alone, other_alone = int((one & ~other).sum()), int((other & ~one).sum())
    return Comparison(
        truth=dict(sorted(truth.items())),
        classes=tuple(classes),
        answers=sides,
        figures=figures,
        difference=share_difference(int((one & other).sum()), alone, other_alone, int((~one & ~other).sum())),
        only_first=tuple(path for path, better in zip(paths, one & ~other, strict=True) if better),
        only_second=tuple(path for path, better in zip(paths, other & ~one, strict=True) if better),
        p_value=float(binomtest(alone, alone + other_alone).pvalue) if alone + other_alone else 1.0,
    )
