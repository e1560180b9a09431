"""What SAM is fine-tuned on: the instances of photos that are turned and mirrored, with the photos' features kept."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np
import numpy.typing as npt

from mvtec.convert.instances import LabelledImage
from mvtec.convert.pixels.geometry import Region, box_of
from mvtec.datasets.images import read_photo
from mvtec.segment.embeddings import EmbeddingCache, embedding_key
from mvtec.segment.model import LOGITS_SIDE, SIDE, SamModel
from mvtec.tta import turn

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, eq=False)
class Example:
    """One instance to learn from.

    Attributes:
        image: The photo.
        digest: SHA-256 of the photo's bytes.
        region: The instance's pixels.
    """

    image: LabelledImage
    digest: str
    region: Region


def target(example: Example, view: int) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float32]]:
    """What SAM is asked, and what it is to answer.

    Returns:
        The instance's box in the view, float64 4, corners in pixels of the photo scaled to `SIDE`; and float32
        256×256 over the padded square, as `SamModel.logits`: how much of each pixel is defect, 0 to 1.
    """
    mask = turn(example.region.full(example.image.size_hw), view)
    height, width = mask.shape
    frame = box_of(mask)
    assert frame is not None
    x, y, w, h = frame
    scale = LOGITS_SIDE / max(height, width)
    size_wh = max(1, round(width * scale)), max(1, round(height * scale))
    square = np.zeros((LOGITS_SIDE, LOGITS_SIDE), np.float32)
    square[: size_wh[1], : size_wh[0]] = cv2.resize(mask.astype(np.float32), size_wh, interpolation=cv2.INTER_AREA)
    return np.array([x, y, x + w, y + h]) * (SIDE / max(height, width)), square


def jitter(box_xyxy: npt.NDArray[np.float64], most: float, random: np.random.Generator) -> npt.NDArray[np.float64]:
    """A box drawn less carefully: each side moved by up to `most` of the box's width or height, corners x, y, x, y."""
    width, height = box_xyxy[2:] - box_xyxy[:2]
    return np.asarray(box_xyxy + random.uniform(-most, most, 4) * [width, height, width, height])


class Features:
    """What the image encoder makes of the photos, computed once and kept in the cache.

    Args:
        model: The model.
        cache: Where they are kept.
        before_neck: Stop before the encoder's neck, so that the neck can be trained.
    """

    def __init__(self, model: SamModel, cache: EmbeddingCache, *, before_neck: bool) -> None:
        self._model = model
        self._cache = cache
        self._before_neck = before_neck

    def of(self, example: Example, view: int) -> torch.Tensor:
        """Float16 C×64×64 of the example's photo in a view."""
        key = embedding_key(example.digest, self._model, view, before_neck=self._before_neck)
        found = self._cache.get(key)
        if found is None:
            assert example.image.photo is not None
            photo = turn(read_photo(example.image.photo), view)
            found = self._model.encode(photo, before_neck=self._before_neck)
            self._cache.put(key, found)
        return found

    def prepare(
        self,
        wanted: Sequence[tuple[Sequence[Example], int]],
        on_view: Callable[[int, int], None],
        on_excess: Callable[[int, int, int], None],
    ) -> None:
        """Compute what is missing, as far as the cache has room; the rest is computed again whenever it is asked for.

        Args:
            wanted: Examples, and the number of views of each; the most important first.
            on_view: Is told the number done and the number that have room.
            on_excess: Is told, after the first one, if not all have room: how many have, how many there are, and the
                bytes of each.
        """
        todo: dict[tuple[str, int], Example] = {}
        for examples, views in wanted:
            for example in examples:
                todo |= {(example.digest, view): example for view in range(views)}
        room = len(todo)
        for done, ((_, view), example) in enumerate(todo.items(), start=1):
            if done > room:
                return
            found = self.of(example, view)
            if done == 1:
                room = max(1, min(room, self._cache.room(found.nbytes)))
                if room < len(todo):
                    on_excess(room, len(todo), found.nbytes)
            on_view(done, room)
