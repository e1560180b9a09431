"""PNG images whose pixel values are numbers, with the palette of Pascal VOC so that a viewer shows them in colours."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from mvtec.datasets.images import open_image
from mvtec.datasets.masks import shape_is_transparency
from mvtec.errors import InputError
from mvtec.limits import check_size

Numbers = npt.NDArray[np.uint8]
Colour = tuple[int, int, int]

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


def read_numbers(
    path: Path, *, palette: Sequence[Colour] | None = None, size_wh: tuple[int, int] | None = None
) -> Numbers:
    """The numbers of a PNG, uint8 H×W: of its palette, of its grey values, or of the colours of Pascal VOC's palette.

    Args:
        path: The file.
        palette: The colours that stand for 0, 1, …, instead of those of Pascal VOC.
        size_wh: The width and height in pixels that it must have; it is compared before the image is decoded.

    Raises:
        InputError: It is missing, is not a readable image, has another size, or colours that are not in the palette.
    """
    if not path.is_file():  # to open a pipe would be to wait for its other end
        raise InputError(path, "no such file" if not path.exists() else "is not a plain file", "Export it again")
    try:
        with open_image(path) as image:
            if size_wh is not None and image.size != size_wh:
                raise InputError(path, f"is not {size_wh[0]}×{size_wh[1]} pixels as its photo", "Export it again")
            check_size(path, "the mask", image.size)
            if image.mode in {"LA", "RGBA"} and shape_is_transparency(np.array(image.convert("RGBA"))):
                problem = "has one colour all over, and its shape in the transparency"
                raise InputError(path, problem, "Save it without transparency")
            if image.mode in {"1", "L"} or (image.mode == "P" and palette is None):
                return np.array(image, np.uint8)
            if image.mode == "LA":
                return np.array(image.getchannel("L"), np.uint8)
            if image.mode.startswith("I"):  # 16 bits or more
                numbers = np.array(image)
                if numbers.min() < 0 or numbers.max() > VOID:
                    raise InputError(path, f"has the value {numbers.max()}, and a class is 0 to 254", "Export it again")
                return numbers.astype(np.uint8)
            return _numbers_of_colours(np.array(image.convert("RGB")), palette, path)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise InputError(path, "is not a readable image", "Export it again") from error


def _numbers_of_colours(colours: Numbers, palette: Sequence[Colour] | None, path: Path) -> Numbers:
    """Datumaro, and CVAT with it, writes the colours of the palette instead of the numbers."""
    if palette is None and colours.any() and (colours == colours[..., :1]).all():
        problem = "has grey colours alone, which may be numbers of classes or colours of Pascal VOC's palette"
        raise InputError(path, problem, "Save the number of the class in one channel")
    standard = list(zip(*[iter(voc_palette())] * 3, strict=True))
    known = standard if palette is None else [*palette, standard[VOID]]
    number_of = np.array([*range(len(known) - 1), VOID], np.uint8)
    codes = np.array([_code(np.array(colour, np.uint32)) for colour in known])
    order = np.argsort(codes)
    numbers = np.empty(colours.shape[:2], np.uint8)
    for row, line in enumerate(colours):  # a row at a time, for memory
        found = _code(line.astype(np.uint32))
        places = order[np.searchsorted(codes[order], found).clip(max=len(known) - 1)]
        if (codes[places] != found).any():
            red, green, blue = line[np.flatnonzero(codes[places] != found)[0]].tolist()
            problem = f"has the colour {red},{green},{blue}, which is not in "
            if palette is None:
                raise InputError(path, problem + "the palette of Pascal VOC", "Save the number of the class instead")
            raise InputError(path, problem + "labelmap.txt", "Export both again")
        numbers[row] = number_of[places]
    return numbers


def _code(rgb: npt.NDArray[np.uint32]) -> npt.NDArray[np.uint32]:
    return np.asarray(rgb[..., 0] << 16 | rgb[..., 1] << 8 | rgb[..., 2], np.uint32)
