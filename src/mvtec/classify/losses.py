"""The losses a classifier can learn by, and what each makes of a class that is rare or hard.

All are of one form. For a photo of class c whose true class has the probability p, the loss is
w_c · (1 − p)^γ_c · (−log p); n_c is the number of train photos of the class, n their sum, K the number of classes.

    cross-entropy    w = 1, γ = 0
    weighted         w_c = n / (K · n_c), γ = 0: each class weighs the same in all
    focal            w = 1, γ = 2: Lin et al., *Focal Loss for Dense Object Detection*, ICCV 2017
    class-balanced   w_c ∝ (1 − β) / (1 − β^n_c), β = 0.99, their sum K, γ = 0: Cui et al., *Class-Balanced Loss Based
                     on Effective Number of Samples*, CVPR 2019
    adaptive-focal   γ_c = 2 + 4 · (1 − n_c / max n) · d_c, w_c = γ_c / 2; d_c is the mean of 1 − p over the photos of
                     the class in the epoch before, 1 at first

The last is the idea of the report that started this project: focusing that follows the distribution of the classes and
how hard each is at the moment. Its formula is ours. A focusing strength for each class, and the weight γ_c / γ, which
keeps a stronger focus from silencing the class, are those of Li et al., *Equalized Focal Loss for Dense Long-Tailed
Object Detection*, CVPR 2022; they measure a class by its gradients, where this takes its frequency and its difficulty.
With equal classes it is the focal loss.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import torch

LossName = Literal["cross-entropy", "weighted", "focal", "class-balanced", "adaptive-focal"]
LOSSES: tuple[LossName, ...] = ("cross-entropy", "weighted", "focal", "class-balanced", "adaptive-focal")

_FOCUS = 2.0  # what Lin et al. found best
_MOST_MORE_FOCUS = 4.0
_BETA = 0.99  # 1 − 1/N; N, how many different photos of a class there could be, is of the order of a small data set


class ClassLoss:
    """A loss under way.

    Args:
        name: One of `LOSSES`.
        counts: The train photos of each class; a class may have none.

    Attributes:
        weights: float32 K, w.
        focus: float32 K, γ.
    """

    def __init__(self, name: LossName, counts: Sequence[int]) -> None:
        import torch

        self._name = name
        self._counts = torch.tensor(counts, dtype=torch.float32)
        there = self._counts.clamp(min=1)
        self.weights = torch.ones_like(there)
        self.focus = torch.zeros_like(there)
        if name == "weighted":
            self.weights = self._counts.sum() / (len(counts) * there)
        elif name == "class-balanced":
            effective = (1 - _BETA) / (1 - _BETA**there)
            self.weights = effective * len(counts) / effective.sum()
        elif name == "focal":
            self.focus = torch.full_like(there, _FOCUS)
        elif name == "adaptive-focal":
            self._adapt(torch.ones_like(there))
        self._misses = torch.zeros_like(there)
        self._seen = torch.zeros_like(there)

    def __call__(self, logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """The mean over a batch.

        Args:
            logits: float32 N×K.
            labels: int64 N.
        """
        log_p = logits.log_softmax(dim=1).gather(1, labels[:, None])[:, 0]
        miss = 1 - log_p.exp()
        losses = self.weights[labels] * miss.clamp(min=1e-6) ** self.focus[labels] * -log_p
        self._misses.index_add_(0, labels, miss.detach())
        self._seen.index_add_(0, labels, miss.detach().new_ones(len(labels)))
        return losses.mean()

    def end_epoch(self) -> None:
        """Take the difficulty of each class from the epoch that ends."""
        if self._name == "adaptive-focal":
            self._adapt(self._misses / self._seen.clamp(min=1))
        self._misses.zero_()
        self._seen.zero_()

    def _adapt(self, difficulty: torch.Tensor) -> None:
        rarity = 1 - self._counts / self._counts.max()
        self.focus = _FOCUS + _MOST_MORE_FOCUS * rarity * difficulty
        self.weights = self.focus / _FOCUS
