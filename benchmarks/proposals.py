"""How many defects proposals find, and how many proposals are defects, whatever the defect's name.

    python benchmarks/proposals.py TRUTH.json PROPOSALS.json [--iou 0.5]

The two COCO files are of the same photos: what `mvtec convert masks-to-coco` makes of the masks, and what
`mvtec segment propose` wrote. A box finds a true box that it overlaps by the IoU or more; each is found once, by the
best score. The intervals are percentile bootstrap intervals over photos, 1,000 resamples, seed 0. The IoU of masks is
by photo, all proposals together, over the photos with a defect; one without a proposal counts as 0.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from mvtec.convert.formats.coco.files import CocoAnnotation, CocoDataset, read_coco
from mvtec.convert.formats.coco.segmentation import region_of_annotation
from mvtec.convert.pixels.geometry import Mask, box_iou
from mvtec.evaluate.statistics.bootstrap import draw_weights, interval


def by_photo(dataset: CocoDataset) -> dict[str, list[CocoAnnotation]]:
    names = {image.id: image.file_name for image in dataset.images}
    found: dict[str, list[CocoAnnotation]] = {name: [] for name in sorted(names.values())}
    for annotation in dataset.annotations:
        found[names[annotation.image_id]].append(annotation)
    return found


def hits(truth: list[CocoAnnotation], proposals: list[CocoAnnotation], least: float) -> int:
    taken: set[int] = set()
    for proposal in sorted(proposals, key=lambda one: -one.score):  # type: ignore[attr-defined]
        free = [(box_iou(proposal.bbox, one.bbox), -one.id) for one in truth if one.id not in taken]
        if free and max(free)[0] >= least:
            taken.add(-max(free)[1])
    return len(taken)


def union(annotations: list[CocoAnnotation], size_hw: tuple[int, int]) -> Mask:
    mask = np.zeros(size_hw, bool)
    for annotation in annotations:
        region = region_of_annotation(annotation, size_hw)
        if region is not None:
            mask |= region.full(size_hw)
    return mask


def say(name: str, sums: np.ndarray, counts: np.ndarray) -> None:
    weights = draw_weights(len(sums), 1000, 0)
    with np.errstate(invalid="ignore"):
        low, high = interval((weights @ sums) / (weights @ counts)) or (np.nan, np.nan)
    total, of = sums.sum(), counts.sum()
    print(f"{name:<12}{total:7.1f} of {of:<5.0f}{total / of:.3f} ({low:.2f} to {high:.2f})")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("truth", type=Path)
    parser.add_argument("proposals", type=Path)
    parser.add_argument("--iou", type=float, default=0.5)
    given = parser.parse_args()
    dataset = read_coco(given.truth)
    truth, proposals = by_photo(dataset), by_photo(read_coco(given.proposals))
    if set(truth) != set(proposals):
        raise SystemExit("error: the two files are not of the same photos")
    sizes = {image.file_name: (image.height, image.width) for image in dataset.images}
    found = np.array([hits(truth[name], proposals[name], given.iou) for name in truth], np.float64)
    say("recall", found, np.array([len(own) for own in truth.values()], np.float64))
    say("precision", found, np.array([len(proposals[name]) for name in truth], np.float64))
    overlaps = []
    for name in truth:
        masks = union(truth[name], sizes[name]), union(proposals[name], sizes[name])
        overlaps.append(float((masks[0] & masks[1]).sum() / (masks[0] | masks[1]).sum()) if truth[name] else 0.0)
    say("mask IoU", np.array(overlaps), np.array([bool(own) for own in truth.values()], np.float64))


if __name__ == "__main__":
    main()
