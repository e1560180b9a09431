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
import itertools
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from mvtec.convert.provenance import PROVENANCE, Provenance
from mvtec.datasets.images import read_photo
from mvtec.datasets.samples import GOOD
from mvtec.datasets.split import Part
from mvtec.detect.backends import detector_class
from mvtec.detect.backends.detector import Limits
from mvtec.detect.pictures import draw_detections
from mvtec.detect.source import Source, folder_of, read_source
from mvtec.devices import choose_device
from mvtec.errors import ArgumentError, InputError
from mvtec.files import sha256_file, staged_folder, write_json
from mvtec.offline import quiet
from mvtec.results.coco_results import to_coco_results
from mvtec.run import checkpoint_of, read_run
from mvtec.words import counted, examples


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
        for name in ("min_score", "draw_score", "iou"):
            if not 0 <= getattr(self, name) <= 1:
                raise ArgumentError(name, f"must be between 0 and 1 (got {getattr(self, name)})")
        if self.max_detections < 1:
            raise ArgumentError("max_detections", f"must be at least 1 (got {self.max_detections})")


@dataclass(frozen=True)
class Predicted:
    """What `predict_photos` has written.

    Attributes:
        provenance: Which model, and which photos.
        defective_photos: File names of the photos in which a box was drawn.
        unread_photos: File names of those that were not read.
        truth: The annotation file that the image ids come from; None where they are numbered from 1.
        notes: What to know of the results, a sentence each.
    """

    provenance: Provenance
    defective_photos: tuple[str, ...]
    unread_photos: tuple[str, ...]
    truth: Path | None
    notes: tuple[str, ...]


def predict_photos(
    run: str | Path,
    source: str | Path,
    out: str | Path,
    *,
    part: Part = "test",
    options: PredictOptions | None = None,
    overwrite: bool = False,
    skip_errors: bool = False,
    on_photo: Callable[[int, int], None] = lambda _done, _total: None,
) -> Predicted:
    """Write COCO results for the photos of a source, a list of photos, and pictures, into the folder `out`.

    Args:
        run: A finished run of `train_detector`.
        source: A YOLO folder, a category, a folder of photos, or one photo; see `read_source`.
        out: The folder to make.
        part: The part of a YOLO folder.
        options: How to predict; None for the defaults.
        overwrite: Replace what is in `out`.
        skip_errors: Leave out photos that cannot be read, instead of stopping.
        on_photo: Told how many photos are done, and how many there are.

    Raises:
        InputError: See `read_source` and `predict`.
        OutputError: `out` exists already or cannot be written.
    """
    run, source, out = Path(run), Path(source), Path(out)
    photos = read_source(source, part, skip_errors=skip_errors)
    done = itertools.count(1)
    provenance = predict(
        run,
        photos,
        out,
        options=options or PredictOptions(),
        inputs=[folder_of(source)],
        overwrite=overwrite,
        skip_errors=skip_errors,
        on_photo=lambda: on_photo(next(done), len(photos.photos)),
    )
    read, seen, unread = len(provenance.image_ids), len(provenance.seen_in_training), unread_photos(out)
    notes = [f"the model was trained on {seen} of these {read} photos; figures on them mean little"] if seen else []
    if broken := [name for name in unread if name not in photos.passed_over]:
        unreadable = counted(len(broken), "photo")
        notes.append(f"{unreadable} that cannot be read: left out of the results ({examples(broken)})")
    if photos.unnamed:
        notes.append(f"{counted(photos.unnamed, 'photo')} of the {part} part not in {photos.truth}: left out")
    return Predicted(provenance, tuple(defective_photos(out)), tuple(unread), photos.truth, tuple(notes))


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
            detector = detector_class(record.settings["detector"], run).load(
                checkpoint, device=device, settings=record.settings
            )
            limits = Limits(options.min_score, options.iou, options.max_detections)
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
                detections = detector.predict(np.ascontiguousarray(pixels[..., ::-1]), limits)
                of_photo = to_coco_results(detections, image.id)
                results += of_photo
                rows.append(_row(image.file_name, of_photo, detector.names, options.draw_score))
                if options.draw:
                    picture = draw_detections(pixels, detections.at_least(options.draw_score), detector.names)
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
        provenance = Provenance(
            model=str(checkpoint.resolve()),
            model_sha256=sha256_file(checkpoint),
            split=record.split,
            categories=dict(enumerate(detector.names, start=1)),
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


def _row(name: str, detections: list[dict[str, Any]], classes: tuple[str, ...], draw_score: float) -> list[Any]:
    """A photo in the list of photos; `detections` stand by falling score."""
    counted = [one for one in detections if one["score"] >= draw_score]
    said = classes[counted[0]["category_id"] - 1] if counted else GOOD
    return [name, said, detections[0]["score"] if detections else 0.0, len(counted)]


def _picture_names(photos: list[str]) -> dict[str, str]:
    """The picture of each photo: `a.jpg` of `a.png`, and `a.png.jpg` where there is an `a.bmp`, too."""
    plain = {name: Path(name).with_suffix(".jpg").as_posix() for name in photos}
    count = Counter(plain.values())
    return {name: picture if count[picture] == 1 else f"{name}.jpg" for name, picture in plain.items()}
