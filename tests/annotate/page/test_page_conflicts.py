"""The page where it is hard: another store on its port, two people at once, two tabs, a server that is away."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from desk import Desk, box, browser, in_store, root, save_as_other, server
from playwright.sync_api import Browser, Page, Route, expect
from running import Running, own_port, running, start

PHOTO = "test/good/000.png"


@pytest.fixture
def desk(browser: Browser, server: Running) -> Iterator[Desk]:
    person = Desk(browser, server.address, PHOTO)
    yield person
    person.close()


@pytest.fixture
def port() -> int:
    return own_port()


class Tab(Desk):
    """A further tab of a browser."""

    def __init__(self, first: Desk, address: str) -> None:
        self.context = first.context
        self.complaints = first.complaints
        self.page = self.context.new_page()
        self.page.goto(address)
        self.open(PHOTO)


def _number(server: Running, photo: str = "good/000") -> int:
    return in_store(server, photo)["id"]


def _boxes(server: Running) -> dict[str, list[float]]:
    return {one["key"]: one["bbox"] for one in in_store(server, "good/000")["annotations"]}


def _state(page: Page, state: str) -> None:
    expect(page.locator("#status")).to_have_attribute("data-state", state, timeout=60_000)


def _no_put(route: Route) -> None:
    route.abort() if route.request.method == "PUT" else route.continue_()


def _stop(server: Running) -> None:
    server.process.kill()
    server.process.wait()
    for stream in (server.process.stdout, server.process.stderr):
        stream.close()


def test_a_page_never_saves_into_another_store(browser: Browser, root: Path, tmp_path: Path, port: int):
    options = ("--no-sam", "--port", port)
    first = start(root, tmp_path / "a.json", *options)
    person = Desk(browser, first.address, PHOTO, has_clock=True)
    person.tool("box")
    person.drag((20, 20), (40, 40), (60, 60))
    person.saved()
    _stop(first)
    person.drag((120, 120), (140, 140), (160, 160))
    _state(person.page, "unsaved")
    with running(root, tmp_path / "b.json", *options) as other:
        person.let_in(other)
        banner = person.page.locator("#banner")
        expect(banner).to_contain_text("belongs to another annotation file")
        person.drag((220, 20), (240, 40), (260, 60))
        asked = []
        person.page.on("request", lambda request: asked.append(request.url))
        person.page.clock.run_for(6_000)  # more than a heartbeat
        person.page.wait_for_timeout(300)
        assert asked == []
        assert in_store(other, "good/000")["annotations"] == []
        person.page.reload()
        person.open(PHOTO)
        person.labels(0)
        expect(banner).not_to_be_visible()
    with running(root, tmp_path / "a.json", *options) as again:
        person.let_in(again)
        person.page.reload()
        person.open(PHOTO)
        person.labels(3)
        person.saved()
        assert len(_boxes(again)) == 3
        person.complaints.clear()  # a reload while the server was away
        person.close()


@pytest.mark.parametrize("tool", ["select", "brush"])
def test_a_newer_version_waits_until_the_hand_is_off(browser: Browser, server: Running, tool: str):
    desk = Desk(browser, server.address, PHOTO, has_clock=True)
    save_as_other(server, "good/000", box("k", 40, 40, 60, 60))
    expect(desk.page.locator("#annotations [data-key=k]")).to_be_visible()
    desk.page.locator("#annotations [data-key=k]").click()
    desk.tool(tool)
    desk.page.mouse.move(*desk.at(70, 70))
    desk.page.mouse.down()
    desk.page.mouse.move(*desk.at(90, 90))
    save_as_other(server, "good/000", box("k", 200, 100, 60, 60))
    with desk.page.expect_response("**/api/here"):
        desk.page.clock.run_for(5_000)
    desk.page.wait_for_timeout(300)
    desk.page.mouse.move(*desk.at(95, 95))
    desk.page.mouse.up()
    dialog = desk.page.locator("dialog#conflict")
    expect(dialog).to_be_visible()
    assert _boxes(server) == {"k": [200, 100, 60, 60]}
    dialog.locator('[data-choice="theirs"]').click()
    desk.saved()
    desk.close()


def test_a_drag_of_a_label_that_changed_is_given_up(desk: Desk, server: Running):
    server.ask("POST", "/api/categories", {"name": "scratch"})
    desk.page.reload()
    desk.open(PHOTO)
    desk.tool("box")
    desk.drag((20, 20), (40, 40), (80, 80))
    desk.saved()
    before = _boxes(server)
    desk.tool("select")
    desk.page.mouse.move(*desk.at(50, 50))
    desk.page.mouse.down()
    desk.page.mouse.move(*desk.at(90, 90))
    desk.key("2")
    desk.page.mouse.up()
    expect(desk.page.locator("#said")).to_contain_text("changed meanwhile")
    desk.saved()
    assert _boxes(server) == before
    assert in_store(server, "good/000")["annotations"][0]["category_id"] == 2


def test_keep_mine_brings_back_my_shape_of_what_the_other_deleted(desk: Desk, server: Running):
    save_as_other(server, "good/000", box("k", 40, 40, 60, 60))
    desk.page.reload()
    desk.open(PHOTO)
    desk.labels(1)
    desk.page.route("**/api/here", lambda route: route.abort())  # it hears nothing of what follows
    save_as_other(server, "good/000", box("k", 200, 100, 60, 60))
    save_as_other(server, "good/000")
    desk.tool("box")
    desk.drag((120, 120), (140, 140), (160, 160))
    dialog = desk.page.locator("dialog#conflict")
    expect(dialog).to_be_visible()
    dialog.locator('[data-choice="mine"]').click()
    _state(desk.page, "saved")
    assert _boxes(server)["k"] == [40, 40, 60, 60]


def test_two_tabs_keep_their_edits_apart(browser: Browser, root: Path, tmp_path: Path, port: int):
    options = ("--no-sam", "--port", port)
    first = start(root, tmp_path / "a.json", *options)
    one = Desk(browser, first.address, PHOTO)
    two = Tab(one, first.address)
    _stop(first)
    for tab, at in ((one, 20), (two, 120)):
        tab.page.bring_to_front()
        tab.tool("box")
        tab.drag((at, at), (at + 20, at + 20), (at + 40, at + 40))
        _state(tab.page, "unsaved")
        tab.page.close()
    one.complaints.clear()  # the server was away
    with running(root, tmp_path / "a.json", *options) as server:
        three = Tab(one, server.address)
        dialog = three.page.locator("dialog#conflict")
        expect(dialog).to_be_visible()
        dialog.locator('[data-choice="both"]').click()
        three.saved()
        assert sorted(box[0] for box in _boxes(server).values()) == pytest.approx([20, 120], abs=0.6)
        versions = server.ask("GET", f"/api/photos/{_number(server)}/history")[1]["versions"]
        assert len({version["client"] for version in versions}) == 3  # the file and each of the two tabs
        three.close()


def test_a_conflict_stays_until_it_is_answered_and_is_answered_once(browser: Browser, server: Running):
    person = Desk(browser, server.address, PHOTO)
    for photo, at in (("good/000", 20), ("good/001", 60)):
        person.open(f"test/{photo}.png")
        person.page.route("**/api/photos/*", _no_put)
        person.tool("box")
        person.drag((at, at), (at + 20, at + 20), (at + 40, at + 40))
        now = in_store(server, photo)
        edit = {"revision": 0, "change": "c", "client": "other", "state": "reviewed", "annotations": []}
        assert server.ask("PUT", f"/api/photos/{now['id']}", edit)[0] == 200
    person.page.unroute("**/api/photos/*")
    dialog = person.page.locator("dialog#conflict")
    expect(dialog).to_be_visible()
    for _ in range(4):
        person.key("Escape")
        person.page.wait_for_timeout(100)
    expect(dialog).to_be_visible()
    expect(person.page.locator("#banner")).to_contain_text("choose a version")
    person.page.wait_for_timeout(2_000)  # until both have been told
    title = person.page.locator("#conflict-title")
    words = title.text_content()
    dialog.locator('[data-choice="theirs"]').dblclick()
    expect(dialog).to_be_visible()
    expect(title).not_to_have_text(words)
    expect(dialog.locator('[data-choice="mine"]')).to_be_enabled()
    dialog.locator('[data-choice="mine"]').click()
    expect(dialog).not_to_be_visible()
    person.saved()
    person.close()


def test_keep_both_never_makes_a_photo_with_labels_good(desk: Desk, server: Running):
    desk.page.route("**/api/here", lambda route: route.abort())
    save_as_other(server, "good/000", box("k", 40, 40, 60, 60))
    desk.page.locator("#canvas").focus()
    desk.key("g")
    dialog = desk.page.locator("dialog#conflict")
    expect(dialog).to_be_visible()
    dialog.locator('[data-choice="both"]').click()
    desk.page.unroute("**/api/here")
    _state(desk.page, "saved")
    assert list(_boxes(server)) == ["k"]
    assert in_store(server, "good/000")["state"] is None
