"""What is odd in predictions, and why they may find nothing: what tools do otherwise is tried, and said where it fits.

Boxes may be normalised, corners, centres, or in pixels of a photo that was scaled; image ids may be the numbers that
photos are named by; ids of images or classes may count from another number. None of it is put right unasked.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from mvtec.convert.formats.coco.files import CocoDataset, CocoResult
from mvtec.convert.photo_names import PhotoNames
from mvtec.evaluate.statistics.matching import MOST_DETECTIONS, Floats, box_ious
from mvtec.words import counted

_IOU = 0.5
_FEW = 0.5  # of the defects found: up to it other readings are tried; one that finds twice as many is said
_ENOUGH = 0.3  # of the defects found by another reading of the boxes: from it on it is said
_SIDES = (224, 256, 320, 384, 416, 448, 512, 640, 768, 800, 960, 1024, 1280)  # that detectors scale photos to

Reading = Callable[[Floats, float, float], Floats]  # of boxes N×4 in a photo of width and height


def prediction_warnings(
    truth: CocoDataset, results: list[CocoResult], path: Path, max_detections: int, *, by_name: bool
) -> list[str]:
    """Sentences for a reader of the figures.

    Args:
        truth: The annotation file.
        results: The detections, with its ids.
        path: The file they are from.
        max_detections: How many of a class in a photo count.
        by_name: Whether images and classes were found by name, so that their ids are right.
    """
    beyond = not_counted(((result.image_id, result.category_id) for result in results), path, max_detections)
    return [
        *_oddities_of_truth(truth),
        *_oddities(truth, results, path),
        *_reasons(truth, results, path, by_name),
        *([beyond] if beyond else []),
    ]


def not_counted(detections: Iterable[tuple[int, int]], path: Path, most: int) -> str | None:
    """How many detections, given by image and class, are beyond those that count; None where all do."""
    counts = Counter(detections)
    more = {key: count for key, count in counts.items() if count > most}
    if not more:
        return None
    photos = counted(len({image for image, _ in more}), "photo")
    boxes = counted(sum(count - most for count in more.values()), "detection")
    as_coco = ", as in COCO's figures" if most == MOST_DETECTIONS else ""
    return (
        f"{boxes} on {photos} of {path} are not counted: of a class in a photo the best {most} are{as_coco}. "
        f"--max-detections {max(more.values())} counts all"
    )


def _oddities(truth: CocoDataset, results: list[CocoResult], path: Path) -> Iterator[str]:
    sides = {image.id: (image.width, image.height) for image in truth.images}
    outside = corners = 0
    for result in results:
        x, y, w, h = result.bbox
        width, height = sides[result.image_id]
        outside += w <= 0 or h <= 0 or min(x, y) < -1 or x + w > width + 1 or y + h > height + 1
        corners += -1 <= x < w <= width + 1 and -1 <= y < h <= height + 1
    if results and all(max(result.bbox[2:]) <= 1 for result in results):
        yield (
            f"all boxes of {path} are smaller than a pixel: are they normalised, from 0 to 1? A bbox is x, y, width, "
            "height in pixels"
        )
    if outside:
        as_corners = 2 * outside > len(results) and corners == len(results)
        yield (
            f"{outside} of {len(results)} boxes of {path} reach out of their photo or have no area: a bbox is x, y, "
            "width, height in pixels" + ("; these may be corners x1, y1, x2, y2" if as_corners else "")
        )
    if odd := sum(not 0 < result.score <= 1 for result in results):
        yield (
            f"{odd} of {len(results)} scores of {path} are not above 0 and at most 1, as FPR95 and thresholds need "
            "them: a box of score 0 or less counts as none there"
        )
    if doubled := _repeated((one.image_id, one.category_id, one.bbox, one.score) for one in results):
        yield (
            f"{doubled} of {len(results)} detections of {path} repeat another one (same photo, class, box and score) "
            "and count as false"
        )


def _oddities_of_truth(truth: CocoDataset) -> Iterator[str]:
    own = [one for one in truth.annotations if not one.iscrowd]
    if tiny := sum(max(one.bbox[2:]) < 1 for one in own):
        yield (
            f"boxes of the truth smaller than a pixel: {tiny} of {len(own)}. Are they normalised, from 0 to 1? A bbox "
            "is x, y, width, height in pixels"
        )
    if doubled := _repeated((one.image_id, one.category_id, one.bbox, repr(one.segmentation)) for one in own):
        yield (
            f"{doubled} of {counted(len(own), 'annotation')} of the truth repeat another one (same photo, class and "
            "shape): one detection cannot find both"
        )


def _repeated(items: Iterable[Hashable]) -> int:
    """How many are equal to one before them."""
    return sum(count - 1 for count in Counter(items).values())


def _reasons(truth: CocoDataset, results: list[CocoResult], path: Path, by_name: bool) -> Iterator[str]:
    """Why few defects are found: the reading of the detections that finds most, or what can be seen of them."""
    looked_at = _Look(truth, results)
    n = looked_at.instances
    if not n or not results:
        return
    found, of_any_class = looked_at.found(_as_it_is)
    if found > _FEW * n:
        return
    had = f"{found} of {counted(n, 'defect')} of the truth have a box of their class by IoU 0.5 or more"
    enough = max(_ENOUGH * n, min(n, 2), 2 * found, found + 1)
    tried = [(name, *looked_at.found(reading, best=True)) for name, reading in _readings()]
    if not by_name:
        tried += [(name, *looked_at.found(_as_it_is, images=images)) for name, images in _numberings(truth)]
    name, count, any_class = max(tried, key=lambda one: (max(one[1:]), one[1]))
    if max(count, any_class) >= enough and max(count, any_class) > of_any_class:
        others = "" if count >= enough else ", and the category ids are others"
        yield f"{path}: {had}; {max(count, any_class)} would, if {name}{others}"
    elif of_any_class >= enough:
        yield f"{path}: {had}; {of_any_class - found} have one of another class. {looked_at.confusion()}"
    elif not found:
        yield (
            f"{path}: no detection finds a defect: the highest IoU with one of its class is {looked_at.highest():.2f}; "
            f"{looked_at.on_good} of {len(results)} boxes are on photos without a defect"
        )


def _as_it_is(boxes: Floats, _width: float, _height: float) -> Floats:
    return boxes


def _readings() -> Iterator[tuple[str, Reading]]:
    """What tools write as boxes instead of x, y, width, height in pixels."""

    def from_centre(boxes: Floats) -> Floats:
        return np.concatenate([boxes[:, :2] - boxes[:, 2:] / 2, boxes[:, 2:]], axis=1)

    def from_corners(boxes: Floats) -> Floats:
        return np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], axis=1)

    def whole(boxes: Floats, width: float, height: float) -> Floats:
        return boxes * np.array([width, height, width, height])

    yield "boxes were normalised (x, y, width, height from 0 to 1)", whole
    yield "boxes were normalised centres (YOLO's way)", lambda boxes, w, h: from_centre(whole(boxes, w, h))
    yield "boxes were normalised corners", lambda boxes, w, h: from_corners(whole(boxes, w, h))
    yield "boxes were corners (x1, y1, x2, y2)", lambda boxes, _w, _h: from_corners(boxes)
    yield "boxes were centres (centre x, centre y, width, height)", lambda boxes, _w, _h: from_centre(boxes)
    yield "boxes were y, x, height, width", lambda boxes, _w, _h: boxes[:, [1, 0, 3, 2]]
    for side in _SIDES:
        yield (
            f"boxes were in pixels of photos scaled to {side} × {side}",
            lambda boxes, w, h, side=side: whole(boxes, w / side, h / side),  # type: ignore[misc]
        )
        yield (
            f"boxes were in pixels of photos whose longer side was scaled to {side}",
            lambda boxes, w, h, side=side: boxes * max(w, h) / side,  # type: ignore[misc]
        )


def _numberings(truth: CocoDataset) -> Iterator[tuple[str, dict[int, int]]]:
    """What image ids may mean instead of the truth's: of each id the truth's id of the photo meant."""
    ids = {image.id for image in truth.images}
    by_number = PhotoNames({image.id: image.file_name for image in truth.images}).by_number()
    yield (
        "image ids were the numbers that photos are named by (Ultralytics' way)",
        {number: own[0] for number, own in by_number.items() if len(own) == 1},
    )
    yield "image ids were counted from one less", {number - 1: number for number in ids}
    yield "image ids were counted from one more", {number + 1: number for number in ids}


class _Look:
    """Truth and detections, to be compared in several readings."""

    def __init__(self, truth: CocoDataset, results: list[CocoResult]) -> None:
        self._sides = {image.id: (float(image.width), float(image.height)) for image in truth.images}
        self._names = truth.category_names()
        self._truth: dict[int, list[tuple[int, tuple[float, ...]]]] = defaultdict(list)
        for one in truth.annotations:
            if not one.iscrowd:
                self._truth[one.image_id].append((one.category_id, one.bbox))
        self._said: dict[int, list[CocoResult]] = defaultdict(list)
        for result in sorted(results, key=lambda result: -result.score):
            self._said[result.image_id].append(result)
        self.instances = sum(map(len, self._truth.values()))
        labelled = {one.image_id for one in truth.annotations}
        self.on_good = sum(result.image_id not in labelled for result in results)

    def found(self, reading: Reading, *, best: bool = False, images: dict[int, int] | None = None) -> tuple[int, int]:
        """How many defects have a box of their class, and of any class.

        Args:
            reading: Turns boxes as they were read into x, y, width, height in pixels.
            best: Look at a few boxes with the best scores of each photo alone, as chance finds with many.
            images: The truth's image id of each given one; None where they are the truth's.
        """
        same = every = 0
        for given in self._said:
            image = given if images is None else images.get(given)
            if image is None or image not in self._truth:
                continue
            overlaps, classes = self._overlaps(image, given, reading, best)
            fits = overlaps >= _IOU
            same += int((fits & classes).any(axis=0).sum())
            every += int(fits.any(axis=0).sum())
        return same, every

    def highest(self) -> float:
        """The highest IoU of a detection with a defect of its class."""
        tables = [self._overlaps(image, image, _as_it_is, False) for image in self._said if image in self._truth]
        return max((float((overlaps * classes).max(initial=0)) for overlaps, classes in tables), default=0.0)

    def confusion(self) -> str:
        """Which class boxes that fit a defect of another one name most often, and which it is."""
        pairs: Counter[tuple[int, int]] = Counter()
        for image in self._said:
            if image in self._truth:
                overlaps, classes = self._overlaps(image, image, _as_it_is, False)
                for row, column in np.argwhere((overlaps >= _IOU) & ~classes).tolist():
                    pairs[self._said[image][row].category_id, self._truth[image][column][0]] += 1
        (said, real), count = max(pairs.items(), key=lambda item: (item[1], item[0]))
        return (
            f"Boxes of category {said} ({self._names[said]}) lie {count} times on {self._names[real]} ({real}): "
            "do category ids count from another number, or in another order?"
        )

    def _overlaps(self, image: int, given: int, reading: Reading, best: bool) -> tuple[Floats, npt.NDArray[np.bool_]]:
        """IoU of the detections of a photo with its defects, D×T, and whether their classes are the same."""
        own, said = self._truth[image], self._said[given]
        said = said[: max(20, 3 * len(own))] if best else said
        width, height = self._sides[image]
        boxes = reading(np.array([one.bbox for one in said], np.float64), width, height)
        overlaps = box_ious(boxes, [box for _, box in own])
        classes = np.array([[one.category_id == number for number, _ in own] for one in said])
        has_area = (boxes[:, 2] > 0) & (boxes[:, 3] > 0)
        return overlaps * has_area[:, None], classes
