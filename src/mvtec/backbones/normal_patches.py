"""What normal images look like: features of some of their places, and how far another place is from the nearest.

Roth et al., *Towards Total Recall in Industrial Anomaly Detection* (PatchCore), CVPR 2022. Each channel is divided by
its spread over normal places, so that none drowns the others.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, eq=False)
class NormalPatches:
    """Features of normal places.

    Attributes:
        mean: float32 C, of the features of all normal places.
        deviation: float32 C, their standard deviation.
        patches: float32 P×C, the features that are kept, standardised.
    """

    mean: torch.Tensor
    deviation: torch.Tensor
    patches: torch.Tensor

    def distances(self, places: torch.Tensor, *, at_once: int | None = None) -> torch.Tensor:
        """Euclidean distance of each place to the nearest patch.

        Args:
            places: float32 N×C, their features.
            at_once: How many places are compared at a time, to save memory; None for all.

        Returns:
            float32 N.
        """
        import torch

        standard = (places - self.mean) / self.deviation
        parts = torch.split(standard, at_once or max(1, len(standard)))
        return torch.cat([torch.cdist(part, self.patches).amin(dim=1) for part in parts])
