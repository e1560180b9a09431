"""`mvtec convert masks-to-coco`: a data set's masks as COCO annotation files."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from mvtec.convert.coco import coco_file
from mvtec.convert.from_masks import InstanceOptions, label_samples
from mvtec.convert.receipt import Receipt
from mvtec.convert.segmentation import SegmentationOptions, coco_labels
from mvtec.datasets.samples import Dataset
from mvtec.datasets.split import PARTS, Split, select
from mvtec.errors import InputError
from mvtec.files import check_output
from mvtec.reading import read_json


def coco_info(dataset: Dataset, split: Split | None = None, part: str | None = None) -> dict[str, str]:
    """What the `info` of an annotation file says of where it comes from."""
    info = {"description": f"{dataset.category}, instances of ground-truth masks"}
    if split is not None and part is not None:
        info |= {"split": split.hash, "part": part}
    return info


def part_file(out: Path, part: str) -> Path:
    """`instances_train.json` of `instances.json`."""
    return out.with_name(f"{out.stem}_{part}{out.suffix}")


def _is_of_a_split(path: Path) -> bool:
    """Whether a file is one that `masks_to_coco` wrote of a part of a split."""
    try:
        info = read_json(path, "a COCO annotation file")["info"]
        return {"split", "part"} <= info.keys()
    except (InputError, LookupError, TypeError, AttributeError):
        return False


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
        Each file written with its number of photos, and the receipt.

    Raises:
        InputError: A photo or mask breaks a rule, or the split is of another data set.
        OutputError: A file exists already or cannot be written.
    """
    segmentation = segmentation or SegmentationOptions()
    receipt = Receipt(segmentation.reader)
    if split is None:
        jobs = [(out, dataset.labelled, coco_info(dataset))]
    else:
        jobs = [
            (part_file(out, part), select(dataset, split, part), coco_info(dataset, split, part))
            for part in PARTS
            if split.part(part)
        ]
    for path, _, _ in jobs:
        check_output(path, overwrite=overwrite, inputs=[dataset.root])
    make = partial(coco_labels, options=segmentation)
    written: dict[Path, int] = {}
    with ExitStack() as files:  # all of them come into place when all are done
        for path, samples, info in jobs:
            file = files.enter_context(coco_file(path, dataset.defects, info, overwrite=overwrite))
            for labels, ious in label_samples(dataset, samples, options, receipt, make, on_sample):
                file.add(labels, sha256=None if split is None else split.images[labels.path])
                receipt.add(labels.path, labels.defects, ious)
            written[path] = file.image_count
        receipt.check_not_empty(out)
    if split is not None and overwrite:  # a part of an older split must not stay beside the new ones
        for path in {part_file(out, part) for part in PARTS} - set(written):
            if _is_of_a_split(path):
                path.unlink()
    return written, receipt
