"""The networks that features come from, ResNet-18 and EfficientNet-Lite0, and how a photo is given to them.

He et al., *Deep Residual Learning for Image Recognition*, CVPR 2016; Tan and Le, *EfficientNet*, ICML 2019, in the Lite
variant of TensorFlow's authors. Both are trained on ImageNet.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from mvtec.backbones.weights import Backbone, Name
from mvtec.errors import WeightsError, install_hint
from mvtec.files import read_tensors

if TYPE_CHECKING:
    import torch

_FIRST_KEYS: dict[Name, str] = {"resnet18": "conv1.weight", "efficientnet_lite0": "_conv_stem.weight"}
_MIDDLE_BLOCK = 11  # EfficientNet-Lite0's blocks before the last two stages, at a sixteenth of the photo's size

# Of ImageNet's photos, RGB.
_MEAN = np.array([0.485, 0.456, 0.406], np.float32)
_DEVIATION = np.array([0.229, 0.224, 0.225], np.float32)


def build_backbone(start: Backbone) -> tuple[Any, Any]:
    """The network in two parts, each a `torch.nn.Module`: up to its middle, and from there to its last feature map.

    Raises:
        WeightsError: The weights do not fit, or the package of the network is missing.
    """
    from torch import nn

    if start.name == "resnet18":
        from torchvision.models import resnet18

        network = resnet18(weights=None)
        _load(network, start, ignore="fc.")
        stem = (network.conv1, network.bn1, network.relu, network.maxpool)
        return nn.Sequential(*stem, network.layer1, network.layer2, network.layer3), network.layer4
    try:
        from efficientnet_lite_pytorch import EfficientNet
    except ImportError as error:
        raise WeightsError(
            "efficientnet_lite0", "is not installed", f"To have it, {install_hint('classify')}"
        ) from error
    network = EfficientNet.from_name("efficientnet-lite0")
    _load(network, start, ignore="_fc.")
    head = (network._conv_head, network._bn1, nn.ReLU6())
    first, last = network._blocks[:_MIDDLE_BLOCK], network._blocks[_MIDDLE_BLOCK:]
    return nn.Sequential(network._conv_stem, network._bn0, nn.ReLU6(), *first), nn.Sequential(*last, *head)


def _load(network: Any, start: Backbone, ignore: str) -> None:
    if start.weights is None:
        return
    hint = f"Give ImageNet weights of {start.name}"
    tensors = read_tensors(start.weights, hint)
    try:
        missing, unknown = network.load_state_dict(
            {key: value for key, value in tensors.items() if not key.startswith(ignore)}, strict=False
        )
    except RuntimeError as error:  # a tensor of another shape
        raise WeightsError(start.weights, f"does not fit {start.name}: its tensors have other shapes", hint) from error
    if lost := [key for key in [*missing, *unknown] if not key.startswith(ignore)]:
        other = next((name for name, key in _FIRST_KEYS.items() if key in tensors and name != start.name), None)
        if other is not None:
            raise WeightsError(
                start.weights, f"does not fit {start.name}: it is of {other}", f"{hint}, or pass --backbone {other}"
            )
        raise WeightsError(start.weights, f"does not fit {start.name}: {lost[0]}", hint)


def network_pixels(photo: npt.NDArray[np.uint8]) -> torch.Tensor:
    """float32 1×3×H×W of a photo in OpenCV's BGR order, normalised by ImageNet's channels.

    EfficientNet-Lite0 was trained on (value - 127) / 128; to find what is odd on bottle that was no better, see
    docs/results.md.
    """
    import torch

    rgb = (photo[..., ::-1].astype(np.float32) / 255 - _MEAN) / _DEVIATION
    pixels = torch.from_numpy(rgb).permute(2, 0, 1)[None]
    return pixels.contiguous(memory_format=torch.channels_last)
