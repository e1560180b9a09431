"""YOLO labels: text lines of numbers relative to the photo's size, written and read.

The format is https://docs.ultralytics.com/datasets/detect/ and https://docs.ultralytics.com/datasets/segment/: one
text file a photo, one line an instance. A good photo has an empty file. A polygon is what Ultralytics makes of it:
scaled up, cut down to whole pixels, painted by `cv2.fillPoly`.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
import numpy.typing as npt

from mvtec.convert.instances import UNKNOWN, Instance, LabelledImage
from mvtec.convert.pixels.geometry import BoxFloat, Region, region_of
from mvtec.convert.pixels.polygons import centre_polygon
from mvtec.errors import InputError
from mvtec.reading import read_text

Task = Literal["detect", "segment"]

DIGITS = 8  # 8 decimals give back a box of an 8000 px photo to within 0.0001 px
_BEYOND = 0.01  # Ultralytics allows as much
_WHOLE = 0.01  # a number of pixels this near to a whole one was a whole one


def yolo_labels(image: LabelledImage, task: Task, class_of: dict[str, int]) -> tuple[str, list[Instance | None]]:
    """The label file of a photo, and what Ultralytics gets back for each instance: a box, or the pixels of a polygon.

    Raises:
        InputError: `task` is `segment` and an instance has only a box.
    """
    lines: list[str] = []
    again: list[Instance | None] = []
    for instance in image.instances:
        index = class_of[instance.defect]
        if task == "detect":
            line = box_line(index, instance.box_xywh, image.size_wh)
            again.append(Instance(instance.defect, _read_box(_numbers(line), image.size_wh)))
        elif instance.region is None:
            raise InputError(
                image.path,
                "has an instance with a box and no mask, and a segment label is a mask",
                "Pass --task detect, or give it a mask",
            )
        else:
            line = polygon_line(index, instance.region, image.size_wh)
            region = _read_polygon(_numbers(line), image.size_wh)
            again.append(None if region is None else Instance.of(instance.defect, region))
        lines.append(f"{line}\n")
    return "".join(lines), again


def box_line(class_index: int, box_xywh: BoxFloat, size_wh: tuple[int, int]) -> str:
    """`class cx cy w h`, the centre and size of the box over the photo's size, all in [0, 1].

    >>> box_line(0, (350, 284, 421, 536), (900, 900))
    '0 0.62277778 0.61333333 0.46777778 0.59555556'
    """
    x, y, w, h = box_xywh
    width, height = size_wh
    numbers = ((x + w / 2) / width, (y + h / 2) / height, w / width, h / height)
    return " ".join([str(class_index), *(f"{number:.{DIGITS}f}" for number in numbers)])


def polygon_line(class_index: int, region: Region, size_wh: tuple[int, int]) -> str:
    """`class x1 y1 x2 y2 …`, the centres of the border pixels over the photo's size.

    Ultralytics cuts coordinates down to whole pixels before it paints; a pixel centre lands on its own pixel.
    """
    points = centre_polygon(region)
    if len(points) < 3:  # Ultralytics wants three points at least
        points = points[[0, *range(len(points)), *[len(points) - 1] * (2 - len(points))]]
    numbers = ((points + 0.5) / size_wh).ravel()
    return " ".join([str(class_index), *(f"{number:.{DIGITS}f}" for number in numbers)])


def read_label(
    file: Path, names: Sequence[str], size_wh: tuple[int, int], *, keypoints: int = 0
) -> tuple[Instance, ...]:
    """The instances of a label file, in its order.

    Args:
        file: The file.
        names: The classes, in label order.
        size_wh: Width and height of the photo in pixels.
        keypoints: How many numbers of keypoints follow each box; they are not kept.

    Raises:
        InputError: A line is neither a box nor a polygon of a known class within the photo.
    """
    instances = []
    for number, line in enumerate(read_text(file, "a YOLO label file").splitlines(), start=1):
        if not line.strip():
            continue
        try:
            instances.append(_read_line(line, names, size_wh, keypoints))
        except ValueError as error:
            raise InputError(file, f"line {number} {error}", "Correct the line, or make the labels again") from error
    return tuple(instances)


def classes_of_label(file: Path, names: Sequence[str]) -> list[str]:
    """The class of each line of a label file that may not be readable, as far as it can be told; none without one."""
    if not file.is_file():
        return []
    try:
        lines = [line.split() for line in read_text(file, "a YOLO label file").splitlines() if line.strip()]
    except InputError:
        return [UNKNOWN]
    known = {str(number): name for number, name in enumerate(names)}
    return [known.get(words[0], UNKNOWN) for words in lines]


def _read_line(line: str, names: Sequence[str], size_wh: tuple[int, int], keypoints: int) -> Instance:
    words = line.split()
    try:
        label = int(float(words[0]))  # numpy.savetxt writes 0.0
        numbers = _numbers(line)
        if label != float(words[0]):
            raise ValueError
    except (ValueError, OverflowError):
        raise ValueError("is not a class number and coordinates") from None
    if not 0 <= label < len(names):
        raise ValueError(f"has class {label}, and there are {len(names)} classes")
    if keypoints:
        if len(numbers) not in (4, 4 + keypoints):
            raise ValueError(f"has {len(numbers)} numbers; a box has 4, and its keypoints (kpt_shape) {keypoints}")
        numbers = numbers[:4]
    elif len(numbers) == 5:
        raise ValueError("has 5 numbers; a box has 4; the last may be a score (save_conf) or a track number")
    if not (np.isfinite(numbers).all() and (np.abs(numbers - 0.5) <= 0.5 + _BEYOND).all()):
        raise ValueError("has coordinates outside of 0 to 1")
    numbers = np.maximum(numbers, 0)
    if len(numbers) == 4:
        box = _read_box(numbers, size_wh)
        if min(box[2:]) <= 0:
            raise ValueError("has a box without area")
        return Instance(names[label], box)
    if len(numbers) < 6 or len(numbers) % 2:
        raise ValueError(f"has {len(numbers)} coordinates; a box has 4, a polygon 6 or more, two for each point")
    region = _read_polygon(numbers, size_wh)
    if region is None:
        raise ValueError("is a polygon without a pixel in the photo")
    return Instance.of(names[label], region)


def _numbers(line: str) -> npt.NDArray[np.float64]:
    return np.array([float(word) for word in line.split()[1:]])


def _read_box(numbers: npt.NDArray[np.float64], size_wh: tuple[int, int]) -> BoxFloat:
    cx, cy, w, h = (numbers * np.array(size_wh * 2)).tolist()
    return (_whole(cx - w / 2), _whole(cy - h / 2), _whole(w) or round(w, 4), _whole(h) or round(h, 4))


def _whole(number: float) -> float:
    return float(round(number)) if abs(number - round(number)) < _WHOLE else round(number, 4)


def _read_polygon(numbers: npt.NDArray[np.float64], size_wh: tuple[int, int]) -> Region | None:
    """As Ultralytics reads it: 32-bit numbers, scaled, cut down to whole pixels, painted; None if nothing is."""
    points = (numbers.astype(np.float32).reshape(-1, 2) * np.array(size_wh, np.float32)).astype(np.int32)
    low = np.minimum(points.min(axis=0), np.array(size_wh) - 1)
    high = np.minimum(points.max(axis=0), np.array(size_wh) - 1)
    canvas = np.zeros((high - low + 1)[::-1], np.uint8)
    cv2.fillPoly(canvas, [points - low.astype(np.int32)], 1)
    return region_of(canvas, (int(low[0]), int(low[1])))
