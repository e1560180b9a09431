"""Reads the folder layout of MVTec AD into samples.

The layout (Bergmann et al., CVPR 2019; https://www.mvtec.com/company/research/datasets/mvtec-ad;
the data is CC BY-NC-SA 4.0):

    bottle/                         the category
      train/good/000.png …          photos without a defect
      test/good/000.png …
      test/broken_large/000.png …   one folder per defect type
      ground_truth/broken_large/000_mask.png …

A mask belongs to the photo of exactly its stem: `NNN_mask.*` to `NNN.*`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from mvtec.errors import InputError

GOOD = "good"
IMAGE_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff"})
MASK_ENDING = "_mask"

OfficialSplit = Literal["train", "test"]


@dataclass(frozen=True)
class Sample:
    """One photo and what is known of it.

    Attributes:
        path: The photo relative to the data set's folder, in posix form: `test/broken_large/000.png`.
        defect: The defect type, which is the name of the photo's folder; `good` means none.
        photo: Where the photo lies.
        mask: Where its ground-truth mask lies; None for a good photo, and for a defect photo whose mask is missing.
        official_split: The part of MVTec AD the photo stands in.
    """

    path: str
    defect: str
    photo: Path
    mask: Path | None
    official_split: OfficialSplit

    @property
    def is_good(self) -> bool:
        return self.defect == GOOD

    @property
    def mask_place(self) -> str:
        """Where the mask belongs, relative to the data set's folder."""
        return f"ground_truth/{self.defect}/{self.photo.stem}{MASK_ENDING}.png"


@dataclass(frozen=True)
class Dataset:
    """One category, read from disk; samples are sorted by path.

    Attributes:
        root: The category's folder.
        category: Its name, the kind of object: `bottle`.
        samples: Every photo, those of `test/` and those of `train/`.
        orphan_masks: Files under `ground_truth/` that belong to no photo, relative to root, sorted.
        doubled: For each photo that shares folder and stem with an earlier one (`000.png`, `000.jpg`): both paths.
    """

    root: Path
    category: str
    samples: tuple[Sample, ...]
    orphan_masks: tuple[str, ...]
    doubled: tuple[tuple[str, str], ...]

    @property
    def labelled(self) -> tuple[Sample, ...]:
        """The samples of `test/`: the ones with defects, masks and their good counterparts."""
        return tuple(sample for sample in self.samples if sample.official_split == "test")

    @property
    def defects(self) -> tuple[str, ...]:
        """The defect types, without `good`, alphabetical: the classes of a detector, in its order."""
        return tuple(sorted({sample.defect for sample in self.labelled} - {GOOD}))


def read_tree(root: Path) -> Dataset:
    """Read a category's folder. No image is opened.

    Raises:
        InputError: `root` is not a folder, is not an MVTec category, or holds several categories.
    """
    if not root.is_dir():
        problem = "is a file" if root.exists() else "no such folder"
        raise InputError(root, problem, "Give the folder of one category, the one that holds test/ and ground_truth/")
    if not (root / "test").is_dir():
        inside = sorted(child.name for child in root.iterdir() if (child / "test").is_dir())
        if inside:
            names = ", ".join(inside)
            raise InputError(
                root, f"holds several categories ({names})", f"Give one of them, such as {root / inside[0]}"
            )
        raise InputError(
            root,
            "is not an MVTec category: it has no folder test/",
            "The layout is test/<defect>/NNN.png and ground_truth/<defect>/NNN_mask.png",
        )
    _check_names(root)
    masks = _masks_by_place(root)
    samples: list[Sample] = []
    for split in ("train", "test"):
        for photo in _images(root / split):
            defect = photo.parent.name
            samples.append(
                Sample(
                    path=photo.relative_to(root).as_posix(),
                    defect=defect,
                    photo=photo,
                    mask=masks.get((defect, photo.stem)) if split == "test" else None,
                    official_split=split,
                )
            )
    if not any(sample.official_split == "test" for sample in samples):
        kinds = ", ".join(sorted(IMAGE_SUFFIXES))
        raise InputError(root / "test", "holds no photo", f"Put photos into test/<defect>/ ({kinds})")
    samples.sort(key=lambda sample: sample.path)
    used = {sample.mask for sample in samples}
    orphans = [mask for mask in _images(root / "ground_truth") if mask not in used]
    return Dataset(
        root=root,
        category=root.resolve().name,
        samples=tuple(samples),
        orphan_masks=tuple(mask.relative_to(root).as_posix() for mask in orphans),
        doubled=_doubled(samples),
    )


def _images(folder: Path) -> list[Path]:
    """The image files one folder down, sorted; hidden files (`._000.png` of a Mac's archive) are no photos."""
    if not folder.is_dir():
        return []
    return sorted(
        file
        for child in folder.iterdir()
        if child.is_dir() and not child.name.startswith(".")
        for file in child.iterdir()
        if file.suffix.lower() in IMAGE_SUFFIXES and not file.name.startswith(".")
    )


def _check_names(root: Path) -> None:
    """A name that is no text could not be written into any annotation file."""
    for folder in ("train", "test", "ground_truth"):
        for file in _images(root / folder):
            try:
                str(file).encode("utf-8")
            except UnicodeEncodeError as error:
                name = str(file).encode("utf-8", "replace").decode()
                raise InputError(name, "has a name that is not UTF-8", "Rename it") from error


def _masks_by_place(root: Path) -> dict[tuple[str, str], Path]:
    """Each mask by (defect, stem of the photo it belongs to); of two for one photo, the first by name."""
    masks: dict[tuple[str, str], Path] = {}
    for mask in _images(root / "ground_truth"):
        if mask.stem.endswith(MASK_ENDING):
            masks.setdefault((mask.parent.name, mask.stem.removesuffix(MASK_ENDING)), mask)
    return masks


def _doubled(samples: list[Sample]) -> tuple[tuple[str, str], ...]:
    first: dict[tuple[str, str, str], str] = {}
    doubled = []
    for sample in samples:
        other = first.setdefault((sample.official_split, sample.defect, sample.photo.stem), sample.path)
        if other != sample.path:
            doubled.append((sample.path, other))
    return tuple(doubled)
