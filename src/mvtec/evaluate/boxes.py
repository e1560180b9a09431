"""`mvtec evaluate boxes`: COCO's twelve figures, for each class too, each with a 95 % interval."""

from __future__ import annotations

from collections import Counter

import numpy as np
import numpy.typing as npt

from mvtec.evaluate.predictions import EvaluationInput
from mvtec.evaluate.statistics.bootstrap import draw_weights
from mvtec.evaluate.statistics.coco_metrics import Tables, figures_with, metric
from mvtec.evaluate.statistics.good_or_defect import catching_score, false_alarms
from mvtec.evaluate.statistics.matching import CocoFigures, Floats, match
from mvtec.evaluate.statistics.metric import Metric
from mvtec.words import counted

OF_PHOTOS = "FPR95"  # the one figure that is about photos, not about instances


def evaluate_boxes(
    judged: EvaluationInput, *, figures: CocoFigures | None = None, resamples: int = 1000, seed: int = 0
) -> dict[str, Metric]:
    """Score predictions.

    The values over all classes are pycocotools' own. Their intervals are percentile bootstrap intervals over images:
    the images are drawn anew with replacement, detections and truth with them. That of `FPR95` is its own, see
    `good_or_defect.false_alarms`.

    Args:
        judged: Truth and predictions.
        figures: What `match` says of them, where that is known.
        resamples: How often to draw; 0 for no intervals.
        seed: Seed of the draw.

    Returns:
        The twelve figures by name, then those of `per_class` of each class, as `AP/defect`, and `FPR95`: the share of
        good photos with an alarm where 95 % of the defective ones have one.
    """
    figures = figures or match(judged.truth_json, judged.results, judged.max_detections)
    weights = draw_weights(figures.images, resamples, seed) if resamples and figures.images > 1 else None
    resampled = None if weights is None else Tables(figures, weights)
    as_it_is = Tables(figures, np.ones((1, figures.images)))
    metrics = {}
    twelve, of_class = figures_with(figures.max_detections), per_class(figures.max_detections)
    for figure, stat in zip(twelve, figures.stats, strict=True):
        value = None if stat < 0 else float(stat)
        metrics[figure.name] = metric(figures, figure, range(len(figures.names)), value, resampled)
    for number, name in enumerate(figures.names):
        for figure in twelve:
            if figure.name in of_class:
                counted = float(as_it_is.mean(figure, [number])[0])
                value = None if np.isnan(counted) else counted
                metrics[f"{figure.name}/{name}"] = metric(figures, figure, [number], value, resampled)
    return metrics | {OF_PHOTOS: false_alarms(*photo_scores(judged), resamples, seed)}


def per_class(max_detections: int) -> tuple[str, ...]:
    """The figures that each class has, where so many detections of a class in a photo count."""
    return "AP", "AP50", "AP75", f"AR{max_detections}"


def truth_scores(judged: EvaluationInput) -> tuple[npt.NDArray[np.bool_], Floats, npt.NDArray[np.bool_]]:
    """Of each photo of the truth, in its order, what it says of false alarms.

    Returns:
        bool N, whether it has a defect; float64 N, the score of its best box, 0 without; bool N, whether it counts: a
        photo with a crowd alone is neither good nor does it have a defect to be found.
    """
    with_instance = {annotation.image_id for annotation in judged.truth.annotations if not annotation.iscrowd}
    crowds_alone = {annotation.image_id for annotation in judged.truth.annotations} - with_instance
    best = {image.id: 0.0 for image in judged.truth.images}
    for result in judged.results:
        best[result["image_id"]] = max(best[result["image_id"]], result["score"])
    return (
        np.array([number in with_instance for number in best]),
        np.array(list(best.values()), np.float64),
        np.array([number not in crowds_alone for number in best]),
    )


def photo_scores(judged: EvaluationInput) -> tuple[npt.NDArray[np.bool_], Floats]:
    """Of each photo that counts, whether it has a defect, and the score of its best box; the further normals last."""
    defective, scores, counts = truth_scores(judged)
    further = np.array(judged.normals.scores if judged.normals else (), np.float64)
    return (
        np.concatenate([defective[counts], np.zeros(len(further), bool)]),
        np.concatenate([scores[counts], further]),
    )


def about_photos(judged: EvaluationInput) -> list[str]:
    """Which photos the false alarms are counted on, and which have no box."""
    defective, scores, counts = truth_scores(judged)
    good = int((counts & ~defective).sum())
    lines = [f"{int((scores <= 0).sum())} of {counted(len(scores), 'photo')} have no box"]
    if crowds := [image.file_name for image, one in zip(judged.truth.images, counts, strict=True) if not one]:
        lines.append(
            f"{counted(len(crowds), 'photo')} with a crowd alone, such as {crowds[0]}: neither good nor defective, "
            "left out of FPR95 and of the table of scores"
        )
    if judged.normals is not None:
        lines.append(
            f"false alarms are counted on {counted(good, 'good photo')} of the truth and on "
            f"{len(judged.normals.scores)} of {judged.normals.source}"
        )
    return lines


def out_of_reach(judged: EvaluationInput) -> str | None:
    """Why no score catches 95 % of the photos with a defect, where none does: too many of them have no box."""
    defective, scores = photo_scores(judged)
    if not defective.any() or catching_score(defective, scores) > 0:
        return None
    without = int((scores[defective] <= 0).sum())
    return f"{without} of {counted(int(defective.sum()), 'photo')} with a defect have no box"


def count_instances(judged: EvaluationInput) -> dict[str, int]:
    """Ground-truth instances per class name; a crowd region is none."""
    names = judged.truth.category_names()
    counts = Counter(names[annotation.category_id] for annotation in judged.truth.annotations if not annotation.iscrowd)
    return {name: counts[name] for _, name in sorted(names.items())}


def label_sources(judged: EvaluationInput) -> dict[str, int]:
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
