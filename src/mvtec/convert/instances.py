"""Turns the samples of a data set into labelled images: each photo with its size and instances."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from mvtec.convert.geometry import Instance, InstancesPer, split_mask
from mvtec.datasets.images import BadMaskError, BadPhotoError, photo_size_wh, read_mask
from mvtec.datasets.tree import Dataset, Sample
from mvtec.errors import InputError

OnError = Literal["fail", "skip"]


@dataclass(frozen=True)
class InstanceOptions:
    """How masks become instances.

    Attributes:
        per: One instance per connected region, or one per image.
        merge_gap: Join regions with at most this many sound pixels between them.
        min_area: Drop instances of fewer pixels.
        on_error: What to do with a sample whose photo or mask breaks a rule: stop, or leave the sample out.
    """

    per: InstancesPer = "component"
    merge_gap: int = 0
    min_area: int = 0
    on_error: OnError = "fail"

    def __post_init__(self) -> None:
        for option, value in (("--merge-gap", self.merge_gap), ("--min-area", self.min_area)):
            if value < 0:
                raise InputError(option, f"{value} pixels is less than none", "Give 0 or more")


@dataclass(frozen=True)
class LabelledImage:
    """A photo and its instances.

    Attributes:
        path: The photo relative to the data set's folder, in posix form.
        photo: Where it lies.
        defect: Its defect type, the class of all its instances; `good` has none.
        size_wh: Its width and height in pixels.
        instances: Its instances, in reading order.
    """

    path: str
    photo: Path
    defect: str
    size_wh: tuple[int, int]
    instances: tuple[Instance, ...]


@dataclass
class Tally:
    """What a conversion met: filled while the samples are read.

    Attributes:
        images: Photos converted.
        instances: Instances per defect type.
        dropped: Instances that were smaller than `min_area`.
        skipped: The error line of each sample left out.
    """

    images: int = 0
    instances: dict[str, int] = field(default_factory=dict)
    dropped: int = 0
    skipped: list[str] = field(default_factory=list)


def label_samples(
    dataset: Dataset,
    samples: Iterable[Sample],
    options: InstanceOptions,
    tally: Tally,
    on_sample: Callable[[], None] = lambda: None,
) -> Iterable[LabelledImage]:
    """Yield each sample with its instances, one at a time, so that memory does not grow with the data set.

    Raises:
        InputError: A photo or mask breaks a rule and `options.on_error` is `fail`.
    """
    doubled = {path: other for pair in dataset.doubled for path, other in (pair, pair[::-1])}
    for sample in samples:
        try:
            if sample.path in doubled:
                raise InputError(
                    sample.photo, f"has the name of {doubled[sample.path]}", "Rename or remove one of the two"
                )
            labelled = _label(sample, options, tally)
        except (BadMaskError, BadPhotoError, InputError) as error:
            if options.on_error == "fail":
                raise
            tally.skipped.append(str(error))
        else:
            tally.images += 1
            yield labelled
        on_sample()


def _label(sample: Sample, options: InstanceOptions, tally: Tally) -> LabelledImage:
    if sample.is_good:
        if sample.mask is not None:
            raise BadMaskError(
                "mask-for-good", sample.mask, "is a mask of a photo that counts as good", "Remove it, or move the photo"
            )
        return LabelledImage(sample.path, sample.photo, sample.defect, photo_size_wh(sample.photo), ())
    mask = read_mask(sample)
    instances = split_mask(mask, per=options.per, merge_gap=options.merge_gap)
    kept = tuple(instance for instance in instances if instance.area >= options.min_area)
    tally.dropped += len(instances) - len(kept)
    tally.instances[sample.defect] = tally.instances.get(sample.defect, 0) + len(kept)
    height, width = mask.shape
    return LabelledImage(sample.path, sample.photo, sample.defect, (width, height), kept)
