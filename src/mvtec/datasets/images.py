"""Opens photos, and names what is wrong with one that cannot be used."""

from __future__ import annotations

import os
import stat
import struct
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image, UnidentifiedImageError
from PIL.TiffImagePlugin import TiffImageFile

from mvtec.datasets.image_bytes import PADDING, PNG, ends, is_cut_off, png_has_exif, png_is_whole, png_size_wh
from mvtec.errors import InputError
from mvtec.limits import MOST_PIXELS, is_too_large

MaskLayer = npt.NDArray[np.uint8]
Photo = npt.NDArray[np.uint8]

_EXIF_ORIENTATION = 0x0112
_TIFF_BITS = 258  # BitsPerSample, one number a channel
_TRANSPOSED = frozenset({5, 6, 7, 8})
_TURNED_BY_EXIF = frozenset({"JPEG", "MPO", "PNG", "WEBP"})  # of a TIFF, Pillow has turned the size already
_WITH_ENDING = frozenset({"JPEG", "PNG", "MPO"})
_OPENS_ANY_PATH = os.name != "nt"  # OpenCV opens no path with an umlaut on Windows

_DECODING_ERRORS = (UnidentifiedImageError, Image.DecompressionBombError, OSError, SyntaxError, ValueError)

_MEND_PHOTO = "Replace it with the original, or take it out of the data set"

_limit_lock = threading.Lock()


@contextmanager
def pillow_limit() -> Iterator[None]:
    """Let Pillow open photos up to `MOST_PIXELS`: by itself it takes a sixth of that for an attack."""
    with _limit_lock:
        before, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, MOST_PIXELS
        try:
            yield
        finally:
            Image.MAX_IMAGE_PIXELS = before


def open_image(file: Path) -> Image.Image:
    """Open an image by Pillow's own function.

    Ultralytics puts another in its place when it is imported, which asks for a package wherever a file is not an image.

    Raises:
        OSError: It cannot be opened; see `PIL.Image.open` for other errors.
    """
    patches = sys.modules.get("ultralytics.utils.patches")
    with pillow_limit():
        opened: Image.Image = getattr(patches, "_image_open", Image.open)(file)
    return opened


class BadPhotoError(InputError):
    """A photo that cannot be read."""


@dataclass
class MaskMemory:
    """Where `read_layers` decodes one mask after another, which spares asking the system for new memory each time.

    A copy made by pickling begins empty.

    Attributes:
        pixels: uint8 H×W, the last mask decoded.
    """

    pixels: MaskLayer | None = None

    def __reduce__(self) -> tuple[type[MaskMemory], tuple[()]]:
        return MaskMemory, ()


def photo_size_wh(photo: Path) -> tuple[int, int]:
    """Width and height in pixels as a viewer shows the photo (EXIF rotation applied).

    Of PNG and JPEG only the beginning and the end of the file are read, others are decoded.

    Raises:
        BadPhotoError: The file is missing, cut off, or no image.
    """
    _check_plain(photo)
    try:
        head, tail = ends(photo)
        size_wh = None if png_has_exif(photo, head, tail) else png_size_wh(head)
        if size_wh is not None:
            _check_limit(photo, size_wh)
        size_wh = size_wh or _size_wh(photo)
        cut_off = is_cut_off(head, tail, photo.read_bytes)
    except BadPhotoError:
        raise
    except _DECODING_ERRORS as error:
        check_memory(error)
        raise BadPhotoError(photo, "is not a readable image, or is cut off", _MEND_PHOTO) from error
    if cut_off:
        raise BadPhotoError(photo, "is cut off: the end of the file is missing", _MEND_PHOTO)
    return size_wh


def header_size_wh(file: Path) -> tuple[int, int] | None:
    """Width and height as an image's header has them, not turned by EXIF; None where it cannot be told.

    Nothing is decoded.

    Raises:
        BadPhotoError: The file is missing, no plain file, or states more pixels than are read.
    """
    _check_plain(file)
    size_wh = None
    with suppress(*_DECODING_ERRORS):
        with file.open("rb", buffering=0) as stream:
            size_wh = png_size_wh(stream.read(64))
        if size_wh is None:
            with open_image(file) as image:
                size_wh = image.size
    if size_wh is not None:
        _check_limit(file, size_wh)
    return size_wh


def _check_plain(file: Path) -> None:
    """Refuse what is not a plain file: to open a pipe would be to wait for its other end, and a device has no end."""
    try:
        mode = file.stat().st_mode
    except FileNotFoundError as error:
        raise BadPhotoError(file, "no such file", _MEND_PHOTO) from error
    except (OSError, ValueError) as error:  # a ValueError: a path with NUL
        problem = f"cannot be read ({getattr(error, 'strerror', None) or error})"
        raise BadPhotoError(file, problem, _MEND_PHOTO) from error
    if not stat.S_ISREG(mode):
        raise BadPhotoError(file, "is not a plain file", _MEND_PHOTO)


def _check_limit(file: Path, size_wh: tuple[int, int]) -> None:
    if is_too_large(size_wh):
        problem = f"is {size_wh[0]}×{size_wh[1]} pixels, too large to be opened"
        raise BadPhotoError(file, problem, f"Divide it into tiles; at most {MOST_PIXELS:,} pixels are read")


def check_memory(error: Exception) -> None:
    """Raise a MemoryError where a decoder failed for want of memory: the file may be whole.

    Raises:
        MemoryError: It did.
    """
    if getattr(error, "code", None) == cv2.Error.StsNoMem or "out of memory" in str(error).lower():
        raise MemoryError("decoding an image") from error


def _size_wh(photo: Path) -> tuple[int, int]:
    with open_image(photo) as image:
        width, height = image.size
        _check_limit(photo, (width, height))
        transposed = image.format in _TURNED_BY_EXIF and _orientation(image) in _TRANSPOSED
        if image.format not in _WITH_ENDING:
            image.load()  # only decoding tells whether it is whole
    return (height, width) if transposed else (width, height)


def _orientation(image: Image.Image) -> int:
    """The orientation in an image's EXIF block; 1 without, or where the block is broken, which decoders pass over.

    That of XMP, which Pillow takes where there is no block, no decoder heeds.
    """
    if image.format == "PNG" and "exif" not in image.info:
        image.load()  # it may stand behind the pixels
    exif = Image.Exif()
    try:
        exif.load(image.info.get("exif", b""))
        found = exif.get(_EXIF_ORIENTATION, 1)
    except (*_DECODING_ERRORS, struct.error):
        return 1
    return found if isinstance(found, int) else 1


def is_deep(photo: Path) -> bool:
    """Whether a readable photo has more than 8 bits a channel, by its header; `read_photo` keeps the upper 8 of 16."""
    with photo.open("rb", buffering=0) as stream:
        head = stream.read(64)
    if head.startswith(PNG):
        return head[24] == 16  # IHDR: width, height, bit depth
    with suppress(*_DECODING_ERRORS), open_image(photo) as image:
        bits = image.tag_v2.get(_TIFF_BITS, (8,)) if isinstance(image, TiffImageFile) else (8,)
        return max(bits) > 8 or image.mode.startswith(("I", "F"))
    return False


def read_photo(photo: Path) -> Photo:
    """Decode a photo to uint8 H×W×3 in OpenCV's BGR order, EXIF rotation applied.

    Raises:
        BadPhotoError: The file is missing, cut off, no image, or too large.
        MemoryError: There is too little memory to decode it.
    """
    image = decode(photo, cv2.IMREAD_COLOR)
    if image is None:
        raise BadPhotoError(photo, "is not a readable image, or is cut off", _MEND_PHOTO)
    return image.astype(np.uint8, copy=False)


def is_turned(file: Path) -> bool:
    """Whether a readable image's EXIF data says that it is to be shown turned or mirrored."""
    head, tail = ends(file)
    has_exif = png_has_exif(file, head, tail) if head.startswith(PNG) else b"Exif" in head
    if not (has_exif or head.startswith(b"RIFF")):
        return False
    with open_image(file) as image:
        return _orientation(image) != 1


def decode(file: Path, flags: int, memory: MaskMemory | None = None) -> npt.NDArray[np.generic] | None:
    """Decode with OpenCV; None if cut off or no image.

    Raises:
        BadPhotoError: The file is missing, no plain file, or states more pixels than are read.
        MemoryError: There is too little memory to decode it.
    """
    size_wh = header_size_wh(file)
    try:
        data = np.fromfile(file, dtype=np.uint8)
    except OSError as error:
        raise BadPhotoError(file, f"cannot be read ({error.strerror})", _MEND_PHOTO) from error
    if not data.size:
        return None
    head = data[:8].tobytes()
    if is_cut_off(head, data[-PADDING:].tobytes(), data.tobytes):
        return None
    try:
        if head == PNG and not png_is_whole(data.data):
            return None  # libpng would print its complaint and go on
        if memory is not None and memory.pixels is not None and _OPENS_ANY_PATH:
            with suppress(cv2.error):  # it is of another size or depth than the last
                return cv2.imread(str(file), memory.pixels, flags)
        pixels = cv2.imdecode(data, flags)
    except (cv2.error, *_DECODING_ERRORS) as error:
        check_memory(error)
        return None
    if pixels is None and size_wh is not None:
        np.empty((size_wh[1], size_wh[0], 8), np.uint8)  # decoders return nothing where memory is short, too
    if memory is not None and pixels is not None and pixels.ndim == 2 and pixels.dtype == np.uint8:
        memory.pixels = pixels.view(np.uint8)
    return pixels
