"""`mvtec segment refine`: gives each instance of a COCO file the mask that SAM sees in its box.

Every instance keeps all the file says of it, but for `segmentation`, `bbox` and `area`, which become those of the mask.
Its `attributes` say where the mask comes from: `source`, `model`, `predicted_iou`, `stability`, `prompt_bbox`, and
`needs_review` with `review_reason` where the mask was not good enough and the old shape has stayed.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import cv2
import numpy as np
import numpy.typing as npt

from mvtec.convert.coco import CocoAnnotation, CocoDataset, CocoResult, parse_coco, write_coco
from mvtec.convert.fitting import photo_named
from mvtec.convert.geometry import BoxFloat, Region, box_iou, cut_box, region_of
from mvtec.convert.provenance import PROVENANCE, Provenance, read_provenance
from mvtec.convert.results import results_for
from mvtec.convert.rle import encode_region
from mvtec.convert.segmentation import region_of_annotation
from mvtec.datasets.images import photo_size_wh, read_photo
from mvtec.errors import InputError, OutputError
from mvtec.files import check_output, json_bytes, sha256_file, write_json
from mvtec.reading import read_json
from mvtec.segment.embeddings import EmbeddingCache, embedding_key
from mvtec.segment.model import Answer, Choose, Photo, SamModel, check_shape
from mvtec.staging import together
from mvtec.views import VIEWS, turn

if TYPE_CHECKING:
    import torch

Record = CocoAnnotation | CocoResult
Prompt = Literal["box", "box+points"]

_OF_ONE_ANSWER = frozenset({"predicted_iou", "stability", "review_reason"})  # untrue of the next


@dataclass(frozen=True)
class RefineOptions:
    """How boxes become masks.

    Attributes:
        prompt: What SAM is shown: the box, or the box and a point of the object: of the old mask the pixel farthest
            from its edge, else the middle of the box.
        choose: Which of SAM's masks to take, see `choose_mask`.
        min_score: A mask of lower predicted IoU is not taken.
        min_overlap: A mask whose tight box has a lower IoU with what of the box lies in the photo is not taken.
        views: How many views of a photo to ask in, 1 to 8, see `views.py`; the answer is their mean.
        workers: Threads that read photos ahead while the model computes.
    """

    prompt: Prompt = "box"
    choose: Choose = "fit"
    min_score: float = 0.0
    min_overlap: float = 0.0
    views: int = 1
    workers: int = 2

    def __post_init__(self) -> None:
        for option, value in (("--min-score", self.min_score), ("--min-overlap", self.min_overlap)):
            if not 0 <= value <= 1:
                raise InputError(option, f"{value} is not between 0 and 1", "Give a number from 0 to 1")
        if not 1 <= self.views <= VIEWS:
            raise InputError("--views", f"{self.views} views of a photo there are not", f"Give 1 to {VIEWS}")
        if self.workers < 1:
            raise InputError("--workers", f"{self.workers} threads are none", "Give 1 or more")


@dataclass
class Refined:
    """What came of a file.

    Attributes:
        photos: Photos with instances.
        encoded: Those of them whose embedding was not in the cache.
        masks: Instances that got a mask.
        kept: Instances that keep their old shape, to be reviewed.
        crowds: Crowd annotations, which are left as they are: SAM draws single objects.
        seen: Photos that the model was fine-tuned on.
        seconds: Time for all photos, without loading the model.
    """

    photos: int = 0
    encoded: int = 0
    masks: int = 0
    kept: int = 0
    crowds: int = 0
    seen: int = 0
    seconds: float = 0.0


@dataclass(frozen=True)
class _Job:
    """A photo and the boxes in it."""

    photo: Path
    digest: str
    name: str
    size_wh: tuple[int, int]
    records: list[Record]


def refine(
    source: Path,
    out: Path,
    *,
    photos: Path | None,
    model: SamModel,
    cache: EmbeddingCache | None = None,
    options: RefineOptions | None = None,
    overwrite: bool = False,
    on_photo: Callable[[int, int], None] = lambda _done, _total: None,
) -> Refined:
    """Write the file anew, with SAM's masks.

    Args:
        source: COCO annotations; or COCO results, with the `provenance.json` that `mvtec predict` puts beside them.
        out: The file to write, of the same kind; results get their provenance beside them, too.
        photos: The folder the file names are relative to; of results the one they were made from, unless given.
        model: The model.
        cache: Where embeddings are kept, if they are to be.
        options: How.
        overwrite: Replace what is there.
        on_photo: Called after each photo with the number done and the number there are.

    Raises:
        InputError: The file is broken, a photo is missing or of another size than the file says.
        OutputError: `out` exists already or cannot be written.
    """
    options = options or RefineOptions()
    check_output(out, overwrite=overwrite, inputs=[source, *([] if photos is None else [photos])])
    content, provenance = _read(source)
    jobs = _jobs(source, content, provenance, photos)
    if provenance is not None:
        provenance = replace(provenance, seen_in_training=_seen(provenance.seen_in_training, jobs, model))
    beside = out.with_name(PROVENANCE)
    if provenance is not None:
        check_output(out, overwrite=overwrite, inputs=[Path(provenance.image_root)])
        if not beside.is_file() or beside.read_bytes() != json_bytes(provenance.to_json()):
            check_output(beside, overwrite=overwrite, inputs=[source.with_name(PROVENANCE)])
            if beside.is_file() and (other := _others_of(beside, out)):
                raise OutputError(beside, f"is of {other[0].name}, too", "Choose another folder for the output")
    done = Refined(seen=sum(job.digest in model.train_images for job in jobs))
    if isinstance(content, CocoDataset):
        done.crowds = sum(bool(annotation.iscrowd) for annotation in content.annotations)
    began = time.perf_counter()
    for job, embeddings in _embedded(jobs, model, cache, options, done):
        _refine_photo(job, embeddings, model, options, done)
        on_photo(done.photos, len(jobs))
    done.seconds = time.perf_counter() - began
    if isinstance(content, CocoDataset):
        if model.train_images:
            content.info["seen_in_training"] = _seen(content.info.get("seen_in_training", []), jobs, model)
        write_coco(out, content, overwrite=overwrite)
    else:
        assert provenance is not None
        results = [result.model_dump(mode="json", exclude_none=True) for result in content]
        with together(out):
            write_json(out, results, overwrite=overwrite)
            write_json(beside, provenance.to_json(), overwrite=True)
    return done


def _others_of(provenance: Path, out: Path) -> list[Path]:
    """The results, other than those to be written, that a provenance lies beside."""
    return sorted(file for file in provenance.parent.glob("*.json") if file.name not in (provenance.name, out.name))


def _seen(before: Iterable[str], jobs: Iterable[_Job], model: SamModel) -> list[str]:
    """File names of the photos that the model, or what made the file before it, was trained on."""
    return sorted({*before, *(job.name for job in jobs if job.digest in model.train_images)})


def _read(source: Path) -> tuple[CocoDataset | list[CocoResult], Provenance | None]:
    content = read_json(source, "a COCO annotation or results file")
    if not isinstance(content, list):
        return parse_coco(source, content), None
    provenance = read_provenance(source)
    if provenance is None:
        raise InputError(
            source, "is a list of results without provenance.json beside it", "Give what mvtec predict wrote, whole"
        )
    photos = {number: name for name, number in provenance.image_ids.items()}
    return results_for(source, content, photos, f"the {PROVENANCE} beside it").results, provenance


def _jobs(
    source: Path, content: CocoDataset | list[CocoResult], provenance: Provenance | None, photos: Path | None
) -> list[_Job]:
    """The photos that have boxes, by name; each is there and has the size the file says."""
    records: list[Record] = []
    if isinstance(content, CocoDataset):
        names = {image.id: image.file_name for image in content.images}
        sizes = {image.id: (image.width, image.height) for image in content.images}
        records += [annotation for annotation in content.annotations if not annotation.iscrowd]
        root = photos
    else:
        assert provenance is not None
        names = {number: name for name, number in provenance.image_ids.items()}
        sizes = {}
        records += content
        root = photos or Path(provenance.image_root)
    if root is None:
        raise InputError(source, "does not say where its photos are", "Give their folder as --images")
    of_image: dict[int, list[Record]] = {}
    for record in records:
        if record.image_id not in names:
            raise InputError(source, f"refers to image {record.image_id}, which it does not have", "Predict again")
        of_image.setdefault(record.image_id, []).append(record)
    jobs = []
    for number in sorted(of_image, key=lambda number: names[number]):
        name = photo_named(root, names[number])
        if name is None:
            raise InputError(
                root / names[number], "no such photo", f"Give the folder that {source.name} was made for as --images"
            )
        photo = root / name
        size_wh = photo_size_wh(photo)
        if sizes.get(number, size_wh) != size_wh:
            raise InputError(
                photo, f"is {size_wh[0]}×{size_wh[1]} pixels, and {source.name} says otherwise", "Give the same photos"
            )
        check_shape(photo, size_wh)
        jobs.append(_Job(photo, sha256_file(photo), names[number], size_wh, of_image[number]))
    return jobs


def _embedded(
    jobs: list[_Job], model: SamModel, cache: EmbeddingCache | None, options: RefineOptions, done: Refined
) -> Iterator[tuple[_Job, list[torch.Tensor]]]:
    """Each job with the embeddings of its photo's views, the next photos being read meanwhile."""
    views = range(options.views)

    def prepare(job: _Job) -> tuple[list[torch.Tensor | None], Photo | None]:
        found = [cache.get(embedding_key(job.digest, model, view)) if cache else None for view in views]
        return found, read_photo(job.photo) if any(embedding is None for embedding in found) else None

    for job, (found, photo) in zip(jobs, _ahead(prepare, jobs, options.workers), strict=True):
        embeddings = []
        for view, embedding in enumerate(found):
            if embedding is None:
                assert photo is not None
                embedding = model.encode(turn(photo, view))
                if cache:
                    cache.put(embedding_key(job.digest, model, view), embedding)
            embeddings.append(embedding)
        done.encoded += photo is not None
        done.photos += 1
        yield job, embeddings


def _ahead(function: Callable[[_Job], Any], jobs: Iterable[_Job], workers: int) -> Iterator[Any]:
    """As `map`, with `workers` results ahead of the one that is asked for."""
    with ThreadPoolExecutor(workers) as pool:
        waiting: deque[Future[Any]] = deque()
        try:
            for job in jobs:
                waiting.append(pool.submit(function, job))
                if len(waiting) > workers:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _refine_photo(
    job: _Job, embeddings: list[torch.Tensor], model: SamModel, options: RefineOptions, done: Refined
) -> None:
    """Put SAM's masks into the records of one photo."""
    size_hw = job.size_wh[::-1]
    asked, boxes, points = [], [], []
    for record in job.records:
        box = cut_box(record.bbox, job.size_wh)
        if box is None or min(box[2:]) <= 0:
            in_photo = box is not None
            _keep(record, None, "its box has no area" if in_photo else "its box is not in the photo", model, done)
            continue
        asked.append(record)
        boxes.append(box)
        if options.prompt == "box+points":
            points.append([_point(record, box, size_hw)])
    if not asked:
        return
    answers = model.answer(
        embeddings,
        size_hw,
        np.array([(x, y, x + w, y + h) for x, y, w, h in boxes], np.float64),
        np.array(points, np.float64) if points else None,
        choose=options.choose,
    )
    for record, box, answer in zip(asked, boxes, answers, strict=True):
        region = region_of(answer.mask)
        if region is None:
            _keep(record, answer, "SAM sees nothing in the box", model, done)
        elif answer.predicted_iou < options.min_score:
            _keep(record, answer, f"predicted IoU below {options.min_score}", model, done)
        elif box_iou(region.box_xywh, box) < options.min_overlap:
            _keep(record, answer, f"box IoU below {options.min_overlap}", model, done)
        else:
            _take(record, answer, region, model, size_hw)
            done.masks += 1


def _point(record: Record, box_xywh: BoxFloat, size_hw: tuple[int, int]) -> tuple[float, float]:
    """A point of the object, x and y: of the old mask the pixel farthest from its edge, else the middle of the box."""
    region = None
    with suppress(ValueError):  # a segmentation that is none
        region = region_of_annotation(record, size_hw) if record.segmentation else None
    if region is None:
        x, y, w, h = box_xywh
        return x + w / 2, y + h / 2
    padded: npt.NDArray[np.uint8] = np.pad(region.crop.view(np.uint8), 1)
    depth = cv2.distanceTransform(padded, cv2.DIST_L2, 5)[1:-1, 1:-1]
    row, column = np.unravel_index(int(depth.argmax()), depth.shape)
    return region.box_xywh[0] + float(column) + 0.5, region.box_xywh[1] + float(row) + 0.5


def _take(record: Record, answer: Answer, region: Region, model: SamModel, size_hw: tuple[int, int]) -> None:
    """Give the record SAM's mask; that a person accepted or corrected the old shape says nothing of the new one."""
    _note(record, answer, model, source="sam", needs_review=False)
    record.attributes.pop("edited", None)
    if "reviewed" in record.attributes:
        record.attributes["reviewed"] = False
    record.bbox, record.area = region.box_xywh, region.area
    record.segmentation = encode_region(region, size_hw)


def _keep(record: Record, answer: Answer | None, reason: str, model: SamModel, done: Refined) -> None:
    _note(record, answer, model, needs_review=True, review_reason=reason)
    done.kept += 1


def _note(record: Record, answer: Answer | None, model: SamModel, **more: Any) -> None:
    """Say in the record's attributes what SAM said; what else they say stays, but for what an earlier run said."""
    said: dict[str, Any] = {"model": model.name, "prompt_bbox": list(record.bbox), **more}
    if answer is not None:
        said |= {"predicted_iou": answer.predicted_iou, "stability": answer.stability}
    before = record.attributes if isinstance(record.attributes, dict) else {}
    record.attributes = {key: value for key, value in before.items() if key not in _OF_ONE_ANSWER} | said
