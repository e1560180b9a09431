"""Learns what good photos look like and leaves a run folder; no photo with a defect is looked at.

RUN holds:

    weights/         anomaly.pt: network, memory bank, threshold
    normal_scores.json       the score of each good photo, held out, which the threshold comes from
    run.json         the record

The threshold comes from good photos alone: they are divided into five folds, and each photo is scored against a bank of
the same size made of the other folds. The bank of the run is made of all of them, so its scores are a little lower.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from mvtec.anomaly.features import STRIDE, new_extractor
from mvtec.anomaly.memory_bank import make_memory, remember, share_of_photo
from mvtec.anomaly.model import CHECKPOINT, AnomalyModel, anomaly_map, save_model, score_of
from mvtec.anomaly.normal_images import choose_threshold, expected_alarms, make_folds
from mvtec.backbones.weights import Backbone
from mvtec.datasets.samples import Dataset, Sample
from mvtec.datasets.small_defects import defect_sides, say_small
from mvtec.errors import InputError
from mvtec.files import sha256_file, write_json
from mvtec.run import RunRecord, finish_run

BANK = 20_000  # places
_USUAL = 0.99


def check_imgsz(imgsz: int) -> None:
    """Refuse a size the network's strides do not divide.

    Raises:
        InputError: It is such.
    """
    if imgsz < 64 or imgsz % 32:
        near = max(64, imgsz // 32 * 32)
        raise InputError("--imgsz", f"{imgsz} is no multiple of 32 from 64 on", f"Give {near} or {near + 32}")


def train_anomaly(
    dataset: Dataset,
    normals: Sequence[Sample],
    out: Path,
    *,
    start: Backbone,
    split: str | None = None,
    imgsz: int = 448,
    seed: int = 0,
    command: list[str] | None = None,
    warn: Callable[[str], None] = lambda _warning: None,
    on_photo: Callable[[], None] = lambda: None,
) -> RunRecord:
    """Learn from good photos.

    Args:
        dataset: The category.
        normals: Its good photos to learn from, as `normal_images.select_normal_images` chooses them.
        out: The run folder, made by `run.prepare_run`.
        start: The network and its weights.
        split: Hash of the split that they were chosen by, if any.
        imgsz: Photos are scaled to a square of so many pixels.
        seed: Seed of the places that are remembered, and of the folds.
        command: The words of the command line, for the record.
        warn: Told of defects in `test/`, where masks mark them, that are narrower than a place of the map.
        on_photo: Called after each look at a photo; each is looked at twice.

    Returns:
        The record of the run.

    Raises:
        InputError: A photo cannot be read, or all are alike.
        WeightsError: The weights do not fit, or the package of the network is missing.
    """
    import torch

    if sentence := say_small(defect_sides(dataset.labelled), imgsz, STRIDE):
        warn(f"{dataset.root}: {sentence}. Give it as --imgsz")
    began = time.perf_counter()
    extractor = new_extractor(start, imgsz, seed)
    folds = make_folds(normals, seed)
    most = share_of_photo(BANK, len(normals) - max(map(len, folds)))
    random = torch.Generator().manual_seed(seed)
    kept = []
    for sample in normals:
        kept.append(remember(extractor.places(sample.photo), most, random))
        on_photo()
    heats = {}
    for fold in folds:
        others = make_memory([kept[number] for number in range(len(normals)) if number not in fold], BANK)
        for number in fold:
            heats[normals[number].path] = anomaly_map(extractor, others, normals[number].photo)
            on_photo()
    scores = {path: round(score_of(heat), 5) for path, heat in sorted(heats.items())}
    threshold = choose_threshold(list(scores.values()))
    usual = min(threshold, float(np.quantile(np.stack(list(heats.values())), _USUAL)))
    model = AnomalyModel(extractor, make_memory(kept, BANK), threshold, usual)
    seconds = time.perf_counter() - began
    (out / CHECKPOINT).parent.mkdir()
    save_model(out / CHECKPOINT, model)
    write_json(out / "normal_scores.json", {"scores": scores, "threshold": threshold}, overwrite=True)
    record = RunRecord(
        kind="anomaly",
        command=command or [],
        settings={
            "method": "memory bank",
            "backbone": start.name,
            "imgsz": imgsz,
            "bank": len(model.memory.patches),
            "folds": len(folds),
            "false_alarms": round(expected_alarms(len(normals)), 4),
            "seed": seed,
        },
        data=str(dataset.root.resolve()),
        split=split,
        weights=start.record(),
        train_images={sha256_file(sample.photo): sample.path for sample in normals},
        seconds=round(seconds, 1),
        seconds_per_epoch=None,
        figures={"threshold": threshold, "photos": float(len(normals)), "parameters": float(model.parameters)},
    )
    finish_run(out, record)
    return record
