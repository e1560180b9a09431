"""The brush strokes of Label Studio: a picture of four channels, run-length encoded into bits.

The encoding is that of https://github.com/thi-ng/umbrella `packages/rle-pack`: the number of values in 32 bits, the
bits of a value less one in 5, four lengths of numbers less one in 4 each; then chunks of one bit (a run, or values one
by one), two bits that choose a length, that many bits for the number of values less one, and the value or values.
Label Studio packs the photo's pixels along the rows as red, green, blue and opacity; where that is not 0 is the mask.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from mvtec.convert.pixels.geometry import Mask, Region
from mvtec.convert.pixels.row_runs import region_of_row_runs

_CHANNELS = 4
_VALUE_BITS = 8
_LENGTH_BITS = np.array([3, 4, 8, 16])
_HEADER_BITS = 32 + 5 + 4 * 4
_LONGEST_RUN = 1 << 16


def encode_brush(mask: Mask) -> list[int]:
    """The brush strokes of a bool mask H×W, as bytes."""
    flat = mask.ravel()
    changes = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    lengths = np.diff(changes, prepend=0, append=flat.size) * _CHANNELS
    values = np.where(np.arange(len(lengths)) % 2, not flat[0], flat[0]) * 255
    whole, rest = np.divmod(lengths - 1, _LONGEST_RUN)  # a run of more is several
    values = np.repeat(values, whole + 1)
    lengths = np.full(len(values), _LONGEST_RUN)
    lengths[np.cumsum(whole + 1) - 1] = rest + 1
    choice = np.searchsorted(1 << _LENGTH_BITS, lengths)
    bits = _LENGTH_BITS[choice]
    codes = (((0b100 | choice) << bits | (lengths - 1)) << _VALUE_BITS) | values
    stream = np.concatenate(
        [
            _as_bits(np.array([flat.size * _CHANNELS]), np.array([32])),
            _as_bits(np.array([_VALUE_BITS - 1]), np.array([5])),
            _as_bits(_LENGTH_BITS - 1, np.full(4, 4)),
            _as_bits(codes, 3 + bits + _VALUE_BITS),
        ]
    )
    return np.packbits(stream).tolist()


def _as_bits(numbers: npt.NDArray[np.int64], widths: npt.NDArray[np.int64]) -> npt.NDArray[np.uint8]:
    """Each number's lowest `width` bits, highest first, one after the other."""
    aligned = (numbers.astype(np.uint64) << (64 - widths).astype(np.uint64)).astype(">u8")
    bits = np.unpackbits(aligned.view(np.uint8).reshape(-1, 8), axis=1)
    return bits[np.arange(64) < widths[:, None]]


def decode_brush(strokes: Sequence[int], size_hw: tuple[int, int]) -> Region | None:
    """The region of brush strokes; None if they mark no pixel. Memory is in proportion to them and to what they mark.

    Raises:
        ValueError: They are cut off, or of a photo of another size.
    """
    data = bytes(strokes) + bytes(8)  # so that the last numbers can be read by whole bytes
    end = 8 * len(strokes)

    def read(at: int, width: int) -> int:
        first = at >> 3
        return int.from_bytes(data[first : first + 8], "big") >> (64 - width - (at & 7)) & ((1 << width) - 1)

    if end < _HEADER_BITS:
        raise ValueError("has a brush that is cut off")
    count, value_bits = read(0, 32), read(32, 5) + 1
    length_bits = [read(37 + 4 * index, 4) + 1 for index in range(4)]
    height, width = size_hw
    if count != height * width * _CHANNELS:
        raise ValueError(f"has a brush that is not {width}×{height} pixels")
    starts, stops = [], []
    done, at = 0, _HEADER_BITS
    while done < count:
        width_of_length = length_bits[read(at + 1, 2)]
        stop = done + read(at + 3, width_of_length) + 1
        is_run = read(at, 1)
        at += 3 + width_of_length
        if at + value_bits * (1 if is_run else stop - done) > end or stop > count:
            raise ValueError("has a brush that is cut off")
        # of the values from `done` up to `stop`, the opacity of these pixels; a pixel's opacity is its last value
        first, after = done // _CHANNELS, stop // _CHANNELS
        if is_run:
            if read(at, value_bits):
                starts.append(first)
                stops.append(after)
            at += value_bits
        else:
            for pixel in range(first, after):
                if read(at + value_bits * (_CHANNELS * pixel + _CHANNELS - 1 - done), value_bits):
                    starts.append(pixel)
                    stops.append(pixel + 1)
            at += value_bits * (stop - done)
        done = stop
    return region_of_row_runs(np.array(starts, np.int64), np.array(stops, np.int64), width)
