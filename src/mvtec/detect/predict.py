"""Runs a trained detector over photos and writes COCO results, with where they come from beside them.

OUT/
  predictions.json   COCO results: image_id, category_id, bbox, score, for segmentation models segmentation
  photos.csv         of each photo the class of its best box that is drawn, or good, the best score, and how many boxes;
                     nothing but its name where it cannot be read
  provenance.json    which model, which photos, and which of them the model was trained on
  images/            the photos with boxes, masks and scores drawn
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from mvtec.convert.coco import CocoImage
from mvtec.convert.provenance import PROVENANCE, Provenance
from mvtec.convert.rle import encode_rle
from mvtec.datasets.images import read_photo
from mvtec.datasets.samples import GOOD
from mvtec.detect.model import load_model
from mvtec.detect.source import Source
from mvtec.detect.train import checkpoint_of
from mvtec.devices import choose_device
from mvtec.errors import InputError
from mvtec.files import sha256_file, staged_folder, write_json
from mvtec.offline import quiet
from mvtec.run import read_run


@dataclass(frozen=True)
class PredictOptions:
    """How to predict.

    Attributes:
        min_score: Detections below it are left out of the results. The low default is what average precision wants:
            it looks at the whole curve.
        draw_score: Detections below it are left out of the pictures, and do not count in the list of photos.
        iou: Of two boxes that overlap by more, the one with the lower score goes.
        max_detections: At most so many per photo; COCO looks at 100.
        device: See `devices.choose_device`.
        draw: Whether to write pictures.
    """

    min_score: float = 0.001
    draw_score: float = 0.25
    iou: float = 0.7
    max_detections: int = 100
    device: str = "auto"
    draw: bool = True

    def __post_init__(self) -> None:
        for option, value in (("--min-score", self.min_score), ("--draw-score", self.draw_score), ("--iou", self.iou)):
            if not 0 <= value <= 1:
                raise InputError(option, f"{value} is not between 0 and 1", "Give a number from 0 to 1")
        if self.max_detections < 1:
            raise InputError("--max-detections", f"{self.max_detections} is none", "Give 1 or more")


def predict(
    run: Path,
    source: Source,
    out: Path,
    *,
    options: PredictOptions,
    inputs: Sequence[Path] = (),
    overwrite: bool = False,
    skip_errors: bool = False,
    on_photo: Callable[[], None] = lambda: None,
) -> Provenance:
    """Write a run's predictions for the photos of a source into the folder `out`.

    Boxes are in pixels of the photo, x, y, w, h, rounded to 1/100 pixel; category ids count from 1 in class order, as
    in the annotation files of `mvtec convert`. The `inputs` are what the source was read from, and not to be replaced.
    With `skip_errors` a photo that cannot be read, also one that has gone meanwhile, is left out of results and
    provenance, and keeps its line in the list of photos.

    Raises:
        InputError: `run` is not a finished run of a detector; a photo cannot be read and `skip_errors` is false; or no
            photo can be read.
        OutputError: `out` exists already or cannot be written.
    """
    record = read_run(run, "detector")
    checkpoint = checkpoint_of(run)
    with staged_folder(
        out, overwrite=overwrite, inputs=[run, *inputs, *(photo for photo, _ in source.photos)]
    ) as staged:
        if options.draw:
            (staged / "images").mkdir()
        with quiet(staged / "predict.log") as loud:
            device = choose_device(options.device)
            model = load_model(str(checkpoint))
            results: list[dict[str, Any]] = []
            rows: list[list[Any]] = []
            digests: dict[str, str] = {}
            unread = list(source.broken.values())
            pictures = _picture_names([image.file_name for _, image in source.photos])
            for photo, image in source.photos:
                try:
                    digest, pixels = sha256_file(photo), read_photo(photo)
                except InputError as error:
                    if not skip_errors:
                        raise error.or_skip() from error
                    unread.append(error)
                    rows.append([image.file_name, "", "", ""])
                    continue
                digests[image.file_name] = digest
                found = model.predict(
                    pixels,
                    imgsz=record.settings["imgsz"],
                    conf=options.min_score,
                    iou=options.iou,
                    max_det=options.max_detections,
                    device=device,
                    retina_masks=True,
                    verbose=False,
                )[0]
                detections = _detections(found, image)
                results += detections
                rows.append(_row(image.file_name, detections, model.names, options.draw_score))
                if options.draw:
                    picture = found[found.boxes.conf >= options.draw_score].plot()
                    target = staged / "images" / pictures[image.file_name]
                    target.parent.mkdir(parents=True, exist_ok=True)
                    target.write_bytes(cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 90])[1].tobytes())
                with loud():
                    on_photo()
        if not digests:
            raise unread[0]
        if left_out := [*source.broken, *source.passed_over]:
            rows += [[name, "", "", ""] for name in left_out]
            rows.sort(key=lambda row: Path(row[0]))
        (staged / "predict.log").unlink()
        names = dict(enumerate((model.names[index] for index in sorted(model.names)), start=1))
        provenance = Provenance(
            model=str(checkpoint.resolve()),
            model_sha256=sha256_file(checkpoint),
            split=record.split,
            categories=names,
            options=asdict(options),
            image_root=str(source.root.resolve()),
            image_ids={image.file_name: image.id for _, image in source.photos if image.file_name in digests},
            image_sha256=digests,
            seen_in_training=sorted(name for name, digest in digests.items() if digest in record.train_images),
        )
        write_json(staged / "predictions.json", results, overwrite=False)
        write_json(staged / PROVENANCE, provenance.to_json(), overwrite=False)
        with (staged / "photos.csv").open("w", newline="", encoding="utf-8") as stream:
            csv.writer(stream, lineterminator="\n").writerows([["file_name", "class", "score", "boxes"], *rows])
    return provenance


def defective_photos(out: Path) -> list[str]:
    """The photos in which `predict` has drawn a box, by the list of photos that it wrote into `out`."""
    with (out / "photos.csv").open(newline="", encoding="utf-8") as stream:
        return [row["file_name"] for row in csv.DictReader(stream) if row["boxes"] not in {"0", ""}]


def unread_photos(out: Path) -> list[str]:
    """The photos that `predict` has not read, by the list of photos that it wrote into `out`."""
    with (out / "photos.csv").open(newline="", encoding="utf-8") as stream:
        return [row["file_name"] for row in csv.DictReader(stream) if row["boxes"] == ""]


def _row(name: str, detections: list[dict[str, Any]], classes: dict[int, str], draw_score: float) -> list[Any]:
    """A photo in the list of photos; `detections` stand by falling score."""
    counted = [one for one in detections if one["score"] >= draw_score]
    said = classes[counted[0]["category_id"] - 1] if counted else GOOD
    return [name, said, detections[0]["score"] if detections else 0.0, len(counted)]


def _picture_names(photos: list[str]) -> dict[str, str]:
    """The picture of each photo: `a.jpg` of `a.png`, and `a.png.jpg` where there is an `a.bmp`, too."""
    plain = {name: Path(name).with_suffix(".jpg").as_posix() for name in photos}
    count = Counter(plain.values())
    return {name: picture if count[picture] == 1 else f"{name}.jpg" for name, picture in plain.items()}


def _detections(found: Any, image: CocoImage) -> list[dict[str, Any]]:
    """COCO results of one photo, best score first."""
    boxes = found.boxes
    detections = []
    masks = None if found.masks is None else found.masks.data.cpu().numpy().astype(bool)
    for index, (box, score, label) in enumerate(
        zip(boxes.xyxy.tolist(), boxes.conf.tolist(), boxes.cls.tolist(), strict=True)
    ):
        x1, y1, x2, y2 = box
        detection: dict[str, Any] = {
            "image_id": image.id,
            "category_id": int(label) + 1,
            "bbox": [round(value, 2) for value in (x1, y1, x2 - x1, y2 - y1)],
            "score": round(score, 5),
        }
        if masks is not None:
            detection["segmentation"] = encode_rle(np.ascontiguousarray(masks[index]))
        detections.append(detection)
    return detections
