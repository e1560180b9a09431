"""Where a classifier looked: Grad-CAM's heat map of a photo, kept as a small grey PNG.

Selvaraju et al., *Grad-CAM: Visual Explanations from Deep Networks via Gradient-based Localization*, ICCV 2017, as
captum computes it, on the feature map the answer is made of.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
import numpy.typing as npt

from mvtec.classify.model import Classifier
from mvtec.convert.class_results import heat_file
from mvtec.files import staged_file

if TYPE_CHECKING:
    import torch


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
    from captum.attr import LayerGradCam

    def answer(pixels: torch.Tensor) -> torch.Tensor:
        return model.last(model.pooled(model.tail(model.trunk(pixels))))

    layer = model.tail if model.recipe.trains == "last-stage" else model.trunk
    found = LayerGradCam(answer, layer).attribute(model.pixels(photo), label, relu_attributions=True)
    heat: npt.NDArray[np.float32] = found[0, 0].detach().numpy()
    return np.asarray(heat / max(float(heat.max()), 1e-12) * 255, np.uint8)


def write_heat(run: Path, photo: str, heat: npt.NDArray[np.uint8]) -> None:
    """Keep a heat map in a run's folder, under the photo's path in the data set."""
    with staged_file(heat_file(run, photo), overwrite=True) as staged:
        staged.write_bytes(cv2.imencode(".png", heat)[1].tobytes())
