"""The page under hurried hands: work half done, keys held down, late answers of SAM, photos that cannot be opened."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import noise, write_png
from desk import HEIGHT, WIDTH, Desk, box, browser, in_store, mask_of, root, save_as_other, server
from playwright.sync_api import Browser, Page, Route, expect
from running import Running, running, until

PHOTO, NEXT = "test/good/000.png", "test/good/001.png"


@pytest.fixture
def desk(browser: Browser, server: Running) -> Iterator[Desk]:
    server.ask("POST", "/api/categories", {"name": "scratch"})
    person = Desk(browser, server.address, PHOTO)
    yield person
    person.close()


def _rect(key: str, x: int, y: int, w: int, h: int, **rest: Any) -> dict[str, Any]:
    mask = np.zeros((HEIGHT, WIDTH), bool)
    mask[y : y + h, x : x + w] = True
    edges = np.flatnonzero(np.diff(mask.ravel(order="F").astype(np.int8))) + 1
    counts = np.diff([0, *edges, mask.size]).tolist()
    return {"key": key, "category_id": 1, "shape": {"kind": "mask", "counts": counts}, **rest}


def _said(page: Page, words: str) -> None:
    expect(page.locator("#said")).to_contain_text(words)


def _name(page: Page, name: str) -> None:
    expect(page.locator("#photo-name")).to_have_text(name)


def _fake_sam(page: Page, milliseconds: int) -> None:
    """SAM is there, and answers the right half of the photo's upper left quarter after a while."""
    answer = _rect("s", 80, 0, 80, 120)["shape"] | {"bbox": [80, 0, 80, 120], "area": 9600, "polygon": None}
    answer = {name: value for name, value in answer.items() if name != "kind"}
    answer |= {"predicted_iou": 0.9, "stability": 0.9, "model": "mobile_sam", "problem": None}

    def session(route: Route) -> None:
        said = route.fetch()
        route.fulfill(response=said, json=said.json() | {"sam": {"available": True, "model": "m", "reason": None}})

    page.route("**/api/session", session)
    page.route("**/prepare", lambda route: route.fulfill(status=202, json=None))
    page.add_init_script(
        f"""(() => {{
          const real = window.fetch;
          window.fetch = async (path, options) => {{
            if (!String(path).endsWith("/sam")) return real(path, options);
            window.asking = (window.asking ?? 0) + 1;
            window.mostAsking = Math.max(window.mostAsking ?? 0, window.asking);
            await new Promise((resolve) => setTimeout(resolve, {milliseconds}));
            window.asking -= 1;
            return new Response(JSON.stringify({json.dumps(answer)}), {{ status: 200 }});
          }};
        }})()"""
    )
    page.reload()


def _polygon(desk: Desk) -> None:
    desk.tool("polygon")
    for place in ((40, 40), (90, 40), (90, 90)):
        desk.click(*place)


@pytest.mark.parametrize("keys", ["Shift+Enter", "Shift+g", "g", "."])
def test_a_photo_is_not_left_nor_done_with_an_open_polygon(desk: Desk, server: Running, keys: str):
    _polygon(desk)
    desk.key(keys)
    _said(desk.page, "Enter closes it")
    _name(desk.page, PHOTO)
    desk.key("Enter")
    desk.labels(1)
    desk.saved()
    assert in_store(server, "good/000")["state"] is None
    assert in_store(server, "good/000")["annotations"][0]["polygon"] is not None


def test_undo_takes_back_a_vertex_before_a_label(desk: Desk, server: Running):
    desk.tool("box")
    desk.drag((200, 100), (220, 120), (260, 160))
    _polygon(desk)
    desk.click(40, 110)
    desk.key("Control+z", "Enter")
    desk.labels(2)
    desk.saved()
    box, polygon = in_store(server, "good/000")["annotations"]
    assert box["bbox"] == pytest.approx([200, 100, 60, 60], abs=0.6)
    assert len(polygon["polygon"][0]) == 6


def test_two_fingers_do_not_end_a_polygon(desk: Desk):
    _polygon(desk)
    session = desk.context.new_cdp_session(desk.page)

    def touch(kind: str, *places: tuple[float, float]) -> None:
        points = [{"x": desk.at(*place)[0], "y": desk.at(*place)[1], "id": n} for n, place in enumerate(places)]
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    touch("touchStart", (150, 150))
    touch("touchStart", (150, 150), (180, 180))
    touch("touchMove", (140, 140), (190, 190))
    touch("touchEnd")
    desk.key("Enter")
    desk.labels(1)
    desk.saved()


def test_the_answer_of_sam_is_waited_for(desk: Desk, server: Running):
    _fake_sam(desk.page, 1500)
    desk.open(PHOTO)
    desk.tool("sam-box")
    desk.drag((20, 20), (40, 40), (150, 110))
    desk.key("2", "Shift+Enter")
    _said(desk.page, "has not come yet")
    _name(desk.page, PHOTO)
    desk.labels(1)
    desk.key(".")
    _name(desk.page, NEXT)
    desk.open(PHOTO)
    desk.saved()
    stored = in_store(server, "good/000")
    assert stored["state"] is None
    # The class was chosen after the box was drawn.
    assert [(one["category_id"], one["proposed"]) for one in stored["annotations"]] == [(1, True)]


def test_a_late_answer_names_its_photo_and_saving_is_not_held_up(desk: Desk, server: Running):
    _fake_sam(desk.page, 1200)
    desk.open(PHOTO)
    desk.tool("sam-box")
    for at in range(0, 120, 20):
        desk.drag((at, 10), (at + 10, 30), (at + 15, 60))
    desk.key(".")
    _name(desk.page, NEXT)
    desk.tool("box")
    desk.drag((20, 20), (40, 40), (60, 60))
    desk.saved()
    assert len(in_store(server, "good/001")["annotations"]) == 1
    _said(desk.page, f"on {PHOTO}")
    until(lambda: len(in_store(server, "good/000")["annotations"]) == 6)
    assert desk.page.evaluate("window.mostAsking") == 1
    desk.saved()


def test_a_held_key_judges_one_photo(desk: Desk, server: Running):
    for _ in range(8):
        desk.page.keyboard.down("Shift")
        desk.page.keyboard.down("G")  # playwright repeats what is down already
    desk.page.keyboard.up("G")
    desk.page.keyboard.up("Shift")
    _name(desk.page, NEXT)
    desk.saved()
    assert [in_store(server, f"good/00{number}")["state"] for number in range(3)] == ["good", None, None]
    desk.page.locator("#canvas").focus()
    for _ in range(2):
        desk.page.keyboard.down(".")
    desk.page.keyboard.up(".")
    _name(desk.page, "test/good/002.png")


def test_a_photo_that_cannot_be_opened_takes_no_label_of_another(desk: Desk, server: Running, root: Path):
    (root / "test" / "good" / "001.png").write_bytes((root / "test" / "good" / "001.png").read_bytes()[:2000])
    desk.page.reload()
    desk.open(PHOTO)
    desk.key(".")
    expect(desk.page.locator("#stage-note")).to_contain_text("is cut off")
    _name(desk.page, NEXT)
    assert desk.page.evaluate("window.mvtecPage.photo()") is None
    desk.page.locator("#canvas").focus()
    desk.key("u", "a", "Delete", "ArrowLeft", "Enter", "Tab", "y")
    desk.tool("box")
    desk.page.mouse.move(500, 300)
    desk.page.mouse.down()
    desk.page.mouse.move(600, 400)
    desk.page.mouse.up()
    assert in_store(server, "good/000")["revision"] == 0
    desk.page.locator("#canvas").focus()
    desk.key(".")
    _name(desk.page, "test/good/002.png")
    desk.key(",", ",")
    _name(desk.page, PHOTO)


def test_an_eraser_beside_a_proposal_does_not_accept_it(desk: Desk, server: Running):
    proposal = _rect("k", 40, 40, 60, 60, proposed=True, attributes={"source": "detector"})
    save_as_other(server, "good/000", proposal)
    desk.page.reload()
    desk.open(PHOTO)
    desk.labels(1)
    desk.key("a")
    desk.tool("eraser")
    desk.drag((200, 150), (220, 170), (240, 190))
    desk.saved()
    assert in_store(server, "good/000")["annotations"][0]["proposed"] is True
    desk.drag((60, 60), (70, 70), (80, 80))
    desk.saved()
    stored = in_store(server, "good/000")["annotations"][0]
    assert (stored["proposed"], stored["attributes"]["edited"]) == (False, True)
    desk.key("Control+z")
    desk.saved()
    stored = in_store(server, "good/000")["annotations"][0]
    assert (stored["proposed"], stored["attributes"]) == (True, {"source": "detector", "reviewed": False})


def _alpha(page: Page, x: float, y: float) -> int:
    """Of the layer with the shapes, at a place of the photo."""
    page.wait_for_timeout(200)
    return page.evaluate(
        """([x, y]) => {
          const place = window.mvtecPage.toScreen(x, y), canvas = document.getElementById("shapes-layer");
          const box = canvas.getBoundingClientRect(), ratio = canvas.width / box.width;
          const at = [(place.x - box.left) * ratio, (place.y - box.top) * ratio].map(Math.round);
          return canvas.getContext("2d").getImageData(...at, 1, 1).data[3];
        }""",
        [x, y],
    )


def test_a_mask_is_filled_where_it_is(browser: Browser, root: Path, tmp_path: Path):
    counts = _rect("k", 150, 100, 50, 40)["shape"]["counts"]
    content = {
        "images": [{"id": 1, "file_name": PHOTO, "width": WIDTH, "height": HEIGHT}],
        "categories": [{"id": 1, "name": "crack"}],
        "annotations": [
            {"id": 1, "image_id": 1, "category_id": 1, "iscrowd": 0, "area": 2000, "bbox": [130.3, 80.2, 75, 65]}
            | {"segmentation": {"size": [HEIGHT, WIDTH], "counts": counts}, "attributes": {"predicted_iou": "0.9"}}
        ],
    }
    (tmp_path / "loose.json").write_text(json.dumps(content))
    with running(root, tmp_path / "loose.json", "--no-sam") as server:
        person = Desk(browser, server.address, PHOTO)
        person.labels(1)
        assert (_alpha(person.page, 195, 135) > 0, _alpha(person.page, 135, 85)) == (True, 0)
        # Its certainty is a word, and the rest is drawn all the same.
        person.page.locator("#annotations [data-key]").click()
        assert _alpha(person.page, 195, 135) > 0
        cdp = person.context.new_cdp_session(person.page)
        sharper = {"width": 1280, "height": 800, "deviceScaleFactor": 2, "mobile": False}
        cdp.send("Emulation.setDeviceMetricsOverride", sharper)
        person.page.locator("#annotations [data-key]").click()
        assert (_alpha(person.page, 195, 135) > 0, _alpha(person.page, 135, 85)) == (True, 0)
        person.close()


def test_a_banner_that_comes_does_not_move_what_is_dragged(desk: Desk, server: Running):
    desk.tool("box")
    desk.page.mouse.move(*desk.at(40, 40))
    desk.page.mouse.down()
    desk.page.mouse.move(*desk.at(80, 80))
    server.ask("POST", "/api/here", {"client": "other", "photo": in_store(server, "good/000")["id"]})
    expect(desk.page.locator("#banner")).to_contain_text("Another browser has")
    desk.page.mouse.move(*desk.at(120, 110))
    desk.page.mouse.up()
    desk.saved()
    x, y, w, h = in_store(server, "good/000")["annotations"][0]["bbox"]
    assert (x, y, x + w, y + h) == pytest.approx((40, 40, 120, 110), abs=0.6)


def test_a_stroke_by_keyboard_is_given_up_with_its_tool(desk: Desk, server: Running):
    save_as_other(server, "good/000", _rect("k", 40, 40, 60, 60))
    desk.page.reload()
    desk.open(PHOTO)
    desk.page.locator("#annotations [data-key=k]").click()
    desk.tool("brush")
    desk.page.locator("#canvas").focus()
    desk.key("ArrowRight", "Enter", "ArrowRight", "ArrowRight", "v")
    assert _alpha(desk.page, 70, 70) > 0
    desk.tool("box")
    desk.drag((200, 150), (220, 170), (240, 190))
    desk.labels(2)
    desk.saved()


def test_the_finest_brush_paints_the_pixel_it_is_in(desk: Desk, server: Running):
    desk.tool("brush")
    desk.page.locator("#brush-size").fill("1")
    places = [(30.05, 40.95), (50.5, 40.5), (70.95, 40.05)]
    for place in places:
        desk.click(*place)
        desk.key("Escape")
    desk.labels(3)
    desk.saved()
    masks = [mask_of(one) for one in in_store(server, "good/000")["annotations"]]
    assert [np.argwhere(mask).tolist() for mask in masks] == [[[int(y), int(x)]] for x, y in places]


def test_delete_takes_no_vertex_that_undo_has_changed(desk: Desk):
    _polygon(desk)
    desk.key("Enter")
    desk.saved()
    desk.tool("select")
    desk.drag((65, 40), (65, 30), (65, 20))
    desk.key("Control+z", "Delete")
    desk.labels(0)
    desk.saved()


def test_delete_takes_the_label_that_was_dragged_last(desk: Desk):
    desk.tool("box")
    desk.drag((200, 140), (220, 160), (280, 200))
    _polygon(desk)
    desk.key("Enter")
    desk.tool("select")
    desk.drag((90, 40), (95, 35), (100, 30))  # a vertex
    desk.page.locator("#annotations [data-key]").first.click()
    desk.drag((230, 170), (235, 175), (240, 180))
    desk.key("Delete")
    desk.labels(1)
    desk.page.locator("#annotations [data-key]").first.click()
    desk.page.mouse.move(*desk.at(95, 60))
    desk.page.mouse.down()  # on the edge: a new vertex, given up
    desk.page.mouse.move(*desk.at(120, 60))
    desk.key("Escape")
    desk.page.mouse.up()
    desk.key("Delete")
    desk.labels(0)
    desk.saved()


def test_a_photo_that_is_gone_is_passed_by(desk: Desk):
    def rows(route: Route) -> None:
        said = route.fetch()
        photos = [row for row in said.json()["photos"] if row["name"] != NEXT]
        route.fulfill(response=said, json={"photos": photos})

    desk.page.route("**/api/rows", rows)
    desk.page.reload()
    desk.open(PHOTO)
    desk.key(".")
    _name(desk.page, "test/good/002.png")
    desk.key(",")
    _name(desk.page, PHOTO)
    desk.key("n")
    _name(desk.page, "test/good/002.png")
    desk.page.unroute("**/api/rows")
    desk.page.route("**/api/rows", lambda route: route.fulfill(status=500, json={"detail": "no rows"}))
    desk.page.locator("#filter-state").select_option("good")
    desk.page.locator("#filter-state").select_option("unreviewed")
    desk.page.locator("#filter-text").fill("crack")
    _said(desk.page, "no rows")


def test_several_are_selected_by_keyboard_and_by_touch(desk: Desk, server: Running):
    boxes = [_rect(key, at, 40, 20, 20) for key, at in (("a", 20), ("b", 80), ("c", 140))]
    save_as_other(server, "good/000", *boxes)
    desk.page.reload()
    desk.open(PHOTO)
    desk.page.locator("#annotations").focus()
    desk.key("ArrowDown", "Shift+ArrowDown", "m")
    desk.labels(2)
    desk.key("Escape")
    desk.page.locator("#several").check()
    desk.tool("select")
    for x in (30, 150):
        desk.click(x, 50)
    desk.page.locator("#merge").click()
    desk.labels(1)
    desk.saved()


def test_letters_are_commands_again_after_a_filter_was_chosen(desk: Desk, server: Running):
    state = desk.page.locator("#filter-state")
    state.dispatch_event("pointerdown")
    state.select_option("unreviewed")
    desk.key("u")
    desk.saved()
    assert in_store(server, "good/000")["state"] == "unsure"
    expect(state).to_have_value("unreviewed")


def test_a_server_that_hangs_is_noticed(desk: Desk):
    desk.page.add_init_script(
        """const real = AbortSignal.timeout; AbortSignal.timeout = (time) => real.call(AbortSignal, time / 20);"""
    )
    desk.page.reload()
    desk.open(PHOTO)
    desk.page.route("**/api/photos/*", lambda route: None if route.request.method == "PUT" else route.continue_())
    desk.tool("box")
    desk.drag((20, 20), (40, 40), (60, 60))
    expect(desk.page.locator("#banner")).to_contain_text("does not answer")
    desk.page.unroute("**/api/photos/*")
    desk.saved()


def test_every_photo_of_a_long_list_is_shown_once(browser: Browser, tmp_path: Path):
    photos = tmp_path / "photos"
    write_png(photos / "000.png", noise(1, 24, 32))
    for number in range(1, 260):
        os.link(photos / "000.png", photos / f"{number:03}.png")
    with running(photos, tmp_path / "ann.json", "--no-sam") as server:
        server.ask("POST", "/api/categories", {"name": "scratch"})
        for number in (255, 258):
            proposal = box(f"k{number}", 5, 5, 9, 9, proposed=True, attributes={"predicted_iou": 0.3})
            save_as_other(server, f"{number:03}.png", proposal)
        person = Desk(browser, server.address, "000.png")
        person.page.locator("#order").select_option("priority")
        person.page.locator('#strip [data-photo-id][title="255.png"]').click()
        _name(person.page, "255.png")
        person.page.locator("#canvas").focus()
        seen = []
        for _ in range(260):
            seen.append(person.page.locator("#photo-name").text_content())
            person.key("x", "w", ".")
            person.page.wait_for_function(
                "(name) => document.getElementById('photo-name').textContent !== name"
                " || document.getElementById('said').textContent.includes('last photo')",
                arg=seen[-1],
            )
        assert seen[:3] == ["255.png", "258.png", "000.png"]
        assert len(set(seen)) == 260
        person.saved()
        person.close()


def test_a_photo_asked_for_twice_keeps_what_is_selected(desk: Desk, server: Running):
    save_as_other(server, "good/000", box("k", 40, 40, 60, 60))
    desk.page.reload()
    desk.open(PHOTO)
    desk.page.locator("#annotations [data-key]").click()
    desk.page.locator(f'#strip [data-photo-id][title="{PHOTO}"]').click()
    desk.page.wait_for_timeout(300)
    desk.key("Delete")
    desk.labels(0)
    desk.saved()


def test_a_polygon_outlives_a_wrong_key_and_a_click_in_the_strip(desk: Desk):
    _polygon(desk)
    desk.key("b")
    _said(desk.page, "Enter closes it")
    desk.page.locator(f'#strip [title="{NEXT}"]').click()
    desk.page.wait_for_timeout(200)
    _name(desk.page, PHOTO)
    desk.page.locator("#filter-text").fill("good/001")
    expect(desk.page.locator("#strip [data-photo-id]")).to_have_count(1)
    _name(desk.page, PHOTO)
    desk.page.locator("#canvas").focus()
    desk.key("Enter")
    desk.labels(1)
    desk.saved()
    desk.key(".")
    _name(desk.page, NEXT)


def test_undo_takes_back_a_point_that_has_no_answer_yet(desk: Desk):
    _fake_sam(desk.page, 1500)
    desk.open(PHOTO)
    desk.tool("box")
    desk.drag((200, 140), (220, 160), (280, 200))
    desk.tool("sam-points")
    desk.click(100, 60)
    desk.key("Control+z")
    desk.page.wait_for_function("() => window.asking === 0")
    desk.labels(1)
    desk.page.evaluate(
        """() => {
          const real = window.fetch;
          window.fetch = (path, options) =>
            String(path).endsWith("/sam") ? Promise.reject(new TypeError("away")) : real(path, options);
        }"""
    )
    desk.click(100, 60)
    _said(desk.page, "SAM: ")
    desk.key("Control+z")
    desk.labels(1)


def test_a_photo_nobody_has_seen_is_not_marked(desk: Desk, server: Running):
    desk.page.route("**/image?*", lambda route: route.fulfill(status=200, content_type="image/png", body=b"none"))
    desk.page.reload()
    desk.open("test/good/002.png")
    desk.page.locator("#canvas").focus()
    for key in ("g", "Shift+g", "Shift+Enter"):
        desk.key(key)
        _said(desk.page, "nobody has seen it")
    assert in_store(server, "good/002")["state"] is None


def test_who_chooses_a_class_by_key_goes_on_in_the_list(desk: Desk):
    row = desk.page.locator("#categories button.row-main").nth(1)
    row.focus()
    desk.key("Enter")
    expect(row).to_be_focused()
