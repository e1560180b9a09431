"""Keeps image embeddings on disk, found again by what made them: the photo's bytes and the image encoder.

A file is `KEY.npy`, float16 C×64×64: 2 MiB for the 256 channels of an embedding, more before the neck. It is written
beside and moved in, so that several programs can share the folder; one that cannot be read counts as absent.
"""

from __future__ import annotations

import os
import re
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mvtec.errors import OutputError
from mvtec.files import staged_file
from mvtec.segment.model import EMBEDDING, SamModel

if TYPE_CHECKING:
    import torch

_OWN = re.compile(r"[0-9a-f]{32}-[0-9a-f]{16}-\d+(-before-neck)?\.npy")

MOST_BYTES = 8 << 30


def embedding_key(photo_sha256: str, model: SamModel, view: int = 0, *, before_neck: bool = False) -> str:
    """The key of what a model's image encoder makes of a view of a photo."""
    return f"{photo_sha256[:32]}-{model.encoder_digest[:16]}-{view}{'-before-neck' if before_neck else ''}"


class EmbeddingCache:
    """A folder of embeddings. When it grows beyond `most_bytes`, those not used for longest go.

    Args:
        folder: Made when it is missing.
        most_bytes: How large it may grow.

    Raises:
        OutputError: The folder cannot be made.
    """

    def __init__(self, folder: Path, most_bytes: int = MOST_BYTES) -> None:
        self.folder = folder
        self._most = most_bytes
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(folder, f"cannot be made ({error.strerror})", "Give another folder as --cache") from error
        self._bytes = sum(size for _, size, _ in self._files())

    def get(self, key: str) -> torch.Tensor | None:
        """The embedding kept under a key, or None."""
        import torch

        path = self.folder / f"{key}.npy"
        try:
            found = np.load(path, allow_pickle=False)
            if found.shape[1:] != EMBEDDING[1:] or found.dtype != np.float16:
                return None
        except (OSError, ValueError, EOFError):
            return None
        with suppress(OSError):  # it is another's file: it is used all the same
            os.utime(path)
        return torch.from_numpy(found)

    def put(self, key: str, embedding: torch.Tensor) -> None:
        """Keep an embedding; a full disk costs the cache, not the work."""
        with suppress(OSError, OutputError):  # an OutputError: another process keeps the same one just now
            with staged_file(self.folder / f"{key}.npy", overwrite=True) as staged, staged.open("wb") as stream:
                np.save(stream, embedding.numpy(), allow_pickle=False)
                size = stream.tell()
            self._bytes += size
            if self._bytes > self._most:
                self._drop_oldest()

    def _drop_oldest(self) -> None:
        """Down to nine tenths, so that not every new one costs a look at the folder."""
        found = self._files()
        self._bytes = sum(size for _, size, _ in found)
        for _, size, path in sorted(found):
            if self._bytes <= self._most * 9 // 10:
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
