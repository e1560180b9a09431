"""SAM behind the page: one thread loads the model and encodes photos ahead, another answers boxes and points.

Two threads at most compute, so memory does not grow with the number of pages. The process ends after both have.
"""

from __future__ import annotations

import threading
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from concurrent.futures import CancelledError, ThreadPoolExecutor
from concurrent.futures import TimeoutError as NotInTimeError
from contextlib import suppress
from typing import TYPE_CHECKING

import numpy as np

from mvtec.annotate.server.photos import PhotoFolder
from mvtec.annotate.server.records import MOST_RUNS, Prompt, SamShape, SamState
from mvtec.annotate.server.shapes import shape_of
from mvtec.annotate.server.worker_threads import Pool
from mvtec.convert.pixels.geometry import cut_box, region_of
from mvtec.errors import InputError, MvtecError
from mvtec.files import sha256_file
from mvtec.segment.embeddings import EmbeddingCache, embedding_key
from mvtec.segment.model import check_shape

if TYPE_CHECKING:
    import torch

    from mvtec.segment.model import Choose, SamModel

_IN_MEMORY = 16  # embeddings, 2 MiB each
_PATIENCE = 120.0  # seconds a prompt waits for its turn, for the model to be loaded, and for its answer
_WAITING = 8  # photos that wait to be encoded; older wishes are forgotten


class SamMissingError(MvtecError):
    """SAM cannot answer."""


class Sam:
    """Answers prompts on photos of a folder.

    Args:
        photos: The folder.
        load: Loads the model; called once, in the thread that encodes.
        cache: Where embeddings are kept, shared with `mvtec segment`.
        name: What the model is called before it is loaded.
    """

    def __init__(self, photos: PhotoFolder, load: Callable[[], SamModel], cache: EmbeddingCache, name: str) -> None:
        self._photos = photos
        self._cache = cache
        self._name = name
        self._ready: OrderedDict[tuple[str, str], torch.Tensor] = OrderedDict()
        self._wanted: deque[str] = deque(maxlen=_WAITING)
        self._lock = threading.Lock()
        self._encoding = threading.Lock()
        self._answers = Pool(1, _PATIENCE, "SAM")
        # Python waits for the threads of an executor at its end. One that is stopped inside torch aborts the process.
        self._ahead = ThreadPoolExecutor(1, "encode")
        self._model = self._ahead.submit(load)

    def state(self) -> SamState:
        """Whether it is there."""
        failed = self._model.done() and not self._model.cancelled() and self._model.exception()
        reason = (str(failed) or type(failed).__name__) if failed else None
        return SamState(available=reason is None, model=self._name, reason=reason)

    def close(self) -> None:
        """Encode and answer nothing more; returns when what is under way has ended."""
        with self._lock:
            self._wanted.clear()
        self._ahead.shutdown(wait=True, cancel_futures=True)
        self._answers.close()

    def prepare(self, names: Sequence[str]) -> None:
        """Encode these photos soon, the first one first; what was asked for before comes after them."""
        with self._lock:
            older = [name for name in self._wanted if name not in names]
            self._wanted.clear()
            self._wanted.extend([*names, *older][:_WAITING])
        with suppress(RuntimeError):  # it is closed
            self._ahead.submit(self._encode_wanted)

    async def ask(self, find: Callable[[], str], prompt: Prompt, client: str) -> SamShape:
        """As `answer`, in its turn: one prompt is worked on at a time.

        Args:
            find: Gives the photo's name.
            prompt: What is asked.
            client: Who asks; a newer prompt takes the place of one that waits.

        Raises:
            BusyError: See `Pool.run`; and see `answer`.
        """
        return await self._answers.run(lambda: self.answer(find(), prompt), client)

    def answer(self, name: str, prompt: Prompt) -> SamShape:
        """SAM's mask for a box, points, or both.

        For a box it is the mask that fits the box best, as `mvtec segment refine` takes it; with points the one SAM has
        for clear prompts, of which several points are one, and of a fine-tuned model that one always.

        Raises:
            BadPhotoError: The photo cannot be read.
            InputError: There is no prompt, or SAM sees nothing there.
            SamMissingError: The model could not be loaded.
        """
        if prompt.box is None and not prompt.points:
            raise InputError("the prompt", "is empty", "Draw a box or a point")
        model = self._loaded()
        width, height = self._photos.size_wh(name)
        check_shape(self._photos.path(name), (width, height))
        embedding = self._embedding(name, model)
        box = points = labels = None
        if prompt.box is not None:
            cut = cut_box(prompt.box, (width, height))
            if cut is None or min(cut[2:]) <= 0:
                raise InputError("the box", "is not in the photo", "Draw it again")
            x, y, w, h = cut
            box = np.array([[x, y, x + w, y + h]], np.float64)
        if prompt.points:
            points = np.array([[[point.x, point.y] for point in prompt.points]], np.float64)
            labels = np.array([[point.positive for point in prompt.points]], np.bool_)
        choose: Choose = "single" if model.tuned or points is not None else "fit"
        found = model.answer([embedding], (height, width), box, points, labels, choose=choose)[0]
        region = region_of(found.mask)
        if region is None:
            raise InputError("SAM", "sees nothing there", "Draw another box, or more points")
        shape = shape_of(region, (height, width))
        if len(shape.counts or ()) > MOST_RUNS:
            raise InputError("SAM", "answers with a mask of too many pieces to be saved", "Draw a smaller box")
        return SamShape(
            **shape.model_dump(),
            predicted_iou=found.predicted_iou,
            stability=found.stability,
            model=model.name,
        )

    def _loaded(self) -> SamModel:
        try:
            return self._model.result(_PATIENCE)
        except (NotInTimeError, CancelledError) as error:
            raise SamMissingError("SAM", "is not ready", "Wait, and ask again") from error
        except Exception as error:  # such as no memory on the GPU: the page must be told, whatever it is
            problem = str(error) or type(error).__name__
            raise SamMissingError("SAM", problem, "Start again with other --weights") from error

    def _embedding(self, name: str, model: SamModel) -> torch.Tensor:
        """From memory, from disk, or made now."""
        key = (name, self._photos.version(name))
        with self._lock:
            if key in self._ready:
                self._ready.move_to_end(key)
                return self._ready[key]
        with self._encoding:
            with self._lock:
                if key in self._ready:
                    return self._ready[key]
            path = self._photos.path(name)
            digest = embedding_key(sha256_file(path), model)
            embedding = self._cache.get(digest)
            if embedding is None:
                embedding = model.encode(self._photos.read(name))
                self._cache.put(digest, embedding)
        with self._lock:
            self._ready[key] = embedding
            while len(self._ready) > _IN_MEMORY:
                self._ready.popitem(last=False)
        return embedding

    def _encode_wanted(self) -> None:
        if self._model.exception() is not None:
            return
        while True:
            with self._lock:
                if not self._wanted:
                    return
                name = self._wanted.popleft()
            with suppress(Exception):  # the page is told when it asks
                self._embedding(name, self._model.result())
