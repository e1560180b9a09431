"""The routes, asked as the page asks them."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import pytest
from conftest import Category
from fastapi.testclient import TestClient
from workspaces import box, edit, mask, number_of, open_workspace, same

from mvtec.annotate.server.guard import Guard
from mvtec.annotate.server.records import MOST_RUNS
from mvtec.annotate.server.routes import make_app
from mvtec.annotate.server.workspace import Workspace
from mvtec.convert.formats.coco.files import read_coco
from mvtec.convert.pixels.rle import decode_rle

ADDRESS = "http://127.0.0.1:8765"


@pytest.fixture
def work(category: Category, tmp_path: Path) -> Workspace:
    return open_workspace(category.root, tmp_path / "ann.json")


@pytest.fixture
def page(work: Workspace) -> Iterator[TestClient]:
    with TestClient(Guard(make_app(work), None), base_url=ADDRESS) as client:
        yield client


def test_the_session_tells_what_the_page_needs(page: TestClient, tmp_path: Path):
    found = page.get("/api/session").json()
    assert found["name"] == "widget"
    assert found["photos"] == 15
    assert found["categories"] == [{"id": 1, "name": "crack"}, {"id": 2, "name": "stain"}]
    assert found["sam"] == {"available": False, "model": None, "reason": "not wanted"}
    assert found["file"] == str(tmp_path / "ann.json")
    assert found["unsaved"] is True
    saved = page.post("/api/save").json()
    assert (saved["unsaved"], saved["problem"]) == (False, None)
    assert len(read_coco(tmp_path / "ann.json").images) == 15


def test_a_photo_comes_with_its_masks(page: TestClient, work: Workspace, category: Category):
    photo = page.get(f"/api/photos/{number_of(work, 'test/crack/001.png')}").json()
    assert (photo["width"], photo["height"], photo["revision"], photo["state"]) == (48, 40, 0, None)
    painted = np.zeros((40, 48), bool)
    for annotation in photo["annotations"]:
        painted |= decode_rle({"size": [40, 48], "counts": annotation["counts"]})
    assert (painted == (cv2.imread(str(category.mask("crack", 1)), 0) > 0)).all()


def test_an_edit_is_saved_and_read_again(page: TestClient, work: Workspace, tmp_path: Path):
    number = number_of(work, "test/crack/001.png")
    before = page.get(f"/api/photos/{number}").json()
    triangle = {"kind": "polygon", "polygon": [[1, 1, 11, 1, 11, 11]]}
    new = {"key": "t", "category_id": 2, "shape": triangle}
    wanted = edit(0, [*map(same, before["annotations"]), new], state="reviewed")
    answer = page.put(f"/api/photos/{number}", json=wanted)
    assert answer.status_code == 200
    after = answer.json()
    assert after == page.get(f"/api/photos/{number}").json()
    assert after["annotations"][:2] == before["annotations"]
    drawn = after["annotations"][2]
    assert drawn["polygon"] == triangle["polygon"]
    assert drawn["area"] == decode_rle({"size": [40, 48], "counts": drawn["counts"]}).sum()
    assert page.put(f"/api/photos/{number}", json=wanted).json() == after
    page.post("/api/save")
    found = [one for one in read_coco(tmp_path / "ann.json").annotations if one.image_id == number]
    assert found[-1].segmentation == triangle["polygon"]
    assert page.get(f"/api/photos/{number}/history/0").json()["annotations"] == before["annotations"]
    assert [one["revision"] for one in page.get(f"/api/photos/{number}/history").json()["versions"]] == [1, 0]


def test_the_second_browser_is_told(page: TestClient, work: Workspace):
    number = number_of(work, "test/good/000.png")
    assert page.put(f"/api/photos/{number}", json=edit(0, [box("a", [1, 1, 5, 5])])).status_code == 200
    answer = page.put(f"/api/photos/{number}", json=edit(0, [box("b", [2, 2, 5, 5])]))
    assert answer.status_code == 409
    assert answer.json()["current"] == page.get(f"/api/photos/{number}").json()
    assert page.post("/api/here", json={"client": "one", "photo": number}).json()["others"] == 0
    told = page.post("/api/here", json={"client": "two", "photo": number}).json()
    assert (told["others"], told["revision"]) == (1, 1)


def test_a_page_of_another_file_cannot_save(page: TestClient, work: Workspace):
    number = number_of(work, "test/good/000.png")
    store = page.get("/api/session").json()["store"]
    wanted = edit(0, [box("a", [1, 1, 5, 5])])
    answer = page.put(f"/api/photos/{number}", json=wanted, headers={"x-mvtec-store": "another"})
    assert answer.status_code == 410
    assert work.store.photo(number).revision == 0
    assert page.put(f"/api/photos/{number}", json=wanted, headers={"x-mvtec-store": store}).status_code == 200
    other = number_of(work, "test/good/001.png")
    answer = page.put(f"/api/photos/{other}", json=edit(0, [box("a", [1, 1, 5, 5])]))
    assert answer.status_code == 422
    assert "another photo" in answer.json()["detail"]


def test_lists_are_filtered_and_sorted(page: TestClient, work: Workspace):
    def names(**query: object) -> list[str]:
        ids = page.get("/api/photos", params=query).json()["ids"]
        rows = page.post("/api/rows", json={"ids": ids}).json()["photos"]
        assert [row["id"] for row in rows] == ids
        return [row["name"] for row in rows]

    everything = names()
    assert everything == sorted(everything)
    assert names(category=1) == [f"test/crack/{number:03}.png" for number in range(5)]
    assert names(only="unlabelled") == [f"test/good/{number:03}.png" for number in range(5)]
    assert names(q="STAIN/00") == [f"test/stain/{number:03}.png" for number in range(5)]
    some = page.post("/api/rows", json={"ids": [3, 99, 1]}).json()["photos"]
    assert [row["id"] for row in some] == [3, 1]
    number = number_of(work, "test/good/003.png")
    page.put(f"/api/photos/{number}", json=edit(0, [], state="good"))
    assert names(state="good") == names(state="reviewed") == ["test/good/003.png"]
    assert len(names(state="unreviewed")) == 14
    number = number_of(work, "test/good/004.png")
    page.put(f"/api/photos/{number}", json=edit(0, [], state="unsure"))
    ordered = names(order="priority")
    assert (ordered[0], ordered[-1]) == ("test/good/004.png", "test/good/003.png")  # unsure first, what is done last
    assert page.post("/api/rows", json={"ids": list(range(501))}).status_code == 422


def test_names_are_found_in_either_form_and_any_case(category: Category, tmp_path: Path):
    category.photo("good", 0).rename(category.root / "test" / "good" / "A\u0308RGER.png")  # as macOS writes it
    work = open_workspace(category.root, tmp_path / "ann.json")
    with TestClient(Guard(make_app(work), None), base_url=ADDRESS) as page:
        assert len(page.get("/api/photos", params={"q": "\u00e4rger"}).json()["ids"]) == 1


def test_shapes_are_worked_on(page: TestClient, work: Workspace):
    number = number_of(work, "test/good/000.png")
    ring = np.zeros((40, 48), np.uint8)
    ring[5:20, 5:20] = 1
    ring[8:12, 8:12] = 0
    ring[30:33, 30:33] = 1
    flat = ring.T.ravel()
    changes = np.flatnonzero(np.diff(flat)) + 1
    counts = np.diff([0, *changes.tolist(), flat.size]).tolist()

    def ask(operation: str, *masks: list[int]) -> list[dict]:
        answer = page.post(f"/api/photos/{number}/shapes", json={"operation": operation, "masks": masks})
        assert answer.status_code == 200, answer.text
        return answer.json()["shapes"]

    assert [one["bbox"] for one in ask("components", counts)] == [[5, 5, 15, 15], [30, 30, 3, 3]]
    filled = ask("fill-holes", counts)[0]
    assert filled["area"] == 15 * 15 + 9
    parts = [one["counts"] for one in ask("components", counts)]
    assert ask("merge", *parts)[0]["counts"] == counts
    outlined = ask("outline", filled["counts"])[0]
    assert len(outlined["polygon"]) == 2
    assert abs(outlined["area"] - filled["area"]) <= 4


def test_classes_are_added_and_renamed(page: TestClient, work: Workspace, tmp_path: Path):
    hostile = '<img src=x onerror=alert(1)> "ä"'
    assert page.post("/api/categories", json={"name": hostile}).json()["categories"][2] == {"id": 3, "name": hostile}
    assert page.patch("/api/categories/1", json={"name": "  Riss "}).json()["categories"][0]["name"] == "Riss"
    for name in ("stain", "Good", "", "   ", "a\nb", "x" * 101):
        assert page.post("/api/categories", json={"name": name}).status_code == 422, name
    assert page.patch("/api/categories/9", json={"name": "new"}).status_code == 404
    page.post("/api/save")
    assert [one.name for one in read_coco(tmp_path / "ann.json").categories] == ["Riss", "stain", hostile]
    del work


def test_images_are_kept_by_the_browser_until_they_change(page: TestClient, work: Workspace, category: Category):
    number = number_of(work, "test/crack/000.png")
    version = page.get(f"/api/photos/{number}").json()["version"]
    answer = page.get(f"/api/photos/{number}/image", params={"v": version})
    assert answer.content == category.photo("crack", 0).read_bytes()
    assert "immutable" in answer.headers["cache-control"]
    assert page.get(f"/api/photos/{number}/image?v=old").headers["cache-control"] == "no-cache"
    assert page.get(f"/api/photos/{number}/thumb").headers["content-type"] == "image/jpeg"
    category.photo("crack", 0).write_bytes(b"\x89PNG spoilt")
    for place in ("", "/image", "/thumb"):
        answer = page.get(f"/api/photos/{number}{place}")
        assert answer.status_code == 422
        assert "crack/000.png" in answer.json()["detail"]


def test_a_photo_of_another_size_than_the_file_says_is_not_annotated(page: TestClient, work: Workspace):
    number = number_of(work, "test/crack/000.png")
    work.store.execute("UPDATE photo SET width = 10 WHERE id = ?", (number,))
    answer = page.put(f"/api/photos/{number}", json=edit(0, []))
    assert answer.status_code == 422
    assert "says 10×40" in answer.json()["detail"]


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"[]",
        b'{"revision": 0}',
        json.dumps(edit(0, [], odd=1)).encode(),
        json.dumps(edit(2**60, [])).encode(),
        json.dumps(edit(0, [box("../../x y", [1, 1, 2, 2])])).encode(),
        json.dumps(edit(0, [mask("k", [-5])])).encode(),
        json.dumps(edit(0, [box("k", [1, 1, 2, 2], attributes={"a": "x" * 70_000})])).encode(),
        b'{"revision":0,"change":"c","client":"c","annotations":[{"key":"k","category_id":1,'
        b'"shape":{"kind":"box","bbox":[1,NaN,2,1e999]}}]}',
    ],
)
def test_nonsense_is_answered_with_a_reason(page: TestClient, body: bytes):
    answer = page.put("/api/photos/1", content=body, headers={"content-type": "application/json"})
    assert answer.status_code == 422
    assert answer.json()["detail"]


def test_what_is_not_there_is_said(page: TestClient):
    for path in ("/api/photos/999", "/api/photos/1/history/5", "/api/photos/999/image", "/static/../server.py"):
        assert page.get(path).status_code == 404, path
    for number in ("1e9", "99999999999999999999999"):
        assert page.get(f"/api/photos/{number}").status_code == 422
    answer = page.post("/api/photos/1/sam", json={"box": [1, 1, 5, 5]})
    assert (answer.status_code, answer.json()["detail"]) == (503, "not wanted")
    assert page.post("/api/photos/1/prepare", json={"next": [2, 999]}).status_code == 202


def test_the_routes_have_a_page_without_the_network(page: TestClient):
    assert "/api/photos/{number}" in page.get("/openapi.json").json()["paths"]
    docs = page.get("/docs")
    assert docs.status_code == 200
    assert "http" not in docs.text.replace("<!doctype html>", "")
    for part in ("swagger-ui-bundle.js", "swagger-ui.css"):
        assert page.get(f"/docs/swagger/{part}").status_code == 200


def test_the_file_is_written_when_the_server_ends(category: Category, tmp_path: Path):
    work = open_workspace(category.root, tmp_path / "ann.json")
    with TestClient(make_app(work), base_url=ADDRESS) as client:
        client.put("/api/photos/1", json=edit(0, []))
        assert not (tmp_path / "ann.json").exists()
    assert all(one.image_id != 1 for one in read_coco(tmp_path / "ann.json").annotations)


def test_the_file_is_written_again_and_again(category: Category, tmp_path: Path):
    import time

    work = open_workspace(category.root, tmp_path / "ann.json")
    with TestClient(make_app(work, save_every=0.05), base_url=ADDRESS):
        until = time.monotonic() + 10
        while not (tmp_path / "ann.json").exists() and time.monotonic() < until:
            time.sleep(0.02)
        assert read_coco(tmp_path / "ann.json").images


def test_an_edit_of_a_photo_of_another_size_is_a_conflict(page: TestClient):
    said = edit(0, [box("k", [1, 2, 3, 4])], size_wh=[480, 400])
    answer = page.put("/api/photos/1", json=said)
    assert answer.status_code == 409
    assert "another one by now, of 48×40 pixels" in answer.json()["detail"]
    assert (answer.json()["current"]["width"], answer.json()["current"]["height"]) == (48, 40)
    assert page.put("/api/photos/1", json=said | {"size_wh": [48, 40]}).status_code == 200


def test_pictures_do_not_hold_up_a_save(page: TestClient, work: Workspace, monkeypatch: pytest.MonkeyPatch):
    number = number_of(work, "test/good/000.png")
    waiting, going_on = threading.Semaphore(0), threading.Event()

    def slow(name: str) -> bytes:
        waiting.release()
        going_on.wait(30)
        return name.encode()

    monkeypatch.setattr(work.photos, "thumb", slow)
    with ThreadPoolExecutor(50) as many:
        thumbs = [many.submit(page.get, f"/api/photos/{number}/thumb") for _ in range(50)]
        for _ in range(4):
            assert waiting.acquire(timeout=30)
        assert page.put(f"/api/photos/{number}", json=edit(0, [box("a", [1, 1, 5, 5])])).status_code == 200
        assert not waiting.acquire(blocking=False)  # no fifth at the same time
        going_on.set()
        assert {thumb.result().status_code for thumb in thumbs} == {200}


def test_a_mask_of_too_many_runs_is_refused(page: TestClient, work: Workspace):
    number = number_of(work, "test/good/000.png")
    counts = [0] * (MOST_RUNS + 1)
    answer = page.put(f"/api/photos/{number}", json=edit(0, [mask("k", counts)]))
    assert answer.status_code == 422
    assert "at most 1000000 items" in answer.json()["detail"]
    question = {"operation": "merge", "masks": [counts]}
    assert page.post(f"/api/photos/{number}/shapes", json=question).status_code == 422
    for odd in ([10**30], [2**31, 5]):
        assert page.put(f"/api/photos/{number}", json=edit(0, [mask("k", odd)])).status_code == 422
