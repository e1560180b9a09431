"""The training of SAM's mask decoder, epoch by epoch: prompts, losses, optimiser.

Dice and focal loss 1 : 20, and the predicted IoU learnt beside the mask, are those of Kirillov et al., *Segment
Anything*, ICCV 2023, appendix A. Of SAM's four masks the one for clear prompts is trained.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from mvtec.convert.pixels.geometry import region_of
from mvtec.segment.examples import Example, Features, jitter, target
from mvtec.segment.model import SIDE, SamModel
from mvtec.segment.recipe import FinetuneRecipe

if TYPE_CHECKING:
    import torch

_BATCH = 4
_WARM_UP = 0.1  # share of the steps in which the learning rate rises; then it falls along a cosine
_WEIGHT_DECAY = 1e-2
_NECK_RATE = 0.4  # of the decoder's learning rate
_FOCAL_WEIGHT = 20.0
_LONGEST_GRADIENT = 1.0


class Training:
    """A training under way.

    Args:
        model: Is changed, until `undo`.
        features: Of its photos, before the neck if the neck is trained.
        train: The examples to learn from.
        val: Those to choose the epoch by.
        recipe: How.

    Attributes:
        history: The figures of each epoch so far: `loss`, and `val_iou` where there is a val part.
    """

    def __init__(
        self,
        model: SamModel,
        features: Features,
        train: Sequence[Example],
        val: Sequence[Example],
        recipe: FinetuneRecipe,
    ) -> None:
        import torch

        self._model, self._features, self._train, self._val, self._recipe = model, features, train, val, recipe
        self.history: list[dict[str, float]] = []
        decoder, neck = model.network.mask_decoder, model.network.image_encoder.neck
        self._modules = {"mask_decoder": decoder} | ({"image_encoder.neck": neck} if self._has_neck else {})
        rates = {"mask_decoder": recipe.learning_rate, "image_encoder.neck": recipe.learning_rate * _NECK_RATE}
        self._before = copy.deepcopy(self.tensors())
        for module in self._modules.values():
            module.requires_grad_(True)
        self._optimiser = torch.optim.AdamW(
            [{"params": list(module.parameters()), "lr": rates[name]} for name, module in self._modules.items()],
            weight_decay=_WEIGHT_DECAY,
        )
        self._schedule = torch.optim.lr_scheduler.OneCycleLR(
            self._optimiser,
            [rates[name] for name in self._modules],
            total_steps=recipe.epochs * -(-len(train) // _BATCH),
            pct_start=_WARM_UP,
        )

    @property
    def _has_neck(self) -> bool:
        return self._recipe.train == "decoder+neck"

    @property
    def has_val(self) -> bool:
        """Whether there is a val part."""
        return bool(self._val)

    @property
    def best_epoch(self) -> int:
        """The epoch to keep, from 0: that of the highest `val_iou`, without a val part the last."""
        if not self._val:
            return len(self.history) - 1
        return max(range(len(self.history)), key=lambda epoch: self.history[epoch]["val_iou"])

    @property
    def is_over(self) -> bool:
        """Whether all epochs are done, or the val part says that more are no use."""
        done = len(self.history)
        return done == self._recipe.epochs or (done > 0 and done - 1 - self.best_epoch >= self._recipe.patience)

    def run_epoch(self) -> None:
        """See each instance once, in a view and with a box that depend on seed and epoch alone."""
        random = np.random.default_rng([self._recipe.seed, len(self.history)])
        order = random.permutation(len(self._train))
        losses = []
        for begin in range(0, len(order), _BATCH):
            batch = [self._train[at] for at in order[begin : begin + _BATCH]]
            losses.append(self._step(batch, random))
        figures = {"loss": round(float(np.mean(losses)), 5)}
        if self._val:
            figures["val_iou"] = round(float(np.mean([self._iou(example) for example in self._val])), 5)
        self.history.append(figures)

    def state(self) -> dict[str, Any]:
        """All that an interrupted training needs to go on as if nothing had happened."""
        return {
            "tensors": self.tensors(),
            "optimiser": self._optimiser.state_dict(),
            "schedule": self._schedule.state_dict(),
            "history": self.history,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from what `state` gave."""
        self.set_tensors(state["tensors"])
        self._optimiser.load_state_dict(state["optimiser"])
        self._schedule.load_state_dict(state["schedule"])
        self.history = state["history"]

    def tensors(self) -> dict[str, dict[str, torch.Tensor]]:
        """The weights that are trained, by module."""
        return {name: module.state_dict() for name, module in self._modules.items()}

    def set_tensors(self, tensors: dict[str, dict[str, torch.Tensor]]) -> None:
        """Put in what `tensors` gave."""
        for name, module in self._modules.items():
            module.load_state_dict(tensors[name])

    def undo(self) -> None:
        """Give the model back as it was: its digest, by which embeddings are kept, is that of the weights it had."""
        self.set_tensors(self._before)
        for module in self._modules.values():
            module.requires_grad_(False)

    def _step(self, batch: Sequence[Example], random: np.random.Generator) -> float:
        import torch

        logits, quality, truth = [], [], []
        for example in batch:
            view = int(random.integers(self._recipe.views))
            box, wanted = target(example, view)
            box = jitter(box, self._recipe.jitter * random.uniform(), random)  # some boxes nearly exact, some far off
            with self._model.mixed_precision():
                prompt = torch.from_numpy(box)[None].float()
                masks, predicted = self._model.logits(self._embedding(example, view), prompt)
            logits.append(masks[0, 0].float())
            quality.append(predicted[0, 0].float())
            truth.append(torch.from_numpy(wanted))
        loss = mask_loss(torch.stack(logits), torch.stack(quality), torch.stack(truth).to(self._model.device))
        self._optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        trained = [weight for module in self._modules.values() for weight in module.parameters()]
        torch.nn.utils.clip_grad_norm_(trained, _LONGEST_GRADIENT)
        self._optimiser.step()
        self._schedule.step()
        return float(loss.detach())

    def _embedding(self, example: Example, view: int) -> torch.Tensor:
        found = self._features.of(example, view)
        if not self._has_neck:
            return found
        embedding: torch.Tensor = self._model.network.image_encoder.neck(found[None].to(self._model.device).float())[0]
        return embedding

    def _iou(self, example: Example) -> float:
        """IoU with the truth of what the model answers to the exact box, as `segment refine` asks it."""
        import torch

        with torch.no_grad():
            box, _ = target(example, 0)
            corners = box * (max(example.image.size_wh) / SIDE)
            answer = self._model.answer(
                [self._embedding(example, 0)], example.image.size_hw, corners[None], choose="single"
            )[0]
        found = region_of(answer.mask)
        return 0.0 if found is None else example.region.iou(found)


def mask_loss(logits: torch.Tensor, quality: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
    """Dice + 20 · focal + squared error of the predicted IoU, mean over the batch.

    Args:
        logits: float32 N×H×W.
        quality: float32 N, the predicted IoU.
        truth: float32 N×H×W, 0 to 1.
    """
    from torch.nn.functional import binary_cross_entropy_with_logits

    share = logits.sigmoid()
    dice = 1 - (2 * (share * truth).sum((1, 2)) + 1) / (share.sum((1, 2)) + truth.sum((1, 2)) + 1)
    entropy = binary_cross_entropy_with_logits(logits, truth, reduction="none")
    focal = ((1 - (-entropy).exp()) ** 2 * entropy).mean((1, 2))
    found, wanted = logits.detach() > 0, truth > 0.5
    iou = (found & wanted).sum((1, 2)) / (found | wanted).sum((1, 2)).clamp(min=1)
    return (dice + _FOCAL_WEIGHT * focal + (quality - iou) ** 2).mean()
