"""COCO annotations to a format of the table `FORMATS`, and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mvtec.convert.formats import Reader, Writer, load
from mvtec.convert.formats.coco.from_images import images_to_coco
from mvtec.convert.formats.coco.images import read_coco_images
from mvtec.convert.formats.coco.segmentation import SegmentationOptions
from mvtec.convert.link_or_copy import ImagesBy
from mvtec.convert.receipt import Receipt, keep_receipt
from mvtec.files import check_output
from mvtec.staging import together


def coco_to_format(
    writer: Writer,
    annotations: Path,
    out: Path,
    *,
    photos: Path | None = None,
    images_by: ImagesBy = "link",
    options: Mapping[str, Any],
    keep_crowds: bool = False,
    skip_errors: bool = False,
    overwrite: bool = False,
) -> tuple[list[Path], Receipt]:
    """Write a COCO annotation file in another format.

    Args:
        writer: The format's line.
        annotations: The COCO file.
        out: The file to write or the folder to make.
        photos: The folder of the photos, where they go into a folder, too.
        images_by: How they get there.
        options: The options of the format, by name.
        keep_crowds: Take crowds as instances.
        skip_errors: Leave out what breaks a rule, instead of stopping.
        overwrite: Replace what is there.

    Returns:
        What was written, and the receipt, which is also beside it or in it.

    Raises:
        InputError: The annotations break a rule, or the format cannot hold them.
        OutputError: `out` exists already or cannot be written.
    """
    write = load(writer.target)
    receipt = Receipt(writer.read_back_by)
    inputs = [annotations] if photos is None else [annotations, photos]
    if writer.makes == "file":
        check_output(out, overwrite=overwrite, inputs=inputs)
    names, found = read_coco_images(
        annotations, photos, receipt, keep_crowds=keep_crowds, wanted=writer.wanted, skip_errors=skip_errors
    )
    defects: Sequence[str] = sorted(names) if writer.sorts_classes else names
    given = {"defects": defects, "receipt": receipt, "inputs": inputs, "overwrite": overwrite, **options}
    if writer.makes == "folder":
        return list(write(found, out, images=images_by, **given) or [out]), receipt
    with together(out):
        outputs = list(write(found, out, **given) or [out])
        keep_receipt(receipt, out)
    return outputs, receipt


def format_to_coco(
    reader: Reader,
    source: Path,
    out: Path,
    *,
    options: Mapping[str, Any],
    segmentation: SegmentationOptions,
    skip_errors: bool = False,
    overwrite: bool = False,
) -> Receipt:
    """Write what is in another format as a COCO annotation file.

    Args:
        reader: The format's line.
        source: The file or folder to read.
        out: The file to write.
        options: The options of the format, by name.
        segmentation: How masks are written.
        skip_errors: Leave out what breaks a rule, instead of stopping.
        overwrite: Replace what is there.

    Returns:
        The receipt, which is also beside the file.

    Raises:
        InputError: The source breaks a rule of its format.
        OutputError: `out` exists already or cannot be written.
    """
    read, read_classes = load(reader.target), load(reader.classes)
    folders = [value for value in options.values() if isinstance(value, Path)]
    check_output(out, overwrite=overwrite, inputs=[source, *folders])
    receipt = Receipt("")
    with together(out):
        images_to_coco(
            read(source, receipt=receipt, skip_errors=skip_errors, **options),
            out,
            defects=read_classes(source),
            description=reader.description,
            receipt=receipt,
            segmentation=segmentation,
            overwrite=overwrite,
        )
        keep_receipt(receipt, out)
    return receipt
