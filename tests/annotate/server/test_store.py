"""The working store: a revision costs what it changes, old stores are brought up to date, a removed file comes back."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from conftest import Category, noise, write_png
from fastapi.testclient import TestClient
from workspaces import box, edit, mask, number_of, open_workspace, photo_edit

from mvtec.annotate.server import annotation_tables, migration
from mvtec.annotate.server.priority import review_priority
from mvtec.annotate.server.revisions import at_revision, save_edit
from mvtec.annotate.server.routes import make_app
from mvtec.annotate.server.store import Store
from mvtec.annotate.server.stored import StoredAnnotation
from mvtec.annotate.server.workspace import Workspace
from mvtec.convert.formats.coco.files import read_coco
from mvtec.errors import OutputError

SIZE = (48, 40)
OLD_SCHEMA = """
CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE category (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, more TEXT NOT NULL);
CREATE TABLE photo (
  id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, width INTEGER, height INTEGER, state TEXT,
  revision INTEGER NOT NULL DEFAULT 0, records TEXT NOT NULL DEFAULT '[]', predicted TEXT, more TEXT NOT NULL,
  in_file INTEGER NOT NULL, here INTEGER NOT NULL, labels INTEGER NOT NULL DEFAULT 0,
  proposals INTEGER NOT NULL DEFAULT 0, worth REAL NOT NULL DEFAULT 0, disagrees INTEGER NOT NULL DEFAULT 0,
  low_score INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE has_category (photo INTEGER NOT NULL, category INTEGER NOT NULL, PRIMARY KEY (photo, category));
CREATE TABLE identity (key TEXT PRIMARY KEY, photo INTEGER NOT NULL, id INTEGER NOT NULL UNIQUE);
CREATE TABLE version (
  photo INTEGER NOT NULL, revision INTEGER NOT NULL, at TEXT NOT NULL, client TEXT NOT NULL, change TEXT NOT NULL,
  what TEXT NOT NULL, state TEXT, labels INTEGER NOT NULL, proposals INTEGER NOT NULL, records TEXT NOT NULL,
  PRIMARY KEY (photo, revision)
);
CREATE INDEX version_by_change ON version (photo, change);
"""


@pytest.fixture
def work(category: Category, tmp_path: Path) -> Iterator[Workspace]:
    opened = open_workspace(category.root, tmp_path / "ann.json")
    yield opened
    opened.store.close()


@pytest.fixture
def good(work: Workspace) -> int:
    return number_of(work, "test/good/000.png")


def _mask(key: str, seed: int) -> dict:
    """A speckled mask, which takes some room."""
    flat = np.random.default_rng(seed).integers(0, 2, 40 * 48).astype(np.uint8)
    changes = np.flatnonzero(np.diff(flat)) + 1
    counts = np.diff([0, *changes.tolist(), flat.size]).tolist()
    return mask(key, [0, *counts] if flat[0] else counts)


def _count(store: Store, table: str) -> int:
    return int(store.rows(f"SELECT count(*) AS n FROM {table}")[0]["n"])


def _copied(store: Store, folder: Path) -> Store:
    """What is on the disk now, as the next start would find it after a kill."""
    folder.mkdir()
    for file in store.path.parent.glob(f"{store.path.name}*"):
        shutil.copyfile(file, folder / file.name)
    return Store(folder / store.path.name, review_priority)


def test_a_revision_costs_what_it_changes(work: Workspace, good: int):
    before = _count(work.store, "shape")
    save_edit(work.store, good, photo_edit(0, [_mask(f"k{number}", number) for number in range(40)]), SIZE)
    saved = []
    for revision in range(1, 21):
        said = [{"key": f"k{number}", "category_id": 1} for number in range(40)]
        said[revision] = _mask(f"k{revision}", 100 + revision)
        saved.append(save_edit(work.store, good, photo_edit(revision, said), SIZE))
    assert _count(work.store, "shape") == before + 40 + 20
    for kept in saved:
        assert at_revision(work.store, work.store.photo(good), kept.revision).records == kept.records
    lists = work.store.rows("SELECT sum(length(records)) AS n FROM version")[0]["n"]
    assert lists < 22 * 40 * 6  # numbers, and no masks


def test_the_same_mask_again_takes_no_room(work: Workspace, good: int):
    for revision, seed in enumerate([1, 2, 1, 2, 1]):
        save_edit(work.store, good, photo_edit(revision, [_mask("k", seed)]), SIZE)
    kept = work.store.rows("SELECT id FROM record WHERE photo = ? AND key = 'k'", (good,))
    assert len(kept) == 2


def test_old_revisions_are_dropped_and_it_is_said(work: Workspace, good: int, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(annotation_tables, "_KEPT_REVISIONS", 5)
    monkeypatch.setattr(annotation_tables, "_DROPPED_AT_ONCE", 2)
    with TestClient(make_app(work), base_url="http://127.0.0.1:1") as page:
        save_edit(work.store, good, photo_edit(0, [box("first", [1, 2, 3, 4])]), SIZE)
        assert page.get(f"/api/photos/{good}/history").json()["dropped"] == 0
        shapes = _count(work.store, "shape")
        for revision in range(1, 20):
            last = save_edit(work.store, good, photo_edit(revision, [_mask(f"k{revision}", revision)]), SIZE)
        found = page.get(f"/api/photos/{good}/history").json()
        numbers = [version["revision"] for version in found["versions"]]
        assert numbers[0] == 20
        assert numbers[-1] == 0  # as it was found
        assert len(numbers) <= 5 + 2 + 1
        assert found["dropped"] == 21 - len(numbers)
        assert _count(work.store, "shape") == shapes + len(numbers) - 1
        for number in numbers[:-1]:
            assert at_revision(work.store, last, number).records[0].key == f"k{number - 1}"
        assert annotation_tables.last_known(work.store, good, "first") is None
        assert work.store.photo(good) == last


def _old_record(key: str, number: int, bbox: list[float], **more: object) -> dict:
    return {
        "key": key,
        "id": number,
        "category_id": 1,
        "bbox": bbox,
        "area": 4.0,
        "segmentation": {"size": [40, 48], "counts": "T1234"},
        "attributes": {"source": "person", "reviewed": True},
        "score": None,
        "proposed": False,
        "in_file": False,
        "more": {"iscrowd": 0},
    } | more


def _old_store(path: Path, revisions: int = 30) -> None:
    """A store as the version before wrote it: two photos, of which one has a history."""
    with sqlite3.connect(path) as db:
        db.executescript(OLD_SCHEMA)
        meta = {"format": 1, "name": "n" * 32, "changes": 31, "more": {"info": {}}, "written_changes": None}
        db.executemany("INSERT INTO meta VALUES (?, ?)", [(key, json.dumps(value)) for key, value in meta.items()])
        db.execute("INSERT INTO category VALUES (1, 'crack', '{}')")
        gone, many = _old_record("gone", 1, [5, 5, 2, 2]), [_old_record(f"k{n}", n, [n, 1, 2, 2]) for n in range(2, 42)]
        lists = [[], [gone, *many], *[[{**many[0], "bbox": [r, 1, 2, 2]}, *many[1:]] for r in range(2, revisions + 1)]]
        for revision, records in enumerate(lists):
            row = (2, revision, "2026-01-01", "c", f"x{revision}", "w", None, len(records), 0, json.dumps(records))
            db.execute("INSERT INTO version VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", row)
        columns = "(id, name, width, height, state, revision, records, predicted, more, in_file, here, labels)"
        places = f"INSERT INTO photo {columns} VALUES (?, ?, 48, 40, ?, ?, ?, ?, '{{}}', 0, 1, ?)"
        predicted = [_old_record("p1", 0, [1, 1, 2, 2], score=0.5, proposed=True)]
        db.execute(places, (1, "a.png", "good", 0, "[]", json.dumps(predicted), 0))
        db.execute(places, (2, "b.png", None, revisions, json.dumps(lists[-1]), None, 40))
        db.executemany("INSERT INTO identity VALUES (?, 2, ?)", [("gone", 1), *[(f"k{n}", n) for n in range(2, 42)]])
    db.close()


def test_a_store_of_the_version_before_goes_on(tmp_path: Path):
    for name in ("a.png", "b.png"):
        write_png(tmp_path / "photos" / name, noise(1))
    path = tmp_path / "ann.json.work.sqlite"
    _old_store(path)
    before = path.stat().st_size
    work = open_workspace(tmp_path / "photos", tmp_path / "ann.json")
    photo = work.store.photo(2)
    assert (photo.revision, len(photo.records), photo.records[0].bbox) == (30, 40, (30, 1, 2, 2))
    assert photo.records[0].more == {"iscrowd": 0}
    assert [len(at_revision(work.store, photo, number).records) for number in (0, 1, 2, 30)] == [0, 41, 40, 40]
    assert at_revision(work.store, photo, 7).records[0].bbox == (7, 1, 2, 2)
    assert work.store.photo(1).state == "good"
    predicted = work.store.photo(1).predicted
    assert predicted is not None
    assert (predicted[0].key, predicted[0].score) == ("p1", 0.5)
    old = [{"key": record.key, "category_id": 1} for record in photo.records]
    back = save_edit(work.store, 2, photo_edit(30, [*old, {"key": "gone", "category_id": 1}]), SIZE)
    assert (back.records[-1].id, back.records[-1].bbox) == (1, (5, 5, 2, 2))
    assert work.store.get("name") == "n" * 32
    work.store.close()
    assert path.stat().st_size < before / 3
    assert [file.name for file in tmp_path.glob("*sqlite*")] == [path.name]
    Store(path, review_priority).close()


def test_an_upgrade_that_fails_leaves_the_store_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = tmp_path / "ann.json.work.sqlite"
    _old_store(path)
    real = annotation_tables.keep_records

    def full(store: Store, photo: int, records: tuple[StoredAnnotation, ...]) -> str:
        if photo == 2 and records and records[0].bbox[0] == 9:
            assert list(tmp_path.glob("*.format1"))  # the copy
            raise OutputError(path, "cannot be written (full)", "Make room")
        return real(store, photo, records)

    monkeypatch.setattr(migration.annotation_tables, "keep_records", full)
    with pytest.raises(OutputError, match="full"):
        Store(path, review_priority)
    monkeypatch.undo()
    with sqlite3.connect(path) as db:
        assert db.execute("SELECT value FROM meta WHERE name = 'format'").fetchone() == ("1",)
        assert db.execute("SELECT count(*) FROM sqlite_master WHERE name = 'record'").fetchone() == (0,)
    db.close()
    store = Store(path, review_priority)
    assert store.photo(2).revision == 30
    store.close()
    assert not list(tmp_path.glob("*.format1"))


@pytest.mark.parametrize("removed", [["", "-wal"], [""], ["-wal"]])
def test_a_store_that_was_removed_is_written_again(work: Workspace, good: int, tmp_path: Path, removed: list[str]):
    first = save_edit(work.store, good, photo_edit(0, [_mask("k", 1)]), SIZE)
    for suffix in removed:
        Path(f"{work.store.path}{suffix}").unlink()
    second = save_edit(work.store, good, photo_edit(1, [_mask("k", 2)]), SIZE)
    third = save_edit(work.store, good, photo_edit(2, [_mask("k", 3)]), SIZE)
    copy = _copied(work.store, tmp_path / "copy")
    assert copy.photo(good) == third
    assert at_revision(copy, third, 1).records == first.records
    assert at_revision(copy, third, 2).records == second.records
    copy.close()
    assert not list(tmp_path.glob(".*.new"))


def test_the_page_that_only_looks_brings_a_removed_store_back(work: Workspace, good: int, tmp_path: Path):
    with TestClient(make_app(work), base_url="http://127.0.0.1:1") as page:
        kept = save_edit(work.store, good, photo_edit(0, [box("k", [1, 2, 3, 4])]), SIZE)
        work.store.path.unlink()
        assert page.post("/api/here", json={"client": "one", "photo": good}).status_code == 200
        copy = _copied(work.store, tmp_path / "copy")
        assert copy.photo(good) == kept
        copy.close()


def test_nothing_is_saved_while_another_file_lies_there(work: Workspace, good: int):
    with TestClient(make_app(work), base_url="http://127.0.0.1:1") as page:
        path = work.store.path
        path.unlink()
        path.write_bytes(b"another")
        wanted = edit(0, [box("k", [1, 2, 3, 4])])
        for _ in range(2):
            answer = page.put(f"/api/photos/{good}", json=wanted)
            assert answer.status_code == 507
            assert "was replaced by another file" in answer.json()["detail"]
        assert page.post("/api/categories", json={"name": "new"}).status_code == 507
        assert page.post("/api/here", json={"client": "one"}).status_code == 507
        assert path.read_bytes() == b"another"
        path.unlink()  # and it is made good
        assert page.put(f"/api/photos/{good}", json=wanted).status_code == 200
        path.unlink()
        path.write_bytes(b"another")
    labels = [one for one in read_coco(work.file.path).annotations if one.image_id == good]
    assert [one.bbox for one in labels] == [(1, 2, 3, 4)]  # at the end the annotation file has all
    assert path.read_bytes() == b"another"


def test_a_folder_that_is_gone_is_said(tmp_path: Path):
    folder = tmp_path / "in" / "it"
    store = Store(_made(folder) / "s.sqlite", review_priority)
    shutil.rmtree(folder.parent)
    with pytest.raises(OutputError, match="removed while it was open, and cannot be written again"):
        store.ensure_in_place()
    folder.mkdir(parents=True)
    store.ensure_in_place()
    assert store.path.is_file()
    store.close()


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True)
    return folder


def test_masks_are_shown_as_painting_them_would(work: Workspace, good: int):
    """The counts of a mask are read from the file without painting it; a polygon's are remembered."""
    triangle = {"kind": "polygon", "polygon": [[1, 1, 30, 1, 30, 30]]}
    said = [_mask("m", 1), {"key": "p", "category_id": 1, "shape": triangle}, mask("full", [0, 40 * 48])]
    kept = save_edit(work.store, good, photo_edit(0, said), SIZE)
    shown = {one.key: one for one in work.shown(kept).annotations}
    for one in said[:1]:
        assert shown[one["key"]].counts == one["shape"]["counts"]
    assert shown["full"].area == 40 * 48
    assert shown["p"].area == sum(shown["p"].counts[1::2])
    assert work.shown(kept) == work.shown(work.store.photo(good))
