"""The memory bank: some places of good photos, and how far a place is from the nearest of them.

Roth et al. (see `features.py`) thin their bank out by a greedy coreset; ours is a random sample, the same number of
places of each photo, which takes no time to draw. Each channel is divided by its spread over good places, so that
neither block drowns the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mvtec.backbones.normal_patches import NormalPatches

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, eq=False)
class Remembered:
    """What is kept of one good photo until the bank is made.

    Attributes:
        patches: float32 P×C, features of some of its places, in random order.
        count: How many places it has.
        total: float64 C, the sum of the features of all its places.
        squares: float64 C, that of their squares.
    """

    patches: torch.Tensor
    count: int
    total: torch.Tensor
    squares: torch.Tensor


def remember(places: torch.Tensor, most: int, random: torch.Generator) -> Remembered:
    """Keep at most so many places, float32 N×C, of a photo."""
    import torch

    kept = torch.randperm(len(places), generator=random)[:most]
    exact = places.double()
    return Remembered(places[kept].clone(), len(places), exact.sum(dim=0), (exact**2).sum(dim=0))


def share_of_photo(size: int, photos: int) -> int:
    """How many places of each of `photos` photos a bank of `size` holds."""
    return -(-size // photos)


def make_memory(photos: Sequence[Remembered], size: int) -> NormalPatches:
    """A bank of about `size` places, as many of each photo."""
    import torch

    each = share_of_photo(size, len(photos))
    count = sum(photo.count for photo in photos)
    mean = torch.stack([photo.total for photo in photos]).sum(dim=0) / count
    square = torch.stack([photo.squares for photo in photos]).sum(dim=0) / count
    deviation = ((square - mean**2).clamp(min=0) ** 0.5).clamp(min=1e-6).float()
    patches = torch.cat([photo.patches[:each] for photo in photos])
    return NormalPatches(mean.float(), deviation, (patches - mean.float()) / deviation)
