"""SAM behind one small interface, be it ViT-B, ViT-L, ViT-H or MobileSAM: a photo is encoded, then it is asked.

The models are those of Kirillov et al., *Segment Anything*, ICCV 2023, and Zhang et al., *Faster Segment Anything*,
arXiv 2306.14289. Prompt encoder and mask decoder are `segment-anything`'s; MobileSAM's image encoder is Ultralytics'.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from mvtec.convert.pixels.geometry import BoxFloat, box_iou, box_of
from mvtec.datasets.images import BadPhotoError
from mvtec.devices import choose_device
from mvtec.tta import turn_back, turn_boxes, turn_points, turned_size

if TYPE_CHECKING:
    import torch

Photo = npt.NDArray[np.uint8]
Mask = npt.NDArray[np.bool_]
Choose = Literal["fit", "single", "best", "largest"]

SIDE = 1024  # the longer side of what the image encoder sees
EMBEDDING = (256, 64, 64)
LOGITS_SIDE = 256  # of the masks it answers with, over the photo padded to a square
_MOST_PROMPTS = 32  # decoded at once: more take memory and no less time
_MOST_PROMPTS_CPU = 4  # eight take longer a box, see docs/results.md


@dataclass(frozen=True, eq=False)
class Answer:
    """What SAM says to one prompt.

    Attributes:
        mask: bool H×W.
        predicted_iou: SAM's own guess at the mask's IoU, about 0 to 1.
        stability: The IoU between the masks cut at logits +1 and -1, 0 to 1: how sure the outline is.
    """

    mask: Mask
    predicted_iou: float
    stability: float


@dataclass(frozen=True, eq=False)
class SamModel:
    """A loaded model, ready to answer.

    Attributes:
        name: `vit_b`, `vit_l`, `vit_h` or `mobile_sam`.
        network: The `segment_anything.modeling.Sam`.
        device: Where it is.
        half: Whether the image encoder computes in bfloat16.
        train_images: SHA-256 of each photo it was fine-tuned on, mapped to its name; none for a published model.
        encoder_digest: Names the image encoder's weights and precision: equal digests give equal embeddings.
    """

    name: str
    network: Any
    device: str
    half: bool
    train_images: Mapping[str, str]
    encoder_digest: str

    @property
    def tuned(self) -> bool:
        """Whether `mvtec segment finetune` made it."""
        return bool(self.train_images)

    def encode(self, photo: Photo, *, before_neck: bool = False) -> torch.Tensor:
        """The image embedding of a photo.

        Args:
            photo: uint8 H×W×3 in OpenCV's BGR order.
            before_neck: Leave out the encoder's neck, its last two convolutions.

        Returns:
            float16 256×64×64 on the CPU; before the neck it has the encoder's own number of channels.
        """
        import torch
        from segment_anything.utils.transforms import ResizeLongestSide

        resized = ResizeLongestSide(SIDE).apply_image(np.ascontiguousarray(photo[..., ::-1]))
        pixels = torch.from_numpy(resized).permute(2, 0, 1)[None].to(self.device)
        encoder = self.network.image_encoder
        inputs: list[torch.Tensor] = []
        hook = encoder.neck.register_forward_pre_hook(lambda _neck, given: inputs.append(given[0]))
        try:
            with torch.inference_mode(), self.mixed_precision():
                ready = self.network.preprocess(pixels).contiguous(memory_format=torch.channels_last)
                features = encoder(ready)
        finally:
            hook.remove()
        return (inputs[0] if before_neck else features)[0].to("cpu", torch.float16).contiguous()

    def mixed_precision(self) -> torch.autocast:
        """The context in which the image encoder computes in bfloat16, where `half` is set."""
        import torch

        return torch.autocast(torch.device(self.device).type, torch.bfloat16, enabled=self.half)

    def logits(
        self,
        embedding: torch.Tensor,
        boxes_xyxy: torch.Tensor | None,
        points_xy: torch.Tensor | None = None,
        positive: torch.Tensor | None = None,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """All four masks SAM has for each prompt: the one for clear prompts, then those for part, object and whole.

        Args:
            embedding: As `encode` gives it.
            boxes_xyxy: float N×4, corners in pixels of the photo scaled to `SIDE`; None where there are only points.
            points_xy: float N×P×2 on the same scale.
            positive: bool N×P: whether a point is of the object, or beside it; None where all are of it.

        Returns:
            Logits float32 N×4×256×256 over the padded square, and predicted IoU N×4.
        """
        import torch

        network = self.network
        features = embedding[None].to(self.device, torch.float32)
        points = None
        if points_xy is not None:
            of_object = torch.ones(points_xy.shape[:2]) if positive is None else positive
            points = (points_xy.to(self.device), of_object.to(self.device, torch.int))
        boxes = None if boxes_xyxy is None else boxes_xyxy.to(self.device)
        sparse, dense = network.prompt_encoder(points=points, boxes=boxes, masks=None)
        masks, quality = network.mask_decoder.predict_masks(
            image_embeddings=features,
            image_pe=network.prompt_encoder.get_dense_pe(),
            sparse_prompt_embeddings=sparse,
            dense_prompt_embeddings=dense,
        )
        return masks, quality

    def answer(
        self,
        embeddings: Sequence[torch.Tensor],
        size_hw: tuple[int, int],
        boxes_xyxy: npt.NDArray[np.float64] | None,
        points_xy: npt.NDArray[np.float64] | None = None,
        positive: npt.NDArray[np.bool_] | None = None,
        *,
        choose: Choose = "fit",
    ) -> list[Answer]:
        """A mask for each prompt: a box, points, or both.

        Args:
            embeddings: As `encode` gives them for the photo's views 0, 1, … (see `tta.py`). What the model says is
                averaged over them: that is slower, and more exact.
            size_hw: Height and width of the photo.
            boxes_xyxy: float N×4, corners in pixels of the photo; None where there are only points.
            points_xy: float N×P×2 in pixels of the photo.
            positive: bool N×P: whether a point is of the object, or beside it; None where all are of it.
            choose: See `choose_mask`; without boxes none can fit.
        """
        import torch
        from segment_anything.utils.amg import calculate_stability_score

        scale = SIDE / max(size_hw)
        input_hw = tuple(int(side * scale + 0.5) for side in size_hw)
        most = _MOST_PROMPTS_CPU if self.device == "cpu" else _MOST_PROMPTS
        count = len(boxes_xyxy) if boxes_xyxy is not None else 0 if points_xy is None else len(points_xy)
        found = []
        with torch.inference_mode():
            for part in (slice(begin, begin + most) for begin in range(0, count, most)):
                boxes = None if boxes_xyxy is None else boxes_xyxy[part]
                points = None if points_xy is None else points_xy[part]
                labels = None if positive is None else positive[part]
                masks, quality = self._mean_logits(embeddings, size_hw, boxes, points, labels)
                scaled = [None] * len(masks) if boxes is None else (boxes * scale).tolist()
                for of_prompt, quality_of_prompt, box in zip(masks, quality, scaled, strict=True):
                    at = choose_mask(of_prompt, quality_of_prompt, box, choose)
                    full = self.network.postprocess_masks(of_prompt[None, at : at + 1], input_hw, size_hw)
                    stability = calculate_stability_score(full[0], 0.0, 1.0)[0]
                    found.append(
                        Answer(
                            mask=(full[0, 0] > 0).cpu().numpy(),
                            predicted_iou=round(float(quality_of_prompt[at]), 4),
                            stability=round(float(stability.nan_to_num(0.0)), 4),
                        )
                    )
        return found

    def _mean_logits(
        self,
        embeddings: Sequence[torch.Tensor],
        size_hw: tuple[int, int],
        boxes_xyxy: npt.NDArray[np.float64] | None,
        points_xy: npt.NDArray[np.float64] | None,
        positive: npt.NDArray[np.bool_] | None,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """As `logits`, over all views, in pixels of the photo as it is."""
        import torch

        scale = SIDE / max(size_hw)
        all_masks, all_quality = [], []
        for view, embedding in enumerate(embeddings):
            boxes = points = None
            if boxes_xyxy is not None:
                boxes = torch.from_numpy(turn_boxes(boxes_xyxy, size_hw, view) * scale).float()
            if points_xy is not None:
                points = torch.from_numpy(turn_points(points_xy, size_hw, view) * scale).float()
            masks, quality = self.logits(
                embedding, boxes, points, None if positive is None else torch.from_numpy(positive)
            )
            upright = _upright(masks, size_hw, view)
            below, beside = LOGITS_SIDE - upright.shape[-2], LOGITS_SIDE - upright.shape[-1]
            padded = torch.nn.functional.pad(upright, (0, beside, 0, below), mode="constant", value=-10.0)
            all_masks.append(padded)
            all_quality.append(quality)
        return torch.stack(all_masks).mean(dim=0), torch.stack(all_quality).mean(dim=0)


def _upright(masks: torch.Tensor, size_hw: tuple[int, int], view: int) -> torch.Tensor:
    """What logits N×4×256×256 of a view say of the photo, on the grid of view 0, which begins in the photo's corner.

    The photo lies in the upper left of the square, whichever way it is turned. Where its short side does not fill whole
    pixels, an axis that runs backwards in the view begins with the part of a pixel that is left over.
    """
    import torch

    longest = max(size_hw)
    height, width = (-(-side * LOGITS_SIDE // longest) for side in turned_size(size_hw, view))
    upright = turn_back(masks[..., :height, :width], view)
    corner, beside, below, _ = turn_back(torch.arange(4).reshape(2, 2), view).flatten().tolist()
    for axis, following, side in ((-2, below, size_hw[0]), (-1, beside, size_hw[1])):
        left_over = -side * LOGITS_SIDE % longest / longest
        if left_over and following < corner:
            count = upright.shape[axis]
            later = torch.arange(1, count + 1, device=upright.device).clamp(max=count - 1)
            upright = torch.lerp(upright, upright.index_select(axis, later), left_over)
    return upright


def check_shape(photo: Path, size_wh: tuple[int, int]) -> None:
    """Refuse a photo of which nothing is left when its longer side is scaled to `SIDE`.

    Raises:
        BadPhotoError: It is such a strip.
    """
    if min(size_wh) * SIDE * 2 < max(size_wh):
        raise BadPhotoError(
            photo, f"is {size_wh[0]}×{size_wh[1]} pixels, too narrow a strip for SAM", "Cut it into shorter ones"
        )


def choose_mask(masks: torch.Tensor, quality: torch.Tensor, box_xyxy: list[float] | None, choose: Choose) -> int:
    """Which of the four masks of a prompt to take.

    Args:
        masks: Logits 4×256×256 over the padded square.
        quality: Predicted IoU, 4.
        box_xyxy: The prompt's box, corners in pixels of the photo scaled to `SIDE`; None if it has none.
        choose: `fit` for the mask whose own tight box has the highest IoU with the prompt's; `single` for the mask SAM
            has for clear prompts; `best` for that of the other three with the highest predicted IoU; `largest` for the
            largest of those three.
    """
    if choose == "single":
        return 0
    if choose == "fit":
        if box_xyxy is None:
            raise ValueError("no mask fits a box where there is none")
        x1, y1, x2, y2 = box_xyxy
        overlaps = [box_iou(_tight_box(mask), (x1, y1, x2 - x1, y2 - y1)) for mask in masks]
        return overlaps.index(max(overlaps))
    ranking = quality[1:] if choose == "best" else (masks[1:] > 0).flatten(1).sum(dim=1)
    return 1 + int(ranking.argmax())


def _tight_box(mask: torch.Tensor) -> BoxFloat:
    """x, y, w, h on the scale of `SIDE` of what is above 0 in logits h×w."""
    found = box_of((mask > 0).to("cpu").numpy())
    scale = SIDE / mask.shape[-1]
    return (0, 0, 0, 0) if found is None else (found[0] * scale, found[1] * scale, found[2] * scale, found[3] * scale)


def torch_device(device: str) -> str:
    """What `devices.choose_device` says as torch names it: `0` becomes `cuda:0`."""
    device = choose_device(device)
    return f"cuda:{device}" if device.isdigit() else device


def has_bfloat16(device: str) -> bool:
    """Whether the device computes in bfloat16, rather than imitating it."""
    import torch

    if device.startswith("cuda"):
        return torch.cuda.is_bf16_supported(including_emulation=False)
    capabilities: dict[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()
    return device == "cpu" and bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))
