"""PNG images whose pixel values are numbers, with the palette of Pascal VOC so that a viewer shows them in colours."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from mvtec.errors import InputError

Numbers = npt.NDArray[np.uint8]

VOID = 255  # the border and what is not to be judged, in Pascal VOC


def voc_palette() -> list[int]:
    """256 colours, red, green, blue, red, …: bit n of a number goes to the high bits of channel n mod 3.

    As in the development kit of Pascal VOC (http://host.robots.ox.ac.uk/pascal/VOC/voc2012/).

    >>> voc_palette()[:9]
    [0, 0, 0, 128, 0, 0, 0, 128, 0]
    """
    colours = []
    for number in range(256):
        channels = [0, 0, 0]
        for bit in range(8):
            channels[bit % 3] |= (number >> bit & 1) << (7 - bit // 3)
        colours += channels
    return colours


def write_numbers(path: Path, numbers: Numbers) -> None:
    """Write uint8 H×W as a palette PNG."""
    image = Image.fromarray(numbers, mode="P")
    image.putpalette(voc_palette())
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(buffer.getvalue())


def read_numbers(path: Path) -> Numbers:
    """The numbers of a PNG, uint8 H×W: of its palette, of its grey values, or of the colours of that palette.

    Raises:
        InputError: It is missing, no readable image, or has colours that are not in the palette of Pascal VOC.
    """
    try:
        with Image.open(path) as image:
            if image.mode in {"1", "L", "P"}:
                return np.array(image, np.uint8)
            if image.mode == "LA":
                return np.array(image.getchannel("L"), np.uint8)
            if image.mode.startswith("I"):  # 16 bits or more
                numbers = np.array(image)
                if numbers.min() < 0 or numbers.max() > VOID:
                    raise InputError(path, f"has the value {numbers.max()}, and a class is 0 to 254", "Export it again")
                return numbers.astype(np.uint8)
            return _numbers_of_colours(np.array(image.convert("RGB"), np.uint32), path)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise InputError(path, "is not a readable image", "Export it again") from error


def _numbers_of_colours(colours: npt.NDArray[np.uint32], path: Path) -> Numbers:
    """Datumaro, and CVAT with it, writes the colours of the palette instead of the numbers."""

    def packed(rgb: npt.NDArray[np.uint32]) -> npt.NDArray[np.uint32]:
        return np.asarray(rgb[..., 0] << 16 | rgb[..., 1] << 8 | rgb[..., 2], np.uint32)

    palette = packed(np.array(voc_palette(), np.uint32).reshape(-1, 3))
    order = np.argsort(palette)
    found = packed(colours)
    places = np.searchsorted(palette[order], found).clip(max=255)
    numbers = order[places]
    if (palette[numbers] != found).any():
        raise InputError(path, "has colours that are not in the palette of Pascal VOC", "Save it with that palette")
    return numbers.astype(np.uint8)
