"""Pools a feature map by where a photo is unlike the good ones, so that a small defect is not averaged away.

The distance of a place to good photos is that of its features to the nearest of a sample of theirs, as in Roth et al.,
*Towards Total Recall in Industrial Anomaly Detection* (PatchCore), CVPR 2022. What is odd says which defect it is, and
how much of it there is tells a large one from a small one. The pooling is ours.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from mvtec.backbones.normal_patches import NormalPatches

if TYPE_CHECKING:
    import torch

_PATCHES = 2000
_POWERS = (2, 4)  # of the distance, as a weight
_SHARES = (0.0, 0.0025, 0.01, 0.03, 0.075, 0.2, 0.5, 1.0)  # of all places, the farthest first; 0 is the farthest alone


def learn_normal_patches(maps: Sequence[torch.Tensor], seed: int) -> NormalPatches:
    """Remember what good photos look like.

    Args:
        maps: Of each photo V×C×H×W, the feature maps of its views.
        seed: Seed of the sample.
    """
    import torch

    views, _, height, width = maps[0].shape
    of_photo = views * height * width
    order = torch.randperm(len(maps) * of_photo, generator=torch.Generator().manual_seed(seed))[:_PATCHES]
    patches, sums, squares = [], torch.zeros(()), torch.zeros(())
    for number, photo in enumerate(maps):
        places = photo.permute(0, 2, 3, 1).flatten(0, 2).double()
        patches.append(places[order[order // of_photo == number] % of_photo])
        sums, squares = sums + places.sum(dim=0), squares + (places**2).sum(dim=0)
    count = len(maps) * of_photo
    mean = sums / count
    deviation = ((squares / count - mean**2).clamp(min=0) ** 0.5).clamp(min=1e-6)
    return NormalPatches(mean.float(), deviation.float(), ((torch.cat(patches) - mean) / deviation).float())


def pool_unlike(maps: torch.Tensor, normal_patches: NormalPatches) -> torch.Tensor:
    """Vectors of feature maps: their means, weighted by the distance, and the mean distances of the farthest places.

    Args:
        maps: float32 N×C×H×W.
        normal_patches: What good photos look like.

    Returns:
        float32 N×(2·C + 8).
    """
    import torch

    # One map after the other: a large table of distances costs more in memory than in arithmetic.
    distance = torch.stack([normal_patches.distances(of_map) for of_map in maps.flatten(2).transpose(1, 2)])
    flat = maps.flatten(2)
    parts = []
    for power in _POWERS:
        weight = distance**power
        parts.append(torch.einsum("ncx,nx->nc", flat, weight / weight.sum(dim=1, keepdim=True).clamp(min=1e-12)))
    ranked = distance.sort(dim=1, descending=True).values
    counts = [max(1, round(share * ranked.shape[1])) for share in _SHARES]
    parts.append(torch.stack([ranked[:, :count].mean(dim=1) for count in counts], dim=1))
    return torch.cat(parts, dim=1)
