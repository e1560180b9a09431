"""Masks to COCO, against the floor and against peers, in one process on the same masks.

    python benchmarks/convert.py [DIR]      default: MVTec AD bottle in ../shared/data, else a synthetic set

The floor is decoding the mask PNGs with OpenCV. Each contender is run in turn, several rounds; a ratio is the median of
its times over the floor's, round by round, so that a machine that speeds up or slows down does not decide. A process
that has freed much memory keeps it, which spares the floor a fifth of its time; so the ratio is measured again with
the floor and one contender alone in a process of their own, as a command has it. Errors are against the pixel rule:
box corners off by more than nothing, areas unlike the number of pixels.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from pycocotools import mask as coco_mask

from mvtec.convert.from_masks import InstanceOptions
from mvtec.convert.masks_to_coco import masks_to_coco
from mvtec.datasets.images import photo_size_wh
from mvtec.datasets.samples import Dataset, Sample
from mvtec.datasets.synthetic import make_dataset
from mvtec.datasets.tree import read_tree

ROUNDS = 7
Boxes = list[tuple[tuple[float, ...], float]]


def decode_floor(samples: list[Sample]) -> list[Boxes]:
    for sample in samples:
        cv2.imread(str(sample.masks[0]), cv2.IMREAD_GRAYSCALE)
    return []


def ours(dataset: Dataset, out: Path) -> Callable[[], list[Boxes]]:
    """The whole conversion: boxes, areas, RLE, the receipt with every IoU, and the file on disk."""
    masks_to_coco(dataset, out, options=InstanceOptions(), overwrite=True)
    return lambda: boxes_of(out)


def boxes_of(annotations: Path) -> list[Boxes]:
    """Boxes and areas of a COCO file, by photo in the order of their names."""
    content = json.loads(annotations.read_text())
    found: dict[int, Boxes] = {}
    for image in sorted(content["images"], key=lambda image: image["file_name"]):
        found[image["id"]] = []
    for annotation in content["annotations"]:
        found[annotation["image_id"]].append((tuple(annotation["bbox"]), annotation["area"]))
    return list(found.values())


def datumaro_converter(root: Path, out: Path) -> Callable[[], list[Boxes]]:
    """Datumaro reads the MVTec layout and writes COCO; one instance a photo is all it makes of a mask."""
    import datumaro

    if out.exists():
        shutil.rmtree(out)
    datumaro.Dataset.import_from(str(root), "mvtec_segmentation").export(str(out), "coco_instances", save_media=False)
    return lambda: boxes_of(out / "annotations" / "instances_test.json")


def full_frame_components(samples: list[Sample]) -> list[Boxes]:
    """What a careful script does: label the whole frame, encode each component."""
    found = []
    for sample in samples:
        mask = cv2.imread(str(sample.masks[0]), cv2.IMREAD_GRAYSCALE)
        count, labels, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=8)
        boxes: Boxes = []
        for label in range(1, count):
            coco_mask.encode(np.asfortranarray(labels == label, dtype=np.uint8))
            boxes.append((tuple(stats[label, :4]), float(stats[label, cv2.CC_STAT_AREA])))
        found.append(boxes)
    return found


def bare_pycocotools(samples: list[Sample]) -> list[Boxes]:
    """One RLE a photo, without instances."""
    found = []
    for sample in samples:
        mask = cv2.imread(str(sample.masks[0]), cv2.IMREAD_GRAYSCALE)
        rle = coco_mask.encode(np.asfortranarray(mask > 0, dtype=np.uint8))
        found.append([(tuple(coco_mask.toBbox(rle)), float(coco_mask.area(rle)))])
    return found


def supervision_converter(samples: list[Sample]) -> list[Boxes]:
    """supervision's polygons of a mask, and their boxes."""
    import supervision as sv

    found = []
    for sample in samples:
        mask = cv2.imread(str(sample.masks[0]), cv2.IMREAD_GRAYSCALE) > 0
        boxes: Boxes = []
        for polygon in sv.mask_to_polygons(mask):
            x1, y1, x2, y2 = sv.polygon_to_xyxy(polygon)
            boxes.append(((x1, y1, x2 - x1, y2 - y1), float(cv2.contourArea(polygon))))
        found.append(boxes)
    return found


def ultralytics_converter(samples: list[Sample], prepared: Path) -> list[Boxes]:
    """Ultralytics' mask converter: class-index masks in, segment labels out; the labels' boxes as it reads them.

    It wants pixel values that are class numbers; that rewriting is done in the warm-up and not timed.
    """
    from mvtec.offline import ultralytics

    ultralytics()
    from ultralytics.data.converter import convert_segment_masks_to_yolo_seg

    found = []
    if not any(prepared.iterdir()):
        for number, sample in enumerate(samples):
            mask = cv2.imread(str(sample.masks[0]), cv2.IMREAD_GRAYSCALE)
            cv2.imwrite(str(prepared / f"{number:05}.png"), (mask > 0).astype(np.uint8))
    with tempfile.TemporaryDirectory() as labels:
        convert_segment_masks_to_yolo_seg(str(prepared), labels, classes=1)
        for number, sample in enumerate(samples):
            size_wh = photo_size_wh(sample.photo)
            boxes: Boxes = []
            for line in (Path(labels) / f"{number:05}.txt").read_text().splitlines():
                points = np.array([float(word) for word in line.split()[1:]]).reshape(-1, 2) * size_wh
                (x1, y1), (x2, y2) = points.min(axis=0), points.max(axis=0)
                area = cv2.contourArea(points.astype(np.float32))
                boxes.append(((x1, y1, x2 - x1, y2 - y1), float(area)))
            found.append(boxes)
    return found


def truth(samples: list[Sample]) -> list[Boxes]:
    """Boxes and areas by the pixel rule, the slow and plain way."""
    found = []
    for sample in samples:
        mask = cv2.imread(str(sample.masks[0]), cv2.IMREAD_GRAYSCALE) > 0
        count, labels = cv2.connectedComponents(mask.astype(np.uint8), connectivity=8)
        boxes: Boxes = []
        for label in range(1, count):
            ys, xs = np.nonzero(labels == label)
            box = (xs.min(), ys.min(), xs.max() - xs.min() + 1, ys.max() - ys.min() + 1)
            boxes.append((tuple(float(v) for v in box), float(len(xs))))
        found.append(boxes)
    return found


def errors(found: list[Boxes], expected: list[Boxes]) -> tuple[int, str, str]:
    """Photos with another number of instances; worst box corner in pixels and worst area in percent on the others."""
    other, worst_box, worst_area = 0, 0.0, 0.0
    for mine, true in zip(found, expected, strict=True):
        if len(mine) != len(true):
            other += 1
            continue
        for (box, area), (true_box, true_area) in zip(sorted(mine), sorted(true), strict=True):
            worst_box = max(worst_box, max(abs(a - b) for a, b in zip(box, true_box, strict=True)))
            worst_area = max(worst_area, 100 * abs(area - true_area) / true_area)
    return other, f"{worst_box:.2f}", f"{worst_area:.2f}"


def measure(contenders: dict[str, Callable[[], Any]]) -> tuple[dict[str, list[float]], dict[str, list[Boxes]]]:
    times: dict[str, list[float]] = {name: [] for name in contenders}
    found = {name: run() for name, run in contenders.items()}  # a warm-up each
    results = {name: result() if callable(result) else result for name, result in found.items()}
    for _ in range(ROUNDS):
        for name, run in contenders.items():
            began = time.perf_counter()
            run()
            times[name].append(time.perf_counter() - began)
    return times, results


def only_defects(root: Path, out: Path) -> Path:
    """The category without its good photos, as links, so that all contenders have the same work."""
    for sample in read_tree(root).labelled:
        if not sample.is_good:
            for file in (sample.photo, *sample.masks):
                link = out / file.relative_to(root)
                link.parent.mkdir(parents=True, exist_ok=True)
                link.symlink_to(file.resolve())
    return out


def scaling(root: Path, temporary: Path, copies: int = 100) -> None:
    """The same masks many times over: time with one process and two, and the memory of few and of many."""
    many = temporary / "many"
    for sample in read_tree(root).samples:
        for copy in range(copies):
            for file in (sample.photo, *sample.masks):
                name = file.name.replace(sample.photo.stem, f"{sample.photo.stem}{copy:03}", 1)
                link = many / file.relative_to(root).parent / name
                link.parent.mkdir(parents=True, exist_ok=True)
                link.symlink_to(file.resolve())
    dataset = read_tree(many)
    spent = {}
    for workers in (1, 2):
        began = time.perf_counter()
        masks_to_coco(dataset, temporary / "many.json", options=InstanceOptions(workers=workers), overwrite=True)
        spent[workers] = time.perf_counter() - began
    cores = os.cpu_count()
    print(f"\n{len(dataset.samples)} masks on {cores} cores: {spent[1]:.2f} s with 1 process, {spent[2]:.2f} s with 2")
    for folder, count in ((root, len(read_tree(root).samples)), (many, len(dataset.samples))):
        out = temporary / "memory.json"
        words = ["convert", "masks-to-coco", str(folder), "--out", str(out), "--overwrite"]
        code = (
            "import re, sys\nfrom pathlib import Path\nfrom mvtec.cli.commands import app\n"
            "try:\n    app(sys.argv[1:])\nexcept SystemExit:\n    pass\n"
            "kib = re.search(r'VmHWM:\\s+(\\d+)', Path('/proc/self/status').read_text())[1]\n"
            "print(int(kib) // 1024, file=sys.stderr)"
        )
        ran = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, check=True)
        print(f"{count} masks: at most {ran.stderr.split()[-1]} MiB")


FLOOR = "decode only (floor)"


def contenders_on(root: Path, temporary: Path) -> dict[str, Callable[[], Any]]:
    dataset = read_tree(root)
    samples = list(dataset.samples)
    prepared = temporary / "prepared"
    prepared.mkdir(exist_ok=True)
    return {
        FLOOR: lambda: decode_floor(samples),
        "mvtec": lambda: ours(dataset, temporary / "ours.json"),
        "pycocotools, no instances": lambda: bare_pycocotools(samples),
        "components of the full frame": lambda: full_frame_components(samples),
        "supervision": lambda: supervision_converter(samples),
        "datumaro": lambda: datumaro_converter(root, temporary / "datumaro"),
        "ultralytics": lambda: ultralytics_converter(samples, prepared),
    }


def ratio(spent: list[float], floor: list[float]) -> float:
    return statistics.median(mine / low for mine, low in zip(spent, floor, strict=True))


def alone(name: str, root: Path, temporary: Path) -> str:
    """The ratio of one contender in a process that runs nothing but it and the floor."""
    words = [sys.executable, __file__, str(root), "--only", name, str(temporary)]
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout.split()[-1]


def main() -> None:
    cv2.setNumThreads(1)
    shared = Path(os.environ.get("MVTEC_SHARED_DATA", Path(__file__).parents[2] / "shared" / "data"))
    given = Path(sys.argv[1]) if sys.argv[1:] else shared / "mvtec_ad" / "bottle"
    if "--only" in sys.argv:
        name, temporary = sys.argv[-2], Path(sys.argv[-1])
        contenders = contenders_on(given, temporary)
        times, _ = measure({FLOOR: contenders[FLOOR], name: contenders[name]})
        print(f"{ratio(times[name], times[FLOOR]):.2f}")
        return
    with tempfile.TemporaryDirectory() as folder:
        temporary = Path(folder)
        if not given.is_dir():
            given = temporary / "drawn" / "bottle"
            make_dataset(given, per_class=20)
        root = only_defects(given, temporary / given.name)
        times, results = measure(contenders_on(root, temporary))
        samples = list(read_tree(root).samples)
        expected = truth(samples)
        print(f"{given.name}: {len(samples)} masks, {sum(map(len, expected))} instances, {ROUNDS} rounds\n")
        print("| | ms a mask | × floor | alone | photos with other instances | worst box, px | worst area, % |")
        print("|---|---|---|---|---|---|---|")
        for name, spent in times.items():
            milliseconds = 1000 * statistics.median(spent) / len(samples)
            by_itself = "1.00" if name == FLOOR else alone(name, root, temporary)
            cells = errors(results[name], expected) if results[name] else ("–", "–", "–")
            figures = f"{milliseconds:.2f} | {ratio(spent, times[FLOOR]):.2f} | {by_itself}"
            print(f"| {name} | {figures} | {' | '.join(map(str, cells))} |", flush=True)
        scaling(root, temporary)


if __name__ == "__main__":
    main()
