"""Ultralytics' models and trainers: their errors in our words, their checkpoints written whole."""

from __future__ import annotations

import copy
from collections import Counter
from pathlib import Path
from typing import Any

from mvtec.detect.own_photos import own_photos_class
from mvtec.detect.untrusted import architecture_of, check_checkpoint, check_layers
from mvtec.detect.weights import Start
from mvtec.errors import InputError, MvtecError, WeightsError
from mvtec.files import write_tensors
from mvtec.offline import replaced, ultralytics

_KINDS = frozenset({"DetectionModel", "SegmentationModel"})  # not RT-DETR, nor those that classes are told in words
_SEEN = "mvtec_train_images"  # in a checkpoint
_FINISHED = -1  # the epoch that Ultralytics writes when it has taken the optimiser out
_STEPS, _SMALLEST_BATCH = 8, 8  # a batch that is found leaves so many steps an epoch, if it is larger than that


def load_model(checkpoint: str) -> Any:
    """An Ultralytics model from a checkpoint or an architecture file.

    No code in the file is run and no address in it is asked: see `check_checkpoint` and `check_layers`.

    Raises:
        InputError: Ultralytics knows no such model, or it has a layer of another kind.
        WeightsError: The checkpoint cannot be loaded.
    """
    module = ultralytics()
    if "://" in checkpoint:
        raise InputError(checkpoint, "is an address, and nothing is downloaded", "Give a file on this machine")
    if Path(checkpoint).is_file() and Path(checkpoint).suffix not in (".pt", ".yaml", ".yml"):
        raise WeightsError(checkpoint, "is no YOLO checkpoint, whose names end in .pt", "Give one")
    try:
        if Path(checkpoint).suffix == ".pt":
            check_checkpoint(Path(checkpoint))
        else:
            check_layers(checkpoint, architecture_of(checkpoint))
        model = module.YOLO(checkpoint)
        check_layers(checkpoint, getattr(model.model, "yaml", None))  # a training builds it again from these
        return model
    except MvtecError:
        raise
    except FileNotFoundError as error:
        raise InputError(
            checkpoint, "is no model that Ultralytics knows", "Give one such as yolo11n.pt or yolov8n-seg.pt"
        ) from error
    except Exception as error:  # a vendor's loader fails in many ways on a broken file
        raise WeightsError(checkpoint, f"cannot be loaded ({first_line(error)})", "Give a YOLO checkpoint") from error


def build_model(start: Start, seed: int, classes: int) -> tuple[Any, tuple[int, int]]:
    """The model to train, and how many of its tensors come from the weights; the others are random, from the seed.

    Ultralytics builds the model anew for the number of classes before it trains: these tensors are counted. The last
    layer's are not, of which it takes the rows of the classes that have the same name in both.

    Raises:
        InputError: Ultralytics knows no such model, or it is no YOLO that finds boxes or masks of given classes.
        WeightsError: The weights cannot be loaded, or fit fewer than a quarter of the tensors.
    """
    import torch

    torch.manual_seed(seed)
    model = load_model(start.architecture)
    if type(model.model).__name__ not in _KINDS:
        kind = type(model.model).__name__
        raise InputError(
            "--model",
            f"{start.architecture} ({kind}) is trained otherwise",
            "Give a YOLO for detection or segmentation",
        )
    own = type(model.model)(copy.deepcopy(model.model.yaml), nc=classes, verbose=False).state_dict()
    if start.weights is None:
        return model, (0, len(own))
    is_whole = str(start.weights) == start.architecture
    source = model if is_whole else load_model(str(start.weights))
    taken = len(_fitting(_fitting(source.model.state_dict(), model.model.state_dict()), own))
    if taken < len(own) // 4:
        raise WeightsError(
            start.weights,
            f"does not fit {start.architecture}: {taken} of {len(own)} tensors have the same name and shape",
            "Give the --model these weights were made for",
        )
    if not is_whole:
        model.load(str(start.weights))
    return model, (taken, len(own))


def _fitting(theirs: dict[str, Any], own: dict[str, Any]) -> dict[str, Any]:
    """The tensors that have a counterpart of their name and shape."""
    return {name: tensor for name, tensor in theirs.items() if name in own and own[name].shape == tensor.shape}


def trainer_class(task: str, has_val: bool) -> type:
    """Ultralytics' trainer of the task; without a val part one that judges nothing while it trains."""
    from ultralytics.engine import trainer
    from ultralytics.models.yolo.detect import DetectionTrainer
    from ultralytics.models.yolo.segment import SegmentationTrainer

    base: Any = {"detect": DetectionTrainer, "segment": SegmentationTrainer}.get(task)
    if base is None:
        raise InputError("--model", f"is made for the task {task}", "Give a detection or a segmentation model")

    class OwnTrainer(base):  # type: ignore[misc]
        """Ultralytics' with four things of ours.

        A checkpoint is written beside the one before, whose place it then takes: what is stopped meanwhile can go on. A
        batch that is to be found is at most an eighth of the photos, or 8 if that is more, and an optimiser step.
        Photos are read as we read them. The boxes of the first epoch are counted, as they come out of the augmentation.
        """

        data: dict[str, Any]
        last: Path
        best: Path
        epoch: int
        start_epoch: int

        def __init__(self, *arguments: Any, **options: Any) -> None:
            self.seen: Counter[int] = Counter()  # boxes of the first epoch, by class number
            super().__init__(*arguments, **options)

        def build_dataset(self, img_path: str, mode: str = "train", batch: int | None = None) -> Any:
            return own_photos_class()(
                img_path=img_path,
                imgsz=self.args.imgsz,
                batch_size=batch,
                augment=mode == "train",
                hyp=self.args,
                rect=mode == "val",
                cache=self.args.cache or None,
                stride=max(int(self.model.stride.max()), 32),
                pad=0.0 if mode == "train" else 0.5,
                prefix=f"{mode}: ",
                task=self.args.task,
                data=self.data,
            )

        def final_eval(self) -> None:
            with replaced(trainer, "strip_optimizer", strip_whole, ("f", "s", "updates")):
                super().final_eval()

        def preprocess_batch(self, batch: dict[str, Any]) -> Any:
            if self.epoch == self.start_epoch:
                self.seen.update(batch["cls"].int().flatten().tolist())
            return super().preprocess_batch(batch)

        def auto_batch(self) -> int:
            count = len(Path(self.data["train"]).read_text(encoding="utf-8").splitlines())
            found = min(int(super().auto_batch()), max(_SMALLEST_BATCH, count // _STEPS))
            self.args.nbs = found
            return found

        def save_model(self) -> Any:
            places = self.best, self.last  # in this order: the last one says how good the best is
            try:
                for place in places:
                    _part(place).unlink(missing_ok=True)  # of a process that was killed
                self.best, self.last = map(_part, places)
                done = super().save_model()
                for place in places:
                    if _part(place).is_file():
                        _part(place).replace(place)
                return done
            finally:
                self.best, self.last = places
                for place in places:
                    _part(place).unlink(missing_ok=True)

    if has_val:
        return OwnTrainer

    class TrainerWithoutVal(OwnTrainer):
        def save_metrics(self, metrics: dict[str, float]) -> None:
            super().save_metrics({k: v for k, v in metrics.items() if k.startswith(("train/", "lr/"))})

        def validate(self) -> tuple[dict[str, float], None]:
            return {}, None

        def final_eval(self) -> None:
            strip_whole(self.last)

    return TrainerWithoutVal


def strip_whole(checkpoint: Path, updates: dict[str, Any] | None = None) -> dict[str, Any]:
    """Take the optimiser out of a checkpoint, as Ultralytics does at the end; the old file stays until then."""
    from ultralytics.utils.torch_utils import strip_optimizer

    part = _part(checkpoint)
    try:
        part.unlink(missing_ok=True)
        content = strip_optimizer(checkpoint, str(part), updates)
        if part.is_file():  # Ultralytics leaves alone what is no checkpoint
            part.replace(checkpoint)
        return content
    finally:
        part.unlink(missing_ok=True)


def _part(checkpoint: Path) -> Path:
    """Where a checkpoint is written; of the same stem, which torch puts into the file."""
    return checkpoint.with_suffix(".part")


def finish_checkpoint(checkpoint: Path, photos: dict[str, str]) -> None:
    """Leave what a model needs in a checkpoint, and which photos it has seen: a copy of it says so, too.

    One that was finished before stays as it is, byte for byte.

    Args:
        checkpoint: The file.
        photos: As `RunRecord.train_images`.
    """
    ultralytics()
    from ultralytics.nn.tasks import torch_safe_load

    content = torch_safe_load(str(checkpoint))[0]
    if content["epoch"] != _FINISHED:
        content = strip_whole(checkpoint)
    elif content.get(_SEEN) == photos:
        return
    part = _part(checkpoint)
    try:
        write_tensors(part, {**content, _SEEN: photos})
        part.replace(checkpoint)
    finally:
        part.unlink(missing_ok=True)


def remembered_photos(checkpoint: Path | None) -> dict[str, str]:
    """Which photos `finish_checkpoint` wrote; nothing of other checkpoints, or where there is none."""
    if checkpoint is None or not checkpoint.is_file():
        return {}
    content = load_model(str(checkpoint)).ckpt
    found = content.get(_SEEN) if isinstance(content, dict) else None
    return dict(found) if isinstance(found, dict) else {}


def mixed_precision(device: str) -> str | bool:
    """Mixed precision where it is safe without Ultralytics' own test, which fetches a model."""
    import torch

    if device in {"cpu", "mps"}:
        return False
    return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else False


def first_line(error: BaseException) -> str:
    """The first line of a vendor's message that says something, without a full stop."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0][:300].rstrip(".") if lines else type(error).__name__
