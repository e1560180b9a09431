"""Puts SAM's masks into the records of a file, and counts what came of it."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from math import ceil
from statistics import median
from typing import TYPE_CHECKING, Any, Literal

import cv2
import numpy as np
import numpy.typing as npt

from mvtec.convert.formats.coco.segmentation import region_of_annotation
from mvtec.convert.pixels.geometry import BoxFloat, Mask, Region, box_iou, cut_box, region_of
from mvtec.convert.pixels.rle import encode_region
from mvtec.errors import InputError
from mvtec.segment.jobs import Job, Record
from mvtec.segment.model import Answer, Choose, SamModel
from mvtec.segment.pieces import count_pieces, without_small_parts
from mvtec.tta import VIEWS
from mvtec.words import counted

if TYPE_CHECKING:
    import torch

Prompt = Literal["box", "box+points"]

_OF_ONE_ANSWER = frozenset({"predicted_iou", "stability", "review_reason"})  # untrue of the next
_EXAMPLES = 3  # named in a note


@dataclass(frozen=True)
class RefineOptions:
    """How boxes become masks.

    Attributes:
        prompt: What SAM is shown: the box, or the box and a point of the object: of the old mask the pixel farthest
            from its edge, else the middle of the box.
        choose: Which of SAM's masks to take, see `choose_mask`.
        min_score: A mask of lower predicted IoU is not taken.
        min_overlap: A mask whose tight box has a lower IoU with what of the box lies in the photo is not taken.
        min_region_area: Pieces of a mask of fewer pixels are dropped, but for the largest; 0 keeps all.
        min_hole_area: Holes of fewer pixels are filled; 0 fills none.
        views: How many views of a photo to ask in, 1 to 8, see `tta.py`; the answer is their mean.
        workers: Threads that read photos ahead while the model computes.
    """

    prompt: Prompt = "box"
    choose: Choose = "fit"
    min_score: float = 0.0
    min_overlap: float = 0.0
    min_region_area: int = 0
    min_hole_area: int = 0
    views: int = 1
    workers: int = 2

    def __post_init__(self) -> None:
        for option, value in (("--min-score", self.min_score), ("--min-overlap", self.min_overlap)):
            if not 0 <= value <= 1:
                raise InputError(option, f"{value} is not between 0 and 1", "Give a number from 0 to 1")
        for option, area in (("--min-region-area", self.min_region_area), ("--min-hole-area", self.min_hole_area)):
            if area < 0:
                raise InputError(option, f"{area} pixels is less than none", "Give 0 or more")
        if not 1 <= self.views <= VIEWS:
            raise InputError("--views", f"{self.views} views of a photo there are not", f"Give 1 to {VIEWS}")
        if self.workers < 1:
            raise InputError("--workers", f"{self.workers} threads are none", "Give 1 or more")


@dataclass
class Refined:
    """What came of a file.

    Attributes:
        photos: Photos with instances.
        encoded: Those of them whose embedding was not in the cache.
        spoilt: Files of the cache that were not what was written, and were encoded anew.
        masks: Instances that got a mask.
        in_pieces: Those of them whose mask, as SAM gave it, has several pieces.
        tidied: Those of them of whose mask pieces were dropped, or holes filled.
        grown: Of each mask that reaches out of the box SAM was shown: how far, pixels, and the name.
        unrefined: Of each instance that keeps its old shape, to be reviewed: the name, and why.
        crowds: Crowd annotations, which are left as they are: SAM draws single objects.
        seen: Photos that the model was fine-tuned on.
        seconds: Time for all photos, without loading the model.
    """

    photos: int = 0
    encoded: int = 0
    spoilt: int = 0
    masks: int = 0
    in_pieces: int = 0
    tidied: int = 0
    grown: list[tuple[float, str]] = field(default_factory=list)
    unrefined: list[str] = field(default_factory=list)
    crowds: int = 0
    seen: int = 0
    seconds: float = 0.0

    @property
    def kept(self) -> int:
        """Instances that keep their old shape."""
        return len(self.unrefined)

    def shapes(self) -> str:
        """How the masks differ from the boxes that were asked, as a sentence."""
        tidied = f" ({self.tidied} without their small pieces or holes)" if self.tidied else ""
        text = f"{counted(self.masks, 'mask')}, {self.in_pieces} of them in several pieces{tidied}"
        if not self.grown:
            return f"{text}; none reaches out of its box"
        most, name = max(self.grown)
        middle = median(far for far, _ in self.grown)
        verb = "reaches" if len(self.grown) == 1 else "reach"
        return (
            f"{text}; {len(self.grown)} {verb} out of the box, by {middle:.0f} px (median), {most:.0f} at most: {name}"
        )

    def examples(self) -> str:
        """The first few instances that keep their old shape."""
        more = "; …" if self.kept > _EXAMPLES else ""
        return "; ".join(self.unrefined[:_EXAMPLES]) + more


def refine_photo(
    job: Job, embeddings: list[torch.Tensor], model: SamModel, options: RefineOptions, done: Refined
) -> None:
    """Put SAM's masks into the records of one photo.

    Args:
        job: The photo and its records, which are changed.
        embeddings: Of its views.
        model: The model.
        options: How.
        done: Is told what came of it.
    """
    size_hw = job.size_wh[::-1]
    asked, boxes, points = [], [], []
    for record in job.records:
        box = cut_box(record.bbox, job.size_wh)
        if box is None or min(box[2:]) <= 0:
            reason = "its box is not in the photo" if box is None else "its box has no area"
            _keep(job, record, None, reason, model, done)
            continue
        asked.append(record)
        boxes.append(box)
        if options.prompt == "box+points":
            points.append([_point(record, box, size_hw)])
    if not asked:
        return
    answers = model.answer(
        embeddings,
        size_hw,
        np.array([(x, y, x + w, y + h) for x, y, w, h in boxes], np.float64),
        np.array(points, np.float64) if points else None,
        choose=options.choose,
    )
    for record, box, answer in zip(asked, boxes, answers, strict=True):
        mask = without_small_parts(answer.mask, options.min_region_area, options.min_hole_area)
        region = region_of(mask)
        if region is None:
            _keep(job, record, answer, "SAM sees nothing in the box", model, done)
        elif not _touches(mask, box):
            _keep(job, record, answer, "SAM's mask is outside of the box", model, done)
        elif answer.predicted_iou < options.min_score:
            _keep(job, record, answer, f"predicted IoU below {options.min_score}", model, done)
        elif box_iou(region.box_xywh, box) < options.min_overlap:
            _keep(job, record, answer, f"box IoU below {options.min_overlap}", model, done)
        else:
            _take(record, answer, region, model, size_hw)
            done.masks += 1
            done.in_pieces += count_pieces(answer.mask) > 1
            done.tidied += bool((mask != answer.mask).any())
            if (far := _reach(region.box_xywh, box)) > 0:
                done.grown.append((far, job.name_of(record)))


def _touches(mask: Mask, box_xywh: BoxFloat) -> bool:
    x, y, w, h = box_xywh
    return bool(mask[int(y) : ceil(y + h), int(x) : ceil(x + w)].any())


def _reach(mask_xywh: BoxFloat, box_xywh: BoxFloat) -> float:
    """How far, in pixels, a mask's box reaches out of the prompt's on the side where it does most."""
    (x, y, w, h), (left, top, wide, high) = mask_xywh, box_xywh
    return max(left - x, top - y, x + w - left - wide, y + h - top - high)


def _point(record: Record, box_xywh: BoxFloat, size_hw: tuple[int, int]) -> tuple[float, float]:
    """A point of the object, x and y: of the old mask the pixel farthest from its edge, else the middle of the box."""
    region = None
    with suppress(ValueError):  # a segmentation that is none
        region = region_of_annotation(record, size_hw) if record.segmentation else None
    if region is None:
        x, y, w, h = box_xywh
        return x + w / 2, y + h / 2
    padded: npt.NDArray[np.uint8] = np.pad(region.crop.view(np.uint8), 1)
    depth = cv2.distanceTransform(padded, cv2.DIST_L2, 5)[1:-1, 1:-1]
    row, column = np.unravel_index(int(depth.argmax()), depth.shape)
    return region.box_xywh[0] + float(column) + 0.5, region.box_xywh[1] + float(row) + 0.5


def _take(record: Record, answer: Answer, region: Region, model: SamModel, size_hw: tuple[int, int]) -> None:
    """Give the record SAM's mask; that a person accepted or corrected the old shape says nothing of the new one."""
    _note(record, answer, model, source="sam", needs_review=False)
    record.attributes.pop("edited", None)
    if "reviewed" in record.attributes:
        record.attributes["reviewed"] = False
    record.bbox, record.area = region.box_xywh, region.area
    record.segmentation = encode_region(region, size_hw)


def _keep(job: Job, record: Record, answer: Answer | None, reason: str, model: SamModel, done: Refined) -> None:
    done.unrefined.append(f"{job.name_of(record)}: {reason}")
    _note(record, answer, model, needs_review=True, review_reason=reason)


def _note(record: Record, answer: Answer | None, model: SamModel, **more: Any) -> None:
    """Say in the record's attributes what SAM said; what else they say stays, but for what an earlier run said."""
    said: dict[str, Any] = {"model": model.name, "prompt_bbox": list(record.bbox), **more}
    if answer is not None:
        said |= {"predicted_iou": answer.predicted_iou, "stability": answer.stability}
    before = record.attributes or {}
    record.attributes = {key: value for key, value in before.items() if key not in _OF_ONE_ANSWER} | said
