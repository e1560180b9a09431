"""The photos of a folder: their names, and the bytes a browser shows. Nothing outside the folder is ever read."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import cv2
import numpy as np

from mvtec.datasets.images import BadPhotoError, Photo, is_turned, photo_size_wh, read_photo
from mvtec.datasets.layouts.folders import NoLabelledPhotoError, folders_in
from mvtec.datasets.listing import list_images
from mvtec.datasets.samples import IMAGE_SUFFIXES, Dataset
from mvtec.datasets.tree import layout_of, read_tree
from mvtec.errors import InputError, no_folder

_LARGE = 25_000_000  # pixels; of such photos one is decoded at a time
_THUMB_SIDE = 160
_MOST_THUMBS = 2000  # kept in memory, about 5 kB each
_MOST_PNGS = 4  # of photos that browsers do not know, as large as the photo
_MOST_SIZES = 10_000
_SHOWN_AS_IT_IS = {
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".jpe": "image/jpeg",
    ".jfif": "image/jpeg",
    ".bmp": "image/bmp",
    ".webp": "image/webp",
}


def find_photos(root: Path) -> tuple[list[str], int]:
    """The photos of a category in a known layout, or of any folder, and how many lie behind links that lead out of it.

    No photo is opened, and a link out of the folder is no photo.

    Returns:
        Names relative to `root` in posix form, sorted; and the number of photos left out.

    Raises:
        InputError: There is no such folder, it holds several categories or no photo, or a name is not UTF-8.
    """
    if not root.is_dir():
        raise no_folder(root, "Give a folder of photos, or a category")
    if layout_of(root) is None and any(layout_of(root / name) for name in folders_in(root, "")):
        read_tree(root)  # says that these are several categories
    dataset = category_of(root)
    names = list_images(root, deep=True).images if dataset is None else [sample.path for sample in dataset.samples]
    inside = root.resolve()
    found = [name for name in names if _leads_into(root / name, inside)]
    if odd := next((name for name in found if not _is_text(name)), None):
        shown = odd.encode("utf-8", "replace").decode()
        raise InputError(root / shown, "has a name that is not UTF-8", "Rename it")
    if names and not found:
        raise InputError(root, "has its photos behind links that lead out of it", "Give the folder that they lead to")
    if not found:
        raise InputError(root, "holds no photo", f"Give a folder of photos ({', '.join(sorted(IMAGE_SUFFIXES))})")
    return found, len(names) - len(found)


def category_of(root: Path) -> Dataset | None:
    """The category of a folder; None where it is in no layout, or has no labelled photo where its layout has them.

    Raises:
        InputError: It breaks a rule of its layout.
    """
    if not root.is_dir() or layout_of(root) is None:
        return None
    try:
        return read_tree(root)
    except NoLabelledPhotoError:  # as of a `test/` with photos and no folders, which other tools export
        return None


def _is_text(name: str) -> bool:
    """Whether a name can be written into a file."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _leads_into(path: Path, root: Path) -> bool:
    try:
        return path.resolve().is_relative_to(root)
    except (OSError, RuntimeError):  # a link that leads to itself
        return False


class PhotoFolder:
    """Reads photos of a folder by name; a name that leads out of it is refused.

    Args:
        root: The folder.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._inside = root.resolve()
        self._sizes: dict[tuple[str, str], tuple[int, int]] = {}
        self._thumbs: OrderedDict[tuple[str, str], bytes] = OrderedDict()
        self._pngs: OrderedDict[tuple[str, str], bytes] = OrderedDict()
        self._decoding = threading.Semaphore(2)
        self._decoding_large = threading.Lock()
        self._sizing = threading.Semaphore(2)  # its own: a save, which needs a size, waits for no picture
        self._lock = threading.Lock()

    def path(self, name: str) -> Path:
        """Where a photo lies.

        Raises:
            BadPhotoError: It is not there, or leads out of the folder.
        """
        path = self.root / name
        if not _leads_into(path, self._inside):
            raise BadPhotoError(path, "leads out of the folder", "Copy the photo into it")
        if not path.is_file():
            raise BadPhotoError(path, "no such file", "Put it back, or take it out of the annotation file")
        return path

    def version(self, name: str) -> str:
        """Changes when the photo's file does."""
        try:
            found = (self.root / name).stat()
        except OSError:
            return "gone"
        return f"{found.st_mtime_ns:x}-{found.st_size:x}"

    def size_wh(self, name: str) -> tuple[int, int]:
        """Width and height in pixels.

        Raises:
            BadPhotoError: It is missing, spoilt, or larger than anyone is shown.
        """
        path = self.path(name)
        key = (name, self.version(name))
        if key in self._sizes:
            return self._sizes[key]
        with self._sizing:  # of some formats only decoding tells
            size_wh = photo_size_wh(path)
        if len(self._sizes) >= _MOST_SIZES:
            self._sizes.clear()
        self._sizes[key] = size_wh
        return size_wh

    @contextmanager
    def _turn(self, size_wh: tuple[int, int]) -> Iterator[None]:
        """Wait for a turn to decode a photo of this size."""
        is_large = size_wh[0] * size_wh[1] > _LARGE
        with self._decoding_large if is_large else nullcontext(), self._decoding:
            yield

    def read(self, name: str) -> Photo:
        """uint8 H×W×3 in OpenCV's BGR order.

        Raises:
            BadPhotoError: See `size_wh`.
        """
        with self._turn(self.size_wh(name)):
            return read_photo(self.path(name))

    def shown(self, name: str) -> tuple[Path | bytes, str]:
        """The file or bytes a browser can show, and their type.

        What browsers do not know becomes a PNG, and so does a WebP or PNG that its EXIF data turns: browsers do not
        heed it in WebP, nor where it stands behind the pixels of a PNG.

        Raises:
            BadPhotoError: See `size_wh`.
        """
        size_wh = self.size_wh(name)
        path = self.path(name)
        suffix = path.suffix.lower()
        if suffix in _SHOWN_AS_IT_IS and not (suffix in (".png", ".webp") and is_turned(path)):
            return path, _SHOWN_AS_IT_IS[suffix]
        key = (name, self.version(name))
        with self._turn(size_wh):
            found = self._kept(self._pngs, key)
            if found is None:
                found = _encoded(read_photo(path), ".png", [cv2.IMWRITE_PNG_COMPRESSION, 1])
                self._keep(self._pngs, key, found, _MOST_PNGS)
        return found, "image/png"

    def thumb(self, name: str) -> bytes:
        """A small JPEG.

        Raises:
            BadPhotoError: See `size_wh`.
        """
        key = (name, self.version(name))
        if (found := self._kept(self._thumbs, key)) is not None:
            return found
        with self._turn(self.size_wh(name)):
            if (found := self._kept(self._thumbs, key)) is not None:  # made while this one waited
                return found
            photo = read_photo(self.path(name))
            scale = min(1.0, _THUMB_SIDE / max(photo.shape[:2]))
            size_wh = tuple(max(1, round(side * scale)) for side in photo.shape[1::-1])
            small = np.asarray(cv2.resize(photo, size_wh, interpolation=cv2.INTER_AREA), np.uint8)
            made = _encoded(small, ".jpg", [cv2.IMWRITE_JPEG_QUALITY, 80])
            self._keep(self._thumbs, key, made, _MOST_THUMBS)
        return made

    def _kept(self, cache: OrderedDict[tuple[str, str], bytes], key: tuple[str, str]) -> bytes | None:
        with self._lock:
            if key in cache:
                cache.move_to_end(key)
            return cache.get(key)

    def _keep(self, cache: OrderedDict[tuple[str, str], bytes], key: tuple[str, str], made: bytes, most: int) -> None:
        with self._lock:
            cache[key] = made
            while len(cache) > most:
                cache.popitem(last=False)


def _encoded(photo: Photo, suffix: str, options: list[int]) -> bytes:
    return cv2.imencode(suffix, photo, options)[1].tobytes()
