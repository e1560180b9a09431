"""`mvtec train-anomaly`, `mvtec segment propose` and `mvtec evaluate anomaly`: what good photos alone can teach."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mvtec.cli.classify import Backbone, Download
from mvtec.cli.console import (
    AsJson,
    Overwrite,
    Seed,
    bar,
    command_words,
    download_bar,
    is_typed,
    print_json,
    print_table,
    progress,
    run_folder,
    say,
    warn,
)
from mvtec.cli.evaluate import app as evaluate_app
from mvtec.cli.photo_warnings import warn_of_photos
from mvtec.cli.segment import Cache, Device, MinHoleArea, MinRegionArea, Model, refined_figures, warn_of_refined
from mvtec.cli.segment import app as segment_app
from mvtec.words import counted

if TYPE_CHECKING:
    from mvtec.evaluate.anomaly import AnomalyFigures

Run = Annotated[Path, typer.Option("--anomaly", help="A run of mvtec train-anomaly.")]


def train_anomaly(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="A category, or a folder of good photos.")],
    out: Annotated[Path, typer.Option(help="The run's folder to make.")],
    split_file: Annotated[
        Path | None,
        typer.Option("--split", help="Learn from the good photos of its train part, too, and from none of its test's."),
    ] = None,
    backbone: Backbone = "auto",
    weights: Annotated[Path | None, typer.Option(help="Take the backbone's weights from this file.")] = None,
    download: Download = False,
    imgsz: Annotated[int, typer.Option(help="Scale photos to a square of so many pixels, a multiple of 32.")] = 448,
    seed: Seed = 0,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """Learn what good photos look like; whatever is unlike them is a defect.

    Learns from train/good/, and with --split from the good photos of the train part, too. No defect is looked at.
    Where there is no test/ yet, train/good/ alone will do, or a folder that holds good photos and nothing else.
    """
    from mvtec.anomaly.normal_images import read_normal_images, select_normal_images
    from mvtec.anomaly.train import check_imgsz
    from mvtec.anomaly.train import train_anomaly as train
    from mvtec.backbones.weights import find_backbone
    from mvtec.datasets.split import read_split

    check_imgsz(imgsz)
    dataset = read_normal_images(directory)
    warn_of_photos(directory)
    split = None if split_file is None else read_split(split_file)
    normals = select_normal_images(dataset, split)
    with download_bar() as on_bytes:
        start = find_backbone(
            backbone,
            weights=weights,
            download=download,
            trained=True,
            on_bytes=on_bytes,
        )
    inputs = [directory, *([split_file] if split_file else []), *([weights] if weights else [])]
    with (
        run_folder(out, resume=False, overwrite=overwrite, inputs=inputs),
        bar("looking at photos", 2 * len(normals)) as update,
    ):
        record = train(
            dataset,
            normals,
            out,
            start=start,
            split=None if split is None else split.hash,
            imgsz=imgsz,
            seed=seed,
            command=command_words(),
            warn=warn,
            on_photo=lambda: update(1),
        )
    figures = record.figures
    if as_json:
        print_json(
            "train-anomaly",
            inputs={"directory": directory, "split": split_file, "seed": seed},
            outputs=[out],
            seconds=record.seconds,
            weights=record.weights,
            figures=figures,
            settings=record.settings,
        )
        return
    say(
        f"{len(normals)} good photos, {record.settings['bank']} places remembered; {start.name}; {record.seconds:.0f} s"
    )
    expected = 100 * record.settings["false_alarms"]
    say(
        f"a photo is called defective above score {figures['threshold']:.3f}: about {expected:.0f} % or fewer of "
        "further good photos like these are to be expected above it"
    )
    say(str(out))


@segment_app.command()
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
    from mvtec.anomaly.propose import propose as propose_file
    from mvtec.cache import cache_folder
    from mvtec.errors import InputError
    from mvtec.files import check_output
    from mvtec.segment.answers import Refined, RefineOptions
    from mvtec.segment.checkpoint import load_sam
    from mvtec.segment.embeddings import EmbeddingCache
    from mvtec.segment.weights import find_checkpoint

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


@evaluate_app.command()
def anomaly(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="A category's folder.")],
    run: Run,
    split_file: Annotated[
        Path | None, typer.Option("--split", help="Judge on the test part of this split; by default on all of test/.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Also make this folder, with a page of the photos and the scores.")
    ] = None,
    seed: Seed = 0,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """Judge an anomaly detector: AUROC of photos and of pixels, AUPRO, and yes or no at its threshold.

    Photos it has learnt from are refused, by content.
    """
    from mvtec.anomaly.judge import judge
    from mvtec.anomaly.report import write_judgement
    from mvtec.datasets.split import read_split
    from mvtec.datasets.tree import read_tree
    from mvtec.files import check_output

    if out is not None:
        check_output(out, overwrite=overwrite, inputs=[directory, run, *([split_file] if split_file else [])])
    dataset = read_tree(directory)
    split = None if split_file is None else read_split(split_file)
    judgement = judge(dataset, split, run, seed=seed, stage=progress)
    if out is not None:
        write_judgement(out, judgement, overwrite=overwrite)
    if as_json:
        print_json(
            "evaluate anomaly",
            inputs={"directory": directory, "anomaly": run, "split": split_file, "seed": seed},
            outputs=[] if out is None else [out / "report.html", out / "anomaly.json"],
            metrics=judgement.figures.metrics,
            threshold=judgement.figures.threshold,
            operating_points=[point.to_json() for point in judgement.figures.points],
            synthetic_left_out=judgement.synthetic,
            seconds_per_photo=round(judgement.heats.seconds_per_photo, 4),
        )
        return
    if judgement.synthetic:
        warn(f"{counted(judgement.synthetic, 'photo')} that mvtec datasets synthesize has drawn: left out")
    say(f"{len(judgement.samples)} photos; value (95 % interval)")
    say("")
    _print_figures(judgement.figures)
    if out is not None:
        say("")
        say(f"report: {(out / 'report.html').absolute()}")


def _print_figures(figures: AnomalyFigures) -> None:
    from mvtec.evaluate.anomaly import OF_DEFECT

    metrics = figures.metrics
    rows = [[name, metric.text(), str(metric.n)] for name, metric in metrics.items() if "/" not in name]
    print_table(["figure", "value", "photos"], rows)
    defects = sorted({name.split("/")[1] for name in metrics if "/" in name})
    if defects:
        say("")
        table = [[defect, *(metrics[f"{name}/{defect}"].text() for name in OF_DEFECT)] for defect in defects]
        print_table(["defect", *OF_DEFECT], table)
    say("")
    print_table(
        ["score from", "bad photos found", "sensitivity", "good ones with an alarm", "false alarms", "chosen because"],
        [
            [
                f"{point.min_score:.3f}",
                f"{point.caught} of {point.defective}",
                point.sensitivity.text(),
                f"{point.alarms} of {point.good}",
                point.false_alarm_share.text(),
                point.why,
            ]
            for point in figures.points
        ],
    )
    say("")
    say(f"a photo is called defective above score {figures.threshold:.3f}")
