"""From annotation to model: photos of parts with defect masks in, a measured detector out.

What is public is in `__all__`; each name is loaded when it is first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from mvtec.api.dataset import LabelledDataset, read_dataset
    from mvtec.api.evaluation import evaluate_boxes, evaluate_masks
    from mvtec.api.models import AnomalyMap, ClassScores, Model, load
    from mvtec.convert.instances import Instance
    from mvtec.convert.receipt import Receipt
    from mvtec.datasets.split import Split, read_split
    from mvtec.detect.predict import predict_photos
    from mvtec.detect.train import train_detector
    from mvtec.errors import ArgumentError, InputError, LeakError, MvtecError, MvtecWarning, OutputError, WeightsError
    from mvtec.evaluate.statistics.metric import Metric
    from mvtec.results.detections import Detections
    from mvtec.run import RunRecord

_MODULES = {
    "AnomalyMap": "mvtec.api.models",
    "ArgumentError": "mvtec.errors",
    "ClassScores": "mvtec.api.models",
    "Detections": "mvtec.results.detections",
    "InputError": "mvtec.errors",
    "Instance": "mvtec.convert.instances",
    "LabelledDataset": "mvtec.api.dataset",
    "LeakError": "mvtec.errors",
    "Metric": "mvtec.evaluate.statistics.metric",
    "Model": "mvtec.api.models",
    "MvtecError": "mvtec.errors",
    "MvtecWarning": "mvtec.errors",
    "OutputError": "mvtec.errors",
    "Receipt": "mvtec.convert.receipt",
    "RunRecord": "mvtec.run",
    "Split": "mvtec.datasets.split",
    "WeightsError": "mvtec.errors",
    "evaluate_boxes": "mvtec.api.evaluation",
    "evaluate_masks": "mvtec.api.evaluation",
    "load": "mvtec.api.models",
    "predict_photos": "mvtec.detect.predict",
    "read_dataset": "mvtec.api.dataset",
    "read_split": "mvtec.datasets.split",
    "train_detector": "mvtec.detect.train",
}

__all__ = [
    "AnomalyMap",
    "ArgumentError",
    "ClassScores",
    "Detections",
    "InputError",
    "Instance",
    "LabelledDataset",
    "LeakError",
    "Metric",
    "Model",
    "MvtecError",
    "MvtecWarning",
    "OutputError",
    "Receipt",
    "RunRecord",
    "Split",
    "WeightsError",
    "evaluate_boxes",
    "evaluate_masks",
    "load",
    "predict_photos",
    "read_dataset",
    "read_split",
    "train_detector",
]


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module 'mvtec' has no attribute '{name}'")
    return getattr(importlib.import_module(_MODULES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
