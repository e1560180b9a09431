"""Turns the samples of a data set into labelled images, on one core or several."""

from __future__ import annotations

import itertools
import multiprocessing
import signal
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from functools import partial
from typing import Generic, Literal, TypeVar

import cv2

from mvtec.convert.instances import Instance, LabelledImage
from mvtec.convert.pixels.geometry import InstancesPer, Region, split_mask
from mvtec.convert.receipt import OddMask, Receipt
from mvtec.datasets.images import MaskLayer, MaskMemory, photo_size_wh
from mvtec.datasets.masks import NEARLY_ALL, Grey, empty_mask, grey_of, read_layers
from mvtec.datasets.samples import Dataset, Sample
from mvtec.datasets.usable import LeftOut, check_names, doubled_names, mask_for_good, orphans, suspect_error, suspects
from mvtec.errors import InputError, MvtecError

OnError = Literal["fail", "skip"]
Made = TypeVar("Made")

_CHUNK = 16  # samples sent to a worker at once


@dataclass(frozen=True)
class InstanceOptions:
    """How masks become instances.

    Attributes:
        per: One instance per connected region, or one per image.
        merge_gap: Join regions with at most this many sound pixels between them.
        min_area: Drop instances of fewer pixels.
        on_error: What to do with a sample whose photo or mask breaks a rule: stop, or leave the sample out.
        threshold: Mask values above it are defect, 0 to 254.
        workers: Processes to share the work.
    """

    per: InstancesPer = "component"
    merge_gap: int = 0
    min_area: int = 0
    on_error: OnError = "fail"
    threshold: int = 0
    workers: int = 1

    def __post_init__(self) -> None:
        for option, value in (("--merge-gap", self.merge_gap), ("--min-area", self.min_area)):
            if value < 0:
                raise InputError(option, f"{value} pixels is less than none", "Give 0 or more")
        if not 0 <= self.threshold <= 254:
            raise InputError("--threshold", f"{self.threshold} is no grey value to go above", "Give 0 to 254")
        if self.workers < 1:
            raise InputError("--workers", f"{self.workers} processes are none", "Give 1 or more")


@dataclass(frozen=True)
class _Answer(Generic[Made]):
    """What came of a sample: what was made of it and what is odd about its mask, or the error's file, problem, hint.

    `emptied` where all its instances are below `min_area`.
    """

    made: Made | None
    dropped: int = 0
    odd: tuple[OddMask, ...] = ()
    grey: tuple[Grey, ...] = ()
    emptied: bool = False
    error: tuple[str, str, str] | None = None


def label_samples(
    dataset: Dataset,
    samples: Sequence[Sample],
    options: InstanceOptions,
    receipt: Receipt,
    make: Callable[[LabelledImage], Made],
    on_sample: Callable[[], None] = lambda: None,
) -> Iterator[Made]:
    """Yield what `make` makes of each sample, in order; memory does not grow with their number.

    Args:
        dataset: The data set.
        samples: Those of its samples to convert.
        options: How masks become instances.
        receipt: Is told what was dropped and left out.
        make: Called with each labelled image, in the worker where there are several: a function of a module, or a
            `functools.partial` of one.
        on_sample: Called after each sample.

    Raises:
        InputError: A photo or mask breaks a rule, or a mask belongs to no photo, and `options.on_error` is `fail`.
    """
    _note_of_folder(dataset, options, receipt)
    answer = partial(
        _answer,
        options=options,
        make=make,
        doubled=doubled_names(dataset),
        doubtful=suspects(dataset),
        memory=MaskMemory(),
    )
    answers = map(answer, samples) if options.workers == 1 else _spread(answer, samples, options.workers)
    for sample, found in zip(samples, answers, strict=True):
        receipt.dropped += found.dropped
        receipt.grey += found.grey
        for kind in found.odd:
            receipt.odd_masks[kind].append(sample.mask_paths[0])
        if found.error is None:
            assert found.made is not None
            yield found.made
        elif found.emptied:  # as --min-area asks
            error = InputError(*found.error)
            receipt.leave_out(error, skip_errors=True, kind="below --min-area", photo=sample.path, lost=[])
        elif options.on_error == "fail":
            raise InputError(*found.error).or_skip()
        else:
            receipt.leave_out(
                InputError(*found.error),
                skip_errors=True,
                kind="photo or mask not usable",
                photo=sample.path,
                lost=[] if sample.is_good else [sample.defect],
            )
        on_sample()


def _note_of_folder(dataset: Dataset, options: InstanceOptions, receipt: Receipt) -> None:
    """Tell the receipt what is odd about a data set as a whole, once for all its parts.

    Raises:
        InputError: A mask belongs to no photo and `options.on_error` is `fail`.
    """
    receipt.notes += [note for note in dataset.notes if note not in receipt.notes]
    note_left_out((one for one in orphans(dataset) if str(one.error) not in receipt.skipped), options.on_error, receipt)


def note_left_out(left_out: Iterable[LeftOut], on_error: OnError, receipt: Receipt) -> None:
    """Tell a receipt what is left out before a conversion begins.

    Raises:
        InputError: There is something and `on_error` is `fail`.
    """
    for one in left_out:
        skip, kind = on_error == "skip", "photo or mask not usable"
        receipt.leave_out(one.error, skip_errors=skip, kind=kind, photo=one.photo, lost=one.lost)


def _answer(
    sample: Sample,
    *,
    options: InstanceOptions,
    make: Callable[[LabelledImage], Made],
    doubled: dict[str, str],
    doubtful: dict[str, str],
    memory: MaskMemory,
) -> _Answer[Made]:
    try:
        if sample.path in doubtful:
            raise suspect_error(sample, doubtful[sample.path])
        check_names(sample, doubled)
        image, dropped, odd, grey = _label(sample, options, memory)
        if dropped and not image.instances:  # what showed a defect is not good for that
            problem = f"shows a defect, and nothing of {options.min_area} pixels or more"
            error = (str(sample.photo), problem, "Lower --min-area to keep it")
            return _Answer(None, dropped, odd, grey, emptied=True, error=error)
        return _Answer(make(image), dropped, odd, grey)
    except InputError as error:
        return _Answer(None, error=(error.file, error.problem, error.hint))


def _label(
    sample: Sample, options: InstanceOptions, memory: MaskMemory
) -> tuple[LabelledImage, int, tuple[OddMask, ...], tuple[Grey, ...]]:
    """The labelled image, how many instances were too small for it, what is odd about its masks, their grey values."""
    if sample.is_good:
        if sample.masks:
            raise mask_for_good(sample)
        return LabelledImage(sample.path, sample.photo, photo_size_wh(sample.photo), ()), 0, (), ()
    layers, size_wh = read_layers(sample, options.threshold, memory)
    regions = [
        (defect, region)
        for defect, mask in layers
        for region in split_mask(mask, per=options.per, merge_gap=options.merge_gap)
    ]
    if not regions:
        raise empty_mask(sample, options.threshold)
    odd: list[OddMask] = []
    soft = [mask for defect, mask in layers if _has_grey(mask, [region for of, region in regions if of == defect])]
    grey = tuple(found for mask in soft if (found := grey_of(mask)) is not None)
    if grey:
        odd.append("grey")
    if sum(region.area for _, region in regions) > NEARLY_ALL * size_wh[0] * size_wh[1]:
        odd.append("inverted")
    kept = tuple(Instance.of(defect, region) for defect, region in regions if region.area >= options.min_area)
    return LabelledImage(sample.path, sample.photo, size_wh, kept), len(regions) - len(kept), tuple(odd), grey


def _has_grey(mask: MaskLayer, regions: Sequence[Region]) -> bool:
    """Whether the values of a mask, uint8 H×W, are more than two; looked for where it marks something alone."""
    boxes = [(slice(y, y + h), slice(x, x + w)) for x, y, w, h in (region.box_xywh for region in regions)]
    peak = max((mask[box].max() for box in boxes), default=0)
    return any(bool(((mask[box] != 0) & (mask[box] != peak)).any()) for box in boxes)


def _spread(
    answer: Callable[[Sample], _Answer[Made]], samples: Sequence[Sample], workers: int
) -> Iterator[_Answer[Made]]:
    """As `map`, on several processes, with few chunks under way at a time so that memory stays flat.

    The processes are spawned, not forked: a forked OpenCV can hang.
    """
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, context, _start_worker) as pool:
        waiting: deque[Future[list[_Answer[Made]]]] = deque()
        try:
            for chunk in _chunks(samples):
                waiting.append(pool.submit(_answer_chunk, answer, chunk))
                if len(waiting) > 2 * workers:
                    yield from waiting.popleft().result()
            while waiting:
                yield from waiting.popleft().result()
        except BrokenProcessPool as error:
            problem, hint = "a process was killed, as when memory is full", "Give fewer, or end other programs"
            raise MvtecError("--workers", problem, hint) from error
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _chunks(samples: Iterable[Sample]) -> Iterator[list[Sample]]:
    iterator = iter(samples)
    while chunk := list(itertools.islice(iterator, _CHUNK)):
        yield chunk


def _answer_chunk(answer: Callable[[Sample], _Answer[Made]], chunk: list[Sample]) -> list[_Answer[Made]]:
    return [answer(sample) for sample in chunk]


def _start_worker() -> None:
    cv2.setNumThreads(1)  # the processes share the cores already
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the process that began them says so, and ends them
