"""A person at the page of `annotate`, in a real browser, and somebody else who saves the same photos.

Tests with a browser are skipped where there is no Chromium, unless MVTEC_NEEDS_BROWSER says that they must run.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import noise, write_png
from playwright.sync_api import Browser, Page, expect, sync_playwright
from running import Running, running

from mvtec.convert.pixels.rle import decode_rle

WIDTH, HEIGHT = 320, 240
expect.set_options(timeout=20_000)  # milliseconds: more than a heartbeat of the page, on a busy machine


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    path = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if path is None:
        (pytest.fail if os.environ.get("MVTEC_NEEDS_BROWSER") else pytest.skip)("there is no Chromium here")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "widget"
    for number in range(3):
        write_png(root / "test" / "good" / f"{number:03}.png", noise(number, HEIGHT, WIDTH))
    write_png(root / "test" / "crack" / "000.png", noise(9, HEIGHT, WIDTH))
    mask = np.zeros((HEIGHT, WIDTH))
    mask[50:80, 60:120] = 255
    write_png(root / "ground_truth" / "crack" / "000_mask.png", mask)
    return root


@pytest.fixture
def server(root: Path, tmp_path: Path) -> Iterator[Running]:
    with running(root, tmp_path / "ann.json", "--no-sam") as started:
        yield started


class Desk:
    """A person at the page.

    Args:
        browser: The browser.
        address: Of the page, with the token.
        photo: The photo that is opened.
        has_clock: Whether `page.clock` sets the time of the page: no test then waits for a timer of seconds.
    """

    def __init__(self, browser: Browser, address: str, photo: str, *, has_clock: bool = False) -> None:
        self.context = browser.new_context(viewport={"width": 1280, "height": 800})
        self.page: Page = self.context.new_page()
        self.complaints: list[str] = []
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("console", self._hear)
        if has_clock:
            self.page.clock.install()
        self.page.goto(address)
        self.open(photo)

    def let_in(self, server: Running) -> None:
        """Bring the token of a server that was started anew, as a tab does that opens its address."""
        self.context.request.get(server.address)

    def _hear(self, message: Any) -> None:
        if message.type == "error" and "Failed to load resource" not in message.text:
            self.complaints.append(message.text)

    def open(self, photo: str) -> None:
        self.page.locator(f'#strip [data-photo-id][title="{photo}"]').click()
        expect(self.page.locator("#photo-name")).to_have_text(photo)
        self.page.wait_for_timeout(100)

    def at(self, x: float, y: float) -> tuple[float, float]:
        """Where a place of the photo is on the screen."""
        found = self.page.evaluate(f"() => window.mvtecPage.toScreen({x}, {y})")
        return found["x"], found["y"]

    def drag(self, *places: tuple[float, float]) -> None:
        self.page.mouse.move(*self.at(*places[0]))
        self.page.mouse.down()
        for place in places[1:]:
            self.page.mouse.move(*self.at(*place))
        self.page.mouse.up()

    def click(self, x: float, y: float) -> None:
        self.page.mouse.click(*self.at(x, y))

    def tool(self, name: str) -> None:
        self.page.locator(f'[data-tool="{name}"]').click()

    def key(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)

    def saved(self) -> None:
        self.page.wait_for_timeout(50)
        expect(self.page.locator("#status")).to_have_attribute("data-state", "saved")

    def labels(self, count: int) -> None:
        expect(self.page.locator("#annotations [data-key]")).to_have_count(count)

    def close(self) -> None:
        self.context.close()
        assert self.complaints == []


def in_store(server: Running, photo: str) -> dict[str, Any]:
    number, *_ = server.ask("GET", f"/api/photos?q={photo}")[1]["ids"]
    return server.ask("GET", f"/api/photos/{number}")[1]


def mask_of(annotation: dict[str, Any]) -> np.ndarray:
    return decode_rle({"size": [HEIGHT, WIDTH], "counts": annotation["counts"]})


def box(key: str, *bbox: float, **rest: Any) -> dict[str, Any]:
    return {"key": key, "category_id": 1, "shape": {"kind": "box", "bbox": bbox}, **rest}


def save_as_other(
    server: Running, photo: str, *annotations: dict[str, Any], state: str | None = None
) -> dict[str, Any]:
    """Somebody else saves the photo."""
    now = in_store(server, photo)
    edit = {"revision": now["revision"], "change": f"other{now['revision']}", "client": "other", "state": state}
    status, answer = server.ask("PUT", f"/api/photos/{now['id']}", {**edit, "annotations": list(annotations)})
    assert status == 200, answer
    return answer
