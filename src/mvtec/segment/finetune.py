"""`mvtec segment finetune`: teaches SAM the defects of one part, and leaves a run folder that says how.

The image encoder stays as it is, so each photo is encoded once; on request its neck, its last two convolutions, is
trained with the mask decoder. RUN holds, in the order they are written:

    split.json      the split it is trained by
    plan.json       what the run sets out to do
    weights/        last.pt and best.pt while it lasts; sam.pt in the end, the model of `segment refine --weights RUN`
    history.json    the loss, and the IoU on the val part, by epoch
    run.json        the record: a folder without it is an unfinished run
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from mvtec.convert.from_masks import InstanceOptions, label_samples
from mvtec.convert.pixels.rle import encode_region
from mvtec.convert.receipt import Receipt
from mvtec.datasets.samples import Dataset
from mvtec.datasets.split import Part, Split, select, warn_of_unused
from mvtec.errors import InputError
from mvtec.files import read_tensors, sha256_file, sha256_json, staged_file, write_json, write_tensors
from mvtec.reading import read_json
from mvtec.run import RunRecord, finish_run, is_begun
from mvtec.segment.checkpoint import save_sam
from mvtec.segment.embeddings import GIGABYTE, EmbeddingCache
from mvtec.segment.examples import Example, Features
from mvtec.segment.model import SamModel, check_shape
from mvtec.segment.recipe import FinetuneRecipe
from mvtec.segment.training import Training

_ANEW = "Begin anew with --overwrite"

OnEpoch = Callable[[int, int, dict[str, float]], None]


@dataclass(frozen=True)
class _Plan:
    """What a run sets out to do.

    Attributes:
        data: The data set's folder.
        split: Hash of the split.
        weights: File and SHA-256 of the checkpoint it begins with.
        photos: SHA-256 of each train and val photo with a mask, mapped to its name.
        masks: Hash of all their instances.
        seen_before: The same of the photos the checkpoint was fine-tuned on.
        settings: The recipe.
    """

    data: str
    split: str
    weights: dict[str, str]
    photos: dict[str, str]
    masks: str
    seen_before: dict[str, str]
    settings: FinetuneRecipe


def finetune(
    dataset: Dataset,
    split: Split,
    checkpoint: Path,
    model: SamModel,
    out: Path,
    *,
    recipe: FinetuneRecipe,
    cache: EmbeddingCache,
    resume: bool = False,
    command: list[str] | None = None,
    on_view: Callable[[int, int], None] = lambda _done, _total: None,
    on_epoch: OnEpoch = lambda _epoch, _epochs, _figures: None,
    on_note: Callable[[str], None] = lambda _text: None,
) -> RunRecord:
    """Train on the train part of a split; the test part takes no part.

    With a val part, the epoch with the highest mean IoU over its instances, prompted with their exact boxes, is the
    result; without one the last. The same options and seed on the same machine give the same weights.

    Args:
        dataset: The category.
        split: Its split.
        checkpoint: The file `model` was loaded from.
        model: The model to begin with. In the end, even after an error, it has its own weights again: what the run has
            learnt is in `weights/sam.pt`.
        out: The run folder, made by `run.prepare_run`.
        recipe: The settings; a resumed run has those it began with.
        cache: Where the photos' features are kept.
        resume: Go on with the unfinished run in `out`.
        command: The words of the command line, for the record.
        on_view: Called for each view of a photo that is ready, with the number done and the number there are.
        on_epoch: Called after each epoch with its number from 1, the number of epochs, and its figures.
        on_note: Is told, before the first epoch, what makes the training slower or worse than it could be.

    Raises:
        InputError: The train part has no mask, a photo or mask breaks a rule, or another run is resumed.
    """
    warn_of_unused(dataset, split)
    train, val = _examples(dataset, split, "train"), _examples(dataset, split, "val")
    if not train:
        raise InputError(
            dataset.root,
            "has no mask in the train part of the split",
            "Give a category with masks, or another split of it",
        )
    plan = _Plan(
        data=str(dataset.root.resolve()),
        split=split.hash,
        weights={"file": str(checkpoint), "sha256": sha256_file(checkpoint)},
        photos={example.digest: example.image.path for example in [*train, *val]},
        masks=_masks_hash([*train, *val]),
        seen_before=dict(model.train_images),
        settings=recipe,
    )
    weights = out / "weights"
    resume = resume and is_begun(out)
    if resume:
        plan = _check_resumed(out, plan)
    else:
        write_json(out / "split.json", split.to_json(), overwrite=True)
        write_json(out / "plan.json", asdict(plan), overwrite=True)
        weights.mkdir(exist_ok=True)
    recipe = plan.settings
    began = time.perf_counter()
    features = Features(model, cache, before_neck=recipe.train == "decoder+neck")
    features.prepare([(val, 1), (train, recipe.views)], on_view, partial(_say_excess, len(plan.photos), on_note))
    if cache.failure:
        on_note(f"{cache.folder} cannot be written ({cache.failure}): each epoch encodes the photos again")
    training = Training(model, features, train, val, recipe)
    try:
        _train(training, weights, recipe, resume=resume, on_epoch=on_epoch)
        seen = plan.photos | plan.seen_before
        with staged_file(weights / "sam.pt", overwrite=True) as staged:
            save_sam(staged, model, seen)
    finally:
        training.undo()
    write_json(out / "history.json", training.history, overwrite=True)
    record = RunRecord(
        kind="segmenter",
        command=command or [],
        settings={**asdict(recipe), "model": model.name, "bfloat16": model.half, "device": model.device},
        data=plan.data,
        split=plan.split,
        weights=plan.weights,
        train_images=seen,
        seconds=round(time.perf_counter() - began, 1),
        seconds_per_epoch=None,
        figures=_figures(training, train, val),
    )
    finish_run(out, record)
    for name in ("last.pt", "best.pt"):
        (weights / name).unlink(missing_ok=True)
    return record


def _say_excess(photos: int, on_note: Callable[[str], None], room: int, views: int, size: int) -> None:
    """Say that the cache is too small for the features, and which size is not."""
    enough = views * size * 10 // 9 // GIGABYTE + 1
    on_note(
        f"the cache has room for about {room * photos // views} of the {photos} photos ({views} views of "
        f"{size / 1e6:.1f} MB): the others are encoded again in each epoch, which takes long. "
        f"--cache-size {enough} keeps them all; with fewer --views more fit"
    )


def _train(training: Training, weights: Path, recipe: FinetuneRecipe, *, resume: bool, on_epoch: OnEpoch) -> None:
    """All epochs that are left; in the end the model has the weights of the epoch to keep."""
    if resume:
        training.restore(read_tensors(weights / "last.pt", _ANEW))
    while not training.is_over:
        training.run_epoch()
        epoch = len(training.history)
        if training.has_val and training.best_epoch == epoch - 1:
            _save(weights / "best.pt", training.tensors())
        _save(weights / "last.pt", training.state())
        on_epoch(epoch, recipe.epochs, training.history[-1])
    if training.has_val:
        training.set_tensors(read_tensors(weights / "best.pt", _ANEW))


def _examples(dataset: Dataset, split: Split, part: Part) -> list[Example]:
    """The instances of the defect photos of a part."""
    samples = [sample for sample in select(dataset, split, part) if sample.masks]
    examples = []
    for image in label_samples(dataset, samples, InstanceOptions(), Receipt("SAM"), lambda image: image):
        if image.photo is not None:
            check_shape(image.photo, image.size_wh)
        regions = (instance.region for instance in image.instances)
        examples += [Example(image, split.images[image.path], region) for region in regions if region is not None]
    return examples


def _masks_hash(examples: list[Example]) -> str:
    return sha256_json([[of.image.path, encode_region(of.region, of.image.size_hw)] for of in examples])


def _check_resumed(out: Path, plan: _Plan) -> _Plan:
    """The plan the run in `out` began with."""
    try:
        begun = TypeAdapter(_Plan).validate_python(read_json(out / "plan.json", "the plan of a run"))
    except ValidationError as error:
        raise InputError(out / "plan.json", "is no plan of a fine-tuning", _ANEW) from error
    if begun.photos != plan.photos or begun.split != plan.split:
        raise InputError(plan.data, "holds other photos than the run began with", _ANEW)
    if begun.masks != plan.masks:
        raise InputError(plan.data, "holds other masks than the run began with", _ANEW)
    if begun.weights["sha256"] != plan.weights["sha256"]:
        raise InputError(
            plan.weights["file"], f"is not the checkpoint the run began with, {begun.weights['file']}", "Give that one"
        )
    return begun


def _figures(training: Training, train: list[Example], val: list[Example]) -> dict[str, float]:
    best = training.best_epoch
    counts = {"epoch": best + 1.0, "train_instances": float(len(train)), "val_instances": float(len(val))}
    return {**counts, **training.history[best]}


def _save(path: Path, content: dict[str, Any]) -> None:
    with staged_file(path, overwrite=True) as staged:
        write_tensors(staged, content)
