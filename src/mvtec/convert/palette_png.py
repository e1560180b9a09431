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
    """The numbers of a palette or greyscale PNG, uint8 H×W.

    Raises:
        InputError: It is missing, no readable image, or in colour.
    """
    try:
        with Image.open(path) as image:
            if image.mode not in {"P", "L", "1"}:
                raise InputError(path, f"is an image of mode {image.mode}, not of numbers", "Save it with a palette")
            return np.array(image if image.mode != "1" else image.convert("L"), np.uint8)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise InputError(path, "is not a readable image", "Export it again") from error
