"""`mvtec convert yolo-to-coco`: a YOLO data set as COCO annotation files."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from mvtec.convert.formats.coco.files import coco_file
from mvtec.convert.formats.coco.segmentation import SegmentationOptions, coco_labels
from mvtec.convert.formats.yolo.read_folder import YoloFolder, labelled_photos, leave_out_orphans, unread_photos
from mvtec.convert.masks_to_coco import check_parts, part_file
from mvtec.convert.receipt import Receipt
from mvtec.datasets.listing import say_unread
from mvtec.datasets.split import PARTS
from mvtec.staging import together


def yolo_to_coco(
    folder: YoloFolder,
    out: Path,
    *,
    segmentation: SegmentationOptions | None = None,
    skip_errors: bool = False,
    overwrite: bool = False,
    on_photo: Callable[[], None] = lambda: None,
) -> tuple[list[Path], Receipt]:
    """Write one file for each part that has photos; file names in it are relative to the folder of `data.yaml`.

    Categories are in the order of the class numbers, from id 1. The files come into place together.

    Args:
        folder: The YOLO data set.
        out: `instances.json` becomes `instances_train.json` and so on.
        segmentation: How polygons are written; lossless RLE unless told otherwise.
        skip_errors: Leave out photos whose labels cannot be read, instead of stopping.
        overwrite: Replace what is there.
        on_photo: Called after each photo.

    Raises:
        InputError: A photo or label cannot be read, or a label file has no photo.
        OutputError: A file exists already or cannot be written; see `check_parts`.
    """
    segmentation = segmentation or SegmentationOptions()
    receipt = Receipt(segmentation.reader, notes=list(folder.notes))
    parts = [part for part in PARTS if folder.images[part]]
    written = [part_file(out, part) for part in parts]
    check_parts(out, parts, overwrite=overwrite, inputs=[folder.data_yaml.parent])
    leave_out_orphans(folder, receipt, skip_errors=skip_errors)
    if note := say_unread(unread_photos(folder)):
        receipt.notes.append(note)
    with together(out), ExitStack() as files:
        for part, path in zip(parts, written, strict=True):
            info = {"description": "instances of YOLO labels", "part": part}
            file = files.enter_context(coco_file(path, folder.names, info, overwrite=overwrite))
            for image in labelled_photos(folder, part, receipt, skip_errors=skip_errors, on_photo=on_photo):
                labels, ious = coco_labels(image, segmentation)
                file.add(labels)
                receipt.add(image.path, labels.defects, ious)
        receipt.check_not_empty(out)
    for part in parts:
        receipt.note_shared(part, len(set(folder.images[part]) & set(folder.images["train"])))
    return written, receipt
