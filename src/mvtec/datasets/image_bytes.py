"""What the bytes of a PNG or JPEG file say without decoding: its size, whether EXIF data may turn it, if it is whole.

A PNG is a signature and then chunks of length, type, data and CRC-32, the first of them IHDR with the size, the last
IEND (https://www.w3.org/TR/png-3/). A JPEG is markers, FF and a byte, most of them with a length and data; in coded
data FF is followed by 00 or by a restart marker (ITU-T T.81, B.1.1).
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

PNG, JPEG = b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff"
_HEAD, _TAIL = 1 << 10, 1 << 17  # EXIF data with a preview take up to 64 kB
_ENDINGS = {PNG[:4]: b"IEND\xaeB`\x82", JPEG: b"\xff\xd9"}
PADDING = 4096  # that some cameras add
_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
_WITHOUT_LENGTH = (0x01, 0xD8)
_END_OF_IMAGE = 0xD9


def ends(file: Path) -> tuple[bytes, bytes]:
    """The first kilobyte and the last 128 of a file."""
    with file.open("rb", buffering=0) as stream:
        head = stream.read(_HEAD)
        stream.seek(max(0, stream.seek(0, 2) - _TAIL))
        return head, stream.read()


def png_size_wh(head: bytes) -> tuple[int, int] | None:
    """Width and height by IHDR; None of what is no PNG, or has none."""
    if not head.startswith(PNG) or head[12:16] != b"IHDR" or len(head) < 24:
        return None
    width, height = struct.unpack_from(">II", head, 16)
    return (width, height) if width and height else None


def png_has_exif(file: Path, head: bytes, tail: bytes) -> bool:
    """Whether a PNG has an eXIf chunk, before its pixels or behind them, where ImageMagick writes it."""
    if b"eXIf" not in head and b"eXIf" not in tail:
        return False
    with file.open("rb", buffering=0) as stream:  # the four bytes may be pixels
        at = len(PNG)
        while True:
            stream.seek(at)
            chunk = stream.read(8)
            if len(chunk) < 8:
                return False
            length, kind = struct.unpack(">I4s", chunk)
            if kind in (b"eXIf", b"IEND"):
                return bool(kind == b"eXIf")
            at += 12 + length


def png_is_whole(data: memoryview) -> bool:
    """Whether every chunk of a PNG is there and has the CRC-32 it should have."""
    at = len(PNG)
    while at + 12 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        end = at + 8 + length
        if end + 4 > len(data) or zlib.crc32(data[at + 4 : end]) != int.from_bytes(data[end : end + 4], "big"):
            return False
        if kind == b"IEND":
            return True
        at = end + 4
    return False


def is_cut_off(head: bytes, tail: bytes, data: Callable[[], bytes]) -> bool:
    """Whether a PNG or JPEG does not end as one; decoders fill in what is missing instead of failing.

    Args:
        head: The first bytes, eight or more.
        tail: The last, `PADDING` or more.
        data: Reads all of the file; called of one that has something behind its end, or has none.
    """
    short = any(head.startswith(magic) and ending not in tail[-PADDING:] for magic, ending in _ENDINGS.items())
    if not short:
        return False
    return not (_jpeg_is_whole(data()) if head.startswith(JPEG) else png_is_whole(memoryview(data())))


def _jpeg_is_whole(data: bytes) -> bool:
    """Whether a JPEG has its end, whatever stands behind it: phones put a film there."""
    at = 0
    while found := _MARKER.search(data, at):
        kind, at = data[found.end() - 1], found.end()
        if kind == _END_OF_IMAGE:
            return True
        if kind not in _WITHOUT_LENGTH:
            at += int.from_bytes(data[at : at + 2], "big")
    return False
