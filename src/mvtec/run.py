"""The record of a run: what was done, with what, and what came of it, kept as `run.json`."""

from __future__ import annotations

import importlib.metadata
import platform
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from mvtec.errors import InputError
from mvtec.files import read_json, write_json

_LIBRARIES = ("mvtec-workflow", "torch", "torchvision", "ultralytics", "opencv-python", "numpy", "pycocotools")


def library_versions() -> dict[str, str]:
    """The version of Python and of each installed library that can change a result."""
    versions = {"python": platform.python_version()}
    for name in _LIBRARIES:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return versions


@dataclass(frozen=True)
class RunRecord:
    """What must be known to trust a model's figures and to make it again.

    Attributes:
        command: The words of the command line.
        settings: Every number that changes the result: epochs, image size, seed, …
        data: The data set's `data.yaml` or folder, as given.
        split: Hash of the split, or None where the data came without one.
        weights: `{"file", "sha256"}` of the weights trained from; None for random ones.
        train_images: SHA-256 of each photo that took part in the training, mapped to its name. That is train and val:
            a photo that chose the checkpoint was seen, too; so are those the weights it began with had seen.
        seconds: Time the training took; of a resumed run, its last part.
        seconds_per_epoch: Its median over the epochs.
        figures: What was measured, by name.
        versions: Of Python and of each library that matters.
    """

    command: list[str]
    settings: dict[str, Any]
    data: str
    split: str | None
    weights: dict[str, str] | None
    train_images: dict[str, str]
    seconds: float
    seconds_per_epoch: float | None
    figures: dict[str, float]
    versions: dict[str, str] = field(default_factory=library_versions)


def write_run(folder: Path, record: RunRecord) -> None:
    """Write `folder/run.json`, replacing an older one."""
    write_json(folder / "run.json", asdict(record), overwrite=True)


def read_run(folder: Path) -> RunRecord:
    """Read `folder/run.json`.

    Raises:
        InputError: The folder is no run.
    """
    path = folder / "run.json"
    if not path.is_file():
        raise InputError(folder, "is not a finished run: it has no run.json", "Give the --out of mvtec train-detector")
    try:
        return TypeAdapter(RunRecord).validate_python(read_json(path, "the record of a run"))
    except ValidationError as error:
        raise InputError(path, "is no record of a run", "Give the --out of mvtec train-detector") from error
