"""`mvtec evaluate boxes`: COCO's twelve figures, for each class too, each with a 95 % interval."""

from __future__ import annotations

from collections import Counter

import numpy as np
import numpy.typing as npt

from mvtec.evaluate.bootstrap import draw_photos, draw_weights
from mvtec.evaluate.coco_figures import FIGURES, Tables, metric
from mvtec.evaluate.good_or_defect import catching_score, false_alarms
from mvtec.evaluate.matching import CocoFigures, Floats, match
from mvtec.evaluate.metric import Metric
from mvtec.evaluate.predictions import Judged
from mvtec.words import counted

PER_CLASS = ("AP", "AP50", "AP75", "AR100")


def evaluate_boxes(
    judged: Judged, *, figures: CocoFigures | None = None, resamples: int = 1000, seed: int = 0
) -> dict[str, Metric]:
    """Score predictions.

    The values over all classes are pycocotools' own. The intervals are percentile bootstrap intervals over images
    (Efron, 1979): the images are drawn anew with replacement, detections and truth with them.

    Args:
        judged: Truth and predictions.
        figures: What `match` says of them, where that is known.
        resamples: How often to draw; 0 for no intervals.
        seed: Seed of the draw.

    Returns:
        The twelve figures by name, then `AP/defect`, `AP50/defect`, `AP75/defect`, `AR100/defect` of each class, and
        `FPR95`: the share of good photos with an alarm where 95 % of the defective ones have one.
    """
    figures = figures or match(judged.truth_json, judged.results)
    weights = draw_weights(figures.images, resamples, seed) if resamples and figures.images > 1 else None
    resampled = None if weights is None else Tables(figures, weights)
    as_it_is = Tables(figures, np.ones((1, figures.images)))
    metrics = {}
    for figure, stat in zip(FIGURES, figures.stats, strict=True):
        value = None if stat < 0 else float(stat)
        metrics[figure.name] = metric(figures, figure, range(len(figures.names)), value, resampled)
    for number, name in enumerate(figures.names):
        for figure in FIGURES:
            if figure.name in PER_CLASS:
                counted = float(as_it_is.mean(figure, [number])[0])
                value = None if np.isnan(counted) else counted
                metrics[f"{figure.name}/{name}"] = metric(figures, figure, [number], value, resampled)
    return metrics | {"FPR95": _false_alarms(judged, resamples, seed)}


def _false_alarms(judged: Judged, resamples: int, seed: int) -> Metric:
    """See `good_or_defect.false_alarms`; the score of a photo is that of its best box, 0 without any."""
    defective, scores = photo_scores(judged)
    return false_alarms(defective, scores, draw_photos(len(scores), resamples, seed))


def photo_scores(judged: Judged) -> tuple[npt.NDArray[np.bool_], Floats]:
    """Of each photo, in the order of the truth, whether it has a defect, and the score of its best box, 0 without."""
    defective = {annotation.image_id for annotation in judged.truth.annotations}
    best = {image.id: 0.0 for image in judged.truth.images}
    for result in judged.results:
        best[result["image_id"]] = max(best[result["image_id"]], result["score"])
    return np.array([number in defective for number in best]), np.array(list(best.values()), np.float64)


def out_of_reach(judged: Judged) -> str | None:
    """Why no score catches 95 % of the photos with a defect, where none does: too many of them have no box."""
    defective, scores = photo_scores(judged)
    if not defective.any() or catching_score(defective, scores) > 0:
        return None
    without = int((scores[defective] <= 0).sum())
    return f"{without} of {counted(int(defective.sum()), 'photo')} with a defect have no box"


def count_instances(judged: Judged) -> dict[str, int]:
    """Ground-truth instances per class name; a crowd region is none."""
    names = judged.truth.category_names()
    counts = Counter(names[annotation.category_id] for annotation in judged.truth.annotations if not annotation.iscrowd)
    return {name: counts[name] for _, name in sorted(names.items())}


def label_sources(judged: Judged) -> dict[str, int]:
    """Whose labels the truth is, where the file says so as `mvtec annotate` does: how many of each kind.

    What a model said and a person accepted is told apart from what a person drew, and from what nobody has looked at.
    """
    counts: Counter[str] = Counter()
    for annotation in judged.truth.annotations:
        said = annotation.attributes if isinstance(annotation.attributes, dict) else {}
        source = said.get("source")
        if source is None:
            counts["of unknown origin"] += 1
        elif source == "person":
            counts["drawn by a person"] += 1
        elif said.get("reviewed"):
            counts[f"of {source}, {'corrected' if said.get('edited') else 'accepted'} by a person"] += 1
        else:
            counts[f"of {source}, looked at by nobody"] += 1
    return {} if set(counts) == {"of unknown origin"} else dict(sorted(counts.items()))
