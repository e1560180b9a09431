"""Checks model files of unknown origin before Ultralytics reads them: no code is run, no address is asked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mvtec.errors import InputError, WeightsError
from mvtec.pickles import scan_checkpoint
from mvtec.reading import read_yaml

_DATA_TYPES = frozenset({"ultralytics.utils.IterableSimpleNamespace", "ultralytics.yolo.utils.IterableSimpleNamespace"})
_FETCHES = "TorchVision"  # the layer of Ultralytics that fetches weights of torchvision


def check_checkpoint(checkpoint: Path) -> None:
    """Refuse a checkpoint that does more than to fill a network with numbers, before it is loaded.

    Ultralytics loads the classes of networks that it knows. A saved network is an empty object of its class, which is
    then filled; a file that calls such a class instead would run its constructor, which may read other files or use the
    network.

    Raises:
        FileNotFoundError: There is no such file.
        WeightsError: It is not a checkpoint, or is such a one.
    """
    try:
        pickled = scan_checkpoint(checkpoint)
    except ValueError as error:
        raise WeightsError(
            checkpoint, f"cannot be loaded: it is cut off, or not a checkpoint ({error})", "Give a YOLO checkpoint"
        ) from error
    called = {name for name in pickled.called if name == "?" or name.startswith(("ultralytics.", "torch.nn."))}
    bad = sorted(called - _DATA_TYPES) + sorted(name for name in pickled.named if name.endswith(f".{_FETCHES}"))
    if bad:
        name = "what it has looked up" if bad[0] == "?" else bad[0]
        raise WeightsError(
            checkpoint,
            f"would call {name} when it is loaded, as a saved network never does",
            "Do not use this file. Give a YOLO checkpoint from a source you trust",
        )


def check_layers(source: str | Path, architecture: Any) -> None:
    """Refuse an architecture with layers that may read files or use the network when they are made.

    Args:
        source: Where it stands, for the error line.
        architecture: A model file of Ultralytics as it is parsed: its `backbone` and `head` are lists of
            `[from, repeats, layer, arguments]`.

    Raises:
        InputError: It has a layer that is not one of Ultralytics' own, of `torch.nn` or of `torchvision.ops`; or it is
            not an architecture.
    """
    from ultralytics.nn import modules

    known = set(modules.__all__) - {_FETCHES}
    problem, hint = "is not a model file of Ultralytics", "Give one such as yolo11n.yaml"
    try:
        layers = [str(layer[2]) for part in ("backbone", "head") for layer in architecture[part]]
    except (TypeError, KeyError, IndexError) as error:
        raise InputError(source, problem, hint) from error
    for layer in layers:
        if layer not in known and not layer.startswith(("nn.", "torchvision.ops.")):
            why = "would be fetched from the network" if layer == _FETCHES else "is not a layer"
            raise InputError(source, f"has a layer {layer}, which {why}", "Give a model without it")


def architecture_of(name: str) -> Any:
    """The content of a model file, the user's or one that comes with Ultralytics.

    Raises:
        FileNotFoundError: There is none of that name.
        InputError: It is not YAML.
    """
    from ultralytics.nn.tasks import yaml_model_load

    if Path(name).is_file():
        return read_yaml(Path(name), "a model file of Ultralytics")
    return yaml_model_load(name)
