"""Runs the real command in a process of its own, as a person would, for the tests that kill it or look at its page."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_ports = iter(range(20_000 + os.getpid() % 60 * 200, 32_000))


def own_port() -> int:
    """A port for servers that follow one another: below those the system gives out, so that nobody takes it between."""
    for port in _ports:
        with socket.socket() as tried:
            tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                tried.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise AssertionError("no port is free")


def until(is_so: Callable[[], bool], seconds: float = 30) -> None:
    """Wait until something is so; an assertion fails where it does not come to be."""
    end = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < end, "it did not come to be"
        time.sleep(0.05)


class Running:
    """A server that runs.

    Attributes:
        address: Of its page, with the token.
        root: The same without the token.
        process: Its process.
    """

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        assert process.stdout is not None
        lines: list[str] = []
        for line in process.stdout:
            lines.append(line)
            if line.startswith("http://"):
                self.address = line.strip()
                self.root, _, token = self.address.partition("?token=")
                self._headers = {"content-type": "application/json", "authorization": f"Bearer {token}"}
                return
        raise AssertionError(f"it did not start: {lines} {process.stderr.read() if process.stderr else ''}")

    def ask(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.root.rstrip("/") + path, data, self._headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.status, json.loads(answer.read())
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read())

    def end(self, how: signal.Signals = signal.SIGTERM) -> int:
        self.process.send_signal(how)
        return self.process.wait(timeout=30)


def start(root: Path, annotations: Path, *options: object) -> Running:
    words = [root, "--ann", annotations, "--port", 0, "--no-open", *options]
    process = subprocess.Popen(
        [sys.executable, "-m", "mvtec", "annotate", *map(str, words)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    return Running(process)


@contextmanager
def running(root: Path, annotations: Path, *options: object) -> Iterator[Running]:
    server = start(root, annotations, *options)
    try:
        yield server
    finally:
        if server.process.poll() is None:
            server.end()
        for stream in (server.process.stdout, server.process.stderr):
            if stream is not None:
                stream.close()
