"""YOLO labels: text lines of numbers relative to the photo's size.

The format is https://docs.ultralytics.com/datasets/detect/ and https://docs.ultralytics.com/datasets/segment/: one
text file a photo, one line an instance. A good photo has an empty file.
"""

from __future__ import annotations

from typing import Literal

from mvtec.convert.geometry import BoxXYWH, Instance
from mvtec.convert.polygons import bridged_polygon

Task = Literal["detect", "segment"]

DIGITS = 8  # 8 decimals give back a box of an 8000 px photo to within 0.0001 px


def box_line(class_index: int, box_xywh: BoxXYWH, size_wh: tuple[int, int]) -> str:
    """`class cx cy w h`, the centre and size of the box over the photo's size, all in [0, 1].

    >>> box_line(0, (350, 284, 421, 536), (900, 900))
    '0 0.62277778 0.61333333 0.46777778 0.59555556'
    """
    x, y, w, h = box_xywh
    width, height = size_wh
    numbers = ((x + w / 2) / width, (y + h / 2) / height, w / width, h / height)
    return " ".join([str(class_index), *(f"{number:.{DIGITS}f}" for number in numbers)])


def polygon_line(class_index: int, instance: Instance, size_wh: tuple[int, int]) -> str:
    """`class x1 y1 x2 y2 …`, the centres of the border pixels over the photo's size.

    Ultralytics cuts coordinates down to whole pixels before it paints; a pixel centre lands on its own pixel.
    """
    width, height = size_wh
    points = bridged_polygon(instance)
    if len(points) < 3:  # Ultralytics wants three points at least
        points = points[[0, *range(len(points)), *[len(points) - 1] * (2 - len(points))]]
    numbers = ((points + 0.5) / (width, height)).ravel()
    return " ".join([str(class_index), *(f"{number:.{DIGITS}f}" for number in numbers)])


def label_text(task: Task, class_index: int, instances: tuple[Instance, ...], size_wh: tuple[int, int]) -> str:
    """The label file of a photo; empty for one without instances."""
    if task == "detect":
        lines = [box_line(class_index, instance.box_xywh, size_wh) for instance in instances]
    else:
        lines = [polygon_line(class_index, instance, size_wh) for instance in instances]
    return "".join(f"{line}\n" for line in lines)
