"""Lists the photos of a folder, for every command: nothing in it is passed over in silence.

A folder that cannot be read is an error. A linked folder is entered, unless it leads back to a folder that it lies in.
Images whose ending is not read are told apart from other files, so that a command can name them.
"""

from __future__ import annotations

import os
import stat
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from mvtec.datasets.samples import IMAGE_SUFFIXES
from mvtec.errors import InputError
from mvtec.words import examples

_NOT_READ = frozenset(
    {
        *(".apng", ".arw", ".avif", ".cr2", ".cr3", ".dib", ".dng", ".exr", ".fit", ".fits", ".gif", ".hdr", ".heic"),
        *(".heif", ".hif", ".j2k", ".jls", ".jp2", ".jpf", ".jpx", ".jxl", ".mpo", ".nef", ".nrrd", ".orf", ".pbm"),
        *(".pcx", ".pfm", ".pgm", ".pnm", ".ppm", ".psd", ".ras", ".rw2", ".sgi", ".tga", ".xpm"),
    }
)
_SIGNATURES = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"BM", b"II*\0", b"MM\0*", b"GIF8", b"P5\n", b"P6\n", b"RIFF")


@dataclass(frozen=True)
class Listing:
    """The image files of a folder, each relative to a root in posix form, sorted.

    Attributes:
        images: Those with an ending that is read.
        unread: Those with an ending of images that is not read, or with none and the first bytes of an image.
    """

    images: tuple[str, ...] = ()
    unread: tuple[str, ...] = ()


def list_images(
    root: Path, folder: str = "", *, deep: bool = False, skip: Callable[[Path], bool] = lambda _folder: False
) -> Listing:
    """List the image files of `root/folder`; hidden files (`._000.png` of a Mac's archive) are not photos.

    Args:
        root: What the names are relative to.
        folder: The folder in it; one that is missing holds nothing.
        deep: Look into folders in it, too, hidden ones left out.
        skip: Called with each folder in it; true leaves it out.

    Raises:
        InputError: A folder cannot be read, or a name is not UTF-8 and so could not be written into an annotation file.
    """
    images: list[str] = []
    unread: list[str] = []
    for path in files_below(root / folder, deep=deep, skip=skip):
        if path.suffix.lower() in IMAGE_SUFFIXES:
            images.append(_relative(path, root))
        elif path.suffix.lower() in _NOT_READ or (not path.suffix and _begins_as_image(path)):
            unread.append(_relative(path, root))
    return Listing(tuple(sorted(images)), tuple(sorted(unread)))


def files_below(
    top: Path, *, deep: bool = True, skip: Callable[[Path], bool] = lambda _folder: False
) -> Iterator[Path]:
    """All that lies in a folder and is not a folder, hidden things left out; a folder that is missing holds nothing.

    Args:
        top: The folder.
        deep: Look into folders in it, too.
        skip: Called with each folder in it; true leaves it out.

    Raises:
        InputError: A folder cannot be read.
    """
    left = [(top, frozenset({os.path.realpath(top)}))] if is_folder(top) else []
    while left:
        current, above = left.pop()
        for entry in scan(current):
            path = Path(entry.path)
            if not is_folder(path):
                yield path
            elif deep and (real := os.path.realpath(path)) not in above and not skip(path):
                left.append((path, above | {real}))


def scan(folder: Path) -> list[os.DirEntry[str]]:
    """What lies in a folder, sorted by name, hidden things left out.

    Raises:
        InputError: The folder cannot be read.
    """
    try:
        with os.scandir(folder) as entries:
            return sorted((entry for entry in entries if not entry.name.startswith(".")), key=lambda entry: entry.name)
    except OSError as error:
        raise InputError(
            folder, f"is a folder that cannot be read ({error.strerror})", "Change its permissions, or take it out"
        ) from error


def say_unread(unread: Iterable[str]) -> str | None:
    """The sentence about images that are passed over for their ending; None if there are none."""
    files = sorted(unread)
    if not files:
        return None
    kinds = Counter(Path(file).suffix.lower() or "no ending" for file in files)
    named = ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items()))
    return f"images with an ending that is not read are left out ({named}): {examples(files)}; save them as PNG or JPEG"


def is_folder(path: Path) -> bool:
    """Whether a path is a folder or leads to one.

    Raises:
        InputError: It leads into a folder that cannot be read, so that nobody can tell.
    """
    try:
        return stat.S_ISDIR(path.stat().st_mode)
    except PermissionError as error:
        raise InputError(
            path, "cannot be read (Permission denied)", "Change its permissions, or take it out"
        ) from error
    except OSError:  # a link to nothing, or to itself
        return False


def _begins_as_image(path: Path) -> bool:
    try:
        if not path.is_file():
            return False
        with path.open("rb") as stream:
            return stream.read(8).startswith(_SIGNATURES)
    except OSError:
        return False


def _relative(path: Path, root: Path) -> str:
    relative = path.relative_to(root).as_posix()
    try:
        relative.encode("utf-8")
    except UnicodeEncodeError as error:
        name = str(path).encode("utf-8", "replace").decode()
        raise InputError(name, "has a name that is not UTF-8", "Rename it") from error
    return relative
