"""Every change is a revision: none is lost, none is made twice, and a model's word stays apart from a person's."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from conftest import Category
from workspaces import box, mask, number_of, open_workspace, photo_edit

from mvtec.annotate.server.revisions import Conflict, at_revision, save_edit
from mvtec.annotate.server.stored import StoredAnnotation
from mvtec.annotate.server.workspace import Workspace
from mvtec.errors import InputError, OutputError
from mvtec.reading import read_json

SIZE = (48, 40)


@pytest.fixture
def work(category: Category, tmp_path: Path) -> Iterator[Workspace]:
    opened = open_workspace(category.root, tmp_path / "ann.json")
    yield opened
    opened.store.close()


@pytest.fixture
def good(work: Workspace) -> int:
    return number_of(work, "test/good/000.png")


def test_a_new_annotation_is_a_persons(work: Workspace, good: int):
    kept = save_edit(work.store, good, photo_edit(0, [box("k", [1, 2, 3, 4])]), SIZE)
    record = kept.records[0]
    assert (record.bbox, record.area, record.segmentation) == ((1, 2, 3, 4), 12, [])
    assert record.attributes == {"source": "person", "reviewed": True}
    assert kept.revision == 1
    assert work.store.photo(good) == kept


def test_an_edit_sent_again_is_made_once(work: Workspace, good: int):
    wanted = photo_edit(0, [box("k", [1, 2, 3, 4])])
    first = save_edit(work.store, good, wanted, SIZE)
    save_edit(work.store, good, photo_edit(1, [box("k", [1, 2, 3, 4]), box("l", [5, 5, 2, 2])]), SIZE)
    assert save_edit(work.store, good, wanted, SIZE) == first
    assert work.store.photo(good).revision == 2


def test_an_edit_of_an_older_revision_is_a_conflict_and_changes_nothing(work: Workspace, good: int):
    save_edit(work.store, good, photo_edit(0, [box("k", [1, 2, 3, 4])]), SIZE)
    with pytest.raises(Conflict) as found:
        save_edit(work.store, good, photo_edit(0, [box("mine", [1, 2, 3, 4])]), SIZE)
    assert [record.key for record in found.value.current.records] == ["k"]
    assert work.store.photo(good) == found.value.current


def test_what_was_deleted_comes_back_with_its_shape_and_number(work: Workspace):
    number = number_of(work, "test/crack/000.png")
    before = work.store.photo(number)
    save_edit(work.store, number, photo_edit(0, []), SIZE)
    record = before.records[0]
    back = {"key": record.key, "category_id": record.category_id, "attributes": record.attributes}
    after = save_edit(work.store, number, photo_edit(1, [back]), SIZE)
    assert after.records == before.records
    assert at_revision(work.store, after, 0).records == before.records
    assert at_revision(work.store, after, 1).records == ()


def test_history_tells_what_was_done(work: Workspace, good: int):
    save_edit(work.store, good, photo_edit(0, [box("k", [1, 2, 3, 4])]), SIZE)
    save_edit(work.store, good, photo_edit(1, [box("k", [1, 2, 3, 5])], state="unsure"), SIZE)
    save_edit(work.store, good, photo_edit(2, []), SIZE)
    rows = work.store.rows("SELECT what FROM version WHERE photo = ? ORDER BY revision", (good,))
    assert [row["what"] for row in rows] == [
        "as it was found",
        "added 1",
        "changed 1, unsure",
        "deleted 1, not reviewed",
    ]


def test_only_who_says_so_takes_edited_back(work: Workspace, good: int):
    sam = {"source": "sam", "edited": False}
    key, shape = "a", {"kind": "box", "bbox": [5, 5, 9, 9]}
    kept = save_edit(work.store, good, photo_edit(0, [box(key, [1, 2, 3, 4], attributes=sam, proposed=True)]), SIZE)
    assert "edited" not in kept.records[0].attributes
    steps = [
        ({"shape": shape, "attributes": {"note": "x"}}, True),  # a client that sends what it knows
        ({"attributes": {"note": "y"}}, True),
        ({"attributes": {"edited": False}}, False),  # the page after undo
        ({"shape": shape, "attributes": {"edited": True}}, True),
    ]
    for revision, (wanted, edited) in enumerate(steps, start=1):
        edit = photo_edit(revision, [{"key": key, "category_id": 1, **wanted}])
        attributes = save_edit(work.store, good, edit, SIZE).records[0].attributes
        assert attributes.get("edited", False) == edited, wanted


def test_a_proposal_accepted_or_mended_keeps_its_source(work: Workspace, good: int):
    said = {"source": "sam", "predicted_iou": 0.9}
    proposed = [
        box(key, [1, 2, 3, 4], attributes=said, proposed=True) for key in ("accepted", "corrected", "open", "rejected")
    ]
    kept = save_edit(work.store, good, photo_edit(0, proposed), SIZE)
    assert all(record.proposed and record.attributes["reviewed"] is False for record in kept.records)
    wanted = [
        {"key": "accepted", "category_id": 1},
        mask("corrected", [0, 40, 40 * 47], proposed=False),
        {"key": "open", "category_id": 1, "proposed": True},
    ]
    accepted, corrected, open_ = save_edit(work.store, good, photo_edit(1, wanted), SIZE).records
    assert accepted.attributes == said | {"reviewed": True}
    assert corrected.attributes == said | {"reviewed": True, "edited": True}
    assert corrected.bbox == (0, 0, 1, 40)
    assert open_.proposed
    assert open_.attributes == said | {"reviewed": False}


@pytest.mark.parametrize(
    ("annotations", "problem"),
    [
        ([box("k", [1, 2, 3, 4]), box("k", [1, 2, 3, 4])], "twice"),
        ([box("k", [50, 2, 3, 4])], "not in the photo"),
        ([box("k", [1, 2, -3, 4])], "not in the photo"),
        ([box("k", [1, 2, 3, 4], category=99)], "class 99"),
        ([{"key": "k", "category_id": 1}], "no shape"),
        ([mask("k", [40 * 48])], "no pixel"),
        ([mask("k", [1, 2, 3])], "run-length"),
        ([{"key": "k", "category_id": 1, "shape": {"kind": "polygon", "polygon": [[1, 2, 3, 4]]}}], "three points"),
        (
            [{"key": "k", "category_id": 1, "shape": {"kind": "polygon", "polygon": [[90, 90, 95, 90, 95, 95]]}}],
            "no pixel",
        ),
    ],
)
def test_nonsense_is_refused_and_changes_nothing(work: Workspace, good: int, annotations: list[dict], problem: str):
    before = work.store.photo(good)
    with pytest.raises(InputError, match=problem):
        save_edit(work.store, good, photo_edit(0, annotations), SIZE)
    assert work.store.photo(good) == before


def test_a_photo_with_labels_is_not_good(work: Workspace):
    number = number_of(work, "test/crack/000.png")
    record = work.store.photo(number).records[0]
    kept = {"key": record.key, "category_id": record.category_id}
    with pytest.raises(InputError, match="has labels"):
        save_edit(work.store, number, photo_edit(0, [kept], state="good"), SIZE)
    assert save_edit(work.store, number, photo_edit(0, [], state="good"), SIZE).state == "good"


def test_a_full_disk_changes_nothing_and_is_said(work: Workspace, good: int):
    pages = work.store.rows("PRAGMA page_count")[0][0]
    work.store.rows(f"PRAGMA max_page_count = {pages}")
    many = [box(f"k{number}", [1, 2, 3, 4]) for number in range(2000)]
    with pytest.raises(OutputError, match="full"):
        save_edit(work.store, good, photo_edit(0, many), SIZE)
    assert work.store.photo(good).revision == 0
    work.store.rows("PRAGMA max_page_count = 100000")
    assert len(save_edit(work.store, good, photo_edit(0, many), SIZE).records) == 2000


def test_a_record_knows_its_file(work: Workspace):
    record = work.store.photo(number_of(work, "test/crack/000.png")).records[0]
    assert isinstance(record, StoredAnnotation)
    assert record.in_file
    assert not replace(record, in_file=False).in_file


def test_undo_takes_back_a_judgement_too(work: Workspace):
    number = number_of(work, "test/crack/000.png")
    before = work.store.photo(number)
    doubtful = {"source": "sam", "reviewed": False, "needs_review": True, "review_reason": "stability"}
    for said in (doubtful, {"depth": 0.2, "note": None}, {}):
        work.store.put(replace(before, records=(replace(before.records[0], attributes=said),)))
        revision = work.store.photo(number).revision
        key = before.records[0].key
        moved = box(key, [5, 5, 9, 9], attributes=said | {"reviewed": True, "edited": True})
        after = save_edit(work.store, number, photo_edit(revision, [moved]), SIZE).records[0]
        assert after.attributes["reviewed"] is True
        assert "needs_review" not in after.attributes
        undone = box(key, [1, 1, 9, 9], attributes=said | {"reviewed": said.get("reviewed"), "edited": False})
        again = save_edit(work.store, number, photo_edit(revision + 1, [undone]), SIZE).records[0]
        assert again.attributes == said


def test_a_text_that_looks_like_a_key_hides_no_deleted_label(work: Workspace):
    number = number_of(work, "test/crack/000.png")
    first = work.store.photo(number).records[0]
    save_edit(work.store, number, photo_edit(0, []), SIZE)
    note = {"note": f'"key":"{first.key}"'}
    save_edit(work.store, number, photo_edit(1, [box("other", [1, 2, 3, 4], attributes=note)]), SIZE)
    wanted = [{"key": first.key, "category_id": first.category_id}, {"key": "other", "category_id": 1}]
    back = save_edit(work.store, number, photo_edit(2, wanted), SIZE).records[0]
    assert (back.id, back.bbox, back.segmentation) == (first.id, first.bbox, first.segmentation)


def test_a_mask_made_a_box_leaves_no_mask_in_the_file(work: Workspace):
    number = number_of(work, "test/crack/000.png")
    first = work.store.photo(number).records[0]
    assert first.segmentation
    save_edit(work.store, number, photo_edit(0, [box(first.key, [1, 2, 3, 4], category=first.category_id)]), SIZE)
    work.file.save()
    written = next(one for one in read_json(work.file.path, "x")["annotations"] if one["id"] == first.id)
    assert written["segmentation"] == []
