"""Ultralytics YOLO, which finds boxes, or boxes and masks: a `Detector`."""

from __future__ import annotations

import csv
import os
import shutil
import statistics
import time
from collections.abc import Mapping
from dataclasses import asdict
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from mvtec.detect.backends.detector import Limits, OnEpoch, Trained, Training
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
from mvtec.detect.view import View, make_view
from mvtec.detect.watching import watch
from mvtec.devices import device_name
from mvtec.errors import InputError, MvtecError
from mvtec.files import remove, staged_file, write_json
from mvtec.limits import MOST_PIXELS
from mvtec.offline import quiet, replaced
from mvtec.results.detections import Detections
from mvtec.run import checkpoint_of


class Yolo:
    """A YOLO of Ultralytics.

    Args:
        model: Ultralytics' model; None before `fit`.
        checkpoint: Where it was loaded from.
        imgsz: Photos are scaled so that their longer side has this many pixels.
        device: `cpu`, `mps`, or the number of a GPU.
    """

    def __init__(
        self, model: Any = None, checkpoint: Path | None = None, imgsz: int = Recipe.imgsz, device: str = "cpu"
    ) -> None:
        self._model = model
        self._checkpoint = checkpoint
        self._imgsz = imgsz
        self._device = device

    @classmethod
    def load(cls, file: Path, *, device: str = "cpu", settings: Mapping[str, Any] | None = None) -> Yolo:
        """Read a checkpoint of Ultralytics; see `Detector.load`."""
        model = load_model(str(file))
        given = settings or (model.ckpt or {}).get("train_args") or {}
        return cls(model, file, int(given.get("imgsz", Recipe.imgsz)), device)

    def save(self, file: Path) -> None:
        """Write a copy of the checkpoint."""
        assert self._checkpoint is not None, "fit or load it first"
        shutil.copyfile(self._checkpoint, file)

    @property
    def names(self) -> tuple[str, ...]:
        """The classes in their order."""
        return tuple(self._model.names[number] for number in sorted(self._model.names))

    def predict(self, photo: npt.NDArray[np.uint8], limits: Limits = Limits()) -> Detections:  # noqa: B008
        """Find instances in a photo; see `Detector.predict`."""
        found = self._model.predict(
            np.ascontiguousarray(photo[..., ::-1]),
            imgsz=self._imgsz,
            conf=limits.min_score,
            iou=limits.iou,
            max_det=limits.max_detections,
            device=self._device,
            retina_masks=True,
            verbose=False,
        )[0]
        return to_detections(found, (photo.shape[0], photo.shape[1]))

    def fit(self, training: Training) -> Trained:
        """Fine-tune; see `Detector.fit`.

        The folder of the run gets, beside what `train` says, `plan.json`, `data.yaml` with the photos to read in
        `train.txt` and `val.txt`, `train.log`, and `results.csv`.
        """
        import torch

        folder, out, start, recipe = training.folder, training.out, training.start, training.recipe
        began_with = resumed_plan(folder, out) if start is None else None
        imgsz = recipe.imgsz if began_with is None else int(began_with.settings["imgsz"])
        instances = check_sides(folder, imgsz, turned=has_polygons(folder), warn=training.warn)
        with quiet(out / "train.log") as loud:

            def report(epoch: int, epochs: int, losses: dict[str, float]) -> None:
                with loud():
                    training.on_epoch(epoch, epochs, losses)

            def warn_aloud(sentence: str) -> None:
                with loud():
                    training.warn(sentence)

            if start is None:
                assert began_with is not None
                plan = began_with
                model = load_model(str(out / "weights" / "last.pt"))
            else:
                model, transferred = build_model(start, recipe.seed, len(folder.names))
                can_choose = any(count["instances"] for count in instances.get("val", {}).values())
                settings = recipe.ultralytics_settings(
                    has_polygons=has_polygons(folder), pretrained=start.weights is not None
                )
                plan = make_plan(folder, start, settings, transferred, has_val=can_choose)
                write_json(out / "plan.json", asdict(plan), overwrite=True)
            write_data_yaml(folder, out)
            if start is None and _is_over(model, plan):  # it was interrupted after its last epoch
                epoch_ends = [0.0, *_epoch_ends(out)]
                seconds, arguments, seen = epoch_ends[-1], model.ckpt["train_args"], None
            else:
                if start is None:
                    _forget_later_epochs(out / "results.csv", model.ckpt["epoch"] + 1)
                view = make_view(folder, out / "view")
                watch(model, plan, folder, view, warn_aloud)
                seconds, epoch_ends = _run_training(model, plan, view, training.device, start is None, report)
                remove(view.folder)
                arguments = vars(model.trainer.args)
                seen = {folder.names[number]: count for number, count in sorted(model.trainer.seen.items())}
            figures = _val_figures(model, out) if plan.has_val else {}
        if not plan.has_val:  # Ultralytics writes one all the same; nothing chose it
            (out / "weights" / "best.pt").unlink(missing_ok=True)
        for checkpoint in (out / "weights" / name for name in ("best.pt", "last.pt")):
            if checkpoint.is_file():
                finish_checkpoint(checkpoint, plan.photos | plan.seen_before)
        self._model, self._checkpoint, self._imgsz, self._device = model, checkpoint_of(out), imgsz, training.device
        spans = [after - before for before, after in pairwise(epoch_ends)]
        return Trained(
            plan,
            settings={
                **{name: arguments[name] for name in ("batch", "nbs", "amp", "workers")},
                "device": training.device,
                "device_name": device_name(training.device),
                "threads": torch.get_num_threads(),
                "transferred": list(plan.transferred),
                "instances": instances,
                "boxes_of_first_epoch": seen,
            },
            seconds=round(seconds, 1),
            seconds_per_epoch=round(statistics.median(spans), 2) if spans else None,
            figures=figures,
        )


def to_detections(found: Any, size_hw: tuple[int, int]) -> Detections:
    """Ultralytics' `Results` of one photo as ours."""
    scores = found.boxes.conf.cpu().numpy().astype(np.float32)
    order = np.argsort(-scores, kind="stable")
    corners = found.boxes.xyxy.cpu().numpy().astype(np.float32)[order]
    first, last = np.minimum(corners[:, :2], corners[:, 2:]), np.maximum(corners[:, :2], corners[:, 2:])
    return Detections(
        boxes_xyxy=np.concatenate([first, last], axis=1),
        scores=scores[order],
        class_ids=found.boxes.cls.cpu().numpy().astype(np.int64)[order],
        masks=None if found.masks is None else found.masks.data.cpu().numpy().astype(bool)[order],
        size_hw=size_hw,
    )


def _run_training(
    model: Any, plan: Plan, view: View, device: str, resume: bool, on_epoch: OnEpoch
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

    if resume:
        model.add_callback("on_train_start", go_on_with_other_draws)
    model.add_callback("on_train_epoch_end", epoch_done)
    began = time.perf_counter()
    try:
        with replaced(Image, "MAX_IMAGE_PIXELS", MOST_PIXELS):  # Ultralytics opens the photos once by Pillow
            model.train(
                trainer=trainer_class(model.task, plan.has_val),
                data=str(view.data_yaml),
                device=device,
                amp=mixed_precision(device),
                project=str(view.folder.parent.parent),
                name=view.folder.parent.name,
                exist_ok=True,
                patience=0,  # train all epochs, whatever val says meanwhile
                plots=False,
                val=plan.has_val,
                workers=min(8, os.cpu_count() or 1) if device not in {"cpu", "mps"} else 0,
                **(_resumed(view.folder.parent) if resume else {}),
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
