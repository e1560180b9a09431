"""Marking photos: no photo is called good by accident, and what was called so is taken back from the next photo."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from desk import Desk, box, browser, in_store, root, save_as_other, server
from playwright.sync_api import Browser, expect
from running import Running

PHOTO, NEXT, THIRD = (f"test/good/00{number}.png" for number in range(3))


@pytest.fixture
def desk(browser: Browser, server: Running) -> Iterator[Desk]:
    person = Desk(browser, server.address, PHOTO, has_clock=True)
    yield person
    person.close()


def _name(desk: Desk, name: str) -> None:
    expect(desk.page.locator("#photo-name")).to_have_text(name)


def _said(desk: Desk, words: str) -> None:
    expect(desk.page.locator("#said")).to_contain_text(words)


def _states(server: Running) -> list[str | None]:
    return [in_store(server, f"good/00{number}")["state"] for number in range(3)]


def _double_click(desk: Desk, selector: str) -> None:
    desk.page.locator(selector).dblclick()


def test_done_without_labels_marks_nothing_and_offers_no_defect(desk: Desk, server: Running):
    for act in (lambda: desk.page.locator("#done").click(), lambda: desk.key("Shift+Enter")):
        act()
        _said(desk, "has no labels")
        _said(desk, "Shift+G")
        _name(desk, PHOTO)
    expect(desk.page.locator("#no-defect")).to_have_attribute("data-asked", "true")
    desk.saved()
    assert _states(server) == [None, None, None]
    desk.page.locator("#no-defect").click()
    _name(desk, NEXT)
    expect(desk.page.locator("#no-defect")).not_to_have_attribute("data-asked", "true")
    desk.saved()
    assert _states(server) == ["good", None, None]


def test_done_with_labels_marks_reviewed_and_says_so_on_the_next_photo(desk: Desk, server: Running):
    desk.tool("box")
    desk.drag((40, 40), (60, 60), (90, 90))
    desk.key("Shift+Enter")
    _name(desk, NEXT)
    expect(desk.page.locator("#marked")).to_contain_text("000.png marked: reviewed.")
    desk.saved()
    assert _states(server) == ["reviewed", None, None]


def test_no_defect_is_not_for_a_photo_with_labels(desk: Desk, server: Running):
    save_as_other(server, "good/000", box("k", 40, 40, 60, 60))
    desk.page.reload()
    desk.open(PHOTO)
    desk.key("Shift+g")
    _said(desk, "a good photo has none")
    _name(desk, PHOTO)
    desk.saved()
    assert _states(server) == [None, None, None]


@pytest.mark.parametrize("by", ["key", "button"])
def test_undo_reaches_back_to_the_photo_before(desk: Desk, server: Running, by: str):
    desk.key("Shift+g")
    _name(desk, NEXT)
    marked = desk.page.locator("#marked")
    expect(marked).to_have_text("000.png marked: no defect.undo")
    desk.page.clock.run_for(3500)  # it stays longer than other words
    expect(marked).to_be_visible()
    expect(desk.page.locator("#undo")).to_be_enabled()
    desk.key("Control+z") if by == "key" else marked.get_by_role("button").click()
    _name(desk, PHOTO)
    expect(marked).not_to_be_visible()
    desk.saved()
    assert _states(server) == [None, None, None]
    expect(desk.page.locator("#undo")).to_be_disabled()
    desk.key("Control+Shift+z")
    desk.saved()
    assert _states(server) == ["good", None, None]


def test_three_marks_are_taken_back_one_by_one(desk: Desk, server: Running):
    for name in (NEXT, THIRD):
        desk.key("Shift+g")
        _name(desk, name)
    desk.key("Shift+g")
    desk.saved()
    assert _states(server) == ["good", "good", "good"]
    for name in (THIRD, NEXT, PHOTO):
        desk.key("Control+z")
        _name(desk, name)
    desk.saved()
    assert _states(server) == [None, None, None]


def test_a_later_edit_is_undone_before_the_mark(desk: Desk, server: Running):
    desk.key("Shift+g")
    _name(desk, NEXT)
    desk.tool("box")
    desk.drag((40, 40), (60, 60), (90, 90))
    desk.labels(1)
    expect(desk.page.locator("#marked")).not_to_be_visible()
    desk.key("Control+z")
    desk.labels(0)
    _name(desk, NEXT)
    desk.key("Control+z")
    _name(desk, PHOTO)
    desk.saved()
    assert _states(server) == [None, None, None]


def test_a_double_click_marks_one_photo(desk: Desk, server: Running):
    _double_click(desk, "#no-defect")
    _name(desk, NEXT)
    desk.page.wait_for_timeout(300)
    desk.saved()
    assert _states(server) == ["good", None, None]


def test_a_photo_that_a_filter_opens_under_the_hand_is_not_marked(desk: Desk, server: Running):
    save_as_other(server, "good/002", state="unsure")
    button = desk.page.locator("#no-defect").bounding_box()
    assert button is not None
    desk.page.mouse.move(button["x"] + 5, button["y"] + 5)
    desk.page.mouse.down()
    desk.page.locator("#filter-state").select_option("unsure")
    _name(desk, THIRD)
    desk.page.clock.run_for(1000)
    desk.page.mouse.up()  # it went down over another photo
    _said(desk, "Another photo was opened under your hand")
    desk.page.locator("#filter-state").select_option("unreviewed")
    _name(desk, "test/crack/000.png")
    desk.page.evaluate("document.activeElement.blur()")
    desk.key("Shift+g", "g", "u")  # at once: the eye has not seen it
    desk.saved()
    assert in_store(server, "crack/000")["state"] is None
    assert len(in_store(server, "crack/000")["annotations"]) == 1
    assert _states(server) == [None, None, "unsure"]
    desk.page.clock.run_for(1000)
    desk.key("u")
    desk.saved()
    assert in_store(server, "crack/000")["state"] == "unsure"


def test_a_store_that_was_replaced_does_not_say_saved(desk: Desk, server: Running, tmp_path):
    store = tmp_path / "ann.json.work.sqlite"
    store.unlink()
    store.write_bytes(b"another")
    desk.tool("box")
    desk.drag((40, 40), (60, 60), (90, 90))
    expect(desk.page.locator("#banner")).to_contain_text("was replaced by another file")
    expect(desk.page.locator("#status")).to_have_attribute("data-state", "unsaved")
    store.unlink()
    desk.saved()
    assert len(in_store(server, "good/000")["annotations"]) == 1
