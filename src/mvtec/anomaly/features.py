"""What a frozen network sees at each place of a photo: the patch features that good photos are remembered by.

As in PatchCore (Roth et al., *Towards Total Recall in Industrial Anomaly Detection*, CVPR 2022) a place has the
features of two middle blocks, each averaged over its 3×3 neighbourhood, the coarser one scaled up to the finer one.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from mvtec.backbones.networks import build_backbone, network_pixels
from mvtec.backbones.weights import Backbone, Name
from mvtec.datasets.images import Photo, read_photo

if TYPE_CHECKING:
    import torch

# Of the trunk's modules, those whose outputs are looked at, at an eighth and a sixteenth of the photo's size:
# EfficientNet-Lite0's blocks 4 and 10 after its stem of three, ResNet-18's second and third stage.
_LOOKED_AT: dict[Name, tuple[int, int]] = {"efficientnet_lite0": (7, 13), "resnet18": (5, 6)}
STRIDE = 8  # pixels of the scaled photo from one place to the next


@dataclass(frozen=True, eq=False)
class Extractor:
    """A frozen network that is asked about places.

    Attributes:
        backbone: The network's name.
        trunk: A `torch.nn.Sequential` up to the network's middle.
        imgsz: Photos are scaled to a square of so many pixels, a multiple of 32.
    """

    backbone: Name
    trunk: Any
    imgsz: int

    @property
    def grid_hw(self) -> tuple[int, int]:
        """Rows and columns of places."""
        return self.imgsz // STRIDE, self.imgsz // STRIDE

    @property
    def parameters(self) -> int:
        """How many numbers the network has learnt."""
        return sum(weight.numel() for weight in self.trunk.parameters())

    def places(self, photo: Path | Photo) -> torch.Tensor:
        """The features of each place of a photo, float32 HW×C, row by row.

        Args:
            photo: The file, or uint8 H×W×3 in OpenCV's BGR order.

        Raises:
            BadPhotoError: The photo cannot be read.
        """
        import torch
        from torch.nn import functional

        pixels = read_photo(photo) if isinstance(photo, Path) else photo
        scaled = cv2.resize(pixels, (self.imgsz, self.imgsz), interpolation=cv2.INTER_AREA)
        with torch.no_grad():
            seen, maps = network_pixels(np.asarray(scaled, np.uint8)), []
            for number, module in enumerate(self.trunk):
                seen = module(seen)
                if number in _LOOKED_AT[self.backbone]:
                    near = functional.avg_pool2d(seen, 3, stride=1, padding=1, count_include_pad=False)
                    maps.append(functional.interpolate(near, self.grid_hw, mode="bilinear", align_corners=False))
        return torch.cat(maps, dim=1)[0].flatten(1).T.contiguous()


def new_extractor(start: Backbone, imgsz: int, seed: int) -> Extractor:
    """An extractor; `seed` is that of random weights.

    Raises:
        WeightsError: The weights do not fit, or the package of the network is missing.
    """
    import torch

    torch.manual_seed(seed)
    trunk, _ = build_backbone(start)
    trunk.eval().requires_grad_(False).to(memory_format=torch.channels_last)
    return Extractor(start.name, trunk, imgsz)
