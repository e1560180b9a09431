"""The page, driven in a real browser: what is drawn is what is saved, and nothing that was drawn is lost.

The tests are skipped where there is no Chromium, unless MVTEC_NEEDS_BROWSER says that they must run.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from conftest import REPOSITORY, noise, write_png
from desk import HEIGHT, WIDTH, Desk, browser, in_store, mask_of, root, server
from PIL import Image
from playwright.sync_api import Browser, expect
from running import Running, own_port, running, start

from mvtec.convert.formats.coco.files import read_coco
from mvtec.convert.formats.coco.segmentation import region_of_polygons
from mvtec.convert.pixels.rle import decode_rle


@pytest.fixture
def desk(browser: Browser, server: Running) -> Iterator[Desk]:
    person = Desk(browser, server.address, "test/good/000.png")
    yield person
    person.close()


def test_a_box_is_saved_read_again_and_written(desk: Desk, server: Running, tmp_path: Path):
    desk.tool("box")
    desk.drag((40, 30), (70, 60), (100, 90))
    desk.labels(1)
    desk.saved()
    box = in_store(server, "good/000")["annotations"][0]
    assert box["bbox"] == pytest.approx([40, 30, 60, 60], abs=0.6)
    assert box["attributes"] == {"source": "person", "reviewed": True}
    desk.page.reload()
    desk.open("test/good/000.png")
    desk.labels(1)
    desk.key("Control+s")
    server.end()
    written = [one for one in read_coco(tmp_path / "ann.json").annotations if one.image_id == 2]
    assert list(written[0].bbox) == box["bbox"]


def test_brush_and_eraser_mark_the_pixels_under_them(desk: Desk, server: Running):
    desk.tool("brush")
    strokes = [(60, 60), (90, 80), (120, 70)]
    desk.drag(*strokes)
    desk.labels(1)
    desk.saved()
    painted = mask_of(in_store(server, "good/000")["annotations"][0])
    near = np.zeros((HEIGHT, WIDTH), np.uint8)
    cv2.polylines(near, [np.array(strokes, np.int32)], False, 1, 1)
    distance = cv2.distanceTransform(1 - near, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    radius = distance[painted].max()
    assert 3 < radius < 40
    assert painted[distance < radius - 3].all()
    desk.tool("eraser")
    desk.drag((90, 40), (90, 110))
    desk.saved()
    erased = mask_of(in_store(server, "good/000")["annotations"][0])
    assert not erased[60:100, 90].any()
    assert not (erased & ~painted).any()
    desk.key("Control+z")
    desk.saved()
    assert (mask_of(in_store(server, "good/000")["annotations"][0]) == painted).all()


def test_brackets_behind_altgr_or_option_size_the_brush(desk: Desk):
    """On German keyboards `[` is AltGr+8, which Windows reports as Ctrl and Alt, and Option+5 on a Mac."""
    desk.tool("brush")
    for held in ({"ctrlKey": True, "altKey": True}, {"altKey": True}, {}):
        before = int(desk.page.locator("#brush-size").input_value())
        desk.page.evaluate(
            "held => document.body.dispatchEvent(new KeyboardEvent('keydown', {key: ']', bubbles: true, ...held}))",
            held,
        )
        expect(desk.page.locator("#brush-size")).not_to_have_value(str(before))
    before = desk.page.locator("#brush-size").input_value()
    desk.key("Control+]")  # the browser's own
    expect(desk.page.locator("#brush-size")).to_have_value(before)


def test_a_polygon_is_what_pycocotools_paints_and_its_vertices_move(desk: Desk, server: Running):
    desk.tool("polygon")
    for corner in ((50, 50), (150, 60), (140, 150), (60, 140)):
        desk.click(*corner)
    desk.key("Enter")
    desk.labels(1)
    desk.saved()
    drawn = in_store(server, "good/000")["annotations"][0]
    assert drawn["polygon"][0] == pytest.approx([50, 50, 150, 60, 140, 150, 60, 140], abs=0.6)
    assert (mask_of(drawn) == region_of_polygons(drawn["polygon"], (HEIGHT, WIDTH)).full((HEIGHT, WIDTH))).all()
    desk.tool("select")
    desk.click(100, 100)
    desk.drag((150, 60), (180, 40))
    desk.saved()
    moved = in_store(server, "good/000")["annotations"][0]
    assert moved["polygon"][0][2:4] == pytest.approx([180, 40], abs=1)
    assert moved["area"] > drawn["area"]


def test_twenty_steps_back_and_forth(desk: Desk, server: Running):
    desk.tool("box")
    for number in range(20):
        left, top = 10 + 28 * (number % 10), 20 + 60 * (number // 10)
        desk.drag((left, top), (left + 10, top + 10), (left + 20, top + 30))
    desk.labels(20)
    desk.saved()
    before = in_store(server, "good/000")["annotations"]
    desk.key(*["Control+z"] * 20)
    desk.labels(0)
    expect(desk.page.locator("#undo")).to_be_disabled()
    desk.saved()
    assert in_store(server, "good/000")["annotations"] == []
    desk.key(*["Control+Shift+z"] * 20)
    desk.labels(20)
    desk.saved()
    assert in_store(server, "good/000")["annotations"] == before


def test_keys_alone_are_enough(desk: Desk, server: Running):
    desk.page.locator("#canvas").focus()
    desk.key("r", "ArrowLeft", "Enter", *["Shift+ArrowRight"] * 2, *["ArrowDown"] * 12, "Enter")
    desk.labels(1)
    desk.saved()
    box = in_store(server, "good/000")["annotations"][0]
    assert box["bbox"][2] > 15
    assert box["bbox"][3] >= 10
    desk.key("Escape", "Delete")
    desk.labels(0)
    desk.key("g")
    desk.saved()
    assert in_store(server, "good/000")["state"] == "good"
    desk.key(".")
    expect(desk.page.locator("#photo-name")).to_have_text("test/good/001.png")
    desk.key("?")
    expect(desk.page.locator("dialog#help")).to_be_visible()
    desk.key("Escape")
    expect(desk.page.locator("dialog#help")).not_to_be_visible()


def test_masks_are_divided_filled_merged_and_outlined(desk: Desk, server: Running):
    desk.open("test/crack/000.png")
    desk.page.locator("#annotations [data-key]").first.click()
    desk.tool("eraser")
    desk.drag((90, 40), (90, 90))
    desk.saved()
    desk.page.locator("#annotations [data-key]").first.click()
    desk.page.locator("#components").click()
    desk.labels(2)
    desk.saved()
    halves = in_store(server, "crack/000")["annotations"]
    assert not (mask_of(halves[0]) & mask_of(halves[1])).any()
    desk.key("Control+a")
    desk.page.locator("#merge").click()
    desk.labels(1)
    desk.saved()
    merged = in_store(server, "crack/000")["annotations"][0]
    assert (mask_of(merged) == (mask_of(halves[0]) | mask_of(halves[1]))).all()
    desk.page.locator("#outline").click()
    desk.saved()
    assert in_store(server, "crack/000")["annotations"][0]["polygon"]


@pytest.mark.parametrize(("choice", "sources"), [("mine", ["b"]), ("theirs", ["a"]), ("both", ["a", "b"])])
def test_two_browsers_on_one_photo(browser: Browser, server: Running, desk: Desk, choice: str, sources: list[str]):
    other = Desk(browser, server.address, "test/good/000.png")
    other.tool("box")
    desk.tool("box")
    desk.drag((20, 20), (40, 40), (60, 60))
    desk.saved()
    other.drag((120, 120), (140, 140), (160, 160))
    expect(other.page.locator("dialog#conflict")).to_be_visible()
    assert len(in_store(server, "good/000")["annotations"]) == 1
    other.page.locator(f'dialog#conflict [data-choice="{choice}"]').click()
    expect(other.page.locator("dialog#conflict")).not_to_be_visible()
    other.saved()
    lefts = sorted("a" if one["bbox"][0] < 100 else "b" for one in in_store(server, "good/000")["annotations"])
    assert lefts == sources
    other.close()


def test_a_server_that_dies_costs_nothing(browser: Browser, root: Path, tmp_path: Path):
    port = own_port()
    first = start(root, tmp_path / "ann.json", "--no-sam", "--port", port)
    person = Desk(browser, first.address, "test/good/000.png")
    person.tool("box")
    person.drag((20, 20), (40, 40), (60, 60))
    person.saved()
    first.process.kill()
    first.process.wait()
    person.drag((120, 120), (140, 140), (160, 160))
    expect(person.page.locator("#status")).to_have_attribute("data-state", "unsaved")
    expect(person.page.locator("#banner")).to_contain_text("not saved")
    person.labels(2)
    with running(root, tmp_path / "ann.json", "--no-sam", "--port", port) as second:
        expect(person.page.locator("#banner")).to_contain_text("open the address that mvtec annotate printed")
        person.let_in(second)
        expect(person.page.locator("#status")).to_have_attribute("data-state", "saved", timeout=60_000)
        assert len(in_store(second, "good/000")["annotations"]) == 2
        second.process.kill()
        second.process.wait()
        person.drag((220, 120), (240, 140), (260, 160))
        expect(person.page.locator("#status")).to_have_attribute("data-state", "unsaved")
    with running(root, tmp_path / "ann.json", "--no-sam", "--port", port) as third:
        person.let_in(third)
        person.page.reload()
        person.open("test/good/000.png")
        person.labels(3)
        expect(person.page.locator("#status")).to_have_attribute("data-state", "saved", timeout=60_000)
        assert len(in_store(third, "good/000")["annotations"]) == 3
        person.complaints.clear()  # a reload while the server was away
        person.close()
    for stream in (first.process.stdout, first.process.stderr):
        stream.close()


def test_names_are_text_and_never_markup(browser: Browser, tmp_path: Path):
    hostile = "<img src=x onerror=document.title='owned'>"
    photos = tmp_path / "photos"
    write_png(photos / f"a{hostile.replace('/', '')}.png", noise(1, HEIGHT, WIDTH))
    with running(photos, tmp_path / "ann.json", "--no-sam") as server:
        server.ask("POST", "/api/categories", {"name": hostile})
        [number] = server.ask("GET", "/api/photos")[1]["ids"]
        edit = {"revision": 0, "change": "c", "client": "c", "annotations": []}
        shape = {"kind": "box", "bbox": [5, 5, 50, 50]}
        attributes = {"model": hostile, "source": hostile}
        edit["annotations"] = [{"key": "k", "category_id": 1, "attributes": attributes, "shape": shape}]
        status, photo = server.ask("PUT", f"/api/photos/{number}", edit)
        assert status == 200
        person = Desk(browser, server.address, photo["name"])
        person.labels(1)
        person.page.locator("#annotations [data-key]").first.click()
        person.key("y")
        person.page.wait_for_timeout(300)
        assert person.page.locator("img[src=x]").count() == 0
        assert "owned" not in person.page.title()
        expect(person.page.locator("#categories")).to_contain_text(hostile)
        person.close()


def test_proposals_are_accepted_or_rejected_by_a_key(browser: Browser, root: Path, tmp_path: Path):
    content = {
        "images": [{"id": 1, "file_name": "test/good/000.png", "width": WIDTH, "height": HEIGHT}],
        "categories": [{"id": 1, "name": "crack"}],
        "annotations": [
            {"id": n, "image_id": 1, "category_id": 1, "bbox": [x, 50, 40, 40], "area": 1600, "score": 0.5}
            for n, x in ((1, 20), (2, 100), (3, 200))
        ],
    }
    (tmp_path / "p.json").write_text(json.dumps(content))
    with running(root, tmp_path / "ann.json", "--no-sam", "--predictions", tmp_path / "p.json") as server:
        person = Desk(browser, server.address, "test/good/000.png")
        expect(person.page.locator('#annotations [data-proposed="true"]')).to_have_count(3)
        for key in ("a", "x"):
            person.page.locator('#annotations [data-proposed="true"]').first.click()
            person.key(key)
        expect(person.page.locator('#annotations [data-proposed="true"]')).to_have_count(1)
        person.saved()
        kept = in_store(server, "good/000")["annotations"]
        assert sorted((one["proposed"], one["attributes"]["reviewed"]) for one in kept) == [
            (False, True),
            (True, False),
        ]
        person.page.locator("#filter-only").select_option("disagrees")
        expect(person.page.locator("#strip [data-photo-id]")).to_have_count(1)
        person.close()


def test_how_the_ids_of_predictions_were_read_is_shown_until_it_is_closed(browser: Browser, root: Path, tmp_path: Path):
    answer = {"file_name": "test/good/000.png", "image_id": 0, "category_id": 77, "category_name": "crack"}
    (tmp_path / "p.json").write_text(json.dumps([answer | {"bbox": [20, 50, 40, 40], "score": 0.5}]))
    with running(root, tmp_path / "ann.json", "--no-sam", "--predictions", tmp_path / "p.json") as server:
        person = Desk(browser, server.address, "test/good/000.png")
        banner = person.page.locator("#banner")
        expect(banner).to_contain_text("classes are told by category_name")
        banner.get_by_role("button", name="Close").click()
        expect(banner).not_to_be_visible()
        person.close()


def test_a_proposal_that_is_given_a_class_takes_the_mark_good_away(browser: Browser, root: Path, tmp_path: Path):
    one = {"id": 1, "image_id": 1, "category_id": 1, "bbox": [20, 50, 40, 40], "area": 1600, "score": 0.5}
    content = {
        "images": [{"id": 1, "file_name": "test/good/000.png", "width": WIDTH, "height": HEIGHT}],
        "categories": [{"id": 1, "name": "crack"}, {"id": 2, "name": "stain"}],
        "annotations": [one],
    }
    (tmp_path / "p.json").write_text(json.dumps(content))
    with running(root, tmp_path / "ann.json", "--no-sam") as server:
        number = in_store(server, "good/000")["id"]
        mark = {"revision": 0, "change": "c", "client": "c", "state": "good", "annotations": []}
        assert server.ask("PUT", f"/api/photos/{number}", mark)[0] == 200
    with running(root, tmp_path / "ann.json", "--no-sam", "--predictions", tmp_path / "p.json") as server:
        person = Desk(browser, server.address, "test/good/000.png")
        person.page.locator('#annotations [data-proposed="true"]').click()
        person.key("2")
        person.saved()
        stored = in_store(server, "good/000")
        assert stored["state"] is None
        assert [(one["category_id"], one["proposed"]) for one in stored["annotations"]] == [(2, False)]
        person.close()


@pytest.mark.slow
def test_sam_makes_a_mask_of_a_box_on_a_real_photo(browser: Browser, real_bottle: Path, tmp_path: Path):
    weights = REPOSITORY.parent / "shared" / "weights" / "mobile_sam.pt"
    if not weights.is_file():
        pytest.skip(f"MobileSAM's weights are not at {weights}")
    with running(real_bottle, tmp_path / "ann.json", "--weights", weights) as server:
        person = Desk(browser, server.address, "test/broken_large/000.png")
        person.page.locator("#annotations [data-key]").first.click()
        person.key("Delete")
        person.labels(0)
        person.tool("sam-box")
        person.drag((670, 290), (700, 400), (860, 860))
        expect(person.page.locator('#annotations [data-proposed="true"]')).to_have_count(1, timeout=150_000)
        person.key("Enter")
        expect(person.page.locator('#annotations [data-proposed="false"]')).to_have_count(1)
        person.saved()
        shown = in_store(server, "broken_large/000")["annotations"][0]
        person.close()
    kept = next(one for one in read_coco(tmp_path / "ann.json").annotations if one.image_id == 1)
    assert kept.attributes["source"] == "sam"
    assert kept.attributes["reviewed"] is True
    assert (decode_rle(kept.segmentation) == decode_rle({"size": [900, 900], "counts": shown["counts"]})).all()
    assert kept.area > 1000


def test_the_page_of_the_routes_is_shown(browser: Browser, server: Running):
    page = browser.new_page()
    page.goto(server.address)
    expect(page.locator("#photo-name")).not_to_be_empty()
    page.goto(server.root + "docs")
    expect(page.locator("body")).to_contain_text("/api/photos/{number}")
    page.close()


def test_a_turned_photo_is_shown_as_the_labels_see_it(browser: Browser, tmp_path: Path):
    photos = tmp_path / "photos"
    photos.mkdir()
    for suffix in ("jpg", "png"):
        image = Image.fromarray(noise(1, 60, 90))
        exif = image.getexif()
        exif[0x0112] = 6  # lying on its side
        image.save(photos / f"turned.{suffix}", exif=exif)
    with running(photos, tmp_path / "ann.json", "--no-sam") as server:
        person = Desk(browser, server.address, "turned.jpg")
        for number in server.ask("GET", "/api/photos")[1]["ids"]:
            photo = server.ask("GET", f"/api/photos/{number}")[1]
            assert (photo["width"], photo["height"]) == (60, 90)
            shown = person.page.evaluate(
                """async (address) => {
                  const bitmap = await createImageBitmap(await (await fetch(address)).blob());
                  return [bitmap.width, bitmap.height];
                }""",
                f"/api/photos/{number}/image",
            )
            assert shown == [60, 90], photo["name"]
        person.close()
