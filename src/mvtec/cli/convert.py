"""`mvtec convert`: ground-truth masks to annotation files."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mvtec.cli.console import AsJson, Overwrite, print_json, progress, say, warn
from mvtec.cli.datasets import Category

if TYPE_CHECKING:
    from mvtec.convert.instances import InstanceOptions, Tally
    from mvtec.datasets.split import Split
    from mvtec.datasets.tree import Dataset

app = typer.Typer(help="Ground-truth masks to instances, COCO and YOLO.", no_args_is_help=True)


class InstancesPer(str, Enum):
    component = "component"
    image = "image"


class OnError(str, Enum):
    fail = "fail"
    skip = "skip"


class Task(str, Enum):
    detect = "detect"
    segment = "segment"


class ImagesBy(str, Enum):
    link = "link"
    copy = "copy"
    hardlink = "hardlink"


SplitFile = Annotated[Path | None, typer.Option("--split", help="A split made by mvtec datasets split.")]
Fold = Annotated[int | None, typer.Option(help="Take this fold of the split as val, from 0.")]
Instances = Annotated[InstancesPer, typer.Option(help="One instance per connected region, or per image.")]
MergeGap = Annotated[int, typer.Option(metavar="PX", help="Join regions with at most so many pixels between them.")]
MinArea = Annotated[int, typer.Option(metavar="PX", help="Drop instances of fewer pixels.")]
OnErrorOption = Annotated[OnError, typer.Option(help="Stop at a bad photo or mask, or leave it out.")]


@app.command("masks-to-coco")
def masks_to_coco(
    directory: Category,
    out: Annotated[Path, typer.Option(help="The file to write; with --split one per part, named after it.")],
    split_file: SplitFile = None,
    fold: Fold = None,
    instances: Instances = InstancesPer.component,
    merge_gap: MergeGap = 0,
    min_area: MinArea = 0,
    on_error: OnErrorOption = OnError.fail,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """Write COCO annotations: tight boxes, pixel areas, lossless RLE; good photos without annotations."""
    from mvtec.convert.masks_to_coco import masks_to_coco as convert
    from mvtec.datasets.tree import read_tree

    dataset = read_tree(directory)
    split = _read_split(split_file, fold)
    with progress("converting", _count(dataset, split)) as step:
        written, tally = convert(
            dataset,
            out,
            split=split,
            options=_options(instances, merge_gap, min_area, on_error),
            overwrite=overwrite,
            on_sample=step,
        )
    _report("convert masks-to-coco", directory, list(written), tally, as_json)


@app.command("masks-to-yolo")
def masks_to_yolo(
    directory: Category,
    out: Annotated[Path, typer.Option(help="The folder to make.")],
    task: Annotated[Task, typer.Option(help="Labels as boxes or as polygons.")] = Task.detect,
    split_file: SplitFile = None,
    fold: Fold = None,
    images: Annotated[ImagesBy, typer.Option(help="How the photos get there.")] = ImagesBy.link,
    instances: Instances = InstancesPer.component,
    merge_gap: MergeGap = 0,
    min_area: MinArea = 0,
    on_error: OnErrorOption = OnError.fail,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """Write a folder that Ultralytics trains on, with the same photos as COCO beside it.

    Without --split, a fifth of each class becomes test, drawn with seed 0.
    """
    from mvtec.convert.yolo_folder import masks_to_yolo as convert
    from mvtec.datasets.check import without_unreadable
    from mvtec.datasets.split import make_split
    from mvtec.datasets.tree import read_tree
    from mvtec.files import check_output

    check_output(out, overwrite=overwrite)
    dataset = read_tree(directory)
    split = _read_split(split_file, fold)
    unreadable: list[str] = []
    if split is None:
        if on_error is OnError.skip:
            dataset, unreadable = without_unreadable(dataset)
        split = make_split(dataset)
    with progress("converting", _count(dataset, split)) as step:
        tally = convert(
            dataset,
            out,
            split=split,
            task=task.value,
            images=images.value,
            options=_options(instances, merge_gap, min_area, on_error),
            overwrite=overwrite,
            on_sample=step,
        )
    tally.skipped = unreadable + tally.skipped
    _report("convert masks-to-yolo", directory, [out], tally, as_json)


def _read_split(path: Path | None, fold: int | None) -> Split | None:
    from mvtec.datasets.split import read_split
    from mvtec.errors import InputError

    if path is None:
        if fold is not None:
            raise InputError("--fold", "a fold of which split", "Give --split, too")
        return None
    split = read_split(path)
    return split if fold is None else split.fold(fold)


def _options(instances: InstancesPer, merge_gap: int, min_area: int, on_error: OnError) -> InstanceOptions:
    from mvtec.convert.instances import InstanceOptions

    return InstanceOptions(instances.value, merge_gap, min_area, on_error.value)


def _count(dataset: Dataset, split: Split | None) -> int:
    return len(dataset.labelled) if split is None else len(split.images)


def _report(command: str, directory: Path, outputs: list[Path], tally: Tally, as_json: bool) -> None:
    warnings = [f"left out: {line}" for line in tally.skipped]
    if tally.dropped:
        warnings.append(f"{tally.dropped} instances below --min-area were dropped")
    if as_json:
        print_json(
            command,
            inputs={"directory": directory},
            outputs=outputs,
            warnings=warnings,
            images=tally.images,
            instances=tally.instances,
        )
        return
    for line in warnings:
        warn(line)
    per_class = ", ".join(f"{count} {name}" for name, count in sorted(tally.instances.items())) or "none"
    say(f"{tally.images} photos, {sum(tally.instances.values())} instances ({per_class})")
    for path in outputs:
        say(str(path))
