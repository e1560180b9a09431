"""Trained models as Python objects: `load` a run, `predict` on arrays, files, or a stream of either."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar, overload

import cv2
import numpy as np
import numpy.typing as npt

from mvtec.anomaly.model import AnomalyModel
from mvtec.anomaly.predict import load_run
from mvtec.classify.model import Classifier, load_classifier
from mvtec.datasets.images import read_photo
from mvtec.datasets.listing import list_images
from mvtec.detect.backends import detector_class
from mvtec.detect.backends.detector import Detector, Limits
from mvtec.detect.predict import PredictOptions
from mvtec.devices import choose_device
from mvtec.errors import ArgumentError, InputError
from mvtec.results.detections import Detections
from mvtec.run import Kind, checkpoint_of, read_run
from mvtec.segment.checkpoint import load_sam
from mvtec.segment.model import SamModel

Image = npt.NDArray[np.uint8]
Photo = str | Path | Image
Found = TypeVar("Found")


@dataclass(frozen=True, eq=False)
class ClassScores:
    """What a classifier says of one photo.

    Attributes:
        names: The classes.
        probabilities: float64, one for each class, with the sum 1.
    """

    names: tuple[str, ...]
    probabilities: npt.NDArray[np.float64]

    @property
    def name(self) -> str:
        """The class with the highest probability."""
        return self.names[int(self.probabilities.argmax())]


@dataclass(frozen=True, eq=False)
class AnomalyMap:
    """How unlike the normal images one photo is.

    Attributes:
        anomaly_map: float32 H×W, the photo's size; higher is more unlike.
        score: That of the photo: the highest value of the map before it was enlarged.
        threshold: A photo whose score is above it is defective, and so is a pixel whose value is.
    """

    anomaly_map: npt.NDArray[np.float32]
    score: float
    threshold: float

    @property
    def is_defective(self) -> bool:
        """Whether the score is above the threshold."""
        return self.score > self.threshold

    @property
    def mask(self) -> npt.NDArray[np.bool_]:
        """bool H×W, the pixels above the threshold."""
        return np.asarray(self.anomaly_map > self.threshold)


class Model(ABC, Generic[Found]):
    """A trained model. `predict` takes one photo or many."""

    kind: Kind

    @property
    @abstractmethod
    def names(self) -> tuple[str, ...]:
        """The classes it tells apart; the number of a class is its place. Empty where it knows no classes."""

    @abstractmethod
    def _of_one(self, image: Image, *args: Any, **options: Any) -> Found:
        """What the model says of uint8 RGB H×W×3."""

    @overload
    def predict(self, source: Photo, **options: Any) -> Found: ...
    @overload
    def predict(self, source: Iterable[Photo], **options: Any) -> Iterator[Found]: ...

    def predict(self, source: Photo | Iterable[Photo], **options: Any) -> Found | Iterator[Found]:
        """Say what the model sees.

        Args:
            source: A photo as uint8 RGB H×W×3 or as the path of a file; or an iterable of such, or a folder, whose
                photos are taken in the order of their names.
            options: `min_score`, `iou` and `max_detections` for a detector, as those of `PredictOptions`;
                `boxes_xyxy` for a segmenter.

        Returns:
            One answer for one photo. For many an iterator of them, which looks at each photo when it is asked for: a
            camera that yields arrays may go on for ever.

        Raises:
            InputError: A photo cannot be read, or an array is not uint8 H×W×3.
        """
        if isinstance(source, np.ndarray):
            return self._of_one(_checked(source), **options)
        if isinstance(source, str | Path):
            if Path(source).is_dir():
                folder = Path(source)
                return self.predict([folder / name for name in list_images(folder).images], **options)
            return self._of_one(_pixels(source), **options)
        return (self._of_one(_pixels(photo), **options) for photo in source)


class DetectorModel(Model[Detections]):
    """A detector of `train_detector`."""

    kind: Kind = "detector"

    def __init__(self, detector: Detector) -> None:
        self._detector = detector

    @property
    def names(self) -> tuple[str, ...]:
        return self._detector.names

    def _of_one(
        self, image: Image, *, min_score: float = 0.25, iou: float = 0.7, max_detections: int = 100
    ) -> Detections:
        checked = PredictOptions(min_score=min_score, iou=iou, max_detections=max_detections)
        return self._detector.predict(image, Limits(checked.min_score, checked.iou, checked.max_detections))


class ClassifierModel(Model[ClassScores]):
    """A classifier of `mvtec train-classifier`."""

    kind: Kind = "classifier"

    def __init__(self, classifier: Classifier) -> None:
        self._classifier = classifier

    @property
    def names(self) -> tuple[str, ...]:
        return self._classifier.classes

    def _of_one(self, image: Image) -> ClassScores:
        features = self._classifier.features(_as_bgr(image))
        return ClassScores(self.names, self._classifier.probabilities(features))


class AnomalyDetector(Model[AnomalyMap]):
    """An anomaly detector of `mvtec train-anomaly`."""

    kind: Kind = "anomaly"

    def __init__(self, model: AnomalyModel) -> None:
        self._model = model

    @property
    def names(self) -> tuple[str, ...]:
        return ()

    def _of_one(self, image: Image) -> AnomalyMap:
        found = self._model.anomaly_map(_as_bgr(image))
        height, width = image.shape[:2]
        whole = np.asarray(cv2.resize(found, (width, height), interpolation=cv2.INTER_LINEAR), np.float32)
        return AnomalyMap(whole, float(found.max()), self._model.threshold)


class Segmenter(Model[Detections]):
    """SAM, as it was published or after `mvtec segment finetune`. It is told where to look by boxes."""

    kind: Kind = "segmenter"

    def __init__(self, model: SamModel) -> None:
        self._model = model

    @property
    def names(self) -> tuple[str, ...]:
        return ()

    def _of_one(self, image: Image, *, boxes_xyxy: npt.ArrayLike | None = None) -> Detections:
        """A mask for each box.

        Returns:
            Detections whose score is SAM's own guess at the mask's IoU, and whose class id is the number of the box.
        """
        if boxes_xyxy is None:
            raise ArgumentError("boxes_xyxy", "must be given: SAM finds a mask for each box")
        boxes = np.asarray(boxes_xyxy, np.float64).reshape(-1, 4)
        answers = self._model.answer([self._model.encode(_as_bgr(image))], image.shape[:2], boxes)
        scores = np.clip(np.array([answer.predicted_iou for answer in answers], np.float32), 0, 1)
        order = np.argsort(-scores, kind="stable")
        masks = np.stack([answers[index].mask for index in order]) if answers else np.zeros((0, *image.shape[:2]), bool)
        tight = [_box_of(mask, boxes[index]) for mask, index in zip(masks, order, strict=True)]
        return Detections(
            np.array(tight, np.float32).reshape(-1, 4),
            scores[order],
            order.astype(np.int64),
            masks,
            (int(image.shape[0]), int(image.shape[1])),
        )


def load(run: str | Path, *, device: str = "auto") -> Model[Any]:
    """Load what a training has left, ready to predict.

    Args:
        run: The folder of a finished run of a detector, a classifier, an anomaly detector or a fine-tuned SAM; or a
            checkpoint file of SAM.
        device: `auto`, `cpu`, `mps`, or the number of a GPU; classifier and anomaly detector use the CPU.

    Raises:
        InputError: It is not a finished run of a model, or there is no such device.
        WeightsError: The weights cannot be loaded.
    """
    run = Path(run)
    if run.is_file():
        return Segmenter(load_sam(run, device))
    record = read_run(run)
    if record.kind == "detector":
        kind = detector_class(record.settings["detector"], run)
        checkpoint, where = checkpoint_of(run), choose_device(device)
        return DetectorModel(kind.load(checkpoint, device=where, settings=record.settings))
    if record.kind == "classifier":
        return ClassifierModel(load_classifier(run / "weights" / "classifier.pt"))
    if record.kind == "anomaly":
        return AnomalyDetector(load_run(run).model)
    if record.kind == "segmenter":
        return Segmenter(load_sam(run / "weights" / "sam.pt", device))
    raise InputError(run, f"is the record of a {record.kind}, which has no model", "Give the --out of a training")


def _pixels(photo: Photo) -> Image:
    """uint8 RGB H×W×3 of a photo."""
    if isinstance(photo, np.ndarray):
        return _checked(photo)
    return np.ascontiguousarray(read_photo(Path(photo))[..., ::-1])


def _checked(image: Image) -> Image:
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or 0 in image.shape:
        problem = f"must be uint8 RGB of the shape (height, width, 3) (got {image.dtype} {image.shape})"
        raise ArgumentError("source", problem)
    return np.ascontiguousarray(image)


def _as_bgr(image: Image) -> Image:
    """As OpenCV has it, which the parts below want."""
    return np.ascontiguousarray(image[..., ::-1])


def _box_of(mask: npt.NDArray[np.bool_], given_xyxy: npt.NDArray[np.float64]) -> list[float]:
    """The tight box of a mask; the given one where the mask is empty."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    if not len(rows):
        return [float(value) for value in given_xyxy]
    return [float(columns[0]), float(rows[0]), float(columns[-1] + 1), float(rows[-1] + 1)]
