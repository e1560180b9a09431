"""`mvtec train-anomaly`."""

from __future__ import annotations

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
    print_json,
    run_folder,
    say,
    warn,
)
from mvtec.cli.photo_warnings import warn_of_photos

if TYPE_CHECKING:
    pass


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
