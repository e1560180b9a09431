"""COCO's compressed run-length encoding, made from and read back to a region without painting the whole photo.

The encoding (https://github.com/cocodataset/cocoapi, `common/maskApi.h`) lists how many pixels in a row are out, in,
out, … of the mask, counted down the columns, left to right; `counts` is that list packed into ASCII. It is lossless.
pycocotools packs and unpacks whole photos; most of that time goes into the pixels around the defect.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from pycocotools import mask as coco_mask

from mvtec.convert.pixels.geometry import Mask, Region, region_of

Rle = dict[str, Any]
_Positions = npt.NDArray[np.int64]


def encode_region(region: Region, size_hw: tuple[int, int]) -> Rle:
    """The compressed RLE of a region of a photo: `{"size": [H, W], "counts": ascii}`."""
    height, width = size_hw
    changes = _changes(region, height)
    ends = changes if changes[-1] == height * width else np.append(changes, height * width)
    counts = ends.copy()
    counts[1:] -= ends[:-1]
    packed = coco_mask.frPyObjects({"size": [height, width], "counts": counts.tolist()}, height, width)
    return {"size": [height, width], "counts": packed["counts"].decode("ascii")}


def encode_rle(mask: Mask) -> Rle:
    """The compressed RLE of a bool mask H×W, which may be empty."""
    rle = coco_mask.encode(np.asfortranarray(mask, dtype=np.uint8))
    return {"size": [int(side) for side in rle["size"]], "counts": rle["counts"].decode("ascii")}


def decode_rle(rle: Rle) -> Mask:
    """The bool mask H×W of a compressed RLE, or of one whose `counts` is a list of numbers.

    Raises:
        ValueError: It is no RLE, or its counts do not add up to its size.
    """
    (height, width), changes = _read(rle)
    return _painted(changes, height, range(width))


def _read(rle: Rle) -> tuple[tuple[int, int], _Positions]:
    """Height and width of an RLE, and where its runs end.

    Raises:
        ValueError: See `decode_rle`.
    """
    try:
        height, width = (int(side) for side in rle["size"])
        counts = rle["counts"]
        if isinstance(counts, list):
            if min(counts, default=0) < 0:
                raise ValueError("is no run-length encoding")
            changes = np.cumsum(np.array(counts, np.int64))
        else:
            changes = _unpack(counts.encode("ascii") if isinstance(counts, str) else counts)
    except (KeyError, TypeError, AttributeError, OverflowError, UnicodeEncodeError) as error:
        raise ValueError("is no run-length encoding") from error
    if min(height, width) < 1 or not len(changes) or changes[-1] != height * width or (np.diff(changes) < 0).any():
        raise ValueError("is no run-length encoding of its size")
    return (height, width), changes


def _painted(changes: _Positions, height: int, columns: range) -> Mask:
    """The bool mask of some columns of a photo; the others hold nothing."""
    flat = np.zeros(height * len(columns), np.uint8)
    runs = changes - columns.start * height
    for start, stop in zip(runs[:-1:2], runs[1::2], strict=False):
        flat[start:stop] = 1
    return np.ascontiguousarray(cv2.transpose(flat.reshape(len(columns), height))).view(bool).reshape(height, -1)


def run_lengths(rle: Rle) -> list[int]:
    """The `counts` of a compressed RLE as numbers: how many pixels are out, in, out, … of the mask.

    >>> run_lengths(encode_rle(np.eye(2, dtype=bool)))
    [0, 1, 2, 1]
    """
    return np.diff(_unpack(rle["counts"].encode("ascii")), prepend=0).tolist()


def decode_region(rle: Rle) -> Region | None:
    """The region of an RLE; None where it holds no pixel.

    Raises:
        ValueError: See `decode_rle`.
    """
    (height, _), changes = _read(rle)
    first, stop = changes[:-1:2], changes[1::2]
    marked = np.flatnonzero(stop > first[: len(stop)])
    if not len(marked):
        return None
    columns = range(int(first[marked[0]]) // height, int(stop[marked[-1]] - 1) // height + 1)
    return region_of(_painted(changes, height, columns), (columns.start, 0))


def rle_iou(rle: Rle, region: Region) -> float:
    """Intersection over union of what an RLE says and a region; that it is 1 is found without painting it."""
    height, width = rle["size"]
    changes = _unpack(rle["counts"].encode("ascii"))
    if changes[-1] == height * width:
        changes = changes[:-1] if len(changes) % 2 else changes
    if np.array_equal(changes, _changes(region, height)):
        return 1.0
    again = decode_region(rle)
    return 0.0 if again is None else again.iou(region)


@lru_cache(maxsize=1)  # what is written is read back at once, to be sure of it
def _changes(region: Region, height: int) -> _Positions:
    """The positions, counted down the photo's columns, where the mask changes: in, out, in, …"""
    x, y, w, h = region.box_xywh
    crop = region.crop
    top, bottom = np.flatnonzero(crop[0]), np.flatnonzero(crop[-1]) + h * w
    within = np.flatnonzero(crop[1:] != crop[:-1]) + w
    rows, columns = np.divmod(np.concatenate([top, within, bottom]), w)
    positions = (columns + x) * height + (rows + y)
    positions.sort()
    # Where a full column follows another, the end of the one is the beginning of the other: no change at all.
    again = np.flatnonzero(positions[1:] == positions[:-1])
    return np.delete(positions, np.concatenate([again, again + 1])) if len(again) else positions


def _unpack(counts: bytes) -> _Positions:
    """Where the runs of a packed list end.

    A number is stored in groups of five bits, the low ones first, as characters from `0`: bit 6 says that more follow,
    the highest of the last group is the sign. From the fourth number on it is the difference to the last but one.
    """
    characters = np.frombuffer(counts, np.uint8).astype(np.int64) - 48
    if not len(characters) or characters.min() < 0 or characters.max() > 63 or characters[-1] & 32:
        raise ValueError("is no run-length encoding")
    last = np.flatnonzero((characters & 32) == 0)
    first = np.concatenate([[0], last[:-1] + 1])
    groups = last - first + 1
    if groups.max() > 12:
        raise ValueError("is no run-length encoding")
    place = np.arange(len(characters)) - np.repeat(first, groups)
    values = np.add.reduceat((characters & 31) << (5 * place), first)
    values -= ((characters[last] & 16) >> 4) << (5 * groups)
    runs = values.copy()
    runs[1::2] = values[1::2].cumsum()
    runs[2::2] = values[2::2].cumsum()
    return runs.cumsum()
