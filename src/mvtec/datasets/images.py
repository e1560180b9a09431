"""Opens photos and masks, and names what is wrong with one that cannot be used."""

from __future__ import annotations

import io
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image, UnidentifiedImageError

from mvtec.datasets.tree import Sample
from mvtec.errors import InputError

Mask = npt.NDArray[np.bool_]
Photo = npt.NDArray[np.uint8]

_EXIF_ORIENTATION = 0x0112
_TRANSPOSED = frozenset({5, 6, 7, 8})
_TURNED_BY_EXIF = frozenset({"JPEG", "MPO", "PNG"})  # of a TIFF, Pillow has turned the size already
_WITH_ENDING = frozenset({"JPEG", "PNG", "MPO"})
# The bytes a complete file ends with. Decoders fill in what is missing from a cut file instead of failing.
_PNG = b"\x89PNG"
_ENDINGS = {_PNG: b"IEND\xaeB`\x82", b"\xff\xd8\xff": b"\xff\xd9"}
_TAIL = 4096  # some cameras pad their files

_DECODING_ERRORS = (UnidentifiedImageError, Image.DecompressionBombError, OSError, SyntaxError, ValueError)

_MEND_PHOTO = "Replace it with the original, or take it out of the data set"
_MEND_MASK = "Draw or export it again"


class BadPhotoError(InputError):
    """A photo that cannot be read."""


class BadMaskError(InputError):
    """A mask that breaks a label rule.

    Attributes:
        kind: The rule: `missing-mask`, `unreadable-mask`, `odd-sized-mask`, `empty-mask`, `colour-mask`,
            `mask-for-good`.
    """

    def __init__(self, kind: str, file: str | Path, problem: str, mend: str) -> None:
        self.kind = kind
        super().__init__(file, problem, mend)


def photo_size_wh(photo: Path) -> tuple[int, int]:
    """Width and height in pixels, from the file's header alone, as a viewer shows the photo (EXIF rotation applied).

    Raises:
        BadPhotoError: The file is missing, cut off, or no image.
    """
    try:
        with Image.open(photo) as image:
            width, height = image.size
            has_exif = image.format in _TURNED_BY_EXIF and "exif" in image.info  # asking a PNG without decodes it
            transposed = has_exif and image.getexif().get(_EXIF_ORIENTATION) in _TRANSPOSED
            if image.format not in _WITH_ENDING:
                image.load()  # only decoding tells whether it is whole
        if _is_cut(photo):
            raise BadPhotoError(photo, "is cut off: the end of the file is missing", _MEND_PHOTO)
    except FileNotFoundError as error:
        raise BadPhotoError(photo, "no such file", _MEND_PHOTO) from error
    except _DECODING_ERRORS as error:
        raise BadPhotoError(photo, "is not a readable image, or is cut off", _MEND_PHOTO) from error
    return (height, width) if transposed else (width, height)


def read_photo(photo: Path) -> Photo:
    """Decode a photo to uint8 H×W×3 in OpenCV's BGR order, EXIF rotation applied.

    Raises:
        BadPhotoError: The file is missing, cut off, or no image.
    """
    try:
        image = _decode(photo, cv2.IMREAD_COLOR)
    except OSError as error:
        raise BadPhotoError(photo, f"cannot be read ({error.strerror})", _MEND_PHOTO) from error
    if image is None:
        raise BadPhotoError(photo, "is not a readable image, or is cut off", _MEND_PHOTO)
    return image.astype(np.uint8, copy=False)


def read_mask(sample: Sample) -> Mask:
    """Decode the ground-truth mask of a defect sample: bool H×W, true where the defect is.

    Any value but zero is defect. A mask stored with three equal channels counts as grey.

    Raises:
        BadMaskError: The mask is missing, unreadable, coloured, empty, or not the size of its photo.
        BadPhotoError: The photo's size cannot be read.
    """
    if sample.mask is None:
        raise BadMaskError(
            "missing-mask", sample.photo, "has no ground-truth mask", f"Put the mask at {sample.mask_place}"
        )
    try:
        pixels = _decode(sample.mask, cv2.IMREAD_UNCHANGED)
    except OSError as error:
        raise BadMaskError("unreadable-mask", sample.mask, f"cannot be read ({error.strerror})", _MEND_MASK) from error
    if pixels is None:
        raise BadMaskError("unreadable-mask", sample.mask, "is not a readable image, or is cut off", _MEND_MASK)
    if pixels.ndim == 3:
        colours = pixels[..., :3]  # a fourth channel is opacity, not label
        if (colours != colours[..., :1]).any():
            raise BadMaskError(
                "colour-mask",
                sample.mask,
                "is a colour image, and a mask has one channel",
                "Save it as greyscale with 0 for sound and 255 for defect",
            )
        pixels = colours[..., 0]
    height, width = pixels.shape
    photo_width, photo_height = photo_size_wh(sample.photo)
    if (width, height) != (photo_width, photo_height):
        raise BadMaskError(
            "odd-sized-mask",
            sample.mask,
            f"is {width}×{height} pixels and its photo {photo_width}×{photo_height}",
            "Export the mask at the photo's size",
        )
    mask = pixels != 0
    if not mask.any():
        raise BadMaskError(
            "empty-mask",
            sample.mask,
            "marks no pixel",
            f"Mark the defect, or move the photo to test/good/ if {sample.photo.name} shows none",
        )
    return mask


def _decode(file: Path, flags: int) -> npt.NDArray[np.generic] | None:
    """Decode with OpenCV, through memory so that any path works on any system; None if cut off or no image."""
    data = np.fromfile(file, dtype=np.uint8)
    if not data.size or _ends_short(data[:4].tobytes(), data[-_TAIL:].tobytes()):
        return None
    try:
        if data[:4].tobytes() == _PNG:  # libpng would print its complaint and go on
            with Image.open(io.BytesIO(data.data)) as image:
                image.verify()
        return cv2.imdecode(data, flags)
    except (cv2.error, *_DECODING_ERRORS):
        return None


def _is_cut(file: Path) -> bool:
    with file.open("rb") as stream:
        head = stream.read(4)
        stream.seek(0, 2)
        stream.seek(max(0, stream.tell() - _TAIL))
        return _ends_short(head, stream.read())


def _ends_short(head: bytes, tail: bytes) -> bool:
    return any(head.startswith(magic) and ending not in tail for magic, ending in _ENDINGS.items())
