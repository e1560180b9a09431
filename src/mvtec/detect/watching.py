"""Watches Ultralytics while it trains: what it would leave out or change without a word stops the training."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mvtec.convert.formats.yolo.label_lines import read_label
from mvtec.convert.formats.yolo.read_folder import YoloFolder, label_file
from mvtec.datasets.images import photo_size_wh
from mvtec.detect.plan import Plan
from mvtec.detect.view import View
from mvtec.errors import InputError
from mvtec.words import counted

_SMALLEST = 10  # pixels, for Ultralytics
_FOUND_BY_ULTRALYTICS = frozenset({"model", "batch", "nbs"})


def watch(model: Any, plan: Plan, folder: YoloFolder, view: View, warn: Callable[[str], None]) -> None:
    """Have a training stop where Ultralytics would go on with other photos, labels or settings than it was given.

    Args:
        model: An Ultralytics model that is to be trained.
        plan: What it is to be trained with.
        folder: The data set.
        view: The data set as Ultralytics reads it.
        warn: Told of labels that are there twice.
    """

    def check_settings(trainer: Any) -> None:
        """The checkpoint of a resumed run has settings of its own, which Ultralytics takes."""
        own = {name: value for name, value in plan.settings.items() if name not in _FOUND_BY_ULTRALYTICS}
        if other := sorted(name for name, value in own.items() if getattr(trainer.args, name) != value):
            raise InputError(
                view.folder.parent / "plan.json",
                f"says {other[0]} {own[other[0]]}, and the checkpoint {getattr(trainer.args, other[0])}",
                "Begin anew with --overwrite",
            )

    def check_photos(trainer: Any) -> None:
        """Ultralytics leaves out a photo it cannot read, or whose label is broken, and goes on."""
        loaders = (trainer.train_loader, trainer.test_loader)
        read = {Path(file) for loader in loaders for file in loader.dataset.im_files}
        if lost := [photo for shown, photo in view.photos.items() if shown not in read]:
            raise _why_lost(lost, folder)
        taken = {
            view.photos[Path(label["im_file"])]: len(label["cls"])
            for loader in loaders
            for label in loader.dataset.labels
        }
        doubled = 0
        for photo, count in sorted(taken.items()):
            lines = _lines(label_file(photo))
            if count != len(set(lines)):
                raise InputError(
                    label_file(photo),
                    f"has {counted(len(lines), 'label')}, and Ultralytics reads {count} of them",
                    "Make the labels again",
                )
            doubled += len(lines) - count
        if doubled:
            warn(f"{plan.data}: {counted(doubled, 'label')} of the same numbers as another one in its file: taken once")

    def check_boxes(trainer: Any) -> None:
        """Ultralytics trains on, and says that it has trained, where each box was lost on the way to the network."""
        if trainer.epoch == trainer.start_epoch and not trainer.seen:
            raise InputError(
                plan.data,
                f"the first epoch at --imgsz {plan.settings['imgsz']} has shown the network no box",
                "Give a larger --imgsz",
            )

    model.add_callback("on_pretrain_routine_start", check_settings)
    model.add_callback("on_pretrain_routine_end", check_photos)
    model.add_callback("on_train_epoch_end", check_boxes)


def _lines(label: Path) -> list[tuple[np.float32, ...]]:
    """The numbers of each line of a label file, as Ultralytics compares them; none where there is no file."""
    text = label.read_text(encoding="utf-8-sig") if label.is_file() else ""
    return [tuple(map(np.float32, line.split())) for line in text.splitlines() if line.strip()]


def _why_lost(photos: Sequence[Path], folder: YoloFolder) -> InputError:
    """What is wrong with the first of the photos that Ultralytics leaves out, as far as we see it."""
    more = f", like {counted(len(photos) - 1, 'other photo')}" if photos[1:] else ""
    label = label_file(photos[0])
    try:
        width, height = photo_size_wh(photos[0])
        if min(width, height) < _SMALLEST:
            return InputError(photos[0], f"is less than {_SMALLEST} pixels wide or high{more}", "Leave it out")
        if label.is_file():
            read_label(label, folder.names, (width, height))
    except InputError as error:
        return InputError(error.file, f"{error.problem}{more}", error.hint)
    problem = f"is left out by Ultralytics, or its label {label} is{more}"
    return InputError(photos[0], problem, "Read the folder with mvtec convert yolo-to-coco, which says more")
