"""Boxes to SAM masks, against the plain loops people write, in one process on the same photos and boxes.

    python benchmarks/segment.py [DIR]      default: MVTec AD bottle in ../shared/data; MobileSAM from $MVTEC_WEIGHTS
                                            or ../shared/weights

The floor is decoding the photos. Contenders take turns; a ratio is the median of its times over another's, round by
round. Every mask is compared with the ground truth, so that what speed costs stands beside it.
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from mvtec.convert.from_masks import InstanceOptions
from mvtec.convert.masks_to_coco import masks_to_coco
from mvtec.convert.pixels.geometry import Region, split_mask
from mvtec.datasets.images import read_photo
from mvtec.datasets.masks import read_mask
from mvtec.datasets.samples import Sample
from mvtec.datasets.tree import read_tree
from mvtec.offline import ultralytics
from mvtec.segment.checkpoint import load_sam
from mvtec.segment.embeddings import EmbeddingCache
from mvtec.segment.model import SamModel
from mvtec.segment.refine import RefineOptions, refine
from mvtec.segment.weights import find_checkpoint

ROUNDS = 3
PER_DEFECT = 4  # photos of each defect type
Masks = list[np.ndarray]


def corners(region: Region) -> list[int]:
    x, y, w, h = region.box_xywh
    return [x, y, x + w, y + h]


def predictor_loop(model: SamModel, work: list[tuple[Sample, list[Region]]]) -> Masks:
    """segment-anything's example: set_image, then predict, box by box."""
    from segment_anything import SamPredictor

    predictor = SamPredictor(model.network)
    found = []
    for sample, regions in work:
        predictor.set_image(read_photo(sample.photo), "BGR")
        for region in regions:
            masks, _, _ = predictor.predict(box=np.array(corners(region)), multimask_output=False)
            found.append(masks[0])
    return found


def auto_annotate_half(sam: Any, work: list[tuple[Sample, list[Region]]]) -> Masks:
    """The half of Ultralytics' auto_annotate that is SAM: it asks for the boxes of one photo at once."""
    found = []
    for sample, regions in work:
        boxes = torch.tensor([corners(region) for region in regions], dtype=torch.float32)
        results = sam(read_photo(sample.photo), bboxes=boxes, verbose=False, save=False, device="cpu")
        found += list(results[0].masks.data.numpy() > 0)
    return found


class Ours:
    """`mvtec segment refine`, whole: reading, hashing, masks, the file on disk."""

    def __init__(self, model: SamModel, root: Path, annotations: Path, folder: Path) -> None:
        self.model, self.root, self.annotations, self.folder = model, root, annotations, folder
        self.number = 0

    def run(self, cache: EmbeddingCache) -> Path:
        out = self.folder / "refined.json"
        options = RefineOptions(choose="single")
        refine(self.annotations, out, photos=self.root, model=self.model, cache=cache, options=options, overwrite=True)
        return out

    def first(self) -> Path:
        self.number += 1
        return self.run(EmbeddingCache(self.folder / f"cache{self.number}"))

    def again(self) -> Path:
        return self.run(EmbeddingCache(self.folder / "cache1"))


def masks_of(result: Path | Masks, shape: tuple[int, int]) -> Masks:
    from mvtec.convert.formats.coco.files import read_coco
    from mvtec.convert.formats.coco.segmentation import region_of_annotation

    if not isinstance(result, Path):
        return result
    regions = [region_of_annotation(annotation, shape) for annotation in read_coco(result).annotations]
    return [region.full(shape) for region in regions if region is not None]


def iou(one: np.ndarray, other: np.ndarray) -> float:
    return float((one & other).sum() / max(1, (one | other).sum()))


def median_ratio(times: dict[str, list[float]], name: str, base: str) -> float:
    return statistics.median(one / other for one, other in zip(times[name], times[base], strict=True))


def decoder_batches(model: SamModel, photo: np.ndarray, regions: list[Region]) -> None:
    """Eight boxes at once and one by one, on one embedding."""
    embedding = model.encode(photo)
    boxes = np.array([corners(regions[0])] * 8, np.float64) + np.arange(8)[:, None]
    spent: dict[str, list[float]] = {"one by one": [], "at once": []}
    for _ in range(2 * ROUNDS + 1):
        for name, parts in (("one by one", boxes[:, None]), ("at once", boxes[None])):
            began = time.perf_counter()
            for part in parts:
                model.answer([embedding], photo.shape[:2], part, choose="single")
            spent[name].append(time.perf_counter() - began)
    ratio = median_ratio(spent, "one by one", "at once")
    print(f"\neight boxes on one photo: {ratio:.2f} × as fast at once as one by one")


def main() -> None:
    shared = Path(__file__).parents[2] / "shared"
    os.environ.setdefault("MVTEC_WEIGHTS", str(shared / "weights"))
    data = Path(os.environ.get("MVTEC_SHARED_DATA", shared / "data"))
    root = Path(sys.argv[1]) if sys.argv[1:] else data / "mvtec_ad" / "bottle"
    if not root.is_dir():
        print(f"{root} is not here, so the SAM benchmark is left out; give a category's folder")
        return
    checkpoint = find_checkpoint("mobile_sam")
    model = load_sam(checkpoint, "cpu")
    exact = replace(model, half=False, encoder_digest="exact")
    ultralytics()
    from ultralytics import SAM

    dataset = read_tree(root)
    samples = [
        sample
        for defect in dataset.defects
        for sample in [sample for sample in dataset.samples if sample.defect == defect][:PER_DEFECT]
    ]
    work = [(sample, split_mask(read_mask(sample))) for sample in samples]
    with tempfile.TemporaryDirectory() as folder:
        annotations = Path(folder) / "instances.json"
        few = replace(dataset, samples=tuple(samples))
        masks_to_coco(few, annotations, options=InstanceOptions(), overwrite=True)
        (Path(folder) / "exact").mkdir()
        in_float, in_half = (
            Ours(exact, root, annotations, Path(folder) / "exact"),
            Ours(model, root, annotations, Path(folder)),
        )
        theirs = SAM(str(checkpoint))
        contenders: dict[str, Callable[[], Path | Masks]] = {
            "decode only (floor)": lambda: [read_photo(sample.photo) for sample, _ in work] and [],
            "SamPredictor, box by box": lambda: predictor_loop(exact, work),
            "Ultralytics, auto_annotate's SAM half": lambda: auto_annotate_half(theirs, work),
            "mvtec, float32": in_float.first,
        }
        if model.half:
            contenders["mvtec, bfloat16 (default here)"] = in_half.first
        contenders["mvtec, second run"] = (in_half if model.half else in_float).again
        results = {name: run() for name, run in contenders.items()}  # a warm-up each
        times: dict[str, list[float]] = {name: [] for name in contenders}
        for _ in range(ROUNDS):
            for name, run in contenders.items():
                began = time.perf_counter()
                results[name] = run()
                times[name].append(time.perf_counter() - began)
        truth = [(region, read_mask(sample).shape) for sample, regions in work for region in regions]
        shape = truth[0][1]
        loop = masks_of(results["SamPredictor, box by box"], shape)
        print(
            f"{root.name}: {len(work)} photos, {len(truth)} boxes, {ROUNDS} rounds, {torch.get_num_threads()} threads"
        )
        print("\n| | photos a second | × SamPredictor's speed | IoU with the truth | IoU with SamPredictor's masks |")
        print("|---|---|---|---|---|")
        for name in contenders:
            rate = len(work) / statistics.median(times[name])
            speed = median_ratio(times, "SamPredictor, box by box", name)
            found = masks_of(results[name], shape)
            good, same = "–", "–"
            if found:
                pairs = zip(truth, found, strict=True)
                good = f"{np.mean([iou(region.full(size), mask) for (region, size), mask in pairs]):.4f}"
                same = f"{np.mean([iou(one, other) for one, other in zip(loop, found, strict=True)]):.4f}"
            print(f"| {name} | {rate:.2f} | {speed:.2f} | {good} | {same} |", flush=True)
        decoder_batches(model, read_photo(work[0][0].photo), work[0][1])


if __name__ == "__main__":
    main()
