"""What a detector or a segmenter says about one photo: `Detections`, checked once when it is made."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, eq=False)
class Detections:
    """The instances that a model has found in one photo, the one with the highest score first.

    Coordinates are pixels of the photo as a viewer shows it, with the origin at the outer corner of the top left pixel:
    a box around that pixel alone is `0, 0, 1, 1`.

    Attributes:
        boxes_xyxy: float32 N×4, left, top, right and bottom of each box.
        scores: float32 N, from 0 to 1, falling.
        class_ids: int64 N, the number of each class in the model's list of names, from 0.
        masks: bool N×H×W, the pixels of each instance; None where the model finds boxes alone.
        size_hw: Height and width of the photo in pixels.

    Raises:
        ValueError: A field has another shape, type or range than is said here.
    """

    boxes_xyxy: npt.NDArray[np.float32]
    scores: npt.NDArray[np.float32]
    class_ids: npt.NDArray[np.int64]
    masks: npt.NDArray[np.bool_] | None
    size_hw: tuple[int, int]

    def __post_init__(self) -> None:
        count = len(self.scores)
        _check("boxes_xyxy", self.boxes_xyxy, np.float32, (count, 4))
        _check("scores", self.scores, np.float32, (count,))
        _check("class_ids", self.class_ids, np.int64, (count,))
        if self.masks is not None:
            _check("masks", self.masks, np.bool_, (count, *self.size_hw))
        if not np.isfinite(self.boxes_xyxy).all():
            raise ValueError("boxes_xyxy must be finite")
        if (self.boxes_xyxy[:, :2] > self.boxes_xyxy[:, 2:]).any():
            raise ValueError("boxes_xyxy must be left, top, right, bottom")
        if not ((self.scores >= 0) & (self.scores <= 1)).all():
            raise ValueError("scores must be between 0 and 1")
        if (np.diff(self.scores) > 0).any():
            raise ValueError("scores must fall: the highest first")
        if (self.class_ids < 0).any():
            raise ValueError("class_ids must be at least 0")

    def __len__(self) -> int:
        """How many instances there are."""
        return len(self.scores)

    def at_least(self, score: float) -> Detections:
        """Those with this score or a higher one."""
        kept = self.scores >= score
        masks = None if self.masks is None else self.masks[kept]
        return Detections(self.boxes_xyxy[kept], self.scores[kept], self.class_ids[kept], masks, self.size_hw)


def _check(name: str, array: npt.NDArray[np.generic], dtype: type[np.generic], shape: tuple[int, ...]) -> None:
    if not isinstance(array, np.ndarray) or array.dtype != dtype or array.shape != shape:
        found = f"{array.dtype} {array.shape}" if isinstance(array, np.ndarray) else type(array).__name__
        raise ValueError(f"{name} must be {np.dtype(dtype).name} {shape} (got {found})")
