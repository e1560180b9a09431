"""Teaches a detector on drawn photos that are made while it learns, none seen twice: `make starter`.

The stream is a function of the seed and the photo's number, so a training that is interrupted goes on with the photos
it would have seen. No photo is kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from mvtec.detect.model import mixed_precision, trainer_class
from mvtec.devices import choose_device
from mvtec.errors import InputError
from mvtec.files import write_json, write_tensors
from mvtec.offline import ultralytics
from mvtec.reading import read_json
from mvtec.run import is_begun
from mvtec.starter.scene import NAMES, draw_scene


class Scenes:
    """The stream as PyTorch's `Dataset`: number n is the n-th photo, as Ultralytics wants a sample.

    Args:
        seed: Of the whole stream.
        side: Width and height of a photo in pixels.
        length: Photos of an epoch.
        one_class: Whether all defects are of class 0, and not of that of their mechanism.
    """

    def __init__(self, seed: int, side: int, length: int, *, one_class: bool = False) -> None:
        self._seed = seed
        self._side = side
        self._length = length
        self._one_class = one_class
        self.im_files: list[str] = []

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, number: int) -> dict[str, Any]:
        import torch

        scene = draw_scene((self._seed, number), self._side)
        boxes = scene.boxes_xywh
        middle = np.concatenate([boxes[:, :2] + boxes[:, 2:] / 2, boxes[:, 2:]], axis=1) / self._side
        classes = [0 for _ in scene.mechanisms] if self._one_class else scene.mechanisms
        rgb = np.ascontiguousarray(scene.photo[..., ::-1].transpose(2, 0, 1))
        return {
            "img": torch.from_numpy(rgb),
            "cls": torch.tensor(classes, dtype=torch.float32).reshape(-1, 1),
            "bboxes": torch.from_numpy(middle.astype(np.float32)),
            "batch_idx": torch.zeros(len(boxes)),
            "im_file": f"scene {number}",
            "ori_shape": (self._side, self._side),
            "resized_shape": (self._side, self._side),
        }


class InOrder:
    """The numbers of an epoch's photos, one after the other, never again: PyTorch's `Sampler`.

    Args:
        length: Photos of an epoch.
    """

    def __init__(self, length: int) -> None:
        self._length = length
        self.epoch = 0

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[int]:
        begin = self.epoch * self._length
        return iter(range(begin, begin + self._length))


def train_starter(
    out: Path,
    *,
    model: str = "yolov5n.yaml",
    epochs: int = 40,
    photos: int = 1000,
    side: int = 256,
    batch: int = 16,
    workers: int = 1,
    seed: int = 0,
    one_class: bool = False,
    on_epoch: Callable[[int, int, dict[str, float]], None] = lambda _epoch, _epochs, _losses: None,
) -> Path:
    """Train, or go on with the training in `out`.

    Args:
        out: The run's folder.
        model: The architecture, of Ultralytics.
        epochs: How many, each with photos of its own.
        photos: Photos of an epoch.
        side: Width and height of a photo in pixels.
        batch: Photos a step.
        workers: Processes that draw while another learns; 0 to draw in between.
        seed: Seed of the photos and the first weights.
        one_class: Teach the single class `defect`, and not the mechanisms.
        on_epoch: Called after each epoch with its number from 1, the number of epochs, and the losses.

    Returns:
        `out/starter.pt`, a checkpoint of Ultralytics in half precision, without what only this machine is concerned by.

    Raises:
        InputError: `out` holds finished weights, or a training with other options.
    """
    import torch

    ultralytics()
    from ultralytics import YOLO
    from ultralytics.data.dataset import YOLODataset

    cv2.setNumThreads(1)
    base: Any = trainer_class("detect", has_val=False)
    names = {0: "defect"} if one_class else dict(enumerate(NAMES))

    class StarterTrainer(base):  # type: ignore[misc]
        def get_dataset(self) -> dict[str, Any]:
            return {"train": "", "val": "", "nc": len(names), "names": names, "channels": 3}

        def get_dataloader(self, *_args: Any, **_options: Any) -> Any:
            stream: Any = Scenes(seed, side, photos, one_class=one_class)
            return torch.utils.data.DataLoader(
                stream,
                batch_size=batch,
                sampler=InOrder(photos),
                num_workers=workers,
                collate_fn=YOLODataset.collate_fn,
                drop_last=True,
                persistent_workers=False,
            )

    def next_photos(trainer: Any) -> None:
        trainer.train_loader.sampler.epoch = trainer.epoch

    def epoch_done(trainer: Any) -> None:
        losses = {name: float(value) for name, value in (trainer.tloss or {}).items()}
        on_epoch(trainer.epoch + 1, trainer.epochs, losses)

    plan = {
        "model": model,
        "epochs": epochs,
        "photos": photos,
        "side": side,
        "batch": batch,
        "seed": seed,
        "classes": list(names.values()),
    }
    resume = is_begun(out)
    if resume:
        began = read_json(out / "starter.json", "the plan of a training of starting weights")
        if began.get("finished") or {name: began.get(name) for name in plan} != plan:
            why = "holds finished weights" if began.get("finished") else "was begun with other options"
            raise InputError(out, why, "Give another --out")
        if _epochs_done(out) >= epochs:  # it was interrupted after its last epoch
            return _finished(out, plan)
    out.mkdir(parents=True, exist_ok=True)
    write_json(out / "starter.json", {**plan, "finished": False}, overwrite=True)
    torch.manual_seed(seed)
    learner = YOLO(str(out / "weights" / "last.pt") if resume else model)
    learner.add_callback("on_train_epoch_start", next_photos)
    learner.add_callback("on_train_epoch_end", epoch_done)
    device = choose_device("auto")
    learner.train(
        trainer=StarterTrainer,
        data="drawn",
        device=device,
        amp=mixed_precision(device),
        project=str(out.absolute().parent),
        name=out.name,
        exist_ok=True,
        plots=False,
        val=False,
        epochs=epochs,
        imgsz=side,
        batch=batch,
        nbs=batch,
        optimizer="AdamW",
        lr0=0.001,
        lrf=0.02,
        warmup_epochs=1,
        mosaic=0.0,
        close_mosaic=0,
        seed=seed,
        workers=workers,
        **({"resume": True} if resume else {}),
    )
    return _finished(out, plan)


def _epochs_done(out: Path) -> int | float:
    """How many epochs the checkpoint has behind it; Ultralytics takes the number out when it is through."""
    import torch

    ultralytics()
    epoch = torch.load(out / "weights" / "last.pt", map_location="cpu", weights_only=False)["epoch"]
    return float("inf") if epoch == -1 else int(epoch) + 1


def _finished(out: Path, plan: dict[str, Any]) -> Path:
    """Write the trained checkpoint as it is to be given away, and that the training is over."""
    import torch

    # Ultralytics' own file of a moment ago, which holds its classes.
    full = torch.load(out / "weights" / "last.pt", map_location="cpu", weights_only=False)
    model = (full["ema"] or full["model"]).half()  # where it was interrupted, the weights are still in their average
    model.args = {"task": "detect", "imgsz": model.args["imgsz"], "single_cls": False}
    kept = {name: full[name] for name in ("version", "license", "docs")}
    write_tensors(out / "starter.pt", {**kept, "ema": None, "model": model})
    write_json(out / "starter.json", {**plan, "finished": True}, overwrite=True)
    return out / "starter.pt"
