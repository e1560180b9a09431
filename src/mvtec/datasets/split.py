"""Divides a data set into train, val and test: stratified, deterministic, near-identical photos kept together."""

from __future__ import annotations

import random
import warnings
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from mvtec.datasets.samples import Dataset, Sample
from mvtec.datasets.similar import group_identical, group_similar, keys_of_names, merged
from mvtec.datasets.usable import check_pairs
from mvtec.errors import InputError, MvtecWarning
from mvtec.files import sha256_file, sha256_json
from mvtec.reading import read_json
from mvtec.words import counted, examples

Part = Literal["train", "val", "test"]
Similar = Literal["together", "apart"]
PARTS: tuple[Part, ...] = ("train", "val", "test")
FORMAT = "mvtec-split/1"


@dataclass(frozen=True)
class Split:
    """Which photos are train, val and test, as paths relative to the data set's folder, each part sorted.

    Attributes:
        category: The data set's name.
        seed: What the draw was seeded with.
        train: Photos to learn from.
        val: Photos to choose a checkpoint by; may be empty.
        test: Photos to judge on, and for nothing else.
        folds: For cross-validation: a partition of `train`; empty where none was asked for.
        images: SHA-256 of the bytes of each photo in any part.
        left_out: Photos that were there when the split was drawn and are in no part, as `--per-class` asks for. They
            change nothing in an experiment, and so are not in `hash`.
    """

    category: str
    seed: int
    train: tuple[str, ...]
    val: tuple[str, ...]
    test: tuple[str, ...]
    folds: tuple[tuple[str, ...], ...]
    images: dict[str, str]
    left_out: tuple[str, ...] = ()

    def part(self, name: Part) -> tuple[str, ...]:
        parts: dict[Part, tuple[str, ...]] = {"train": self.train, "val": self.val, "test": self.test}
        return parts[name]

    @property
    def hash(self) -> str:
        """Hex SHA-256 of all the split says, photo contents included: the same hash is the same experiment."""
        return sha256_json(self._content())

    def to_json(self) -> dict[str, Any]:
        return {**self._content(), "left_out": list(self.left_out), "hash": self.hash}

    def _content(self) -> dict[str, Any]:
        return {
            "format": FORMAT,
            "category": self.category,
            "seed": self.seed,
            **{name: list(self.part(name)) for name in PARTS},
            "folds": [list(fold) for fold in self.folds],
            "images": self.images,
        }

    def without_folds(self) -> Split:
        """The same parts, train undivided."""
        return replace(self, folds=())

    def fold(self, number: int) -> Split:
        """The split of one round of cross-validation: fold `number`, from 0, becomes val and leaves train.

        Raises:
            InputError: There is no such fold.
        """
        if not 0 <= number < len(self.folds):
            has = f"has the folds 0 to {len(self.folds) - 1}" if self.folds else "has no folds"
            raise InputError("--fold", f"there is no fold {number}: the split {has}", "Make one with split --folds K")
        return replace(self, train=self._without(number), val=self.folds[number], folds=())

    def held_out(self, number: int) -> Split:
        """As `fold`, but to judge on and not to choose by: the fold becomes test, and nothing is val."""
        return replace(self, train=self._without(number), val=(), test=self.folds[number], folds=())

    def _without(self, number: int) -> tuple[str, ...]:
        held_out = set(self.folds[number])
        return tuple(path for path in self.train if path not in held_out)


class _SplitFile(BaseModel):
    """What `split.json` must hold; `hash` may be left out after an edit by hand."""

    model_config = ConfigDict(extra="forbid")

    format: Literal["mvtec-split/1"]
    category: str
    seed: int
    train: list[str]
    val: list[str] = []
    test: list[str] = []
    folds: list[list[str]] = []
    images: dict[str, str]
    left_out: list[str] = []
    hash: str | None = None


def read_split(path: Path) -> Split:
    """Read a split file and check that it holds together.

    Raises:
        InputError: It is no split file, was changed since it was made, or has a photo in two parts.
    """
    content = read_json(path, "a split made by mvtec datasets split")
    try:
        file = _SplitFile.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the file"
        raise InputError(
            path, f"is not a valid split file: {where}: {first['msg'].lower()}", "Make one with mvtec datasets split"
        ) from error
    seen: dict[str, str] = {}
    for name, paths in (("train", file.train), ("val", file.val), ("test", file.test)):
        for photo in paths:
            if photo in seen:
                raise InputError(path, f"{photo} is in {seen[photo]} and in {name}", "Leave it in one of them")
            if photo not in file.images:
                raise InputError(path, f"{photo} has no entry under images", "Make the split again")
            seen[photo] = name
    if file.folds and sorted(photo for fold in file.folds for photo in fold) != sorted(file.train):
        raise InputError(path, "its folds are not a partition of train", "Make the split again")
    if not seen:
        raise InputError(path, "has no photo in any part", "Make the split again")
    split = Split(
        category=file.category,
        seed=file.seed,
        train=tuple(sorted(file.train)),
        val=tuple(sorted(file.val)),
        test=tuple(sorted(file.test)),
        folds=tuple(tuple(sorted(fold)) for fold in file.folds),
        images=file.images,
        left_out=tuple(sorted(file.left_out)),
    )
    if file.hash is not None and file.hash != split.hash:
        raise InputError(
            path, "was changed after it was made: its hash does not fit", 'Make it again, or delete its "hash" line'
        )
    return split


def make_split(
    dataset: Dataset,
    *,
    per_class: int | None = None,
    test_fraction: float = 0.2,
    val_fraction: float = 0.0,
    folds: int = 0,
    seed: int = 0,
    similar: Similar = "together",
    group_by: str | None = None,
    on_photo: Callable[[], None] = lambda: None,
) -> Split:
    """Draw a split of the photos under `test/`, each defect type in the same proportions.

    The draw depends on the photos' names and contents, the options and the seed, and on nothing else.

    Args:
        dataset: The data set.
        per_class: How many photos of each defect type (and of `good`) to draw first; None takes all.
        test_fraction: Share of each class that goes to test, 0 to 1; at least one photo of a class of two or more.
        val_fraction: Share of each class that goes to val, 0 to 1.
        folds: Number of cross-validation folds to divide train into; 0 for none.
        seed: Seed of the draw.
        similar: Keep near-identical photos `together`, or let them fall `apart`, but for equal files: a camera that
            does not move before a part that always lies alike makes every photo near-identical.
        group_by: Keep photos together whose paths have the same key: what the first group of this regular expression
            matches, or all of the expression without a group.
        on_photo: Called once for each photo looked at, for a progress bar.

    Raises:
        InputError: An option makes no sense, a mask belongs to no photo, or a photo cannot be read.
    """
    _check_options(per_class, test_fraction, val_fraction, folds)
    check_pairs(dataset)
    samples = dataset.labelled
    find_groups = group_similar if similar == "together" else group_identical
    group_of = find_groups([sample.photo for sample in samples], on_photo)
    if group_by is not None:
        group_of = merged(group_of, keys_of_names([sample.path for sample in samples], group_by))
    groups: dict[int, list[Sample]] = defaultdict(list)
    for sample, group in zip(samples, group_of, strict=True):
        groups[group].append(sample)
    by_defect: dict[str, list[list[Sample]]] = defaultdict(list)
    for first, group_samples in sorted(groups.items()):
        by_defect[samples[first].defect].append(group_samples)

    parts: dict[str, list[str]] = {"train": [], "val": [], "test": []}
    fold_lists: list[list[str]] = [[] for _ in range(folds)]
    for defect, units in sorted(by_defect.items()):
        units = [list(unit) for unit in units]
        random.Random(f"{seed}/{defect}").shuffle(units)
        if per_class is not None:
            units = _first(units, per_class)
        count = sum(map(len, units))
        for name, fraction in (("test", test_fraction), ("val", val_fraction)):
            left = sum(map(len, units))
            taken, units = _take(units, min(_share(count, fraction), left - 1))  # one at least stays in train
            parts[name] += [sample.path for unit in taken for sample in unit]
        for unit in units:
            paths = [sample.path for sample in unit]
            parts["train"] += paths
            if folds:
                min(fold_lists, key=len).extend(paths)
    if folds and not all(fold_lists):
        raise InputError("--folds", f"{folds} folds of {len(parts['train'])} train photos", "Ask for fewer folds")
    photo_at = {sample.path: sample.photo for sample in samples}
    drawn = {path for paths in parts.values() for path in paths}
    return Split(
        category=dataset.category,
        seed=seed,
        train=tuple(sorted(parts["train"])),
        val=tuple(sorted(parts["val"])),
        test=tuple(sorted(parts["test"])),
        folds=tuple(tuple(sorted(fold)) for fold in fold_lists),
        images={path: sha256_file(photo_at[path]) for name in PARTS for path in sorted(parts[name])},
        left_out=tuple(sorted(photo_at.keys() - drawn)),
    )


def in_no_part(split: Split, paths: Iterable[str], source: Path) -> list[str]:
    """A sentence that names the photos of `source` which a split does not know; none where it knows all of them.

    They were added since it was drawn. Photos that were left out when it was drawn are known.
    """
    unknown = sorted(set(paths) - split.images.keys() - set(split.left_out))
    if not unknown:
        return []
    are = "is" if len(unknown) == 1 else "are"
    photos = f"{counted(len(unknown), 'photo')} of {source} {are} in no part of the split, and {are} not used"
    return [f"{photos}: {examples(unknown)}. Make the split again to use them"]


def warn_of_unused(dataset: Dataset, split: Split) -> None:
    """Warn of the labelled photos that a split does not know, see `in_no_part`."""
    for sentence in in_no_part(split, [sample.path for sample in dataset.labelled], dataset.root):
        warnings.warn(sentence, MvtecWarning, stacklevel=2)


def untested(dataset: Dataset, split: Split) -> list[str]:
    """A sentence for each class of a split, one that should have a test part, without a test photo."""
    class_of = {sample.path: sample.defect for sample in dataset.labelled}
    tested = {class_of[path] for path in split.test}
    return [
        f"{name} has no test photo: it has one photo, or they all show the same picture; where a fixed camera makes "
        "them alike, split with mvtec datasets split --similar apart"
        for name in sorted({class_of[path] for path in split.images} - tested)
    ]


def select(dataset: Dataset, split: Split, part: Part) -> tuple[Sample, ...]:
    """The samples of one part of a split.

    Raises:
        InputError: The split names a photo that the data set lacks, or that has changed since.
    """
    at = {sample.path: sample for sample in dataset.samples}
    chosen = []
    for path in split.part(part):
        if path not in at:
            raise InputError(
                dataset.root, f"lacks {path}, which the split puts into {part}", "Use the split made for this data set"
            )
        if sha256_file(at[path].photo) != split.images[path]:
            raise InputError(at[path].photo, "is not the photo the split was made of", "Make the split again")
        chosen.append(at[path])
    return tuple(chosen)


def _check_options(per_class: int | None, test_fraction: float, val_fraction: float, folds: int) -> None:
    if per_class is not None and per_class < 1:
        raise InputError("--per-class", f"must be at least 1 (got {per_class})", "Give 1 or more")
    for option, fraction in (("--test-fraction", test_fraction), ("--val-fraction", val_fraction)):
        if not 0 <= fraction < 1:
            raise InputError(
                option, f"must be from 0 up to, not including, 1 (got {fraction})", "Give a share such as 0.2"
            )
    if test_fraction + val_fraction >= 1:
        raise InputError("--val-fraction", "test and val together leave nothing to train on", "Lower one of them")
    if folds == 1 or folds < 0:
        raise InputError("--folds", f"must be at least 2 (got {folds})", "Give 2 or more, or leave it out")


def _share(count: int, fraction: float) -> int:
    """`fraction` of `count`, rounded half up; at least 1 of 2 or more where any share is asked for."""
    if fraction == 0 or count < 2:
        return 0
    return max(1, int(count * fraction + 0.5))


def _first(units: Sequence[list[Sample]], count: int) -> list[list[Sample]]:
    """The first `count` samples; the unit at the border is cut, and what is cut off is in no part."""
    kept: list[list[Sample]] = []
    for unit in units:
        if count <= 0:
            break
        kept.append(unit[:count])
        count -= len(unit)
    return kept


def _take(units: list[list[Sample]], count: int) -> tuple[list[list[Sample]], list[list[Sample]]]:
    """Take whole units, in order, while they fit into `count` samples; return them and the rest."""
    taken, rest = [], []
    for unit in units:
        if len(unit) <= count:
            taken.append(unit)
            count -= len(unit)
        else:
            rest.append(unit)
    return taken, rest
