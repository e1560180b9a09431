"""`mvtec train-detector` and `mvtec predict`."""

from __future__ import annotations

import shlex
from dataclasses import asdict
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
    progress,
    run_folder,
    say,
    warn,
)
from mvtec.cli.convert import OnErrorOption
from mvtec.cli.datasets import OnError
from mvtec.cli.photo_warnings import warn_of_photos
from mvtec.detect.recipe import Recipe
from mvtec.words import counted, examples

if TYPE_CHECKING:
    from mvtec.detect.weights import Start


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
    from mvtec.detect.plan import not_taken
    from mvtec.detect.prepare import check_data, yolo_folder_for
    from mvtec.detect.sizes import seen_in_words
    from mvtec.detect.train import checkpoint_of, train
    from mvtec.detect.weights import find_start
    from mvtec.errors import InputError, WeightsError
    from mvtec.run import is_begun

    recipe = Recipe(epochs=epochs, imgsz=imgsz, batch=batch, freeze=freeze, seed=seed)
    if from_scratch and freeze:
        raise InputError("--freeze", "keeps random weights as they are with --from-scratch", "Leave out one of the two")
    if "?" in str(out.absolute()):
        raise InputError(out, "has a ? in its path, which Ultralytics cuts off", "Choose another --out")
    check_data(data)
    warn_of_photos(data)
    start, asked = None, None
    is_resumed = resume and is_begun(out)
    if not is_resumed:
        with download_bar() as on_bytes:
            start = find_start(
                model,
                weights=weights,
                download=download,
                from_scratch=from_scratch,
                on_bytes=on_bytes,
            )
    elif model is not None or weights is not None or from_scratch:
        try:
            asked = find_start(model, weights=weights, from_scratch=from_scratch)
        except WeightsError as error:
            warn(f"{error.file} is not taken, and is not there: a resumed run goes on as it began")
    if start is not None and not as_json:
        say(f"begins with {_described(start, freeze)}")
    inputs = [_folder_of(data), split_file, weights, None if start is None else start.weights]
    with run_folder(out, resume=resume, overwrite=overwrite, inputs=[path for path in inputs if path is not None]):
        typed = {name for name in asdict(recipe) if is_typed(context, name)}
        for sentence in not_taken(recipe, typed, asked, out) if start is None else ():
            warn(sentence)
        folder = yolo_folder_for(data, out, split_file, fold, warn=warn)
        with bar("training", recipe.epochs) as update:

            def show(epoch: int, total: int, losses: dict[str, float]) -> None:
                note = " ".join(f"{name.removesuffix('_loss')} {value:.2f}" for name, value in losses.items())
                update(completed=epoch, total=total, note=note)

            record = train(
                folder,
                out,
                start=start,
                recipe=recipe,
                device=device,
                resume=resume,
                command=command_words(),
                warn=warn,
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
            instances=record.settings["instances"],
            weights=record.weights,
            seconds=record.seconds,
            seconds_per_epoch=record.seconds_per_epoch,
        )
        return
    took, there = record.settings["transferred"]
    source = "random weights" if record.weights is None else f"{record.weights['file']}, {took} of {there} tensors"
    epochs_trained = counted(record.settings["epochs"], "epoch")
    took_s = f"in {record.seconds:.0f} s" if not is_resumed else f"the last of them in {record.seconds:.0f} s"
    say(f"trained {epochs_trained}{',' if is_resumed else ''} {took_s} from {source}")
    seen = seen_in_words(record.settings["instances"]["train"])
    say(f"{seen} large enough to be seen at --imgsz {record.settings['imgsz']}")
    say(f"{checkpoint}: {'chosen by val' if checkpoint.stem == 'best' else 'the last epoch, no val part to choose by'}")


def _folder_of(data: Path) -> Path:
    """The folder of a data set that may be given by its `data.yaml`, or the photo that is given."""
    return data.parent if data.suffix in {".yaml", ".yml"} else data


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
    from mvtec.detect.predict import PredictOptions, defective_photos, unread_photos
    from mvtec.detect.predict import predict as run_model
    from mvtec.detect.source import read_source

    options = PredictOptions(min_score, draw_score, iou, max_detections, device, pictures)
    skip_errors = on_error is OnError.skip
    photos = read_source(source, part.value, skip_errors=skip_errors)
    warn_of_photos(source)
    with progress("predicting", len(photos.photos)) as step:
        provenance = run_model(
            run,
            photos,
            out,
            options=options,
            inputs=[_folder_of(source)],
            overwrite=overwrite,
            skip_errors=skip_errors,
            on_photo=step,
        )
    defective, unread = defective_photos(out), unread_photos(out)
    read = len(provenance.image_ids)
    seen = len(provenance.seen_in_training)
    notes = [f"the model was trained on {seen} of these {read} photos; figures on them mean little"] if seen else []
    if broken := [name for name in unread if name not in photos.passed_over]:
        unreadable = counted(len(broken), "photo")
        notes.append(f"{unreadable} that cannot be read: left out of the results ({examples(broken)})")
    if photos.unnamed:
        notes.append(f"{counted(photos.unnamed, 'photo')} of the {part.value} part not in {photos.truth}: left out")
    if as_json:
        print_json(
            "predict",
            inputs={"run": run, "source": source},
            outputs=[out],
            warnings=notes,
            defective_photos=defective,
            unread_photos=unread,
        )
        return
    for line in notes:
        warn(line)
    say(f"{out / 'predictions.json'}: {counted(read, 'photo')}")
    say(f"{out / 'photos.csv'}: {len(defective)} of them with a box of score {draw_score:g} or more")
    if photos.truth is not None:
        words = ["mvtec", "evaluate", "boxes", str(photos.truth), str(out / "predictions.json")]
        say(f"judge them with: {shlex.join(words)}")
