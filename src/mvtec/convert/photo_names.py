"""Photos by what tools call them: the whole name, the end of its path, or either without the ending."""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath

from mvtec.datasets.samples import IMAGE_SUFFIXES
from mvtec.errors import InputError

_MOST_DIGITS = 18  # of a number that is an id


class PhotoNames:
    """Finds photos by what tools call them: the whole name, the end of its path, or either without the ending.

    >>> names = PhotoNames({1: "test/crack/000.png", 2: "test/good/000.png", 3: "test/good/001.png"})
    >>> [names.find(text) for text in ("good/000.png", "001", "/data/test/good/001.jpg", "000.png")]
    [[2], [3], [3], [1, 2]]
    """

    def __init__(self, photos: Mapping[int, str]) -> None:
        self._parts: dict[int, tuple[str, ...]] = {number: parts_of(name) for number, name in photos.items()}
        self._by_name: dict[str, list[int]] = defaultdict(list)
        self._by_stem: dict[str, list[int]] = defaultdict(list)
        for number, parts in self._parts.items():
            self._by_name[parts[-1]].append(number)
            self._by_stem[PurePosixPath(parts[-1]).stem].append(number)

    def find(self, text: str) -> list[int]:
        """The ids of the photos that may be meant: one, several where the text does not tell them apart, or none."""
        *folders, last = parts_of(text)
        stems = [last, PurePosixPath(last).stem] if PurePosixPath(last).suffix.lower() in IMAGE_SUFFIXES else [last]
        for candidates in (self._by_name.get(last), *(self._by_stem.get(stem) for stem in stems)):
            own = {number: self._parts[number][:-1] for number in candidates or []}
            exact = [number for number, parts in own.items() if parts == tuple(folders)]
            fitting = exact or [number for number, parts in own.items() if _ends_alike(parts, tuple(folders))]
            if fitting:
                return sorted(fitting)
        return []

    def by_number(self) -> dict[int, list[int]]:
        """The ids of the photos whose stem is a number, as `000002.jpg`, by that number."""
        found: dict[int, list[int]] = defaultdict(list)
        for stem, numbers in self._by_stem.items():
            if (number := number_of(stem)) is not None:
                found[number] += numbers
        return found


def check_names(whose: str | Path, names: Iterable[str]) -> None:
    """See that no two images have one name, so that a name says which is meant.

    Raises:
        InputError: Two have.
    """
    seen: set[tuple[str, ...]] = set()
    for name in names:
        if parts_of(name) in seen:
            raise InputError(
                whose,
                f"has two images of the name {name}",
                "Give each photo one image",
            )
        seen.add(parts_of(name))


def number_of(stem: str) -> int | None:
    """The number that a stem is, as tools make ids of it; None of another one.

    >>> number_of("000002"), number_of("part_2")
    (2, None)
    """
    return int(stem) if stem.isdecimal() and len(stem) <= _MOST_DIGITS else None


def parts_of(name: str) -> tuple[str, ...]:
    """The folders and the name of a photo, spelled in one way: `/` between them, and Unicode's composed form.

    >>> parts_of("images\\\\a.png"), parts_of("./a.png")
    (('images', 'a.png'), ('a.png',))
    """
    parts = PurePosixPath(unicodedata.normalize("NFC", name.replace("\\", "/"))).parts
    return tuple(part for part in parts if part != "/") or ("",)


def _ends_alike(one: tuple[str, ...], other: tuple[str, ...]) -> bool:
    """Whether the shorter of two paths is the end of the longer one."""
    count = min(len(one), len(other))
    return not count or one[-count:] == other[-count:]
