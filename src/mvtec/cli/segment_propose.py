"""`mvtec segment propose`: annotations where photos are unlike the normal ones."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mvtec.cli.console import (
    AsJson,
    Overwrite,
    bar,
    is_typed,
    print_json,
    say,
    warn,
)
from mvtec.cli.photo_warnings import warn_of_photos
from mvtec.cli.segment import Cache, Device, MinHoleArea, MinRegionArea, Model, refined_figures, warn_of_refined
from mvtec.words import counted

if TYPE_CHECKING:
    pass

Run = Annotated[Path, typer.Option("--anomaly", help="A run of mvtec train-anomaly.")]


def propose(
    context: typer.Context,
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="A category, a folder of photos, or one photo.")],
    run: Run,
    out: Annotated[Path, typer.Option(help="The COCO file to write.")],
    model: Model = "auto",
    weights: Annotated[
        Path | None, typer.Option(help="A checkpoint, or a run of mvtec segment finetune, instead of --model.")
    ] = None,
    no_sam: Annotated[bool, typer.Option("--no-sam", help="Keep the hot regions themselves as shapes.")] = False,
    min_overlap: Annotated[
        float, typer.Option(metavar="IOU", help="Take no mask of SAM whose tight box has a lower IoU with the box.")
    ] = 0.0,
    min_region_area: MinRegionArea = 0,
    min_hole_area: MinHoleArea = 0,
    device: Device = "auto",
    cache: Cache = None,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """Propose annotations where photos are unlike the good ones, for a person to correct.

    One category, defect; SAM draws the shapes. A photo without a proposal is in the file, too.
    """
    from mvtec.anomaly.predict import load_run
    from mvtec.cache import cache_folder
    from mvtec.errors import InputError
    from mvtec.files import check_output
    from mvtec.segment.answers import Refined, RefineOptions
    from mvtec.segment.checkpoint import load_sam
    from mvtec.segment.embeddings import EmbeddingCache
    from mvtec.segment.weights import find_checkpoint
    from mvtec.workflows.propose import propose as propose_file

    if no_sam:
        for name in ("model", "weights", "min_overlap", "min_region_area", "min_hole_area", "device"):
            if is_typed(context, name):
                option = f"--{name.replace('_', '-')}"
                raise InputError(option, "is of SAM, which --no-sam does without", "Leave out one of the two")
    check_output(out, overwrite=overwrite, inputs=[directory, run])
    warn_of_photos(directory)
    options = RefineOptions(min_overlap=min_overlap, min_region_area=min_region_area, min_hole_area=min_hole_area)
    asked = load_run(run)
    checkpoint = None if no_sam else find_checkpoint(model, weights)
    check_output(out, overwrite=overwrite, inputs=[checkpoint] if checkpoint else [])
    sam = None if checkpoint is None else load_sam(checkpoint, device)
    if sam is not None and sam.tuned:
        options = replace(options, choose="single")
    with bar("looking at photos", None) as update:
        done = propose_file(
            asked,
            directory,
            out,
            sam=sam,
            cache=None if no_sam else EmbeddingCache(cache or cache_folder() / "embeddings"),
            options=options,
            overwrite=overwrite,
            on_photo=lambda count, total: update(completed=count, total=total),
            on_mask=lambda count, total: update(description="refining", completed=count, total=total),
        )
    if as_json:
        print_json(
            "segment propose",
            inputs={"directory": directory, "anomaly": run},
            outputs=[out],
            photos=done.photos,
            with_proposals=done.with_proposals,
            proposals=done.proposals,
            **refined_figures(done.refined or Refined()),
            seen_in_training=done.seen,
        )
        return
    if done.seen:
        warn(f"the detector has learnt from {done.seen} of these {done.photos} photos; it finds nothing odd in them")
    if done.refined is not None:
        warn_of_refined(done.refined, counted(done.refined.kept, "proposal"))
        say(done.refined.shapes())
    say(f"{counted(done.proposals, 'proposal')} on {done.with_proposals} of {counted(done.photos, 'photo')}")
    say(str(out))
