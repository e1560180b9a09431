"""`mvtec segment`: boxes become masks."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated, cast

import typer

from mvtec.cli.console import AsJson, Overwrite, bar, print_json, say, warn

app = typer.Typer(help="SAM: turn boxes into masks.", no_args_is_help=True)


class Prompt(str, Enum):
    box = "box"
    box_and_points = "box+points"


class Multimask(str, Enum):
    auto = "auto"
    fit = "fit"
    single = "single"
    best = "best"
    largest = "largest"


Model = Annotated[str, typer.Option(help="auto, mobile_sam, vit_b, vit_l or vit_h; auto takes the first that is here.")]
Device = Annotated[str, typer.Option(help="auto, cpu, mps, or a GPU's number.")]
Cache = Annotated[Path | None, typer.Option(help="Keep image embeddings here; by default in mvtec's cache folder.")]


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
    from mvtec.segment.embeddings import EmbeddingCache
    from mvtec.segment.model import Choose, load_sam
    from mvtec.segment.refine import RefineOptions
    from mvtec.segment.refine import refine as refine_file
    from mvtec.segment.weights import find_checkpoint

    check_output(out, overwrite=overwrite, inputs=[annotations])
    checkpoint = find_checkpoint(model, weights)
    kept = EmbeddingCache(cache or cache_folder() / "embeddings")
    sam = load_sam(checkpoint, device)
    choose = ("single" if sam.tuned else "fit") if multimask is Multimask.auto else multimask.value
    options = RefineOptions(prompt.value, cast(Choose, choose), min_score, min_overlap, workers)
    with bar("refining", None) as update:
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
            masks=done.masks,
            kept=done.kept,
            seconds=round(done.seconds, 2),
        )
        return
    if done.kept:
        warn(f"{done.kept} instances keep their old shape; look for attributes.needs_review")
    rate = f"{done.photos / done.seconds:.1f} photos a second" if done.seconds else "nothing to do"
    say(f"{done.masks} masks on {done.photos} photos, {done.encoded} of them newly encoded; {rate}")
    say(str(out))


@app.command()
def weights(
    model: Annotated[str, typer.Argument(metavar="NAME", help="mobile_sam, vit_b, vit_l or vit_h.")],
    as_json: AsJson = False,
) -> None:
    """Download a published checkpoint of SAM into mvtec's cache folder, and check its checksum."""
    from mvtec.segment.weights import fetch_checkpoint

    with bar("downloading", None, as_bytes=True) as update:
        path = fetch_checkpoint(model, lambda done, total: update(completed=done, total=total))
    if as_json:
        print_json("segment weights", inputs={"model": model}, outputs=[path])
    else:
        say(str(path))
