"""The photos and labels of a training: Ultralytics' data set, which reads just the photos that it is given.

By itself Ultralytics reads 16-bit and turned photos in its own way, and uses the package albumentations where it is
installed, with draws of its own, so that the same seed trains another model. Here photos are read as for a prediction.
"""

from __future__ import annotations

import math
from functools import cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from mvtec.datasets.images import read_photo
from mvtec.offline import ultralytics


@cache
def own_photos_class() -> type[Any]:
    """Our data set of one part of a training, a class of Ultralytics' kind; made when Ultralytics is loaded."""
    ultralytics()
    from ultralytics.data.augment import Albumentations
    from ultralytics.data.dataset import YOLODataset

    class OwnPhotos(YOLODataset):  # type: ignore[misc]
        """Ultralytics' data set of one part of a training."""

        ims: Any
        im_files: list[str]
        im_hw0: list[tuple[int, int]]
        im_hw: list[tuple[int, int]]
        imgsz: int

        def load_image(
            self, i: int, rect_mode: bool = True, resize_short: bool = False
        ) -> tuple[npt.NDArray[np.uint8], tuple[int, int], tuple[int, int]]:
            """The photo of a number, scaled so that its longer side has `imgsz` pixels.

            Returns:
                uint8 H×W×3 in BGR order, the photo's height and width, and H and W.

            Raises:
                BadPhotoError: The photo cannot be read.
            """
            assert rect_mode, "a detector's photos keep their shape"
            assert not resize_short, "a detector's photos are scaled by their longer side"
            if self.ims[i] is not None:
                return self.ims[i], self.im_hw0[i], self.im_hw[i]
            photo = read_photo(Path(self.im_files[i]))
            size_hw = photo.shape[0], photo.shape[1]
            ratio = self.imgsz / max(size_hw)
            if ratio != 1:
                height, width = (min(math.ceil(side * ratio), self.imgsz) for side in size_hw)
                photo = np.asarray(cv2.resize(photo, (width, height), interpolation=cv2.INTER_LINEAR), np.uint8)
            return photo, size_hw, (photo.shape[0], photo.shape[1])

        def build_transforms(self, hyp: Any) -> Any:
            """Ultralytics' augmentations without those of albumentations."""
            made = super().build_transforms(hyp)
            for transform in made.transforms:
                if isinstance(transform, Albumentations):
                    transform.transform = None
            return made

    return OwnPhotos
