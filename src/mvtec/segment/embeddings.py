"""Keeps image embeddings on disk, found again by what made them: the photo's bytes, the image encoder, and our code.

A file is `KEY.npy`, float16 C×64×64, with the CRC-32 of the numbers behind them: 2 MiB for the 256 channels of an
embedding, more before the neck. It is written beside and moved in, so that several programs can share the folder. One
that is cut off, changed, or holds a number that is not finite is counted, and counts as absent.
"""

from __future__ import annotations

import io
import os
import re
import zlib
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from mvtec.errors import InputError, OutputError
from mvtec.files import staged_file
from mvtec.reading import read_bytes
from mvtec.segment.model import EMBEDDING, SamModel

if TYPE_CHECKING:
    import torch

_OWN = re.compile(r"[0-9a-f]{32}-[0-9a-f]{16}-\d+(-before-neck)?(-v\d+)?\.npy")
_BEFORE_NECK = "-before-neck"
_PREPROCESSING = 2  # raise it when `read_photo`, `turn` or `SamModel.encode` change what the encoder sees
_LARGEST = 64 << 20  # bytes of a file
_OVERHEAD = 132  # bytes of a file beside the numbers

GIGABYTE = 1 << 30
MOST_BYTES = 8 * GIGABYTE


def embedding_key(photo_sha256: str, model: SamModel, view: int = 0, *, before_neck: bool = False) -> str:
    """The key of what a model's image encoder makes of a view of a photo."""
    layer = _BEFORE_NECK if before_neck else ""
    return f"{photo_sha256[:32]}-{model.encoder_digest[:16]}-{view}{layer}-v{_PREPROCESSING}"


class EmbeddingCache:
    """A folder of embeddings. When it grows beyond `most_bytes`, those not used for longest go.

    Args:
        folder: Made when it is missing.
        most_bytes: How large it may grow.

    Attributes:
        most_bytes: How large it may grow.
        spoilt: How many files were found whose content is not what was written.
        failure: Why the last one could not be written, such as a full disk; None if all could.

    Raises:
        OutputError: The folder cannot be made.
    """

    def __init__(self, folder: Path, most_bytes: int = MOST_BYTES) -> None:
        self.folder = folder
        self.most_bytes = most_bytes
        self.spoilt = 0
        self.failure: str | None = None
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(folder, f"cannot be made ({error.strerror})", "Give another folder as --cache") from error
        self._bytes = sum(size for _, size, _ in self._files())

    def get(self, key: str) -> torch.Tensor | None:
        """The embedding kept under a key, or None."""
        import torch

        path = self.folder / f"{key}.npy"
        if not path.is_file():
            return None
        found = _read(path)
        if found is None or not _is_embedding(found, key):
            self.spoilt += 1
            return None
        with suppress(OSError):  # it is another's file: it is used all the same
            os.utime(path)
        return torch.from_numpy(found)

    def put(self, key: str, embedding: torch.Tensor) -> None:
        """Keep an embedding of finite numbers; a full disk costs the cache, not the work."""
        array = embedding.numpy()
        if not _is_embedding(array, key):
            return
        try:
            self._write(key, array)
        except (OSError, OutputError) as error:
            reason = error.__cause__ if isinstance(error, OutputError) else error
            if isinstance(reason, OSError):  # else another process keeps the same one just now
                self.failure = reason.strerror or str(reason)
        if self._bytes > self.most_bytes:
            self._drop_oldest()

    def _write(self, key: str, array: npt.NDArray[Any]) -> None:
        with staged_file(self.folder / f"{key}.npy", overwrite=True) as staged, staged.open("wb") as stream:
            np.save(stream, array, allow_pickle=False)
            stream.write(_checksum(array))
            size = stream.tell()
        self._bytes += size

    def room(self, size: int) -> int:
        """How many embeddings of a size in bytes stay, when the older ones of others go."""
        return self._low // (size + _OVERHEAD)

    @property
    def _low(self) -> int:
        """Bytes that are left after some were dropped: not every new one costs a look at the folder."""
        return self.most_bytes * 9 // 10

    def _drop_oldest(self) -> None:
        found = self._files()
        self._bytes = sum(size for _, size, _ in found)
        for _, size, path in sorted(found):
            if self._bytes <= self._low:
                return
            path.unlink(missing_ok=True)
            self._bytes -= size

    def _files(self) -> list[tuple[float, int, Path]]:
        """When each file was last used, its bytes, and where it is; others may take some away meanwhile."""
        found = []
        for path in self.folder.glob("*.npy"):
            if not _OWN.fullmatch(path.name):  # the user's
                continue
            with suppress(FileNotFoundError):
                stat = path.stat()
                found.append((stat.st_mtime, stat.st_size, path))
        return found


def _read(path: Path) -> npt.NDArray[Any] | None:
    """The array of a file; None where its bytes are not those that were written."""
    try:
        stream = io.BytesIO(read_bytes(path, "an embedding", most=_LARGEST))
        found: npt.NDArray[Any] = np.load(stream, allow_pickle=False)
    except (InputError, ValueError, EOFError, MemoryError):  # MemoryError: a header that promises more than there is
        return None
    return found if stream.read() == _checksum(found) else None


def _checksum(array: npt.NDArray[Any]) -> bytes:
    return zlib.crc32(array.tobytes()).to_bytes(4, "big")


def _is_embedding(array: npt.NDArray[Any], key: str) -> bool:
    """Whether an array can be what a key stands for."""
    shape = array.shape if _BEFORE_NECK not in key else (EMBEDDING[0], *array.shape[1:])
    return array.dtype == np.float16 and shape == EMBEDDING and bool(np.isfinite(array).all())
