"""A trained anomaly detector: it maps how unlike the good photos each place of a photo is, and says good or defect."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from mvtec.anomaly.features import Extractor, new_extractor
from mvtec.backbones.normal_patches import NormalPatches
from mvtec.backbones.weights import Backbone
from mvtec.datasets.images import Photo
from mvtec.errors import InputError, MvtecError, whose_memory_is_full
from mvtec.files import read_tensors, staged_file, write_tensors

CHECKPOINT = Path("weights") / "anomaly.pt"
AnomalyMap = npt.NDArray[np.float32]
_AT_ONCE = 512  # places compared at a time: a table of all distances would take 250 MB
_SMOOTHING = 1.0  # places: 8 pixels of 448, which is Roth et al.'s 4 of 224


@dataclass(frozen=True, eq=False)
class AnomalyModel:
    """What good photos look like, and from where on a photo counts as defective.

    Attributes:
        extractor: The frozen network.
        memory: Good places.
        threshold: A photo whose score is above it is defective, and so is a place whose heat is.
        usual: The heat that 99 of 100 places of good photos stay below; pictures show what is above it.
    """

    extractor: Extractor
    memory: NormalPatches
    threshold: float
    usual: float

    @property
    def parameters(self) -> int:
        """How many numbers the network and the bank hold."""
        return self.extractor.parameters + int(self.memory.patches.numel())

    def anomaly_map(self, photo: Path | Photo) -> AnomalyMap:
        """The heat map of a photo, see `anomaly_map`.

        Raises:
            BadPhotoError: The photo cannot be read.
        """
        return anomaly_map(self.extractor, self.memory, photo)

    def shown(self, heat: AnomalyMap) -> npt.NDArray[np.uint8]:
        """A heat map as a grey picture, uint8 of its size.

        It is black up to what is usual, and white at the hottest place, or, in a photo that is hardly warm, twice as
        far above the usual as the threshold is.
        """
        above = np.clip(heat - self.usual, 0, None)
        white = max(float(above.max()), 2 * (self.threshold - self.usual), 1e-12)
        return np.asarray(above / white * 255, np.uint8)


def anomaly_map(extractor: Extractor, memory: NormalPatches, photo: Path | Photo) -> AnomalyMap:
    """How unlike good photos each place of a photo is.

    Returns:
        float32 of `extractor.grid_hw`: the distance of each place to the nearest good one, smoothed. Its maximum is the
        score of the photo.

    Raises:
        BadPhotoError: The photo cannot be read.
    """
    nearest = memory.distances(extractor.places(photo), at_once=_AT_ONCE)
    distances = nearest.reshape(extractor.grid_hw).numpy()
    return np.asarray(cv2.GaussianBlur(distances, (0, 0), _SMOOTHING, borderType=cv2.BORDER_REFLECT_101), np.float32)


def score_of(heat: AnomalyMap) -> float:
    """The score of a photo: the hottest place of its map."""
    return float(heat.max())


def save_model(path: Path, model: AnomalyModel) -> None:
    """Write a model that `load_model` reads."""
    content: dict[str, Any] = {
        "backbone": model.extractor.backbone,
        "imgsz": model.extractor.imgsz,
        "trunk": model.extractor.trunk.state_dict(),
        "mean": model.memory.mean,
        "deviation": model.memory.deviation,
        "patches": model.memory.patches,
        "threshold": model.threshold,
        "usual": model.usual,
    }
    with staged_file(path, overwrite=True) as staged:
        write_tensors(staged, content)


def load_model(path: Path) -> AnomalyModel:
    """Read what `save_model` wrote.

    Raises:
        InputError: It is no such file.
        WeightsError: It is cut off, or holds more than tensors.
    """
    try:
        content = read_tensors(path, "Give the --out of mvtec train-anomaly")
        extractor = new_extractor(Backbone(content["backbone"], None), int(content["imgsz"]), seed=0)
        extractor.trunk.load_state_dict(content["trunk"])
        memory = NormalPatches(content["mean"], content["deviation"], content["patches"])
        return AnomalyModel(extractor, memory, float(content["threshold"]), float(content["usual"]))
    except MvtecError:  # the package of its network is missing
        raise
    except Exception as error:  # a broken file fails in many ways
        if whose_memory_is_full(error):
            raise
        raise InputError(path, "is no anomaly detector", "Give the --out of mvtec train-anomaly") from error
