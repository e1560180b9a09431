"""A few threads for what takes long, apart from those that answer the other routes: saving never waits behind it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

from mvtec.errors import MvtecError

_Answer = TypeVar("_Answer")

_MOST_ASKED = 32  # requests of all clients together


class BusyError(MvtecError):
    """A request was not worked on: too much is waiting, or something newer came."""


class Pool:
    """Runs one request after another in threads of its own.

    Args:
        threads: How many run at once; each may take as much memory as the work does.
        seconds: How long a request waits for its answer.
        name: What is busy, for the error line.
    """

    def __init__(self, threads: int, seconds: float, name: str) -> None:
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix=name)
        self._seconds = seconds
        self._name = name
        self._asked: set[Future[Any]] = set()  # the event loop alone changes these two
        self._last: dict[str, Future[Any]] = {}

    async def run(self, work: Callable[[], _Answer], client: str | None = None) -> _Answer:
        """What `work` returns or raises.

        Args:
            work: Is called in a thread.
            client: Whose request this is. A client has one request waiting: a newer one takes its place. None for a
                request that takes nobody's place.

        Raises:
            BusyError: Too many requests wait, a newer one of this client came, or there was no answer in time.
        """
        older = None if client is None else self._last.get(client)
        if older is not None:
            older.cancel()  # does nothing to one that runs
        if sum(not future.done() for future in self._asked) >= _MOST_ASKED:
            raise BusyError(self._name, "has too many requests waiting", "Ask again in a moment")
        future = self._threads.submit(work)
        self._asked.add(future)
        if client is not None:
            self._last[client] = future
        try:
            await asyncio.wait([asyncio.wrap_future(future)], timeout=self._seconds)
            if future.cancelled():
                raise BusyError(self._name, "was asked something newer by this page", "Ask again if it is still wanted")
            if not future.done():
                raise BusyError(self._name, f"has not answered within {self._seconds:.0f} s", "Ask again later")
            return future.result()
        finally:
            future.cancel()  # where the request itself was given up
            self._asked.discard(future)
            if client is not None and self._last.get(client) is future:
                del self._last[client]

    def close(self) -> None:
        """Wait for what runs; what waits is not begun any more."""
        self._threads.shutdown(wait=True, cancel_futures=True)
