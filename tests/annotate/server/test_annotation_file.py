"""The annotation file and its store: nothing of the file is lost, and neither is what a person did."""

from __future__ import annotations

import json
import shutil
import threading
from pathlib import Path

import pytest
from conftest import Category, noise, write_png
from workspaces import box, number_of, open_workspace, photo_edit

from mvtec.annotate.server.open_store import store_path
from mvtec.annotate.server.revisions import save_edit
from mvtec.annotate.server.serve import Prepared, prepare
from mvtec.convert.formats.coco.files import read_coco
from mvtec.errors import InputError

SIZE = (48, 40)


def _coco(path: Path, **more: object) -> dict:
    content = {
        "info": {"year": 2026, "odd": [1]},
        "licenses": [{"id": 1, "name": "ours"}],
        "images": [{"id": 7, "file_name": "test/good/000.png", "width": 48, "height": 40, "camera": "left"}],
        "categories": [{"id": 3, "name": "crack", "supercategory": "defect", "colour": "red"}],
        "annotations": [
            {
                "id": 11,
                "image_id": 7,
                "category_id": 3,
                "bbox": [1, 2, 3, 4],
                "area": 12,
                "iscrowd": 0,
                "segmentation": [[1, 2, 4, 2, 4, 6, 1, 6]],
                "attributes": {"depth": 0.2},
                "track": "x",
            },
            {
                "id": 12,
                "image_id": 7,
                "category_id": 3,
                "bbox": [5, 5, 4, 4],
                "area": 16,
                "iscrowd": 1,
                "segmentation": [],
                "attributes": {"source": "sam", "reviewed": False},
                "score": 0.3,
            },
        ],
    } | more
    path.write_text(json.dumps(content))
    return content


def test_what_we_do_not_know_passes_through(category: Category, tmp_path: Path):
    path = tmp_path / "ann.json"
    before = _coco(path)
    work = open_workspace(category.root, path)
    assert [record.proposed for record in work.store.photo(7).records] == [False, True]
    good = number_of(work, "test/good/001.png")
    save_edit(work.store, good, photo_edit(0, [box("new", [1, 2, 3, 4], category=3)], state="reviewed"), SIZE)
    work.close()
    after = json.loads(path.read_text())
    assert {key: after[key] for key in ("info", "licenses", "categories")} == {
        key: before[key] for key in ("info", "licenses", "categories")
    }
    assert after["images"][0] == before["images"][0]
    assert after["annotations"][:2] == before["annotations"]
    assert after["annotations"][2] == {
        "id": 13,
        "image_id": good,
        "category_id": 3,
        "bbox": [1, 2, 3, 4],
        "area": 12,
        "iscrowd": 0,
        "segmentation": [],
        "attributes": {"source": "person", "reviewed": True},
    }
    assert after["images"][1]["attributes"] == {"review": "reviewed"}
    assert len(after["images"]) == 2  # of the others nobody has said anything


def test_without_a_file_it_begins_with_the_masks(category: Category, tmp_path: Path, mvtec):
    work = open_workspace(category.root, tmp_path / "ann.json")
    work.close()
    assert mvtec("convert", "masks-to-coco", category.root, "--out", tmp_path / "same.json").code == 0
    ours, theirs = read_coco(tmp_path / "ann.json"), read_coco(tmp_path / "same.json")
    assert (ours.images, ours.annotations, ours.categories) == (theirs.images, theirs.annotations, theirs.categories)


def test_a_plain_folder_begins_with_nothing(tmp_path: Path):
    for number in range(3):
        write_png(tmp_path / "photos" / f"{number}.png", noise(number))
    work = open_workspace(tmp_path / "photos", tmp_path / "ann.json")
    work.add_category("crack")
    save_edit(work.store, 2, photo_edit(0, [box("k", [1, 2, 3, 4])]), SIZE)
    work.close()
    found = read_coco(tmp_path / "ann.json")
    assert [image.file_name for image in found.images] == ["1.png"]
    assert [(one.category_id, one.bbox) for one in found.annotations] == [(1, (1, 2, 3, 4))]


def test_work_goes_on_where_it_was(category: Category, tmp_path: Path):
    path = tmp_path / "ann.json"
    work = open_workspace(category.root, path)
    number = number_of(work, "test/crack/000.png")
    after = save_edit(work.store, number, photo_edit(0, []), SIZE)
    work.store.close()  # as if it had been killed: nothing was written
    assert not path.exists()
    write_png(category.photo("good", 77), noise(77))
    again = open_workspace(category.root, path)
    assert again.store.photo(number) == after
    assert number_of(again, "test/good/077.png")
    again.close()
    assert all(one.image_id != number for one in read_coco(path).annotations)


def test_what_is_null_or_odd_passes_through(category: Category, tmp_path: Path):
    path = tmp_path / "ann.json"
    annotation = {"id": 1, "image_id": -5, "category_id": 3, "bbox": [1, 2, 3, 4], "area": 12}
    content = {
        "top": None,
        "info": {"description": None},
        "images": [
            {"id": -5, "file_name": "test/good/000.png", "width": 48, "height": 40, "date": None, "attributes": None}
        ],
        "categories": [{"id": 3, "name": "crack"}],
        "annotations": [
            annotation | {"note": None, "score": "0.9"},
            annotation | {"id": 2, "segmentation": None, "attributes": ["a"], "iscrowd": 0},
            annotation | {"id": 3, "attributes": {"source": "manual"}},
        ],
    }
    path.write_text(json.dumps(content))
    work = open_workspace(category.root, path)
    assert not any(record.proposed for record in work.store.photo(-5).records)
    save_edit(work.store, number_of(work, "test/good/001.png"), photo_edit(0, [], state="good"), SIZE)
    work.close()
    after = json.loads(path.read_text())
    assert after["annotations"] == content["annotations"]
    assert after["images"][0] == content["images"][0]
    assert {name: after[name] for name in ("top", "info", "categories")} == {
        name: content[name] for name in ("top", "info", "categories")
    }


def test_an_id_that_no_browser_holds_is_refused(category: Category, tmp_path: Path):
    path = tmp_path / "ann.json"
    _coco(path, annotations=[], images=[{"id": 2**62, "file_name": "a.png", "width": 1, "height": 1}])
    with pytest.raises(InputError, match="image id"):
        open_workspace(category.root, path)


def test_a_link_stays_a_link(category: Category, tmp_path: Path):
    real = tmp_path / "real" / "ann.json"
    real.parent.mkdir()
    _coco(real)
    (tmp_path / "link.json").symlink_to(real)
    ready = prepare(
        category.root,
        tmp_path / "link.json",
        predictions=None,
        model="auto",
        weights=None,
        use_sam=False,
        device="cpu",
    )
    save_edit(ready.work.store, 7, photo_edit(0, [], state="good"), SIZE)
    ready.work.close()
    assert (tmp_path / "link.json").is_symlink()
    assert json.loads(real.read_text())["annotations"] == []


def test_two_saves_at_once_are_one_after_the_other(category: Category, tmp_path: Path):
    path = tmp_path / "ann.json"
    work = open_workspace(category.root, path)
    number = number_of(work, "test/good/000.png")
    for revision in range(20):
        save_edit(work.store, number, photo_edit(revision, [box(f"k{revision}", [1, 2, 3, 4])]), SIZE)
        threads = [threading.Thread(target=work.file.save) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert work.file.problem is None
        assert not work.file.unsaved
    work.close()
    assert len([one for one in read_coco(path).annotations if one.image_id == number]) == 1


def test_an_annotation_that_cannot_be_painted_is_shown_as_its_box(category: Category, tmp_path: Path):
    path = tmp_path / "ann.json"
    good = {"id": 1, "image_id": 7, "category_id": 3, "bbox": [1, 2, 3, 4], "area": 12}
    ring = [0.0, 0.0, 999_999.0, 1.0] * 750
    _coco(
        path,
        annotations=[
            good | {"segmentation": [[1, 2, 4, 2, 4, 6, 1, 6]]},
            good | {"id": 2, "segmentation": [[1, 2, 3, 4]]},
            good | {"id": 3, "segmentation": [[900, 900, 901, 900, 901, 901]]},
            good | {"id": 4, "segmentation": [ring]},
        ],
    )
    before = path.read_text()
    work = open_workspace(category.root, path)
    shown = work.shown(work.store.photo(7)).annotations
    assert [one.problem is None for one in shown] == [True, False, False, False]
    assert "longer" in (shown[3].problem or "")
    kept = [{"key": one.key, "category_id": 3} for one in shown]
    save_edit(work.store, 7, photo_edit(0, kept, state="reviewed"), SIZE)
    work.close()
    assert [one["segmentation"] for one in json.loads(path.read_text())["annotations"]] == [
        one["segmentation"] for one in json.loads(before)["annotations"]
    ]


def test_a_file_changed_outside_is_read_anew_or_refused(category: Category, tmp_path: Path):
    path = tmp_path / "ann.json"
    _coco(path)
    work = open_workspace(category.root, path)
    former = work.store.get("name")
    save_edit(work.store, 7, photo_edit(0, [box("k", [1, 2, 3, 4], category=3)]), SIZE)
    work.close()
    _coco(path, annotations=[])
    work = open_workspace(category.root, path)
    assert work.store.photo(7).records == ()
    assert work.store.photo(7).revision == 0
    assert work.store.get("name") != former  # a page of before cannot save into it
    assert len(list(tmp_path.glob("ann.json.work.sqlite.*"))) == 1  # its history
    save_edit(work.store, 7, photo_edit(0, [], state="good"), SIZE)
    _coco(path, annotations=[], licenses=[])
    work.file.save()
    assert "changed by another program" in (work.file.problem or "")
    assert json.loads(path.read_text())["licenses"] == []
    work.store.close()
    with pytest.raises(InputError, match="changed by another program"):
        open_workspace(category.root, path)
    path.unlink()
    work = open_workspace(category.root, path)
    assert work.store.photo(7).state == "good"
    work.close()
    assert json.loads(path.read_text())["licenses"] == [{"id": 1, "name": "ours"}]


def test_photos_that_are_not_in_the_folder_stay_in_the_file(category: Category, tmp_path: Path):
    path = tmp_path / "ann.json"
    content = _coco(path, images=[{"id": 7, "file_name": "gone.png", "width": 48, "height": 40}])
    work = open_workspace(category.root, path)
    assert work.store.rows("SELECT here FROM photo WHERE id = 7")[0]["here"] == 0
    good = number_of(work, "test/good/001.png")
    save_edit(work.store, good, photo_edit(0, [], state="good"), SIZE)
    work.close()
    after = json.loads(path.read_text())
    assert after["images"][0] == content["images"][0]
    assert after["annotations"] == content["annotations"]


def test_one_file_is_open_once(category: Category, tmp_path: Path):
    work = open_workspace(category.root, tmp_path / "ann.json")
    with pytest.raises(InputError, match="open in another"):
        open_workspace(category.root, tmp_path / "ann.json")
    work.close()
    open_workspace(category.root, tmp_path / "ann.json").close()


def test_a_spoilt_store_or_file_is_said(category: Category, tmp_path: Path):
    path = tmp_path / "ann.json"
    store_path(path).write_text("hello, this is no database at all" * 100)
    with pytest.raises(InputError, match="no working store"):
        open_workspace(category.root, path)
    store_path(path).unlink()
    path.write_text("{}")
    with pytest.raises(InputError, match="not a COCO annotation file"):
        open_workspace(category.root, path)
    assert not store_path(path).exists()


def test_a_disk_that_is_full_keeps_the_old_file(category: Category, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = tmp_path / "ann.json"
    _coco(path)
    before = path.read_bytes()
    work = open_workspace(category.root, path)
    save_edit(work.store, 7, photo_edit(0, [], state="good"), SIZE)

    def full(*_args: object, **_values: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("mvtec.annotate.server.annotation_file.write_coco_parts", full)
        work.file.save()
    assert "No space left" in (work.file.problem or "")
    assert path.read_bytes() == before
    work.close()
    assert json.loads(path.read_text())["annotations"] == []
    assert work.file.problem is None
    shutil.rmtree(category.root)


def _ready(root: Path, annotations: Path, *, was_named: bool) -> Prepared:
    return prepare(
        root,
        annotations,
        was_named=was_named,
        predictions=None,
        model="auto",
        weights=None,
        use_sam=False,
        device="cpu",
    )


def test_labels_of_another_folder_are_not_taken_unasked(tmp_path: Path):
    for day in ("one", "two"):
        write_png(tmp_path / day / "photos" / "000.png", noise(1))
    path = tmp_path / "photos.json"
    ready = _ready(tmp_path / "one" / "photos", path, was_named=False)
    ready.work.add_category("crack")
    save_edit(ready.work.store, 1, photo_edit(0, [box("k", [1, 2, 3, 4])]), SIZE)
    ready.work.close()
    with pytest.raises(InputError, match=r"holds the labels of .*one.photos"):
        _ready(tmp_path / "two" / "photos", path, was_named=False)
    again = _ready(tmp_path / "one" / "photos", path, was_named=False)
    assert again.notes == []
    again.work.close()
    named = _ready(tmp_path / "two" / "photos", path, was_named=True)
    assert "photos of the same names take them over" in named.notes[0]
    named.work.close()
    with pytest.raises(InputError):  # which leaves the folder as it was
        prepare(
            tmp_path / "one" / "photos",
            path,
            predictions=tmp_path,
            model="auto",
            weights=None,
            use_sam=False,
            device="cpu",
        )
    path.write_text(path.read_text() + " ")  # another program: a store of its own begins
    with pytest.raises(InputError, match=r"holds the labels of .*two.photos"):
        _ready(tmp_path / "one" / "photos", path, was_named=False)
    (tmp_path / "two").rename(tmp_path / "moved")
    moved = _ready(tmp_path / "moved" / "photos", path, was_named=False)
    assert [note for note in moved.notes if "labels of" in note] == []
    moved.work.close()


def test_a_stop_between_the_file_and_its_note_is_no_change_by_others(
    category: Category, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    path = tmp_path / "ann.json"
    work = open_workspace(category.root, path)
    real = work.store.set

    def full(name: str, value: object) -> None:
        if name == "file_sha256":
            raise OSError(28, "No space left on device")
        real(name, value)

    with monkeypatch.context() as patched:
        patched.setattr(work.store, "set", full)
        work.file.save()
    assert work.file.problem is not None
    assert path.is_file()
    work.store.close()
    again = open_workspace(category.root, path)
    again.close()
    assert again.file.problem is None
    assert not list(tmp_path.glob("ann.json.work.sqlite.2*"))


def test_a_passing_error_is_said_and_tried_again(category: Category, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    work = open_workspace(category.root, tmp_path / "ann.json")
    work.file.save()

    def fails(_: Path) -> bool:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patched:
        patched.setattr(Path, "is_file", fails)
        work.file.save()
    assert "Input/output error" in (work.file.problem or "")
    work.file.save()
    assert work.file.problem is None
    work.close()


def test_the_file_keeps_its_permissions_and_marks_are_written_over_empty_attributes(category: Category, tmp_path: Path):
    path = tmp_path / "ann.json"
    image = {"id": 7, "file_name": "test/good/000.png", "width": 48, "height": 40, "attributes": []}
    _coco(path, images=[image], annotations=[])
    path.chmod(0o660)
    work = open_workspace(category.root, path)
    save_edit(work.store, 7, photo_edit(0, [], state="unsure"), SIZE)
    work.close()
    assert path.stat().st_mode & 0o777 == 0o660
    assert json.loads(path.read_text())["images"][0]["attributes"] == {"review": "unsure"}


def test_a_folder_and_half_a_letter_are_no_annotation_file(category: Category, tmp_path: Path):
    with pytest.raises(InputError, match="is a folder"):
        open_workspace(category.root, tmp_path)
    path = tmp_path / "ann.json"
    _coco(path, categories=[{"id": 3, "name": "\ud800"}])
    with pytest.raises(InputError, match="not valid Unicode"):
        open_workspace(category.root, path)
    assert not store_path(path).exists()
