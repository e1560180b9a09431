"""Labelled images of any origin as one COCO annotation file."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from mvtec.convert.formats.coco.files import coco_file
from mvtec.convert.formats.coco.segmentation import SegmentationOptions, coco_labels
from mvtec.convert.instances import LabelledImage
from mvtec.convert.receipt import Receipt


def images_to_coco(
    found: Iterable[LabelledImage],
    out: Path,
    *,
    defects: Sequence[str],
    description: str,
    receipt: Receipt,
    segmentation: SegmentationOptions,
    overwrite: bool = False,
) -> None:
    """Write an annotation file.

    Args:
        found: The images.
        out: The file to write.
        defects: The defect types, in the order of their class numbers; they become categories 1, 2, ….
        description: What the file's `info` should say.
        receipt: Is filled.
        segmentation: How masks are written.
        overwrite: Replace what is there.

    Raises:
        InputError: What the images are read from breaks a rule.
        OutputError: `out` exists already or cannot be written.
    """
    receipt.reader = segmentation.reader
    with coco_file(out, defects, {"description": description}, overwrite=overwrite) as file:
        for image in found:
            labels, ious = coco_labels(image, segmentation)
            file.add(labels)
            receipt.add(image.path, labels.defects, ious)
        receipt.check_not_empty(out)
