"""`mvtec segment`: boxes become masks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from mvtec.cli.console import (
    AsJson,
    Overwrite,
    SeedOfTraining,
    bar,
    command_words,
    download_bar,
    print_json,
    run_folder,
    say,
    warn,
)
from mvtec.cli.photo_warnings import warn_of_photos
from mvtec.segment.recipe import FinetuneRecipe
from mvtec.words import counted

if TYPE_CHECKING:
    from mvtec.segment.answers import Refined

app = typer.Typer(help="SAM: turn boxes into masks, and teach it the part.", no_args_is_help=True)


class Prompt(str, Enum):
    box = "box"
    box_and_points = "box+points"


class Learner(str, Enum):
    decoder = "decoder"
    decoder_and_neck = "decoder+neck"


class Multimask(str, Enum):
    auto = "auto"
    fit = "fit"
    single = "single"
    best = "best"
    largest = "largest"


Model = Annotated[str, typer.Option(help="auto, mobile_sam, vit_b, vit_l or vit_h; auto takes the first that is here.")]
Device = Annotated[str, typer.Option(help="auto, cpu, mps, or a GPU's number.")]
MinRegionArea = Annotated[
    int,
    typer.Option(metavar="PX", min=0, help="Drop the pieces of SAM's mask with fewer pixels, but for the largest."),
]
MinHoleArea = Annotated[int, typer.Option(metavar="PX", min=0, help="Fill the holes of SAM's mask with fewer pixels.")]
Cache = Annotated[Path | None, typer.Option(help="Keep image embeddings here; by default in mvtec's cache folder.")]


@contextmanager
def _encodings_stay(run: Path | None = None) -> Iterator[None]:
    """Where the work is interrupted, say that what takes long need not be done again.

    Of a run with a finished epoch `run_folder` says how to go on.
    """
    from mvtec.run import is_begun

    try:
        yield
    except KeyboardInterrupt:
        if run is None or not is_begun(run):
            warn("the photos encoded so far are kept, and the same command need not encode them again")
        raise


def refined_figures(done: Refined) -> dict[str, Any]:
    """What SAM's masks are like, for the JSON of a command."""
    return {
        "masks": done.masks,
        "in_pieces": done.in_pieces,
        "tidied": done.tidied,
        "grown": len(done.grown),
        "grown_most_px": max(done.grown)[0] if done.grown else 0,
        "kept": done.kept,
        "unrefined": done.unrefined,
        "spoilt": done.spoilt,
    }


def warn_of_refined(done: Refined, kept: str) -> None:
    """Say what SAM has not given a mask, and what was spoilt; `kept` counts the former."""
    if done.unrefined:
        verb = "keeps its" if done.kept == 1 else "keep their"
        warn(f"{kept} {verb} old shape; look for attributes.needs_review: {done.examples()}")
    if done.spoilt:
        warn(f"{counted(done.spoilt, 'file')} of the cache changed on the disk, and the photos were encoded again")


@app.command()
def refine(
    annotations: Annotated[
        Path, typer.Argument(metavar="ANN.json", help="COCO annotations, or the results of mvtec predict.")
    ],
    out: Annotated[Path, typer.Option(help="The file to write.")],
    images: Annotated[Path | None, typer.Option(help="The folder the file names are relative to.")] = None,
    model: Model = "auto",
    weights: Annotated[
        Path | None, typer.Option(help="A checkpoint, or a run of mvtec segment finetune, instead of --model.")
    ] = None,
    prompt: Annotated[Prompt, typer.Option(help="Show SAM the box, or a point in it, too.")] = Prompt.box,
    multimask: Annotated[
        Multimask,
        typer.Option(
            help="Of SAM's masks take the one that fits the box, the one for clear prompts, the one SAM thinks best, "
            "or the largest. auto: fit; of a fine-tuned model single, which is the one that was tuned."
        ),
    ] = Multimask.auto,
    min_score: Annotated[float, typer.Option(help="Take no mask that SAM itself gives a lower IoU.")] = 0.0,
    min_overlap: Annotated[
        float, typer.Option(metavar="IOU", help="Take no mask whose tight box has a lower IoU with the box.")
    ] = 0.0,
    min_region_area: MinRegionArea = 0,
    min_hole_area: MinHoleArea = 0,
    views: Annotated[
        int, typer.Option(help="Ask in so many views of the photo, turned and mirrored, up to 8; take the mean.")
    ] = 1,
    device: Device = "auto",
    workers: Annotated[int, typer.Option(help="Threads that read photos ahead.")] = 2,
    cache: Cache = None,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """Give each instance the mask that SAM sees in its box.

    What fails --min-score or --min-overlap keeps its old shape, marked attributes.needs_review.
    """
    from mvtec.cache import cache_folder
    from mvtec.files import check_output
    from mvtec.segment.answers import RefineOptions
    from mvtec.segment.checkpoint import load_sam
    from mvtec.segment.embeddings import EmbeddingCache
    from mvtec.segment.model import Choose
    from mvtec.segment.refine import refine as refine_file
    from mvtec.segment.weights import find_checkpoint

    check_output(out, overwrite=overwrite, inputs=[annotations, *([] if images is None else [images])])
    options = RefineOptions(
        prompt=prompt.value,
        min_score=min_score,
        min_overlap=min_overlap,
        min_region_area=min_region_area,
        min_hole_area=min_hole_area,
        views=views,
        workers=workers,
    )
    warn_of_photos(annotations.parent if images is None else images)
    checkpoint = find_checkpoint(model, weights)
    check_output(out, overwrite=overwrite, inputs=[checkpoint])
    kept = EmbeddingCache(cache or cache_folder() / "embeddings")
    sam = load_sam(checkpoint, device)
    choose = ("single" if sam.tuned else "fit") if multimask is Multimask.auto else multimask.value
    options = replace(options, choose=cast(Choose, choose))
    with _encodings_stay(), bar("refining", None) as update:
        done = refine_file(
            annotations,
            out,
            photos=images,
            model=sam,
            cache=kept,
            options=options,
            overwrite=overwrite,
            on_photo=lambda count, total: update(completed=count, total=total),
        )
    if as_json:
        print_json(
            "segment refine",
            inputs={"annotations": annotations, "checkpoint": checkpoint},
            outputs=[out],
            photos=done.photos,
            encoded=done.encoded,
            **refined_figures(done),
            crowds=done.crowds,
            seen_in_training=done.seen,
            seconds=round(done.seconds, 2),
        )
        return
    warn_of_refined(done, counted(done.kept, "instance"))
    if done.crowds:
        warn(f"{counted(done.crowds, 'crowd annotation')} left as in {annotations}: SAM draws single objects")
    if done.seen:
        warn(f"the model was fine-tuned on {done.seen} of these {done.photos} photos; figures on them mean little")
    rate = f"{done.photos / done.seconds:.1f} photos a second" if done.seconds else "nothing to do"
    say(done.shapes())
    say(f"{counted(done.photos, 'photo')}, {done.encoded or 'none'} of them newly encoded; {rate}")
    say(str(out))


@app.command()
def finetune(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="A category's folder, with masks.")],
    out: Annotated[Path, typer.Option(help="The run's folder to make.")],
    split_file: Annotated[
        Path | None, typer.Option("--split", help="The split to train by; by default a fifth of each class is test.")
    ] = None,
    fold: Annotated[int | None, typer.Option(help="Take this fold of the split as val.")] = None,
    model: Model = "auto",
    weights: Annotated[
        Path | None, typer.Option(help="Begin with this checkpoint, or a run, instead of --model.")
    ] = None,
    train: Annotated[
        Learner, typer.Option(help="What learns: the mask decoder, or the neck of the image encoder with it.")
    ] = Learner.decoder_and_neck,
    epochs: Annotated[int, typer.Option(help="Passes over the defects.")] = FinetuneRecipe.epochs,
    views: Annotated[
        int,
        typer.Option(
            help="Of the eight ways to turn and mirror a photo, show so many; 1 for a part that lies always alike."
        ),
    ] = FinetuneRecipe.views,
    jitter: Annotated[
        float, typer.Option(help="Move the sides of a box by up to this share of its size.")
    ] = FinetuneRecipe.jitter,
    learning_rate: Annotated[float, typer.Option(help="The highest.")] = FinetuneRecipe.learning_rate,
    patience: Annotated[
        int, typer.Option(help="With a val part, stop after so many epochs without a better IoU.")
    ] = FinetuneRecipe.patience,
    device: Device = "auto",
    cache: Cache = None,
    cache_size: Annotated[
        int, typer.Option(metavar="GB", min=1, help="How large the cache may grow; photos beyond it are encoded anew.")
    ] = 8,
    seed: SeedOfTraining = 0,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the unfinished run in --out, as it began.")
    ] = False,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """Teach SAM the defects of a part: from a box, loosely drawn, to the ground-truth mask.

    The test part is never looked at: with a val part the epoch with the best IoU on it is kept, without one the last.
    """
    from mvtec.cache import cache_folder
    from mvtec.datasets.split import make_split, read_split
    from mvtec.datasets.tree import read_tree
    from mvtec.errors import InputError
    from mvtec.segment.checkpoint import load_sam
    from mvtec.segment.embeddings import GIGABYTE, EmbeddingCache
    from mvtec.segment.finetune import finetune as train_model
    from mvtec.segment.weights import find_checkpoint

    recipe = FinetuneRecipe(train.value, epochs, views, jitter, learning_rate, patience, seed)
    if fold is not None and split_file is None:
        raise InputError("--fold", "a fold of which split", "Give --split, too")
    dataset = read_tree(directory)
    warn_of_photos(directory)
    split = make_split(dataset) if split_file is None else read_split(split_file)
    split = split if fold is None else split.fold(fold)
    checkpoint = find_checkpoint(model, weights)
    inputs = [directory, checkpoint, *([split_file] if split_file else [])]
    with run_folder(out, resume=resume, overwrite=overwrite, inputs=inputs):
        kept = EmbeddingCache(cache or cache_folder() / "embeddings", cache_size * GIGABYTE)
        sam = load_sam(checkpoint, device)
        with _encodings_stay(out), bar("encoding", None) as update:

            def show(epoch: int, total: int, figures: dict[str, float]) -> None:
                note = " ".join(f"{name.replace('_', ' ')} {value:.3f}" for name, value in figures.items())
                update(description="training", completed=epoch, total=total, note=note)

            record = train_model(
                dataset,
                split,
                checkpoint,
                sam,
                out,
                recipe=recipe,
                cache=kept,
                resume=resume,
                command=command_words(),
                on_view=lambda done, total: update(completed=done, total=total),
                on_epoch=show,
                on_note=warn,
            )
    result = out / "weights" / "sam.pt"
    figures = record.figures
    if as_json:
        print_json(
            "segment finetune",
            inputs={"directory": directory, "checkpoint": checkpoint, "seed": seed},
            outputs=[out],
            checkpoint=str(result),
            seconds=record.seconds,
            figures=figures,
        )
        return
    say(f"learnt {figures['train_instances']:.0f} defects in {record.seconds:.0f} s from {checkpoint}")
    chosen = (
        f"epoch {figures['epoch']:.0f}, mean IoU {figures['val_iou']:.3f} over {figures['val_instances']:.0f} of val"
        if "val_iou" in figures
        else "the last epoch, no val part"
    )
    say(f"{result}: {chosen}")


@app.command()
def weights(
    model: Annotated[str, typer.Argument(metavar="NAME", help="mobile_sam, vit_b, vit_l or vit_h.")],
    as_json: AsJson = False,
) -> None:
    """Download a published checkpoint of SAM into mvtec's cache folder, and check its checksum."""
    from mvtec.segment.weights import fetch_checkpoint

    with download_bar() as on_bytes:
        path = fetch_checkpoint(model, on_bytes)
    if as_json:
        print_json("segment weights", inputs={"model": model}, outputs=[path])
    else:
        say(str(path))
