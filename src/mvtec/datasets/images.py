"""Opens photos and masks, and names what is wrong with one that cannot be used."""

from __future__ import annotations

import os
import struct
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image, UnidentifiedImageError
from PIL.TiffImagePlugin import TiffImageFile

from mvtec.datasets.image_bytes import PADDING, PNG, ends, is_cut_off, png_has_exif, png_is_whole, png_size_wh
from mvtec.datasets.samples import Sample
from mvtec.errors import InputError
from mvtec.limits import MOST_PIXELS

Mask = npt.NDArray[np.bool_]
MaskLayer = npt.NDArray[np.uint8]
Photo = npt.NDArray[np.uint8]

NEARLY_ALL = 0.9  # of a photo: a mask that marks more is hardly meant so

_EXIF_ORIENTATION = 0x0112
_TIFF_BITS = 258  # BitsPerSample, one number a channel
_TRANSPOSED = frozenset({5, 6, 7, 8})
_TURNED_BY_EXIF = frozenset({"JPEG", "MPO", "PNG", "WEBP"})  # of a TIFF, Pillow has turned the size already
_WITH_ENDING = frozenset({"JPEG", "PNG", "MPO"})
_OPENS_ANY_PATH = os.name != "nt"  # OpenCV opens no path with an umlaut on Windows

_DECODING_ERRORS = (UnidentifiedImageError, Image.DecompressionBombError, OSError, SyntaxError, ValueError)

_MEND_PHOTO = "Replace it with the original, or take it out of the data set"
_MEND_MASK = "Draw or export it again"

Image.MAX_IMAGE_PIXELS = MOST_PIXELS  # else Pillow takes a sixth of it for an attack


class BadPhotoError(InputError):
    """A photo that cannot be read."""


class BadMaskError(InputError):
    """A mask that breaks a label rule.

    Attributes:
        kind: The rule: `missing-mask`, `unreadable-mask`, `odd-sized-mask`, `empty-mask`, `colour-mask`,
            `alpha-mask`, `turned-mask`, `mask-for-good`.
    """

    def __init__(self, kind: str, file: str | Path, problem: str, mend: str) -> None:
        self.kind = kind
        super().__init__(file, problem, mend)


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
    try:
        if not photo.is_file():  # to open a pipe would be to wait for its other end
            raise BadPhotoError(photo, "no such file", _MEND_PHOTO)
        head, tail = ends(photo)
        size_wh = None if png_has_exif(photo, head, tail) else png_size_wh(head)
        size_wh = size_wh or _size_wh(photo)
        cut_off = is_cut_off(head, tail, photo.read_bytes)
    except _DECODING_ERRORS as error:
        raise BadPhotoError(photo, "is not a readable image, or is cut off", _MEND_PHOTO) from error
    if cut_off:
        raise BadPhotoError(photo, "is cut off: the end of the file is missing", _MEND_PHOTO)
    if size_wh[0] * size_wh[1] > MOST_PIXELS:
        raise BadPhotoError(
            photo, f"is {size_wh[0]}×{size_wh[1]} pixels, too large to be opened", "Divide it into tiles"
        )
    return size_wh


def _size_wh(photo: Path) -> tuple[int, int]:
    with Image.open(photo) as image:
        width, height = image.size
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
    head, _ = ends(photo)
    if head.startswith(PNG):
        return head[24] == 16  # IHDR: width, height, bit depth
    with suppress(*_DECODING_ERRORS), Image.open(photo) as image:
        bits = image.tag_v2.get(_TIFF_BITS, (8,)) if isinstance(image, TiffImageFile) else (8,)
        return max(bits) > 8 or image.mode.startswith(("I", "F"))
    return False


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


def read_mask(sample: Sample, threshold: int = 0) -> Mask:
    """All that the masks of a defect sample mark: bool H×W, true where a defect is.

    Raises:
        BadMaskError: The masks mark no pixel, or see `read_layers`.
        BadPhotoError: See `read_layers`.
    """
    layers, size_wh = read_layers(sample, threshold)
    mask = np.logical_or.reduce([np.zeros(size_wh[::-1], bool), *(layer != 0 for _, layer in layers)])
    if not mask.any():
        raise empty_mask(sample, threshold)
    return mask


def read_layers(
    sample: Sample, threshold: int = 0, memory: MaskMemory | None = None
) -> tuple[list[tuple[str, MaskLayer]], tuple[int, int]]:
    """Decode the ground-truth masks of a defect sample.

    Args:
        sample: The sample.
        threshold: Values above it are defect, of 16 bits the upper 8. A mask stored with three equal channels counts as
            grey.
        memory: Decode into it; what is returned then lasts until the next call with it.

    Returns:
        The layers and the photo's width and height in pixels. A layer is a defect type and a uint8 mask H×W, not zero
        where the defect is. There is one a mask; where `sample.defect_of_value` names defect types, one for each type
        in a mask. They may mark no pixel.

    Raises:
        BadMaskError: A mask is missing, unreadable, coloured, or not the size of its photo.
        BadPhotoError: The photo's size cannot be read.
    """
    if not sample.mask_paths:
        raise BadMaskError(
            "missing-mask", sample.photo, "has no ground-truth mask", f"Put the mask at {sample.mask_place}"
        )
    size_wh = photo_size_wh(sample.photo)
    layers: list[tuple[str, MaskLayer]] = []
    alone = len(sample.mask_paths) == 1
    for file in sample.masks:
        values = _mask_values(file, size_wh, memory if alone else None)
        if sample.defect_of_value:
            layers += _typed_layers(sample, file, values, threshold)
        else:
            values = _of_8_bits(values)
            is_ready = values.dtype == np.uint8 and not threshold
            layers.append((sample.defect, values if is_ready else _above(values, threshold)))
    return layers, size_wh


def grey_share(sample: Sample) -> float:
    """The share of the defect pixels of a sample whose value is neither 0 nor the mask's highest: 0 for a clean mask.

    Masks that have been through JPEG or were drawn with soft edges have such pixels, and where the defect ends is then
    a matter of the threshold. Layouts whose values name defect types have none.

    Raises:
        BadMaskError, BadPhotoError: See `read_layers`.
    """
    if sample.defect_of_value:
        return 0.0
    size_wh = photo_size_wh(sample.photo)
    grey = marked = 0
    for file in sample.masks:
        values = _mask_values(file, size_wh)
        marked += int(np.count_nonzero(values))
        grey += int(np.count_nonzero((values != 0) & (values != values.max())))
    return grey / marked if marked else 0.0


def _mask_values(file: Path, size_wh: tuple[int, int], memory: MaskMemory | None = None) -> npt.NDArray[Any]:
    """The pixel values of a mask, H×W."""
    try:
        pixels = _decode(file, cv2.IMREAD_UNCHANGED, memory)
    except OSError as error:
        raise BadMaskError("unreadable-mask", file, f"cannot be read ({error.strerror})", _MEND_MASK) from error
    if pixels is None:
        raise BadMaskError("unreadable-mask", file, "is not a readable image, or is cut off", _MEND_MASK)
    if is_turned(file):
        raise BadMaskError(
            "turned-mask", file, "has an EXIF orientation, which readers of masks pass over", "Save it as it is to lie"
        )
    if pixels.ndim == 3:
        colours = pixels[..., :3]  # a fourth channel is opacity, not label
        if (colours != colours[..., :1]).any():
            raise BadMaskError(
                "colour-mask",
                file,
                "is a colour image, and a mask has one channel",
                "Save it as greyscale with 0 for sound and 255 for defect",
            )
        if shape_is_transparency(pixels):
            raise BadMaskError(
                "alpha-mask",
                file,
                "has one colour all over, and its shape in the transparency",
                "Save it without transparency, 0 for sound and 255 for defect",
            )
        pixels = np.ascontiguousarray(colours[..., 0])
    height, width = pixels.shape
    if (width, height) != size_wh:
        raise BadMaskError(
            "odd-sized-mask",
            file,
            f"is {width}×{height} pixels and its photo {size_wh[0]}×{size_wh[1]}",
            "Export the mask at the photo's size",
        )
    return pixels


def is_turned(file: Path) -> bool:
    """Whether a readable image's EXIF data says that it is to be shown turned or mirrored."""
    head, tail = ends(file)
    has_exif = png_has_exif(file, head, tail) if head.startswith(PNG) else b"Exif" in head
    if not (has_exif or head.startswith(b"RIFF")):
        return False
    with Image.open(file) as image:
        return _orientation(image) != 1


def shape_is_transparency(pixels: npt.NDArray[Any]) -> bool:
    """Whether an image has a fourth channel with a shape in it, and no shape in the others."""
    if pixels.ndim < 3 or pixels.shape[2] < 4:
        return False
    shaped = [bool((channel != channel[0, 0]).any()) for channel in (pixels[..., 0], pixels[..., 3])]
    return shaped == [False, True]


def _typed_layers(sample: Sample, file: Path, values: npt.NDArray[Any], threshold: int) -> list[tuple[str, MaskLayer]]:
    """A layer for each defect type among the values."""
    layers = []
    for value in np.unique(values[values > threshold]).tolist():
        if value not in sample.defect_of_value:
            raise BadMaskError(
                "unknown-value", file, f"has the value {value}, which names no defect type", "Restore the original"
            )
        layers.append((sample.defect_of_value[value], (values == value).astype(np.uint8)))
    return layers


def _of_8_bits(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Of values of 16 bits that need them the upper 8, and at least 1 where there is any; others as they are.

    So grey values stay grey, and 127 is the middle of both.
    """
    if values.dtype != np.uint16 or values.max() <= 255:
        return values
    return np.maximum(values >> 8, values > 0).astype(np.uint8)


def _above(values: npt.NDArray[Any], threshold: int) -> MaskLayer:
    return (values > threshold).astype(np.uint8)


def empty_mask(sample: Sample, threshold: int = 0) -> BadMaskError:
    """The error of a defect sample whose masks mark no pixel."""
    above = f" above --threshold {threshold}" if threshold else ""
    return BadMaskError(
        "empty-mask",
        sample.masks[0],
        f"marks no pixel{above}",
        f"Mark the defect, or move the photo to test/good/ if {sample.photo.name} shows none",
    )


def _decode(file: Path, flags: int, memory: MaskMemory | None = None) -> npt.NDArray[np.generic] | None:
    """Decode with OpenCV; None if cut off or no image."""
    data = np.fromfile(file, dtype=np.uint8)
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
    except (cv2.error, *_DECODING_ERRORS):
        return None
    if memory is not None and pixels is not None and pixels.ndim == 2 and pixels.dtype == np.uint8:
        memory.pixels = pixels.view(np.uint8)
    return pixels
