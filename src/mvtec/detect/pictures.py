"""Draws detections into their photo, as Ultralytics draws them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from mvtec.offline import ultralytics
from mvtec.results.detections import Detections


def draw_detections(
    photo: npt.NDArray[np.uint8], detections: Detections, names: tuple[str, ...]
) -> npt.NDArray[np.uint8]:
    """A photo with boxes, masks, classes and scores.

    Args:
        photo: uint8 BGR H×W×3, which stays as it is.
        detections: What was found in it.
        names: The classes in their order.

    Returns:
        uint8 BGR H×W×3.
    """
    import torch

    ultralytics()
    from ultralytics.engine.results import Results

    columns = (detections.boxes_xyxy, detections.scores[:, None], detections.class_ids[:, None].astype(np.float32))
    picture: npt.NDArray[np.uint8] = Results(
        photo,
        path="",
        names=dict(enumerate(names)),
        boxes=torch.from_numpy(np.concatenate(columns, axis=1)),
        masks=None if detections.masks is None or not len(detections) else torch.from_numpy(detections.masks),
    ).plot()
    return picture
