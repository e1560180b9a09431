"""Reads and writes SAM checkpoints, told apart by what they hold."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mvtec.errors import WeightsError
from mvtec.files import read_tensors, write_tensors
from mvtec.segment.model import EMBEDDING, SIDE, SamModel, has_bfloat16, torch_device

_DEPTHS = {12: "vit_b", 24: "vit_l", 32: "vit_h"}
_TRAIN_IMAGES = "mvtec_train_images"
_MEND = "Give a checkpoint of segment-anything (vit_b, vit_l, vit_h) or of MobileSAM"


def load_sam(checkpoint: Path, device: str = "auto") -> SamModel:
    """Load a checkpoint; which model it is of is seen from its keys.

    Args:
        checkpoint: A state dict of tensors; no code in it is run.
        device: `auto`, `cpu`, `mps`, or a GPU's number.

    Raises:
        InputError: There is no such device.
        WeightsError: The file is missing, or no checkpoint of a model we know.
    """
    import torch

    where = torch_device(device)
    tensors, train_images = _read(checkpoint)
    name = recognise(checkpoint, tensors)
    network = _build(name)
    network.train()  # TinyViT keeps what it derives from its weights while it is not training
    try:
        network.load_state_dict(tensors)
    except RuntimeError as error:
        reason = str(error).splitlines()[-1].strip()[:200]
        raise WeightsError(checkpoint, f"does not fit {name} ({reason})", _MEND) from error
    network.eval().requires_grad_(False)
    half = has_bfloat16(where)
    network.image_encoder.to(memory_format=torch.channels_last)
    network.to(where)
    return SamModel(name, network, where, half, train_images, encoder_digest(tensors, half=half))


def recognise(checkpoint: Path, tensors: Mapping[str, Any]) -> str:
    """The name of the model a checkpoint is of.

    Raises:
        WeightsError: It is of none we know.
    """
    if "mask_decoder.iou_token.weight" not in tensors:
        family = "is of SAM 2" if any("sam_mask_decoder" in key for key in tensors) else "is of no SAM"
        raise WeightsError(checkpoint, family, _MEND)
    if any(key.startswith("image_encoder.layers.") for key in tensors):
        return "mobile_sam"
    blocks = {key.split(".")[2] for key in tensors if key.startswith("image_encoder.blocks.")}
    if len(blocks) not in _DEPTHS:
        raise WeightsError(checkpoint, f"has an image encoder of {len(blocks)} blocks", _MEND)
    return _DEPTHS[len(blocks)]


def encoder_digest(tensors: Mapping[str, Any], *, half: bool) -> str:
    """Hex SHA-256 of the image encoder in a checkpoint's tensors, and of whether it computes in bfloat16."""
    import torch

    digest = hashlib.sha256(b"bfloat16" if half else b"float32")
    for key, value in sorted(tensors.items()):
        if key.startswith("image_encoder."):
            digest.update(key.encode())
            digest.update(value.contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())  # NumPy has no bfloat16
    return digest.hexdigest()


def save_sam(path: Path, model: SamModel, train_images: Mapping[str, str]) -> None:
    """Write a fine-tuned model as a checkpoint that `load_sam` reads.

    Args:
        path: Where.
        model: The model.
        train_images: SHA-256 of each photo it has seen, mapped to its name.
    """
    tensors = {key: value.to("cpu").contiguous() for key, value in model.network.state_dict().items()}
    write_tensors(path, {"model": tensors, _TRAIN_IMAGES: dict(train_images)})


def _read(checkpoint: Path) -> tuple[dict[str, Any], dict[str, str]]:
    """The tensors of a checkpoint, and the photos that `save_sam` says it has seen."""
    import torch

    if not checkpoint.is_file():
        raise WeightsError(checkpoint, "no such checkpoint", "Check the path, or fetch one: mvtec segment weights")
    content = read_tensors(checkpoint, _MEND)
    train_images: dict[str, str] = content.get(_TRAIN_IMAGES, {})
    tensors = content["model"] if isinstance(content.get("model"), dict) else content
    if not all(isinstance(key, str) and isinstance(value, torch.Tensor) for key, value in tensors.items()):
        raise WeightsError(checkpoint, "holds more than tensors by name", _MEND)
    return tensors, train_images


def _build(name: str) -> Any:
    from segment_anything import sam_model_registry
    from segment_anything.modeling import MaskDecoder, PromptEncoder, Sam, TwoWayTransformer

    if name != "mobile_sam":
        return sam_model_registry[name]()
    from mvtec.offline import ultralytics

    ultralytics()
    from ultralytics.models.sam.build import build_mobile_sam

    channels, side, _ = EMBEDDING
    return Sam(
        image_encoder=build_mobile_sam().image_encoder,
        prompt_encoder=PromptEncoder(
            embed_dim=channels, image_embedding_size=(side, side), input_image_size=(SIDE, SIDE), mask_in_chans=16
        ),
        mask_decoder=MaskDecoder(
            transformer_dim=channels,
            transformer=TwoWayTransformer(depth=2, embedding_dim=channels, mlp_dim=2048, num_heads=8),
            num_multimask_outputs=3,
            iou_head_depth=3,
            iou_head_hidden_dim=256,
        ),
    )
