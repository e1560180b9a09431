"""Figures of predictions, each with its n and its 95 % interval."""

from __future__ import annotations

from pathlib import Path

from mvtec.errors import warn_of
from mvtec.evaluate import boxes, masks
from mvtec.evaluate.mask_pairs import pair_masks
from mvtec.evaluate.predictions import load
from mvtec.evaluate.statistics.metric import Metric


def evaluate_boxes(
    truth: str | Path, predictions: str | Path, *, max_detections: int = 100, resamples: int = 1000, seed: int = 0
) -> dict[str, Metric]:
    """Score boxes: pycocotools' twelve figures, for each class too, with bootstrap intervals over images.

    Args:
        truth: COCO annotations.
        predictions: COCO results or annotations of the same images, such as `predictions.json` of `predict_photos`.
        max_detections: Count so many detections of a class in a photo, the best; at least 100.
        resamples: Bootstrap resamples; 0 for no intervals.
        seed: Seed of the resampling.

    Returns:
        The figures by their names, such as `AP50` and `AP50/crack`.

    Raises:
        InputError: A file is broken, or the predictions are for other images.
        LeakError: The model was trained on an image of the truth.
    """
    loaded = load(Path(truth), Path(predictions), max_detections=max_detections)
    for sentence in loaded.warnings:
        warn_of(sentence)
    return boxes.evaluate_boxes(loaded, resamples=resamples, seed=seed)


def evaluate_masks(
    truth: str | Path,
    predictions: str | Path,
    *,
    min_score: float = 0.25,
    max_detections: int = 100,
    resamples: int = 1000,
    seed: int = 0,
) -> dict[str, Metric]:
    """Score masks: IoU, Dice, boundary IoU and AP, with bootstrap intervals over photos.

    Args:
        truth: COCO annotations with masks.
        predictions: COCO annotations or results of the same photos, with masks.
        min_score: Do not pair detections of a lower score, 0 to 1.
        max_detections: Count so many detections of a class in a photo, the best; at least 100.
        resamples: Bootstrap resamples; 0 for no intervals.
        seed: Seed of the resampling.

    Returns:
        The figures by their names, such as `IoU` and `IoU/crack`.

    Raises:
        InputError: A file is broken, or the predictions are for other photos or without masks.
        LeakError: The model was trained on a photo of the truth.
    """
    paired = pair_masks(Path(truth), Path(predictions), min_score=min_score, max_detections=max_detections)
    for sentence in paired.warnings:
        warn_of(sentence)
    return masks.evaluate_masks(paired, resamples=resamples, seed=seed)
