"""Trains a YOLO with Ultralytics and leaves a run folder that says how.

RUN/
  plan.json      what the run sets out to do, written first
  data/          the YOLO folder, where the run made it from an MVTec tree
  weights/       last.pt, and best.pt where a val part chose it
  results.csv    losses by epoch, as Ultralytics writes them
  train.log      what Ultralytics said
  run.json       the record, written last: a folder without it is an unfinished run
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from mvtec.convert.yolo_folder import YoloFolder, read_yolo_folder
from mvtec.detect.offline import quiet, ultralytics
from mvtec.detect.recipe import Recipe
from mvtec.detect.weights import Start
from mvtec.errors import InputError, MvtecError, OutputError, WeightsError
from mvtec.files import check_output, read_json, remove, sha256_file, write_json
from mvtec.run import RunRecord, write_run

OnEpoch = Callable[[int, int, dict[str, float]], None]


@dataclass(frozen=True)
class Plan:
    """What a run sets out to do; a resumed run must set out to do the same.

    Attributes:
        data: The `data.yaml`.
        split: Hash of the split, if the data has one.
        has_val: Whether a val part chooses the checkpoint.
        train_images: SHA-256 of each train and val photo, mapped to its file name.
        weights: File and SHA-256 of the weights trained from; None for random ones.
        transferred: How many of the model's tensors took a value from the weights, and how many there are.
        settings: Every setting given to Ultralytics.
    """

    data: str
    split: str | None
    has_val: bool
    train_images: dict[str, str]
    weights: dict[str, str] | None
    transferred: tuple[int, int]
    settings: dict[str, Any]


def prepare_run(out: Path, *, resume: bool, overwrite: bool) -> None:
    """Make the run folder, or see that there is one to resume.

    Raises:
        OutputError: `out` is taken, or there is nothing to resume.
    """
    unfinished = (out / "plan.json").exists() and not (out / "run.json").exists()
    if resume:
        if (out / "run.json").exists():
            raise OutputError(out, "is a finished run", "Leave out --resume and choose another --out")
        if not unfinished:
            raise OutputError(out, "is no run that could be resumed", "Leave out --resume to begin one")
        return
    if unfinished and not overwrite:
        raise OutputError(out, "is an unfinished run", "Pass --resume to go on, or --overwrite to begin anew")
    check_output(out, overwrite=overwrite)
    if os.path.lexists(out):
        remove(out)
    out.mkdir()


def discard_empty_run(out: Path) -> None:
    """Remove a run folder whose training failed before the first checkpoint: there is nothing in it to resume."""
    if not (out / "weights" / "last.pt").is_file() and not (out / "run.json").is_file():
        remove(out)


def train(
    data: Path,
    out: Path,
    *,
    start: Start,
    recipe: Recipe,
    device: str = "auto",
    resume: bool = False,
    command: list[str] | None = None,
    on_epoch: OnEpoch = lambda _epoch, _epochs, _losses: None,
) -> RunRecord:
    """Fine-tune a detector.

    The test part takes no part: with a val part the checkpoint with the best val figures is the result, without one
    the last.

    Args:
        data: A YOLO folder or its `data.yaml`.
        out: The run folder, made by `prepare_run`.
        start: The model and the weights to begin with.
        recipe: The settings.
        device: `auto`, `cpu`, `mps`, or a GPU's number.
        resume: Go on with the unfinished run in `out`.
        command: The words of the command line, for the record.
        on_epoch: Called after each epoch with its number from 1, the number of epochs, and the losses.

    Raises:
        InputError: The data or an option is wrong, or another data set is resumed.
        WeightsError: The weights do not fit the model.
    """
    folder = read_yolo_folder(data)
    with quiet(out / "train.log") as loud:

        def report(epoch: int, epochs: int, losses: dict[str, float]) -> None:
            with loud():
                on_epoch(epoch, epochs, losses)

        chosen_device = choose_device(device)
        checkpoint = out / "weights" / "last.pt"
        plan = _resumed_plan(folder, out) if resume else None
        if plan is not None and checkpoint.is_file():
            model = _load(str(checkpoint))
        else:
            model, transferred = _build(start, recipe.seed)
            plan = _plan(folder, start, recipe, transferred)
            write_json(out / "plan.json", asdict(plan), overwrite=True)
        seconds, epoch_ends = _run_training(model, plan, out, chosen_device, resume and checkpoint.is_file(), report)
    if not plan.has_val:  # Ultralytics writes one all the same; nothing chose it
        (out / "weights" / "best.pt").unlink(missing_ok=True)
    spans = [after - before for before, after in pairwise(epoch_ends)]
    record = RunRecord(
        command=command or [],
        settings={**plan.settings, "device": chosen_device, "transferred": list(plan.transferred)},
        data=plan.data,
        split=plan.split,
        weights=plan.weights,
        train_images=plan.train_images,
        seconds=round(seconds, 1),
        seconds_per_epoch=round(statistics.median(spans), 2) if spans else None,
        figures=_val_figures(model) if plan.has_val else {},
    )
    write_run(out, record)
    return record


def checkpoint_of(run: Path) -> Path:
    """The checkpoint a finished run stands for: `best.pt` where a val part chose it, else `last.pt`.

    Raises:
        InputError: The run has no checkpoint.
    """
    for name in ("best.pt", "last.pt"):
        if (run / "weights" / name).is_file():
            return run / "weights" / name
    raise InputError(run, "has no checkpoint under weights/", "Train it again")


def choose_device(device: str) -> str:
    """`auto` becomes the first GPU, Apple's, or the CPU.

    Raises:
        InputError: There is no such device.
    """
    import torch

    if device == "auto":
        return "0" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    ultralytics()
    from ultralytics.utils.torch_utils import select_device

    try:
        select_device(device, verbose=False)
    except (ValueError, RuntimeError, AssertionError) as error:
        raise InputError("--device", f"there is no device {device}", "Give cpu, or a GPU's number, or auto") from error
    return device


def _plan(folder: YoloFolder, start: Start, recipe: Recipe, transferred: tuple[int, int]) -> Plan:
    photos = [*folder.images["train"], *folder.images["val"]]
    return Plan(
        data=str(folder.data_yaml.resolve()),
        split=None if folder.split is None else folder.split.hash,
        has_val=bool(folder.images["val"]),
        train_images={sha256_file(photo): photo.name for photo in photos},
        weights=start.record(),
        transferred=transferred,
        settings={
            "model": start.architecture,
            **recipe.ultralytics_settings(has_polygons=_has_polygons(folder), pretrained=start.weights is not None),
        },
    )


def _resumed_plan(folder: YoloFolder, out: Path) -> Plan:
    try:
        plan = TypeAdapter(Plan).validate_python(read_json(out / "plan.json", "the plan of a run"))
    except ValidationError as error:
        raise InputError(out / "plan.json", "is no plan of a run", "Begin anew with --overwrite") from error
    photos = [*folder.images["train"], *folder.images["val"]]
    if {sha256_file(photo) for photo in photos} != set(plan.train_images):
        raise InputError(folder.data_yaml, "holds other photos than the run began with", "Begin anew with --overwrite")
    return replace(plan, transferred=(plan.transferred[0], plan.transferred[1]))


def _has_polygons(folder: YoloFolder) -> bool:
    """Whether any label of the train part is more than a box."""
    for photo in folder.images["train"]:
        label = photo.parent.parent.parent / "labels" / photo.parent.name / f"{photo.stem}.txt"
        if label.is_file():
            for line in label.read_text(encoding="utf-8").splitlines():
                return len(line.split()) > 5
    return False


def _load(checkpoint: str) -> Any:
    """An Ultralytics model from a checkpoint or an architecture file."""
    module = ultralytics()
    try:
        return module.YOLO(checkpoint)
    except FileNotFoundError as error:
        raise InputError(
            checkpoint, "is no model that Ultralytics knows", "Give one such as yolo11n.pt or yolov8n-seg.pt"
        ) from error
    except MvtecError:
        raise
    except Exception as error:  # a vendor's loader fails in many ways on a broken file
        raise WeightsError(checkpoint, f"cannot be loaded ({_first_line(error)})", "Give a YOLO checkpoint") from error


def _build(start: Start, seed: int) -> tuple[Any, tuple[int, int]]:
    """The model to train, and how many of its tensors came from the weights; the others are random, from the seed."""
    import torch

    torch.manual_seed(seed)
    model = _load(start.architecture)
    own = model.model.state_dict()
    if start.weights is None:
        return model, (0, len(own))
    if str(start.weights) == start.architecture:
        return model, (len(own), len(own))
    source = _load(str(start.weights))
    theirs = source.model.state_dict()
    fitting = sum(name in own and own[name].shape == tensor.shape for name, tensor in theirs.items())
    if fitting < len(own) // 4:
        raise WeightsError(
            start.weights,
            f"does not fit {start.architecture}: {fitting} of {len(own)} tensors have the same name and shape",
            "Give the --model these weights were made for",
        )
    model.load(str(start.weights))
    return model, (fitting, len(own))


def _run_training(
    model: Any, plan: Plan, out: Path, device: str, resume: bool, on_epoch: OnEpoch
) -> tuple[float, list[float]]:
    """Train; returns the seconds it took and the time at which each epoch ended."""
    ends: list[float] = []

    def epoch_done(trainer: Any) -> None:
        ends.append(time.perf_counter())
        losses = {name: float(value) for name, value in (trainer.tloss or {}).items()}
        on_epoch(trainer.epoch + 1, trainer.epochs, losses)

    model.add_callback("on_train_epoch_end", epoch_done)
    began = time.perf_counter()
    try:
        model.train(
            trainer=_trainer_class(model.task, plan.has_val),
            data=plan.data,
            device=device,
            amp=_precision(device),
            project=str(out.absolute().parent),
            name=out.name,
            exist_ok=True,
            plots=False,
            val=plan.has_val,
            workers=min(8, os.cpu_count() or 1) if device not in {"cpu", "mps"} else 0,
            **({"resume": str(out / "weights" / "last.pt")} if resume else {}),
            **{name: value for name, value in plan.settings.items() if name != "model"},
        )
    except MvtecError:
        raise
    except (RuntimeError, ValueError, AssertionError, FileNotFoundError, SyntaxError) as error:
        raise InputError(plan.data, f"Ultralytics stopped: {_first_line(error)}", f"See {out / 'train.log'}") from error
    return time.perf_counter() - began, ends


def _trainer_class(task: str, has_val: bool) -> type:
    """Ultralytics' trainer of the task; without a val part one that judges nothing while it trains."""
    from ultralytics.models.yolo.detect import DetectionTrainer
    from ultralytics.models.yolo.segment import SegmentationTrainer

    base: Any = {"detect": DetectionTrainer, "segment": SegmentationTrainer}.get(task)
    if base is None:
        raise InputError("--model", f"is made for the task {task}", "Give a detection or a segmentation model")
    if has_val:
        return base

    class TrainerWithoutVal(base):  # type: ignore[misc]
        def save_metrics(self, metrics: dict[str, float]) -> None:
            super().save_metrics({k: v for k, v in metrics.items() if k.startswith(("train/", "lr/"))})

        def validate(self) -> tuple[dict[str, float], None]:
            return {}, None

        def final_eval(self) -> None:
            from ultralytics.utils.torch_utils import strip_optimizer

            strip_optimizer(self.last)

    return TrainerWithoutVal


def _precision(device: str) -> str | bool:
    """Mixed precision where it is safe without Ultralytics' own test, which fetches a model."""
    import torch

    if device in {"cpu", "mps"}:
        return False
    return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else False


def _val_figures(model: Any) -> dict[str, float]:
    metrics = getattr(getattr(model, "trainer", None), "metrics", None) or {}
    return {str(name): round(float(value), 5) for name, value in metrics.items()}


def _first_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0][:300] if lines else type(error).__name__
