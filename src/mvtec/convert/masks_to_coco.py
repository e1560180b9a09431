"""`mvtec convert masks-to-coco`: a data set's masks as COCO annotation files."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from mvtec.convert.formats.coco.files import coco_file
from mvtec.convert.formats.coco.segmentation import SegmentationOptions, coco_labels
from mvtec.convert.from_masks import InstanceOptions, label_samples
from mvtec.convert.receipt import Receipt
from mvtec.datasets.samples import Dataset
from mvtec.datasets.split import PARTS, Part, Split, in_no_part, select
from mvtec.errors import OutputError
from mvtec.files import check_output
from mvtec.staging import together


def coco_info(dataset: Dataset, split: Split | None = None, part: str | None = None) -> dict[str, str]:
    """What the `info` of an annotation file says of where it comes from."""
    info = {"description": f"{dataset.category}, instances of ground-truth masks"}
    if split is not None and part is not None:
        info |= {"split": split.hash, "part": part}
    return info


def part_file(out: Path, part: str) -> Path:
    """`instances_train.json` of `instances.json`."""
    return out.with_name(f"{out.stem}_{part}{out.suffix}")


def parts_of(split: Split) -> list[Part]:
    """The parts that have photos."""
    return [part for part in PARTS if split.part(part)]


def check_parts(out: Path, parts: Collection[Part], *, overwrite: bool, inputs: Iterable[Path] = ()) -> None:
    """Refuse the output places of the parts of a set before any work is done.

    Args:
        out: What the files are named after.
        parts: Those that will be written.
        overwrite: Replace what is there.
        inputs: What the work reads.

    Raises:
        OutputError: See `check_output`; or a file of a part that will not be written is there: it is of another set,
            and would lie beside the new files as if it belonged to them.
    """
    inputs = list(inputs)
    for part in parts:
        check_output(part_file(out, part), overwrite=overwrite, inputs=inputs)
    for part in PARTS:
        if part not in parts and os.path.lexists(part_file(out, part)):
            problem = f"is there, and the new set has no {part} part: it would lie beside the new files as one of them"
            raise OutputError(part_file(out, part), problem, "Move it away, or choose another --out")


def masks_to_coco(
    dataset: Dataset,
    out: Path,
    *,
    split: Split | None = None,
    options: InstanceOptions,
    segmentation: SegmentationOptions | None = None,
    overwrite: bool = False,
    on_sample: Callable[[], None] = lambda: None,
) -> tuple[dict[Path, int], Receipt]:
    """Write the labelled photos and their instances.

    Args:
        dataset: The data set.
        out: The file to write. With a split, one file for each part that has photos, named after it:
            `instances.json` becomes `instances_train.json` and so on.
        split: Which photos belong to which part; photos in no part are left out.
        options: How masks become instances.
        segmentation: How instances are written; lossless RLE unless told otherwise.
        overwrite: Replace what is there.
        on_sample: Called after each sample.

    Returns:
        Each file written with its number of photos, and the receipt. The files come into place together.

    Raises:
        InputError: A photo or mask breaks a rule, or the split is of another data set.
        OutputError: A file exists already or cannot be written; with a split, see `check_parts`.
    """
    segmentation = segmentation or SegmentationOptions()
    receipt = Receipt(segmentation.reader)
    if split is None:
        check_output(out, overwrite=overwrite, inputs=[dataset.root])
        jobs = [(out, dataset.labelled, coco_info(dataset))]
    else:
        receipt.notes += in_no_part(split, [sample.path for sample in dataset.labelled], dataset.root)
        parts = parts_of(split)
        check_parts(out, parts, overwrite=overwrite, inputs=[dataset.root])
        jobs = [(part_file(out, part), select(dataset, split, part), coco_info(dataset, split, part)) for part in parts]
    make = partial(coco_labels, options=segmentation)
    written: dict[Path, int] = {}
    with together(out), ExitStack() as files:
        for path, samples, info in jobs:
            file = files.enter_context(coco_file(path, dataset.defects, info, overwrite=overwrite))
            for labels, ious in label_samples(dataset, samples, options, receipt, make, on_sample):
                file.add(labels, sha256=None if split is None else split.images[labels.path])
                receipt.add(labels.path, labels.defects, ious)
            written[path] = file.image_count
        receipt.check_not_empty(out)
    return written, receipt
