"""A contact sheet of drawn photos, to see what the starting weights learn from."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from mvtec.starter.scene import NAMES, draw_scene

_GREEN = (80, 220, 60)


def write_sheet(
    path: Path, *, seed: int = 0, rows: int = 7, columns: int = 9, side: int = 256, shown: int = 150
) -> None:
    """Write the first photos of a training, each defect in its box and named.

    Args:
        path: The picture to write, replaced if there.
        seed: Seed of the training.
        rows: Rows of photos.
        columns: Photos in a row.
        side: Width and height in pixels that a photo is drawn in.
        shown: And in the picture.
    """
    sheet = []
    for row in range(rows):
        photos = []
        for column in range(columns):
            scene = draw_scene((seed, row * columns + column), side)
            photo = cv2.resize(scene.photo, (shown, shown), interpolation=cv2.INTER_AREA)
            for number, box in zip(scene.mechanisms, scene.boxes_xywh * shown / side, strict=True):
                x, y, width, height = (int(value) for value in np.round(box))
                cv2.rectangle(photo, (x - 1, y - 1), (x + width, y + height), _GREEN, 1)
                at = (x, max(9, y - 3))
                cv2.putText(photo, NAMES[number], at, cv2.FONT_HERSHEY_SIMPLEX, 0.32, _GREEN, 1, cv2.LINE_AA)
            photos.append(photo)
        sheet.append(np.hstack(photos))
    path.write_bytes(cv2.imencode(path.suffix, np.vstack(sheet))[1].tobytes())
