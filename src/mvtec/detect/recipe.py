"""The settings a detector is trained with: made for tens of photos, not for the 118,000 of COCO."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from mvtec.errors import ArgumentError


@dataclass(frozen=True)
class Recipe:
    """What the user chooses of a training.

    Attributes:
        epochs: Passes over the train photos.
        imgsz: Photos are scaled so that their longer side has this many pixels; a multiple of 32.
        batch: Photos per optimiser step; -1 lets Ultralytics find what fits the GPU, up to an eighth of all, or 8.
        freeze: Layers, counted from the input, whose weights stay as they are; ignored from random weights.
        seed: Seed of all that is random.
    """

    epochs: int = 150
    imgsz: int = 256
    batch: int = 8
    freeze: int = 0
    seed: int = 0

    def __post_init__(self) -> None:
        if self.epochs < 1:
            raise ArgumentError("epochs", f"must be at least 1 (got {self.epochs})")
        if self.imgsz < 32 or self.imgsz % 32:
            near = max(32, self.imgsz // 32 * 32)
            raise ArgumentError("imgsz", f"must be a multiple of 32 (got {self.imgsz})", f"Give {near} or {near + 32}")
        if self.batch < 1 and self.batch != -1:
            raise ArgumentError("batch", f"must be at least 1, or -1 to let it be found (got {self.batch})")
        if self.freeze < 0:
            raise ArgumentError("freeze", f"must be at least 0 (got {self.freeze})")

    def ultralytics_settings(self, *, has_polygons: bool, pretrained: bool) -> dict[str, Any]:
        """The settings as Ultralytics names them; what is not listed is its default.

        Args:
            has_polygons: The labels are polygons. Only then photos are turned by any angle: the box of a turned polygon
                is tight, and the box of a turned box is up to √2 too large on each side.
            pretrained: The training starts from weights worth keeping.
        """
        return {
            **asdict(self),
            "freeze": self.freeze if pretrained else None,
            # Ultralytics adds up gradients until it has seen 64 photos. With 64 train photos that is one step an epoch.
            "nbs": self.batch if self.batch > 0 else 16,
            "optimizer": "AdamW",
            "lr0": 0.002,
            # Camera and light are fixed. Parts are turned, but never far off nor of another size, and their colour
            # hardly changes: size and colour are what tells the classes apart.
            "scale": 0.1,
            "translate": 0.05,
            "hsv_h": 0.005,
            "hsv_s": 0.2,
            "hsv_v": 0.15,
            "mosaic": 0.0,
            "degrees": 180.0 if has_polygons else 0.0,
            "flipud": 0.5,
            "fliplr": 0.5,
            "cache": "ram",
        }
