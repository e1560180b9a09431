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
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mvtec.convert.formats.coco.files import CocoDataset, write_coco
from mvtec.convert.provenance import PROVENANCE
from mvtec.datasets.images import read_photo
from mvtec.errors import OutputError
from mvtec.files import check_output, json_bytes, write_json
from mvtec.segment.answers import Refined, RefineOptions, refine_photo
from mvtec.segment.embeddings import EmbeddingCache, embedding_key
from mvtec.segment.jobs import Job, read_content, read_jobs
from mvtec.segment.model import Photo, SamModel
from mvtec.staging import together
from mvtec.tta import turn

if TYPE_CHECKING:
    import torch


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
    content, provenance = read_content(source)
    jobs = read_jobs(source, content, provenance, photos)
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
    spoilt = cache.spoilt if cache else 0
    began = time.perf_counter()
    for job, embeddings in _embedded(jobs, model, cache, options, done):
        refine_photo(job, embeddings, model, options, done)
        on_photo(done.photos, len(jobs))
    done.seconds = time.perf_counter() - began
    done.spoilt = (cache.spoilt if cache else 0) - spoilt
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


def _seen(before: Iterable[str], jobs: Iterable[Job], model: SamModel) -> list[str]:
    """File names of the photos that the model, or what made the file before it, was trained on."""
    return sorted({*before, *(job.name for job in jobs if job.digest in model.train_images)})


def _embedded(
    jobs: list[Job], model: SamModel, cache: EmbeddingCache | None, options: RefineOptions, done: Refined
) -> Iterator[tuple[Job, list[torch.Tensor]]]:
    """Each job with the embeddings of its photo's views, the next photos being read meanwhile."""
    views = range(options.views)

    def prepare(job: Job) -> tuple[list[torch.Tensor | None], Photo | None]:
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


def _ahead(function: Callable[[Job], Any], jobs: Iterable[Job], workers: int) -> Iterator[Any]:
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
