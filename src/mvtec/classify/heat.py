"""Where a classifier looked: Grad-CAM's heat map of a photo, kept as a small grey PNG.

Selvaraju et al., *Grad-CAM: Visual Explanations from Deep Networks via Gradient-based Localization*, ICCV 2017, on the
feature map the prediction is made of.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from mvtec.classify.model import Classifier
from mvtec.convert.class_results import heat_file
from mvtec.files import staged_file


def heat_map(model: Classifier, photo: Path, label: int) -> npt.NDArray[np.uint8]:
    """How much each place of a photo spoke for a class.

    Args:
        model: The classifier.
        photo: The photo, looked at as it is.
        label: The number of the class.

    Returns:
        uint8 of the size of the feature map; 255 is the hottest, all 0 where nothing spoke for the class.

    Raises:
        BadPhotoError: The photo cannot be read.
    """
    import torch

    learns_stage = model.recipe.trains == "last-stage"
    with torch.no_grad():
        features = model.trunk(model.pixels(photo))
        features = model.tail(features) if learns_stage else features
    features.requires_grad_(True)
    scores = model.last(model.pooled(features if learns_stage else model.tail(features)))
    (gradient,) = torch.autograd.grad(scores[0, label], features)
    weighted = (gradient.mean((2, 3), keepdim=True) * features.detach()).sum(1)[0]
    heat: npt.NDArray[np.float32] = weighted.clamp_min(0).numpy()
    return np.asarray(heat / max(float(heat.max()), 1e-12) * 255, np.uint8)


def write_heat(run: Path, photo: str, heat: npt.NDArray[np.uint8]) -> None:
    """Keep a heat map in a run's folder, under the photo's path in the data set."""
    with staged_file(heat_file(run, photo), overwrite=True) as staged:
        staged.write_bytes(cv2.imencode(".png", heat)[1].tobytes())
