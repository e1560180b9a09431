"""`mvtec convert`: between COCO and the formats of other tools."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mvtec.cli.console import AsJson, Overwrite
from mvtec.cli.convert import (
    AnnotationFile,
    ImagesBy,
    KeepCrowds,
    MinIou,
    OnErrorOption,
    OutFile,
    OutFolder,
    PlaceBy,
    Segmentation,
    SegmentationOption,
    Tolerance,
    app,
    keep_receipt,
    report,
    segmentation_options,
)
from mvtec.cli.datasets import OnError

__all__ = ["app"]  # the group of `convert`, with the commands of this file

PhotosIfKnown = Annotated[Path | None, typer.Option("--images", help="The folder the file names are relative to.")]


@app.command("coco-to-labelstudio")
def coco_to_labelstudio(
    annotations: AnnotationFile,
    out: OutFile,
    url_prefix: Annotated[str, typer.Option(help="What goes before a photo's name.")] = "/data/local-files/?d=",
    keep_crowds: KeepCrowds = False,
    on_error: OnErrorOption = OnError.fail,
    min_iou: MinIou = 0,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """Write Label Studio tasks, masks as brush strokes, and the labelling interface that fits them."""
    from mvtec.convert.formats.coco.images import read_coco_images
    from mvtec.convert.formats.label_studio.files import READER, label_config, write_label_studio
    from mvtec.convert.receipt import Receipt
    from mvtec.files import check_output, staged_file
    from mvtec.staging import together

    check_output(out, overwrite=overwrite, inputs=[annotations])
    receipt = Receipt(READER)
    config = out.with_name(f"{out.stem}.label_config.xml")
    check_output(config, overwrite=overwrite)
    names, found = read_coco_images(
        annotations, None, receipt, keep_crowds=keep_crowds, skip_errors=on_error is OnError.skip
    )
    interface = label_config(sorted(names), annotations)
    with together(out):
        write_label_studio(
            found, out, receipt=receipt, url_prefix=url_prefix, inputs=[annotations], overwrite=overwrite
        )
        with staged_file(config, overwrite=overwrite) as staged:
            staged.write_text(interface, encoding="utf-8", newline="\n")
        keep_receipt(receipt, out)
    report("convert coco-to-labelstudio", annotations, [out, config], receipt, min_iou, as_json)


@app.command("labelstudio-to-coco")
def labelstudio_to_coco(
    export: Annotated[Path, typer.Argument(metavar="EXPORT.json", help="A JSON or JSON-MIN export of Label Studio.")],
    out: OutFile,
    images: PhotosIfKnown = None,
    segmentation: SegmentationOption = Segmentation.rle,
    tolerance: Tolerance = 0,
    on_error: OnErrorOption = OnError.fail,
    min_iou: MinIou = 0,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """Write COCO annotations of a Label Studio export: brush strokes, rectangles, ellipses and polygons."""
    from mvtec.convert.formats.coco.from_images import images_to_coco
    from mvtec.convert.formats.label_studio.files import read_label_studio, read_label_studio_classes
    from mvtec.convert.receipt import Receipt
    from mvtec.files import check_output
    from mvtec.staging import together

    check_output(out, overwrite=overwrite, inputs=[export, *([] if images is None else [images])])
    receipt = Receipt("")
    with together(out):
        images_to_coco(
            read_label_studio(export, images, receipt, skip_errors=on_error is OnError.skip),
            out,
            defects=sorted(read_label_studio_classes(export)),
            description="instances of Label Studio tasks",
            receipt=receipt,
            segmentation=segmentation_options(segmentation, tolerance),
            overwrite=overwrite,
        )
        keep_receipt(receipt, out)
    report("convert labelstudio-to-coco", export, [out], receipt, min_iou, as_json)


@app.command("coco-to-cvat")
def coco_to_cvat(
    annotations: AnnotationFile,
    out: OutFile,
    keep_crowds: KeepCrowds = False,
    on_error: OnErrorOption = OnError.fail,
    min_iou: MinIou = 0,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """Write a CVAT for images 1.1 file, masks as masks, to upload into a task that has the same photos."""
    from mvtec.convert.formats.coco.images import read_coco_images
    from mvtec.convert.formats.cvat.files import READER, write_cvat
    from mvtec.convert.receipt import Receipt
    from mvtec.files import check_output
    from mvtec.staging import together

    check_output(out, overwrite=overwrite, inputs=[annotations])
    receipt = Receipt(READER)
    names, found = read_coco_images(
        annotations, None, receipt, keep_crowds=keep_crowds, skip_errors=on_error is OnError.skip
    )
    with together(out):
        write_cvat(found, out, defects=sorted(names), receipt=receipt, inputs=[annotations], overwrite=overwrite)
        keep_receipt(receipt, out)
    report("convert coco-to-cvat", annotations, [out], receipt, min_iou, as_json)


@app.command("cvat-to-coco")
def cvat_to_coco(
    annotations: Annotated[Path, typer.Argument(metavar="ANN.xml", help="A CVAT for images 1.1 file.")],
    out: OutFile,
    segmentation: SegmentationOption = Segmentation.rle,
    tolerance: Tolerance = 0,
    on_error: OnErrorOption = OnError.fail,
    min_iou: MinIou = 0,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """Write COCO annotations of a CVAT for images 1.1 file: boxes, turned or not, polygons, ellipses and masks."""
    from mvtec.convert.formats.coco.from_images import images_to_coco
    from mvtec.convert.formats.cvat.files import read_cvat, read_cvat_classes
    from mvtec.convert.receipt import Receipt
    from mvtec.files import check_output
    from mvtec.staging import together

    check_output(out, overwrite=overwrite, inputs=[annotations])
    receipt = Receipt("")
    with together(out):
        images_to_coco(
            read_cvat(annotations, receipt, skip_errors=on_error is OnError.skip),
            out,
            defects=sorted(read_cvat_classes(annotations)),
            description="instances of a CVAT task",
            receipt=receipt,
            segmentation=segmentation_options(segmentation, tolerance),
            overwrite=overwrite,
        )
        keep_receipt(receipt, out)
    report("convert cvat-to-coco", annotations, [out], receipt, min_iou, as_json)


@app.command("coco-to-voc")
def coco_to_voc(
    annotations: AnnotationFile,
    out: OutFolder,
    images: PhotosIfKnown = None,
    images_by: PlaceBy = ImagesBy.link,
    keep_crowds: KeepCrowds = False,
    on_error: OnErrorOption = OnError.fail,
    min_iou: MinIou = 0,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """Write a Pascal VOC folder: boxes, and masks by object and by class; with --images the photos, too."""
    from mvtec.convert.formats.coco.images import read_coco_images
    from mvtec.convert.formats.voc.write_folder import READER, write_voc
    from mvtec.convert.receipt import Receipt

    receipt = Receipt(READER)
    names, found = read_coco_images(
        annotations, images, receipt, keep_crowds=keep_crowds, skip_errors=on_error is OnError.skip
    )
    write_voc(
        found,
        out,
        defects=sorted(names),
        receipt=receipt,
        images=images_by.value,
        inputs=[annotations, *([] if images is None else [images])],
        overwrite=overwrite,
    )
    report("convert coco-to-voc", annotations, [out], receipt, min_iou, as_json)


@app.command("voc-to-coco")
def voc_to_coco(
    directory: Annotated[
        Path,
        typer.Argument(metavar="DIR", help="A Pascal VOC folder, or a Segmentation mask export of CVAT."),
    ],
    out: OutFile,
    from_zero: Annotated[
        bool, typer.Option("--from-zero", help="Boxes count from 0, as Datumaro and CVAT write them.")
    ] = False,
    segmentation: SegmentationOption = Segmentation.rle,
    tolerance: Tolerance = 0,
    on_error: OnErrorOption = OnError.fail,
    min_iou: MinIou = 0,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """Write COCO annotations of a Pascal VOC folder, with masks where it has SegmentationObject."""
    from mvtec.convert.formats.coco.from_images import images_to_coco
    from mvtec.convert.formats.voc.read_folder import read_voc, read_voc_classes
    from mvtec.convert.receipt import Receipt
    from mvtec.files import check_output
    from mvtec.staging import together

    check_output(out, overwrite=overwrite, inputs=[directory])
    receipt = Receipt("")
    with together(out):
        images_to_coco(
            read_voc(directory, receipt, from_zero=from_zero, skip_errors=on_error is OnError.skip),
            out,
            defects=sorted(read_voc_classes(directory)),
            description="instances of Pascal VOC annotations",
            receipt=receipt,
            segmentation=segmentation_options(segmentation, tolerance),
            overwrite=overwrite,
        )
        keep_receipt(receipt, out)
    report("convert voc-to-coco", directory, [out], receipt, min_iou, as_json)


@app.command("coco-to-semantic")
def coco_to_semantic(
    annotations: AnnotationFile,
    out: OutFolder,
    images: PhotosIfKnown = None,
    images_by: PlaceBy = ImagesBy.link,
    keep_crowds: KeepCrowds = False,
    on_error: OnErrorOption = OnError.fail,
    min_iou: MinIou = 0,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """Write semantic masks, whose pixel values are class numbers; with --images the photos, too."""
    from mvtec.convert.formats.coco.images import read_coco_images
    from mvtec.convert.formats.semantic import READER, write_semantic
    from mvtec.convert.receipt import Receipt

    receipt = Receipt(READER)
    names, found = read_coco_images(
        annotations, images, receipt, keep_crowds=keep_crowds, wanted="masks", skip_errors=on_error is OnError.skip
    )
    write_semantic(
        found,
        out,
        defects=names,
        receipt=receipt,
        images=images_by.value,
        inputs=[annotations, *([] if images is None else [images])],
        overwrite=overwrite,
    )
    report("convert coco-to-semantic", annotations, [out], receipt, min_iou, as_json)


@app.command("semantic-to-coco")
def semantic_to_coco(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="A folder with images/, masks/ and classes.txt.")],
    out: OutFile,
    segmentation: SegmentationOption = Segmentation.rle,
    tolerance: Tolerance = 0,
    on_error: OnErrorOption = OnError.fail,
    min_iou: MinIou = 0,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """Write COCO annotations of semantic masks, one instance for each region of a class."""
    from mvtec.convert.formats.coco.from_images import images_to_coco
    from mvtec.convert.formats.semantic import read_classes, read_semantic
    from mvtec.convert.receipt import Receipt
    from mvtec.files import check_output
    from mvtec.staging import together

    check_output(out, overwrite=overwrite, inputs=[directory])
    receipt = Receipt("")
    with together(out):
        images_to_coco(
            read_semantic(directory, receipt, skip_errors=on_error is OnError.skip),
            out,
            defects=read_classes(directory),
            description="instances of semantic masks",
            receipt=receipt,
            segmentation=segmentation_options(segmentation, tolerance),
            overwrite=overwrite,
        )
        keep_receipt(receipt, out)
    report("convert semantic-to-coco", directory, [out], receipt, min_iou, as_json)
