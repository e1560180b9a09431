"""Puts photos into a folder we make, under names that no file system takes for another."""

from __future__ import annotations

import hashlib
import os
import shutil
import unicodedata
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import Literal

from mvtec.errors import OutputError

ImagesBy = Literal["link", "copy", "hardlink", "any"]

_LONGEST_STEM = 200  # bytes; file systems allow 255, and labels and masks add their endings


def link_or_copy(photo: Path, target: Path, by: ImagesBy) -> None:
    """Link or copy a photo to `target`, making its folder; `any` takes the first of the three ways that works.

    Raises:
        OutputError: It cannot be done.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    if by == "any":  # Windows makes links only for those who may
        for way in ("link", "hardlink"):
            with suppress(OutputError):
                return link_or_copy(photo, target, way)
        by = "copy"
    try:
        if by == "copy":
            shutil.copyfile(photo, target)
        elif by == "hardlink":
            os.link(photo.resolve(), target)
        else:
            target.symlink_to(photo.resolve())
    except OSError as error:
        raise OutputError(target, f"{by} of {photo} failed ({error.strerror})", "Try --images-by copy") from error


def unique_stem(path: str, taken: set[str]) -> str:
    """A name for a photo in one flat folder, unlike those in `taken` on any file system; it is added there.

    The folder's name keeps the `000` of one class apart from that of another. A name that is too long for a file is
    cut, and a hash of the whole stands for what is missing. It does not begin with a dot, which would hide the photo.

    >>> unique_stem("test/broken_large/000.png", set())
    'broken_large_000'
    """
    photo = PurePosixPath(path)
    stem = f"{photo.parent.name}_{photo.stem}" if photo.parent.name not in ("", "..") else photo.stem
    stem = stem.lstrip(".") or "_"
    if len(stem.encode()) > _LONGEST_STEM:
        digest = hashlib.sha256(path.encode()).hexdigest()[:16]
        stem = stem.encode()[: _LONGEST_STEM - 17].decode(errors="ignore") + f"_{digest}"
    while _folded(stem) in taken:
        stem += "_"
    taken.add(_folded(stem))
    return stem


def _folded(name: str) -> str:
    """Equal for names that some file system takes for one: case and accents' spelling aside."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())
