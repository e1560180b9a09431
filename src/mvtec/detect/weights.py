"""Finds what a training starts from: weights on this machine, or our own; fetches others only when told to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from zipfile import is_zipfile

from mvtec.cache import find_in, weights_folders
from mvtec.detect.backends import DETECTORS, YOLO
from mvtec.errors import ArgumentError, WeightsError
from mvtec.fetch import fetch
from mvtec.files import sha256_file

MODEL = "yolo11n.pt"  # the model where none is named
STARTER = "starter"  # names the weights that come with this package, as a model
STARTER_ARCHITECTURE = "yolov5n.yaml"
STARTER_FILE = Path(__file__).with_name("starter.pt")  # made by `make starter`, see docs/starter-weights.md
RELEASE = "https://github.com/ultralytics/assets/releases/download/v8.4.0"


@dataclass(frozen=True)
class Start:
    """What a training starts from.

    Attributes:
        architecture: A model file of Ultralytics such as `yolo11n.yaml`, or the path of one; or the name of another
            kind of detector in `DETECTORS`.
        weights: The weights file; None for random weights.
    """

    architecture: str
    weights: Path | None

    @property
    def is_starter(self) -> bool:
        """Whether these are the weights that come with this package."""
        return self.weights == STARTER_FILE

    @property
    def detector(self) -> str:
        """The kind of detector, by its name in `DETECTORS`."""
        return self.architecture if self.architecture in DETECTORS else YOLO

    def record(self) -> dict[str, str] | None:
        """The weights as the record of a run names them; a link stays one, whose name may say what kind they are."""
        if self.weights is None:
            return None
        return {"file": str(self.weights.absolute()), "sha256": sha256_file(self.weights)}


def starter() -> Start:
    """The weights that come with this package.

    Their own file is the architecture, too: so none of their layers but the last is lost.

    Raises:
        WeightsError: The package has been installed without them.
    """
    if not STARTER_FILE.is_file():
        raise WeightsError(STARTER_FILE, "is not there", "Install the package anew, or make it with `make starter`")
    return Start(str(STARTER_FILE), STARTER_FILE)


def find_start(
    model: str | None = None,
    *,
    weights: Path | None = None,
    download: bool = False,
    from_scratch: bool = False,
    on_bytes: Callable[[int, int | None], None] = lambda _done, _total: None,
) -> Start:
    """Decide what to train from.

    In this order: `weights`; the file `model` itself; `model` in the folder `$MVTEC_WEIGHTS`; `model` in the cache;
    with `download`, the official release; where no model was named, the starter weights that come with this package.

    Args:
        model: An Ultralytics model: `yolo11n.pt`, or `yolo11n.yaml` for an architecture that takes as many of the
            weights as fit; `starter` for our own; None for that of `weights`, else `yolo11n.pt` where it is, else our
            own.
        weights: A file to take weights from, as many as fit.
        download: Fetch the weights if they are not here. The only thing that uses the network.
        from_scratch: Start from random weights.
        on_bytes: Called while downloading.

    Raises:
        ArgumentError: The options contradict each other.
        WeightsError: The weights are not on this machine.
    """
    if from_scratch and (weights or download):
        raise ArgumentError("from_scratch", "contradicts `weights` and `download`", "Give one of the three")
    if weights and download:
        raise ArgumentError("download", "contradicts `weights`", "Give one of the two")
    if model in DETECTORS and model != YOLO:
        if weights or download:
            raise ArgumentError("model", f"{model} takes no `weights` and no `download`", "Leave them out")
        return Start(model, None)
    if model == STARTER and (weights or download):
        raise ArgumentError("model", "starter names weights, as `weights` and `download` do", "Give one of the three")
    if weights is not None and not weights.is_file():
        raise WeightsError(weights, "no such weights file", "Check the path of `weights`")
    if model is None and weights is not None:
        return Start(str(weights), weights)
    if model == STARTER:
        return Start(STARTER_ARCHITECTURE, None) if from_scratch else starter()
    named, model = model is not None, model or MODEL
    stem = model.rsplit(".", 1)[0] if model.endswith((".pt", ".yaml", ".yml")) else model
    bare = model.endswith((".yaml", ".yml"))
    if bare and Path(model).is_file():
        model = str(Path(model).absolute())  # so that the run can be made again from another folder
    architecture = model if bare else f"{Path(stem).name}.yaml"
    if from_scratch:
        return Start(architecture, None)
    if weights is not None:
        return Start(architecture, weights)
    if Path(model).suffix == ".pt" and Path(model).is_file():
        return Start(str(model), Path(model))
    if Path(model).suffix == ".pt" and len(Path(model).parts) > 1:
        raise WeightsError(model, "no such weights file", "Check the path of `model`")
    name = f"{Path(stem).name}.pt"
    if (found := find_in(weights_folders(), name)) is not None:
        return Start(architecture if bare else str(found), found)
    if download:
        target = weights_folders()[-1] / name
        target.parent.mkdir(parents=True, exist_ok=True)
        fetch(f"{RELEASE}/{name}", target, on_bytes=on_bytes)
        if not is_zipfile(target):  # as every checkpoint of PyTorch is; what answers for the server may serve a page
            target.unlink()
            raise WeightsError(f"{RELEASE}/{name}", "served something else than a checkpoint", "Try another network")
        return Start(architecture if bare else str(target), target)
    if not named:
        return starter()
    raise WeightsError(
        name,
        f"is not in {' or '.join(map(str, weights_folders()))}",
        "Give `weights` FILE, or `download` to fetch it, or `from_scratch` to do without, or leave out `model`",
    )
