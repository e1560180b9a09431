"""`mvtec convert masks-to-coco`: a data set's masks as COCO annotation files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from mvtec.convert.coco import to_coco, write_coco
from mvtec.convert.instances import InstanceOptions, Tally, label_samples
from mvtec.datasets.split import PARTS, Split, select
from mvtec.datasets.tree import Dataset, Sample
from mvtec.files import check_output


def coco_info(dataset: Dataset, split: Split | None = None, part: str | None = None) -> dict[str, str]:
    """What the `info` of an annotation file says of where it comes from."""
    info = {"description": f"{dataset.category}, instances of ground-truth masks"}
    if split is not None and part is not None:
        info |= {"split": split.hash, "part": part}
    return info


def _part_file(out: Path, part: str) -> Path:
    return out.with_name(f"{out.stem}_{part}{out.suffix}")


def masks_to_coco(
    dataset: Dataset,
    out: Path,
    *,
    split: Split | None = None,
    options: InstanceOptions,
    overwrite: bool = False,
    on_sample: Callable[[], None] = lambda: None,
) -> tuple[dict[Path, int], Tally]:
    """Write the photos under `test/` and their instances.

    Args:
        dataset: The data set.
        out: The file to write. With a split, one file for each part that has photos, named after it:
            `instances.json` becomes `instances_train.json` and so on.
        split: Which photos belong to which part; photos in no part are left out.
        options: How masks become instances.
        overwrite: Replace what is there.
        on_sample: Called after each sample.

    Returns:
        Each file written with its number of photos, and what was met on the way.

    Raises:
        InputError: A photo or mask breaks a rule, or the split is of another data set.
        OutputError: A file exists already or cannot be written.
    """
    tally = Tally()
    if split is None:
        jobs: list[tuple[Path, tuple[Sample, ...], dict[str, str]]] = [(out, dataset.labelled, coco_info(dataset))]
    else:
        jobs = [
            (
                _part_file(out, part),
                select(dataset, split, part),
                coco_info(dataset, split, part),
            )
            for part in PARTS
            if split.part(part)
        ]
    for path, _, _ in jobs:
        check_output(path, overwrite=overwrite)
    digests = None if split is None else split.images
    made = [
        (path, to_coco(label_samples(dataset, samples, options, tally, on_sample), dataset.defects, info, digests))
        for path, samples, info in jobs
    ]
    for path, coco in made:
        write_coco(path, coco, overwrite=overwrite)
    if split is not None and overwrite:  # a part of an older split must not stay beside the new ones
        for path in {_part_file(out, part) for part in PARTS} - {path for path, _ in made}:
            path.unlink(missing_ok=True)
    return {path: len(coco.images) for path, coco in made}, tally
