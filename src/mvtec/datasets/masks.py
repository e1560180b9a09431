"""Opens ground-truth masks, and names what is wrong with one that breaks a label rule."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from mvtec.datasets.images import BadPhotoError, MaskLayer, MaskMemory, decode, header_size_wh, is_turned, photo_size_wh
from mvtec.datasets.samples import Sample
from mvtec.errors import InputError

Mask = npt.NDArray[np.bool_]

MIDDLE = 127  # of the grey values: the threshold for soft edges
NEARLY_ALL = 0.9  # of a photo: a mask that marks more is hardly meant so

_MEND_MASK = "Draw or export it again"


class BadMaskError(InputError):
    """A mask that breaks a label rule.

    Attributes:
        kind: The rule: `missing-mask`, `unreadable-mask`, `odd-sized-mask`, `empty-mask`, `colour-mask`,
            `alpha-mask`, `turned-mask`, `mask-for-good`.
    """

    def __init__(self, kind: str, file: str | Path, problem: str, hint: str) -> None:
        self.kind = kind
        super().__init__(file, problem, hint)


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


@dataclass(frozen=True)
class Grey:
    """What the threshold costs of masks with grey values, which have soft edges or have been through JPEG.

    Attributes:
        share: The share of the defect pixels whose value is neither 0 nor the mask's highest.
        instances: 8-connected regions of all values but 0.
        above: Such regions of the values above `MIDDLE`.
        faint: Those of `instances` without a pixel above `MIDDLE`.
    """

    share: float
    instances: int
    above: int
    faint: int


def grey_of(values: MaskLayer) -> Grey | None:
    """Measure the grey values of a mask, uint8 H×W; None where all defect pixels have one value."""
    marked = values != 0
    grey = np.count_nonzero(marked & (values != values.max()))
    if not grey:
        return None
    count, labels = cv2.connectedComponents(marked.astype(np.uint8), connectivity=8)
    high = values > MIDDLE
    above, _ = cv2.connectedComponents(high.astype(np.uint8), connectivity=8)
    return Grey(grey / np.count_nonzero(marked), count - 1, above - 1, count - 1 - len(np.unique(labels[high])))


def read_grey(sample: Sample) -> Grey | None:
    """The grey values of the masks of a defect sample, all of them together; None for clean ones.

    Layouts whose values name defect types have none.

    Raises:
        BadMaskError, BadPhotoError: See `read_layers`.
    """
    if sample.defect_of_value:
        return None
    size_wh = photo_size_wh(sample.photo)
    found = [grey for file in sample.masks if (grey := grey_of(_of_8_bits(_mask_values(file, size_wh)))) is not None]
    if not found:
        return None
    counts = (sum(getattr(grey, name) for grey in found) for name in ("instances", "above", "faint"))
    return Grey(max(grey.share for grey in found), *counts)


def _mask_values(file: Path, size_wh: tuple[int, int], memory: MaskMemory | None = None) -> npt.NDArray[Any]:
    """The pixel values of a mask, H×W."""
    try:
        stated = header_size_wh(file)
        if stated is not None and stated not in (size_wh, size_wh[::-1]):
            raise _odd_sized(file, stated, size_wh)
        pixels = decode(file, cv2.IMREAD_UNCHANGED, memory)
    except BadPhotoError as error:
        raise BadMaskError("unreadable-mask", file, error.problem, _MEND_MASK) from error
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
        raise _odd_sized(file, (width, height), size_wh)
    return pixels


def _odd_sized(file: Path, mask_wh: tuple[int, int], size_wh: tuple[int, int]) -> BadMaskError:
    problem = f"is {mask_wh[0]}×{mask_wh[1]} pixels and its photo {size_wh[0]}×{size_wh[1]}"
    return BadMaskError("odd-sized-mask", file, problem, "Export the mask at the photo's size")


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
