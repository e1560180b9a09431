"""What each side says of a whole photo: its class, and how surely it is not good."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise

from mvtec.convert.class_results import ClassResults
from mvtec.datasets.samples import GOOD
from mvtec.evaluate.predictions import EvaluationInput

DEFAULT_THRESHOLD = 0.25  # what Ultralytics draws from


@dataclass(frozen=True)
class Answers:
    """The answers of one side.

    Attributes:
        classes: The class of each photo, by its path.
        defect_score: How surely each is not good; only the order counts.
    """

    classes: dict[str, str]
    defect_score: dict[str, float]


@dataclass(frozen=True)
class BestBox:
    """The detection of a photo with the highest score: its score and its class."""

    score: float
    defect: str


def best_boxes(judged: EvaluationInput) -> dict[str, BestBox]:
    """The best box of each photo by its name; one without a box has score 0."""
    names = judged.truth.category_names()
    photos = {image.id: image.file_name for image in judged.truth.images}
    best = {photo: BestBox(0.0, GOOD) for photo in photos.values()}
    for result in judged.results:
        photo = photos[result["image_id"]]
        if result["score"] > best[photo].score:
            best[photo] = BestBox(result["score"], names[result["category_id"]])
    return best


def detector_answers(best: Mapping[str, BestBox], thresholds: Mapping[str, float]) -> Answers:
    """The class of the best box where its score reaches the photo's threshold, else good."""
    said = {photo: box.defect if box.score >= thresholds[photo] else GOOD for photo, box in best.items()}
    return Answers(said, {photo: box.score for photo, box in best.items()})


def classifier_answers(results: ClassResults) -> Answers:
    """The most probable class, and one less the probability of good."""
    good = results.classes.index(GOOD) if GOOD in results.classes else None
    scores = {
        path: 1.0 if good is None else 1 - probabilities[good] for path, probabilities in results.probabilities.items()
    }
    return Answers({path: results.answer(path) for path in results.truth}, scores)


def choose_threshold(best: Mapping[str, BestBox], truth: Mapping[str, str], photos: Iterable[str]) -> float:
    """The score from which on a best box counts, with which most photos get their right class.

    Of several the middle one, in the middle of two scores; the photos must be such that the detector has not seen.

    >>> best = {"a": BestBox(0.2, "crack"), "b": BestBox(0.6, "crack")}
    >>> choose_threshold(best, {"a": "good", "b": "crack"}, ["a", "b"])
    0.4
    """
    chosen = list(photos)
    scores = sorted({0.0, *(best[photo].score for photo in chosen), 1.0})
    candidates = [round((low + high) / 2, 5) for low, high in pairwise(scores)]
    right = []
    for candidate in candidates:
        said = detector_answers({photo: best[photo] for photo in chosen}, dict.fromkeys(chosen, candidate)).classes
        right.append(sum(said[photo] == truth[photo] for photo in chosen))
    winners = [candidate for candidate, count in zip(candidates, right, strict=True) if count == max(right)]
    return winners[(len(winners) - 1) // 2]
