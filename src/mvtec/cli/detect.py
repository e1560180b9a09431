"""`mvtec train-detector` and `mvtec predict`."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mvtec.cli.console import (
    AsJson,
    Overwrite,
    SeedOfTraining,
    bar,
    command_words,
    download_bar,
    is_typed,
    print_json,
    resumable,
    say,
    warn,
)
from mvtec.cli.convert import OnErrorOption
from mvtec.cli.datasets import OnError
from mvtec.cli.photo_warnings import warn_of_photos
from mvtec.detect.recipe import Recipe
from mvtec.words import counted

if TYPE_CHECKING:
    from mvtec.detect.weights import Start
    from mvtec.run import RunRecord


class Part(str, Enum):
    train = "train"
    val = "val"
    test = "test"


Device = Annotated[str, typer.Option(help="auto, cpu, mps, or the number of one GPU.")]


def train_detector(
    context: typer.Context,
    data: Annotated[Path, typer.Argument(metavar="DATA", help="A YOLO folder, or an MVTec category.")],
    out: Annotated[Path, typer.Option(help="The run's folder to make.")],
    model: Annotated[
        str | None,
        typer.Option(
            help="A model of Ultralytics such as yolo11n.pt, an architecture such as yolo11n.yaml, or starter for the "
            "weights that come with mvtec. By default yolo11n.pt if it is on this machine, else starter."
        ),
    ] = None,
    weights: Annotated[Path | None, typer.Option(help="Take the weights from this file, as many as fit.")] = None,
    download: Annotated[bool, typer.Option("--download", help="Fetch the weights if they are not here.")] = False,
    from_scratch: Annotated[bool, typer.Option("--from-scratch", help="Start from random weights.")] = False,
    split_file: Annotated[Path | None, typer.Option("--split", help="The split of DATA to train by.")] = None,
    fold: Annotated[int | None, typer.Option(help="Take this fold of the split as val.")] = None,
    epochs: Annotated[int, typer.Option(help="Passes over the train photos.")] = Recipe.epochs,
    imgsz: Annotated[int, typer.Option(help="Scale photos to so many pixels, a multiple of 32.")] = Recipe.imgsz,
    batch: Annotated[int, typer.Option(help="Photos per step; -1 finds what fits the GPU.")] = Recipe.batch,
    freeze: Annotated[
        int, typer.Option(help="Keep the weights of so many first layers as they are, which is quicker.")
    ] = Recipe.freeze,
    device: Device = "auto",
    seed: SeedOfTraining = 0,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the unfinished run in --out, as it began.")
    ] = False,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """Fine-tune a YOLO detector; an MVTec category is converted first, into OUT/data.

    The test part is never looked at: with a val part the best checkpoint is kept, without one the last.
    """
    from mvtec.detect.train import train_detector as run_training
    from mvtec.run import checkpoint_of, is_begun

    if data.exists():
        warn_of_photos(data)
    is_resumed = resume and is_begun(out)
    given = {"epochs": epochs, "imgsz": imgsz, "batch": batch, "freeze": freeze, "seed": seed}
    with resumable(out), ExitStack() as bars:
        loading = bars.enter_context(ExitStack())
        on_bytes = loading.enter_context(download_bar())
        updates: list[Callable[..., None]] = []

        def begun(start: Start | None) -> None:
            loading.close()
            if start is not None and not as_json:
                say(f"begins with {_described(start, freeze)}")
            updates.append(bars.enter_context(bar("training", epochs)))

        def show(epoch: int, total: int, losses: dict[str, float]) -> None:
            if not updates:
                begun(None)
            note = " ".join(f"{name.removesuffix('_loss')} {value:.2f}" for name, value in losses.items())
            updates[0](completed=epoch, total=total, note=note)

        record = run_training(
            data,
            out,
            model=model,
            weights=weights,
            download=download,
            from_scratch=from_scratch,
            split=split_file,
            fold=fold,
            **{name: value for name, value in given.items() if is_typed(context, name)},
            device=device,
            resume=resume,
            overwrite=overwrite,
            command=command_words(),
            warn=warn,
            on_start=begun,
            on_bytes=on_bytes,
            on_epoch=show,
        )
    checkpoint = checkpoint_of(out)
    if as_json:
        print_json(
            "train-detector",
            inputs={"data": data, "model": model, "seed": seed},
            outputs=[out],
            checkpoint=str(checkpoint),
            architecture=record.settings["model"],
            instances=record.settings.get("instances"),
            weights=record.weights,
            seconds=record.seconds,
            seconds_per_epoch=record.seconds_per_epoch,
        )
        return
    for line in _trained_in_words(record, is_resumed=is_resumed):
        say(line)
    say(f"{checkpoint}: {'chosen by val' if checkpoint.stem == 'best' else 'the last epoch, no val part to choose by'}")


def _trained_in_words(record: RunRecord, *, is_resumed: bool) -> Iterator[str]:
    """What a training took and what it saw, as far as its detector says so."""
    from mvtec.detect.sizes import seen_in_words

    settings = record.settings
    source = "" if record.weights is not None else " from random weights"
    if record.weights is not None:
        took, there = settings["transferred"]
        source = f" from {record.weights['file']}, {took} of {there} tensors"
    epochs = f" {counted(settings['epochs'], 'epoch')}" if "epochs" in settings else ""
    took_s = f"in {record.seconds:.0f} s" if not is_resumed else f"the last of them in {record.seconds:.0f} s"
    yield f"trained{epochs}{',' if is_resumed else ''} {took_s}{source}"
    if "instances" in settings:
        seen = seen_in_words(settings["instances"]["train"])
        yield f"{seen} large enough to be seen at --imgsz {settings['imgsz']}"


def _described(start: Start, freeze: int) -> str:
    """What a training begins with, in words."""
    from mvtec.detect.weights import STARTER_ARCHITECTURE

    if start.weights is None:
        return f"random weights, {start.architecture}"
    kept = f"its first {freeze} layers kept as they are" if freeze else "all layers trained"
    if start.is_starter:
        return f"the starter weights that come with mvtec, {STARTER_ARCHITECTURE}, taught on drawn defects; {kept}"
    return f"{start.weights}, {kept}"


def predict(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A finished run of train-detector.")],
    source: Annotated[Path, typer.Argument(metavar="SOURCE", help="A YOLO folder, a category, photos, or one photo.")],
    out: Annotated[Path, typer.Option(help="The folder to make.")],
    part: Annotated[Part, typer.Option(help="Of a YOLO folder, predict on this part.")] = Part.test,
    min_score: Annotated[float, typer.Option(help="Leave detections below out of the results.")] = 0.001,
    draw_score: Annotated[float, typer.Option(help="Leave detections below out of pictures and photos.csv.")] = 0.25,
    iou: Annotated[float, typer.Option(help="Of two boxes that overlap by more, keep the better.")] = 0.7,
    max_detections: Annotated[int, typer.Option(help="At most so many per photo.")] = 100,
    pictures: Annotated[bool, typer.Option(help="Draw boxes, masks and scores.")] = True,
    device: Device = "auto",
    on_error: OnErrorOption = OnError.fail,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """Write COCO results for the photos of a source, a list of photos, and pictures with boxes, masks and scores."""
    from mvtec.detect.predict import PredictOptions, predict_photos

    options = PredictOptions(min_score, draw_score, iou, max_detections, device, pictures)
    if source.exists():
        warn_of_photos(source)
    with bar("predicting", None) as update:
        said = predict_photos(
            run,
            source,
            out,
            part=part.value,
            options=options,
            overwrite=overwrite,
            skip_errors=on_error is OnError.skip,
            on_photo=lambda done, total: update(completed=done, total=total),
        )
    notes = list(said.notes)
    if as_json:
        print_json(
            "predict",
            inputs={"run": run, "source": source},
            outputs=[out],
            warnings=notes,
            defective_photos=list(said.defective_photos),
            unread_photos=list(said.unread_photos),
        )
        return
    for line in notes:
        warn(line)
    say(f"{out / 'predictions.json'}: {counted(len(said.provenance.image_ids), 'photo')}")
    say(f"{out / 'photos.csv'}: {len(said.defective_photos)} of them with a box of score {draw_score:g} or more")
    if said.truth is not None:
        words = ["mvtec", "evaluate", "boxes", str(said.truth), str(out / "predictions.json")]
        say(f"judge them with: {shlex.join(words)}")
