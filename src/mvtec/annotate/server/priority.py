"""The review priority of a photo: high where a model is unsure, or where its predictions and the labels differ."""

from __future__ import annotations

from collections.abc import Sequence

from mvtec.annotate.server.stored import ReviewPriority, StoredAnnotation
from mvtec.convert.pixels.geometry import box_iou

THRESHOLD = 0.25  # a prediction's score from which on it counts, as Ultralytics draws it
SAME = 0.5  # IoU of boxes from which on two are the same defect
_UNSURE = 0.5  # a photo a person was unsure of comes no later than this
_LOW_IOU = 0.7  # SAM's predicted IoU below which its mask is doubted


def review_priority(
    state: str | None, records: Sequence[StoredAnnotation], predicted: Sequence[StoredAnnotation] | None
) -> ReviewPriority:
    """The review priority of a photo, 0 to 1.

    It is the largest of: how near to the threshold a proposal's score is; how low SAM's own guess at a mask's
    IoU is; how badly labels and predictions fit. A photo that a person has marked has priority 0.

    Args:
        state: What a person said of it.
        records: Its annotations.
        predicted: What a model says of it; None where no predictions were given.
    """
    open_records = [record for record in records if record.proposed or not record.attributes.get("reviewed")]
    doubts = [_near_threshold(record.score) for record in open_records if record.score is not None]
    ious = [record.attributes["predicted_iou"] for record in open_records if _has_iou(record)]
    doubts += [1 - min(max(iou, 0.0), 1.0) for iou in ious]
    unsure_models = any(record.score is not None and record.score < THRESHOLD for record in open_records)
    low_score = unsure_models or any(iou < _LOW_IOU for iou in ious)
    misfit, disagrees = _misfit([record for record in records if not record.proposed], predicted)
    value = max([misfit, *doubts], default=0.0)
    if state == "unsure":
        value = max(value, _UNSURE)
    elif state is not None:
        value = 0.0
    return ReviewPriority(round(value, 4), disagrees, low_score)


def _near_threshold(score: float) -> float:
    """1 at the threshold, falling to 0 at scores 0 and 1."""
    return 1 - (THRESHOLD - score) / THRESHOLD if score < THRESHOLD else 1 - (score - THRESHOLD) / (1 - THRESHOLD)


def _has_iou(record: StoredAnnotation) -> bool:
    return isinstance(record.attributes.get("predicted_iou"), int | float)


def _misfit(labels: Sequence[StoredAnnotation], predicted: Sequence[StoredAnnotation] | None) -> tuple[float, bool]:
    """One less the mean IoU of each label, and each sure prediction, with its best match; and if any has none."""
    if predicted is None:
        return 0.0, False
    sure = [record for record in predicted if record.score is None or record.score >= THRESHOLD]
    best = [
        max((box_iou(one.bbox, other.bbox) for other in others if same_kind(one, other)), default=0.0)
        for ones, others in ((labels, sure), (sure, labels))
        for one in ones
    ]
    return (1 - sum(best) / len(best), min(best) < SAME) if best else (0.0, False)


def same_kind(one: StoredAnnotation, other: StoredAnnotation) -> bool:
    """Whether two annotations are of one class."""
    return one.category_id == other.category_id
