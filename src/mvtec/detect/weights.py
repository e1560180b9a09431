"""Finds pretrained weights on this machine; fetches them only when told to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from mvtec.cache import weights_folders
from mvtec.errors import InputError, WeightsError
from mvtec.fetch import fetch
from mvtec.files import sha256_file

RELEASE = "https://github.com/ultralytics/assets/releases/download/v8.4.0"


@dataclass(frozen=True)
class Start:
    """What a training starts from.

    Attributes:
        architecture: A model file of Ultralytics such as `yolo11n.yaml`, or the path of one.
        weights: The weights file; None for random weights.
    """

    architecture: str
    weights: Path | None

    def record(self) -> dict[str, str] | None:
        """The weights as the record of a run names them."""
        return (
            None if self.weights is None else {"file": str(self.weights.resolve()), "sha256": sha256_file(self.weights)}
        )


def find_start(
    model: str,
    *,
    weights: Path | None = None,
    download: bool = False,
    from_scratch: bool = False,
    on_bytes: Callable[[int, int | None], None] = lambda _done, _total: None,
) -> Start:
    """Decide what to train from.

    In this order: `weights`; the file `model` itself; `model` in the folder `$MVTEC_WEIGHTS`; `model` in the cache;
    with `download`, the official release.

    Args:
        model: An Ultralytics model: `yolo11n.pt`, or `yolo11n.yaml` for an architecture that takes as many of the
            weights as fit.
        weights: A file to take weights from, as many as fit.
        download: Fetch the weights if they are not here. The only thing that uses the network.
        from_scratch: Start from random weights.
        on_bytes: Called while downloading.

    Raises:
        InputError: The options contradict each other.
        WeightsError: The weights are not on this machine.
    """
    if from_scratch and (weights or download):
        raise InputError("--from-scratch", "contradicts --weights and --download", "Give one of the three")
    stem = model.rsplit(".", 1)[0] if model.endswith((".pt", ".yaml", ".yml")) else model
    bare = model.endswith((".yaml", ".yml"))
    architecture = model if bare else f"{Path(stem).name}.yaml"
    if from_scratch:
        return Start(architecture, None)
    if weights is not None:
        if not weights.is_file():
            raise WeightsError(weights, "no such weights file", "Check the path after --weights")
        return Start(architecture, weights)
    if Path(model).suffix == ".pt" and Path(model).is_file():
        return Start(str(model), Path(model))
    name = f"{Path(stem).name}.pt"
    folders = weights_folders()
    for folder in folders:
        if (folder / name).is_file():
            return Start(architecture if bare else str(folder / name), folder / name)
    if download:
        target = folders[-1] / name
        target.parent.mkdir(parents=True, exist_ok=True)
        fetch(f"{RELEASE}/{name}", target, on_bytes=on_bytes)
        return Start(architecture if bare else str(target), target)
    raise WeightsError(
        name,
        f"is not in {' or '.join(map(str, folders))}",
        "Give --weights FILE, or --download to fetch it, or --from-scratch to do without",
    )
