"""`mvtec convert`: between ground-truth masks, COCO and YOLO; the other formats are in `convert_formats.py`."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mvtec.cli.console import AsJson, Overwrite, print_json, progress, say, warn
from mvtec.cli.datasets import Category, Layout, OnError

if TYPE_CHECKING:
    from mvtec.convert.formats.coco.segmentation import SegmentationOptions
    from mvtec.convert.from_masks import InstanceOptions
    from mvtec.convert.receipt import Receipt
    from mvtec.datasets.samples import Dataset
    from mvtec.datasets.split import Split

app = typer.Typer(help="Ground-truth masks to instances, COCO, YOLO and others, and back.", no_args_is_help=True)


class InstancesPer(str, Enum):
    component = "component"
    image = "image"


class Task(str, Enum):
    detect = "detect"
    segment = "segment"


class ImagesBy(str, Enum):
    link = "link"
    copy = "copy"
    hardlink = "hardlink"


class Segmentation(str, Enum):
    rle = "rle"
    polygon = "polygon"


SplitFile = Annotated[Path | None, typer.Option("--split", help="A split made by mvtec datasets split.")]
Fold = Annotated[int | None, typer.Option(help="Take this fold of the split as val, from 0.")]
Instances = Annotated[InstancesPer, typer.Option(help="One instance per connected region, or per image.")]
MergeGap = Annotated[int, typer.Option(metavar="PX", help="Join regions with at most so many pixels between them.")]
MinArea = Annotated[int, typer.Option(metavar="PX", help="Drop instances of fewer pixels.")]
Threshold = Annotated[int, typer.Option(metavar="VALUE", help="Mask values above it are defect.")]
OnErrorOption = Annotated[OnError, typer.Option(help="Stop at what breaks a rule, or leave it out.")]
Workers = Annotated[int, typer.Option(help="Processes that share the work.")]
SegmentationOption = Annotated[Segmentation, typer.Option(help="Masks as lossless RLE or as polygons.")]
Tolerance = Annotated[float, typer.Option(metavar="PX", help="How far a polygon may run beside the true outline.")]
MinIou = Annotated[
    float, typer.Option(min=0, max=1, help="Exit 1 if an object comes back with a lower IoU; one left out has 0.")
]
TaskOption = Annotated[Task, typer.Option(help="Labels as boxes or as polygons.")]
ImagesByOption = Annotated[ImagesBy, typer.Option("--images-by", "--images", help="How the photos get there.")]
AnnotationFile = Annotated[Path, typer.Argument(metavar="ANN.json", help="A COCO annotation file.")]
OutFile = Annotated[Path, typer.Option(help="The file to write.")]
OutFolder = Annotated[Path, typer.Option(help="The folder to make.")]
PhotoFolder = Annotated[Path, typer.Option("--images", help="The folder the file names are relative to.")]
KeepCrowds = Annotated[
    bool, typer.Option("--keep-crowds", help="Take crowds as instances: CVAT and Datumaro mark brush masks so.")
]
PlaceBy = Annotated[ImagesBy, typer.Option("--images-by", help="How the photos get there.")]


@app.command("masks-to-coco")
def masks_to_coco(
    directory: Category,
    out: Annotated[Path, typer.Option(help="The file to write; with --split one per part, named after it.")],
    split_file: SplitFile = None,
    fold: Fold = None,
    layout: Layout = None,
    segmentation: SegmentationOption = Segmentation.rle,
    tolerance: Tolerance = 0,
    instances: Instances = InstancesPer.component,
    merge_gap: MergeGap = 0,
    min_area: MinArea = 0,
    threshold: Threshold = 0,
    on_error: OnErrorOption = OnError.fail,
    workers: Workers = 1,
    min_iou: MinIou = 0,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """Write COCO annotations: tight boxes, pixel areas, lossless RLE; good photos without annotations."""
    from mvtec.convert.masks_to_coco import check_parts, parts_of
    from mvtec.convert.masks_to_coco import masks_to_coco as convert
    from mvtec.convert.receipt import keep_receipt
    from mvtec.datasets.tree import read_tree
    from mvtec.staging import together

    dataset = read_tree(directory, layout)
    split = _read_split(split_file, fold)
    if split is not None:
        check_parts(out, parts_of(split), overwrite=overwrite, inputs=_given(split_file))
    with together(out), progress("converting", _count(dataset, split)) as step:
        written, receipt = convert(
            dataset,
            out,
            split=split,
            options=_options(instances, merge_gap, min_area, on_error, threshold, workers),
            segmentation=segmentation_options(segmentation, tolerance),
            overwrite=overwrite,
            on_sample=step,
        )
        keep_receipt(receipt, out)
    report("convert masks-to-coco", directory, list(written), receipt, min_iou, as_json)


@app.command("masks-to-yolo")
def masks_to_yolo(
    directory: Category,
    out: OutFolder,
    task: TaskOption = Task.detect,
    split_file: SplitFile = None,
    fold: Fold = None,
    layout: Layout = None,
    images: ImagesByOption = ImagesBy.link,
    instances: Instances = InstancesPer.component,
    merge_gap: MergeGap = 0,
    min_area: MinArea = 0,
    threshold: Threshold = 0,
    on_error: OnErrorOption = OnError.fail,
    workers: Workers = 1,
    min_iou: MinIou = 0,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """Write a folder that Ultralytics trains on, with the same photos as COCO beside it.

    Without --split, a fifth of each class becomes test, drawn with seed 0.
    """
    from mvtec.convert.formats.yolo.write_folder import masks_to_yolo as convert
    from mvtec.datasets.split import make_split, untested
    from mvtec.datasets.tree import read_tree
    from mvtec.datasets.usable import LeftOut, orphans, usable
    from mvtec.files import check_output

    check_output(out, overwrite=overwrite, inputs=[directory, *_given(split_file)])
    dataset = read_tree(directory, layout)
    split = _read_split(split_file, fold)
    left_out: list[LeftOut] = []
    notes: list[str] = []
    if split is None:
        if on_error is OnError.skip:
            dataset, left_out = usable(dataset, skip_errors=True)
        elif unpaired := orphans(dataset):
            raise unpaired[0].error.or_skip()
        split = make_split(dataset)
        notes = untested(dataset, split)
    with progress("converting", _count(dataset, split)) as step:
        receipt = convert(
            dataset,
            out,
            split=split,
            task=task.value,
            images=images.value,
            options=_options(instances, merge_gap, min_area, on_error, threshold, workers),
            left_out=left_out,
            notes=notes,
            overwrite=overwrite,
            on_sample=step,
        )
    report("convert masks-to-yolo", directory, [out], receipt, min_iou, as_json)


@app.command("coco-to-yolo")
def coco_to_yolo(
    annotations: AnnotationFile,
    images: PhotoFolder,
    out: OutFolder,
    val: Annotated[Path | None, typer.Option(help="The annotation file of the val part.")] = None,
    test: Annotated[Path | None, typer.Option(help="The annotation file of the test part.")] = None,
    split_file: SplitFile = None,
    fold: Fold = None,
    task: TaskOption = Task.detect,
    images_by: PlaceBy = ImagesBy.link,
    keep_crowds: KeepCrowds = False,
    on_error: OnErrorOption = OnError.fail,
    min_iou: MinIou = 0,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """Write a folder that Ultralytics trains on from COCO annotations: ANN.json is train, or --split divides it."""
    from mvtec.convert.formats.yolo.from_coco import coco_to_yolo as convert
    from mvtec.files import check_output

    check_output(out, overwrite=overwrite, inputs=[*_given(annotations, val, test, split_file), images])
    receipt = convert(
        {"train": annotations, "val": val, "test": test},
        images,
        out,
        split=_read_split(split_file, fold),
        task=task.value,
        images_by=images_by.value,
        keep_crowds=keep_crowds,
        skip_errors=on_error is OnError.skip,
        overwrite=overwrite,
    )
    report("convert coco-to-yolo", annotations, [out], receipt, min_iou, as_json)


@app.command("yolo-to-coco")
def yolo_to_coco(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="A YOLO folder, or its data.yaml.")],
    out: Annotated[Path, typer.Option(help="Each part becomes a file named after it: OUT_train.json and so on.")],
    segmentation: SegmentationOption = Segmentation.rle,
    tolerance: Tolerance = 0,
    on_error: OnErrorOption = OnError.fail,
    min_iou: MinIou = 0,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """Write COCO annotations of a YOLO data set; polygons become the masks that Ultralytics paints."""
    from mvtec.convert.formats.yolo.read_folder import read_yolo_folder
    from mvtec.convert.formats.yolo.to_coco import yolo_to_coco as convert
    from mvtec.convert.receipt import keep_receipt
    from mvtec.staging import together

    folder = read_yolo_folder(directory)
    with together(out), progress("converting", sum(map(len, folder.images.values()))) as step:
        written, receipt = convert(
            folder,
            out,
            segmentation=segmentation_options(segmentation, tolerance),
            skip_errors=on_error is OnError.skip,
            overwrite=overwrite,
            on_photo=step,
        )
        keep_receipt(receipt, out)
    report("convert yolo-to-coco", directory, list(written), receipt, min_iou, as_json)


def _given(*paths: Path | None) -> list[Path]:
    return [path for path in paths if path is not None]


def _read_split(path: Path | None, fold: int | None) -> Split | None:
    from mvtec.datasets.split import read_split
    from mvtec.errors import InputError

    if path is None:
        if fold is not None:
            raise InputError("--fold", "a fold of which split", "Give --split, too")
        return None
    split = read_split(path)
    return split if fold is None else split.fold(fold)


def _options(
    instances: InstancesPer, merge_gap: int, min_area: int, on_error: OnError, threshold: int, workers: int
) -> InstanceOptions:
    from mvtec.convert.from_masks import InstanceOptions

    return InstanceOptions(instances.value, merge_gap, min_area, on_error.value, threshold, workers)


def segmentation_options(segmentation: Segmentation, tolerance: float) -> SegmentationOptions:
    from mvtec.convert.formats.coco.segmentation import SegmentationOptions

    return SegmentationOptions(segmentation.value, tolerance)


def _count(dataset: Dataset, split: Split | None) -> int:
    return len(dataset.labelled) if split is None else len(split.images)


def report(command: str, source: Path, outputs: list[Path], receipt: Receipt, min_iou: float, as_json: bool) -> None:
    """Print a receipt; exit 1 if it falls short of `min_iou`."""
    if as_json:
        print_json(
            command,
            inputs={"source": source},
            outputs=outputs,
            warnings=receipt.warnings(),
            receipt=receipt.to_json(),
        )
    else:
        for line in receipt.warnings():
            warn(line)
        for line in receipt.lines():
            say(line)
        for path in outputs:
            say(str(path))
    if not receipt.meets(min_iou):
        warn(f"an object was left out, cut or changed: its IoU is below --min-iou {min_iou}")
        raise typer.Exit(1)
