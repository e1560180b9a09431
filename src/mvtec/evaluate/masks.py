"""`mvtec evaluate masks`: how well masks fit, by instance and by photo, each figure with a 95 % interval."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from mvtec.convert.pixels.geometry import Region
from mvtec.convert.pixels.rle import Rle, encode_region, encode_rle
from mvtec.evaluate.mask_pairs import Pair, PairedMasks, union
from mvtec.evaluate.statistics.bootstrap import bootstrapped, draw_weights
from mvtec.evaluate.statistics.coco_metrics import FIGURES, Figure, Tables, metric
from mvtec.evaluate.statistics.matching import CocoFigures, Floats, Matches, match
from mvtec.evaluate.statistics.metric import Metric
from mvtec.evaluate.statistics.shares import share

# By instance: name and value.
_OF_INSTANCES: dict[str, Callable[[Pair], float]] = {
    "IoU": lambda pair: pair.iou,
    "Dice": lambda pair: pair.dice,
    "boundary_IoU": lambda pair: pair.boundary_iou,
    "IoU_filled_box": lambda pair: pair.box_iou,
}
PER_DEFECT = ("IoU", "Dice", "boundary_IoU", "IoU_filled_box", "IoU_image", "IoU_image_filled_box")


@dataclass(frozen=True)
class _Sums:
    """Per photo the sum of a figure and how many go into it, of which a mean is made."""

    sums: Floats
    counts: Floats

    def mean(self, weights: Floats) -> Floats:
        """float64 R, one for each row of weights R×I; NaN where nothing goes in."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray((weights @ self.sums) / (weights @ self.counts), np.float64)


def evaluate_masks(
    paired: PairedMasks, unrefined: PairedMasks | None = None, *, resamples: int = 1000, seed: int = 0
) -> dict[str, Metric]:
    """Score masks.

    A photo's IoU is that of all its instances together with all that counts in it, whatever their class, and of a
    defect type with all of that type: a false mask lowers it. Photos without an instance have none; what masks there
    are on good photos is in `false_alarm_share` alone.
    `AP` and `AP50` are pycocotools' of masks. They rank the masks by score, so there is none where all of a class are
    equal and some masks fit and others do not: it would be the order of the photos that decides. The intervals are
    percentile bootstrap intervals over photos, and Wilson's of `false_alarm_share`.

    Args:
        paired: Truth and predictions.
        unrefined: The same truth with what the predictions were made from, as a baseline.
        resamples: How often to draw; 0 for no intervals.
        seed: Seed of the draw.

    Returns:
        `IoU`, `Dice`, `boundary_IoU` by instance, `IoU_image`, `Dice_image` by photo, `AP`, `AP50`;
        `false_alarm_share`, the share of good photos on which a mask, or a box without one, counts; the baselines
        `IoU_filled_box`, `IoU_image_filled_box`, and with `unrefined` `IoU_unrefined`, `IoU_image_unrefined`; then
        those of `PER_DEFECT` for each defect type, as `IoU/crack`.
    """
    images = len(paired.truth.images)
    weights = draw_weights(images, resamples, seed) if resamples and images > 1 else None
    names = sorted(paired.truth.category_names().items())
    metrics = {}
    for name, sums in _all_sums(paired, unrefined, paired.pairs).items():
        metrics[name] = _metric(sums, paired.pairs, weights)
    metrics |= _average_precision(paired, weights)
    metrics["false_alarm_share"] = _false_alarms(paired)
    for category_id, defect in names:
        own = [pair for pair in paired.pairs if pair.category_id == category_id]
        of_defect = _all_sums(paired, None, own, category_id)
        metrics |= {f"{name}/{defect}": _metric(of_defect[name], own, weights) for name in PER_DEFECT}
    return metrics


def _all_sums(
    paired: PairedMasks, unrefined: PairedMasks | None, pairs: Sequence[Pair], category_id: int | None = None
) -> dict[str, _Sums]:
    images = len(paired.truth.images)
    of_instances = {name: _by_instance(pairs, value, images) for name, value in _OF_INSTANCES.items()}
    of_images = _by_image(paired, pairs, category_id)
    found = of_instances | of_images
    if unrefined is not None:
        found["IoU_unrefined"] = _by_instance(unrefined.pairs, _OF_INSTANCES["IoU"], images)
        found["IoU_image_unrefined"] = _by_image(unrefined, unrefined.pairs)["IoU_image"]
    return found


def _by_instance(pairs: Sequence[Pair], value: Callable[[Pair], float], images: int) -> _Sums:
    at = [pair.image for pair in pairs]
    sums = np.bincount(at, [value(pair) for pair in pairs], images) if pairs else np.zeros(images)
    return _Sums(sums.astype(np.float64), np.bincount(at, minlength=images).astype(np.float64))


def _by_image(paired: PairedMasks, pairs: Sequence[Pair], category_id: int | None = None) -> dict[str, _Sums]:
    """`IoU_image`, `Dice_image` and `IoU_image_filled_box` of the photos that have one of the pairs, all of a class."""
    images = len(paired.truth.images)
    found = {name: np.zeros(images) for name in ("IoU_image", "Dice_image", "IoU_image_filled_box")}
    counts = np.zeros(images)
    of_image: dict[int, list[Pair]] = {}
    for pair in pairs:
        of_image.setdefault(pair.image, []).append(pair)
    for index, own in of_image.items():
        image = paired.truth.images[index]
        size_hw = image.height, image.width
        truth = union([pair.truth for pair in own], size_hw)
        meant = [entry for entry in paired.counted.get(index, []) if category_id in (None, entry.category_id)]
        masks = union([entry.region for entry in meant if entry.region is not None], size_hw)
        boxes = union([entry.box for entry in meant if entry.box is not None], size_hw)
        assert truth is not None
        iou = 0.0 if masks is None else truth.iou(masks)
        found["IoU_image"][index] = iou
        found["Dice_image"][index] = 2 * iou / (1 + iou)
        found["IoU_image_filled_box"][index] = 0.0 if boxes is None else truth.iou(boxes)
        counts[index] = 1
    return {name: _Sums(sums, counts) for name, sums in found.items()}


def _metric(sums: _Sums, pairs: Sequence[Pair], weights: Floats | None) -> Metric:
    images, instances = int((sums.counts > 0).sum()), len(pairs)
    if not images:
        return Metric(None, 0, 0, reason="no instance")
    value = float(sums.mean(np.ones((1, len(sums.counts))))[0])
    return bootstrapped(value, images, instances, None if weights is None or images < 2 else sums.mean(weights))


def _false_alarms(paired: PairedMasks) -> Metric:
    if not paired.good:
        return Metric(None, 0, 0, reason="no good photo")
    return replace(share(len(paired.good_with_a_mask), len(paired.good)), instances=0)


def _average_precision(paired: PairedMasks, weights: Floats | None) -> dict[str, Metric]:
    """pycocotools' AP and AP50 of masks."""
    sizes = [(image.height, image.width) for image in paired.truth.images]
    numbers = [image.id for image in paired.truth.images]
    truth = paired.truth.to_json() | {
        "annotations": [
            {
                "id": number,
                "image_id": numbers[pair.image],
                "category_id": pair.category_id,
                "bbox": list(pair.truth.box_xywh),
                "area": pair.truth.area,
                "iscrowd": 0,
                "segmentation": encode_region(pair.truth, sizes[pair.image]),
            }
            for number, pair in enumerate(paired.pairs, start=1)
        ]
        + [
            {
                "id": number,
                "image_id": numbers[index],
                "category_id": category_id,
                "bbox": list(region.box_xywh),
                "area": region.area,
                "iscrowd": 1,
                "segmentation": encode_region(region, sizes[index]),
            }
            for number, (index, category_id, region) in enumerate(paired.crowds, start=len(paired.pairs) + 1)
        ]
    }
    results = [
        {
            "image_id": numbers[index],
            "category_id": entry.category_id,
            "segmentation": _encoded(entry.region, sizes[index]),
            "score": entry.score,
        }
        for index, entries in sorted(paired.found.items())
        for entry in entries
    ]
    figures = match(truth, results, paired.max_detections, "segm")
    resampled = None if weights is None else Tables(figures, weights)
    return {
        figure.name: _precision(figures, figure, float(stat), resampled)
        for figure, stat in zip(FIGURES, figures.stats, strict=True)
        if figure.name in ("AP", "AP50")
    }


def _encoded(region: Region | None, size_hw: tuple[int, int]) -> Rle:
    return encode_rle(np.zeros(size_hw, bool)) if region is None else encode_region(region, size_hw)


def _precision(figures: CocoFigures, figure: Figure, stat: float, resampled: Tables | None) -> Metric:
    classes = range(len(figures.names))
    of_classes = [figures.matches[number, figure.area] for number in classes]
    if any(_is_decided_by_order(matches, figure.thresholds) for matches in of_classes):
        instances = int(sum(matches.instances.sum() for matches in of_classes))
        return Metric(None, figures.images, instances, reason="all scores of a class are equal")
    return metric(figures, figure, classes, None if stat < 0 else stat, resampled)


def _is_decided_by_order(matches: Matches, thresholds: slice) -> bool:
    """Whether all masks of a class have one score, and at one of the IoU thresholds some fit and others do not."""
    if not len(matches.score) or np.ptp(matches.score) > 0:
        return False
    hit, counts = matches.hit[thresholds], matches.counts[thresholds]
    return bool((hit.any(axis=1) & (counts & ~hit).any(axis=1)).any())


def worst(paired: PairedMasks, count: int = 10) -> list[Pair]:
    """The pairs with the lowest IoU, lowest first."""
    return sorted(paired.pairs, key=lambda pair: (pair.iou, paired.truth.images[pair.image].file_name))[:count]
