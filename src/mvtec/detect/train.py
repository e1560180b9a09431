"""Trains a YOLO with Ultralytics and leaves a run folder that says how.

RUN holds, in the order they are written:

    data/          the YOLO folder, where the run made it from an MVTec tree
    plan.json      what the run sets out to do
    data.yaml      the photos to read, one by one, in train.txt and val.txt
    train.log      what Ultralytics said
    results.csv    losses by epoch, as Ultralytics writes them
    weights/       last.pt, and best.pt where a val part chose it
    run.json       the record: a folder without it is an unfinished run
"""

from __future__ import annotations

import csv
import os
import statistics
import time
from collections.abc import Callable
from dataclasses import asdict
from itertools import pairwise
from pathlib import Path
from typing import Any

from mvtec.convert.yolo_dataset import check_labels_for_training, read_yolo_folder
from mvtec.detect.model import (
    build_model,
    finish_checkpoint,
    first_line,
    load_model,
    mixed_precision,
    trainer_class,
)
from mvtec.detect.plan import Plan, has_polygons, make_plan, resumed_plan, write_data_yaml
from mvtec.detect.recipe import Recipe
from mvtec.detect.sizes import check_sides
from mvtec.detect.watching import watch
from mvtec.detect.weights import Start
from mvtec.devices import choose_device, device_name
from mvtec.errors import InputError, MvtecError
from mvtec.files import staged_file, write_json
from mvtec.offline import quiet
from mvtec.run import RunRecord, finish_run, is_begun

OnEpoch = Callable[[int, int, dict[str, float]], None]


def train(
    data: Path,
    out: Path,
    *,
    start: Start | None,
    recipe: Recipe,
    device: str = "auto",
    resume: bool = False,
    command: list[str] | None = None,
    warn: Callable[[str], None] = lambda _warning: None,
    on_epoch: OnEpoch = lambda _epoch, _epochs, _losses: None,
) -> RunRecord:
    """Fine-tune a detector.

    The test part takes no part: with a val part the checkpoint with the best val figures is the result, without one
    the last.

    Args:
        data: A YOLO folder or its `data.yaml`.
        out: The run folder, made by `run.prepare_run`.
        start: The model and the weights to begin with; may be None where a checkpoint is resumed.
        recipe: The settings.
        device: `auto`, `cpu`, `mps`, or the number of one GPU.
        resume: Go on with the unfinished run in `out`.
        command: The words of the command line, for the record.
        warn: Told what is doubtful about the data, a sentence each.
        on_epoch: Called after each epoch with its number from 1, the number of epochs, and the losses.

    Raises:
        InputError: The data or an option is wrong, or another data set is resumed; or the training would see, or has
            seen in its first epoch, no instance of a class.
        WeightsError: The weights do not fit the model.
    """
    folder = read_yolo_folder(data)
    resume = resume and is_begun(out)
    began_with = resumed_plan(folder, out) if resume else None
    imgsz = recipe.imgsz if began_with is None else int(began_with.settings["imgsz"])
    chosen_device = choose_device(device)
    check_labels_for_training(folder)
    instances = check_sides(folder, imgsz, turned=has_polygons(folder), warn=warn)
    import torch

    with quiet(out / "train.log") as loud:

        def report(epoch: int, epochs: int, losses: dict[str, float]) -> None:
            with loud():
                on_epoch(epoch, epochs, losses)

        def warn_aloud(sentence: str) -> None:
            with loud():
                warn(sentence)

        if began_with is not None:
            plan = began_with
            model = load_model(str(out / "weights" / "last.pt"))
        elif start is None:
            raise InputError(out, "has no checkpoint to resume from", "Say which --model to begin with")
        else:
            model, transferred = build_model(start, recipe.seed, len(folder.names))
            can_choose = any(count["instances"] for count in instances.get("val", {}).values())
            plan = make_plan(folder, start, recipe, transferred, has_val=can_choose)
            write_json(out / "plan.json", asdict(plan), overwrite=True)
        own_yaml = write_data_yaml(folder, out)
        if resume and _is_over(model, plan):  # it was interrupted after its last epoch
            epoch_ends = [0.0, *_epoch_ends(out)]
            seconds, arguments, seen = epoch_ends[-1], model.ckpt["train_args"], None
        else:
            if resume:
                _forget_later_epochs(out / "results.csv", model.ckpt["epoch"] + 1)
            watch(model, plan, own_yaml, warn_aloud)
            seconds, epoch_ends = _run_training(model, plan, own_yaml, chosen_device, resume, report)
            arguments = vars(model.trainer.args)
            seen = {folder.names[number]: count for number, count in sorted(model.trainer.seen.items())}
        figures = _val_figures(model, out) if plan.has_val else {}
    if not plan.has_val:  # Ultralytics writes one all the same; nothing chose it
        (out / "weights" / "best.pt").unlink(missing_ok=True)
    for checkpoint in (out / "weights" / name for name in ("best.pt", "last.pt")):
        if checkpoint.is_file():
            finish_checkpoint(checkpoint, plan.photos | plan.seen_before)
    spans = [after - before for before, after in pairwise(epoch_ends)]
    record = RunRecord(
        kind="detector",
        command=command or [],
        settings={
            **plan.settings,
            **{name: arguments[name] for name in ("batch", "nbs", "amp", "workers")},
            "device": chosen_device,
            "device_name": device_name(chosen_device),
            "threads": torch.get_num_threads(),
            "transferred": list(plan.transferred),
            "instances": instances,
            "boxes_of_first_epoch": seen,
        },
        data=plan.data,
        split=plan.split,
        weights=plan.weights,
        train_images=plan.photos | plan.seen_before,
        seconds=round(seconds, 1),
        seconds_per_epoch=round(statistics.median(spans), 2) if spans else None,
        figures=figures,
    )
    finish_run(out, record)
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


def _run_training(
    model: Any, plan: Plan, data_yaml: Path, device: str, resume: bool, on_epoch: OnEpoch
) -> tuple[float, list[float]]:
    """Train; returns the seconds it took and the time at which each epoch ended."""
    from ultralytics.utils.torch_utils import init_seeds

    ends: list[float] = []

    def epoch_done(trainer: Any) -> None:
        ends.append(time.perf_counter())
        losses = {name: float(value) for name, value in (trainer.tloss or {}).items()}
        on_epoch(trainer.epoch + 1, trainer.epochs, losses)

    def go_on_with_other_draws(trainer: Any) -> None:
        """Ultralytics begins the draws of a resumed training anew, so its epochs would see those of the first again."""
        seed = plan.settings["seed"] + trainer.start_epoch
        init_seeds(seed, trainer.args.deterministic)
        trainer.train_loader.generator.manual_seed(seed)

    def train_all_epochs(trainer: Any) -> None:
        """Whatever val says meanwhile, and the checkpoint of a resumed run said."""
        trainer.stopper.patience = float("inf")

    model.add_callback("on_pretrain_routine_end", train_all_epochs)
    if resume:
        model.add_callback("on_train_start", go_on_with_other_draws)
    model.add_callback("on_train_epoch_end", epoch_done)
    began = time.perf_counter()
    try:
        model.train(
            trainer=trainer_class(model.task, plan.has_val),
            data=str(data_yaml),
            device=device,
            amp=mixed_precision(device),
            project=str(data_yaml.parent.parent),
            name=data_yaml.parent.name,
            exist_ok=True,
            plots=False,
            val=plan.has_val,
            workers=min(8, os.cpu_count() or 1) if device not in {"cpu", "mps"} else 0,
            **(_resumed(data_yaml.parent) if resume else {}),
            **{name: value for name, value in plan.settings.items() if name != "model"},
        )
    except MvtecError:
        raise
    except (RuntimeError, ValueError, AssertionError, FileNotFoundError, SyntaxError) as error:
        raise InputError(
            plan.data, f"Ultralytics stopped: {first_line(error)}", "Check the data and options"
        ) from error
    return time.perf_counter() - began, ends


def _resumed(out: Path) -> dict[str, str]:
    """What makes Ultralytics go on in `out`, where the run lies now, and not where it lay when it was begun."""
    return {"resume": str(out / "weights" / "last.pt"), "save_dir": str(out)}


def _is_over(model: Any, plan: Plan) -> bool:
    """Whether a checkpoint is that of the last epoch; Ultralytics writes -1 when it has taken the optimiser out."""
    return model.ckpt["epoch"] == -1 or model.ckpt["epoch"] + 1 >= plan.settings["epochs"]


def _forget_later_epochs(results: Path, epoch: int) -> None:
    """Take out the rows of epochs whose checkpoint was not written any more, which come again."""
    header, *rows = results.read_text(encoding="utf-8").splitlines(keepends=True)
    kept = [row for row in rows if int(row.split(",")[0]) <= epoch]
    with staged_file(results, overwrite=True) as staged:
        staged.write_text("".join([header, *kept]), encoding="utf-8")


def _epoch_ends(out: Path) -> list[float]:
    """When each epoch ended, in seconds from the start, as Ultralytics wrote it down."""
    with (out / "results.csv").open(encoding="utf-8", newline="") as stream:
        return [float(row["time"]) for row in csv.DictReader(stream)]


def _val_figures(model: Any, out: Path) -> dict[str, float]:
    """What Ultralytics measured on the val part with the best checkpoint, or noted in it."""
    metrics = getattr(getattr(model, "trainer", None), "metrics", None)
    if metrics is None:
        metrics = load_model(str(checkpoint_of(out))).ckpt.get("train_metrics")
    return {name: round(float(value), 5) for name, value in (metrics or {}).items() if name.startswith("metrics/")}
