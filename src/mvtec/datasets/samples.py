"""The records a data set is read into, whatever its layout on disk."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

GOOD = "good"
IMAGE_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".bmp", ".tif", ".tiff", ".webp"})

OfficialSplit = Literal["train", "test"]


@dataclass(frozen=True)
class Sample:
    """One photo and what is known of it.

    Attributes:
        root: The data set's folder.
        path: The photo relative to it, in posix form: `test/broken_large/000.png`.
        defect: Its defect type; `good` means none.
        mask_paths: Its ground-truth masks relative to `root`; none for a good photo, and for a defect photo whose mask
            is missing; several where the layout keeps one a defect.
        official_split: `train` for the good photos a layout sets aside for learning, `test` for the labelled ones.
        mask_place: Where its mask belongs, for the error line.
        defect_of_value: Defect types by mask value, for layouts whose masks tell them apart; else empty.
    """

    root: Path
    path: str
    defect: str
    mask_paths: tuple[str, ...] = ()
    official_split: OfficialSplit = "test"
    mask_place: str = ""
    defect_of_value: Mapping[int, str] = field(default_factory=dict)

    @property
    def photo(self) -> Path:
        """Where the photo lies."""
        return self.root / self.path

    @property
    def masks(self) -> tuple[Path, ...]:
        """Where its masks lie."""
        return tuple(self.root / path for path in self.mask_paths)

    @property
    def is_good(self) -> bool:
        return self.defect == GOOD


@dataclass(frozen=True)
class Dataset:
    """One category, read from disk; samples are sorted by path.

    Attributes:
        root: The category's folder.
        category: Its name, the kind of object: `bottle`.
        layout: The layout it is in, see `tree.LAYOUTS`.
        samples: Every photo.
        defects: The types of its instances, alphabetical: the classes of a detector, in its order. They are the defect
            types of the samples without `good`, or what the mask values name.
        orphan_masks: Masks that belong to no photo, and images among the masks whose ending is not read; relative to
            root, sorted.
        doubled_masks: For each mask of a photo that has another one, which is taken for it: both paths.
        doubled: For each photo that shares folder and stem with an earlier one (`000.png`, `000.jpg`): both paths.
        unmasked: The photos that count as good for want of a mask alone, in a layout where nothing else says so.
        unread: Images among the photos whose ending is not read, relative to root, sorted.
        notes: What a user should know of how the folder was read, each a sentence.
    """

    root: Path
    category: str
    layout: str
    samples: tuple[Sample, ...]
    defects: tuple[str, ...]
    orphan_masks: tuple[str, ...] = ()
    doubled_masks: tuple[tuple[str, str], ...] = ()
    doubled: tuple[tuple[str, str], ...] = ()
    unmasked: tuple[str, ...] = ()
    unread: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def labelled(self) -> tuple[Sample, ...]:
        """The samples with defects, masks and their good counterparts, less the good ones set aside for learning."""
        return tuple(sample for sample in self.samples if sample.official_split == "test")
