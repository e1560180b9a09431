"""A model's answers become proposals, and photos where it and the labels differ come first."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import Category
from workspaces import box, number_of, open_workspace, photo_edit

from mvtec.annotate.server.predictions import propose
from mvtec.annotate.server.priority import review_priority
from mvtec.annotate.server.revisions import save_edit
from mvtec.annotate.server.workspace import Workspace
from mvtec.errors import InputError

SIZE = (48, 40)


@pytest.fixture
def work(category: Category, tmp_path: Path) -> Iterator[Workspace]:
    opened = open_workspace(category.root, tmp_path / "ann.json")
    yield opened
    opened.store.close()


def _predictions(folder: Path, results: list[dict[str, Any]], photos: dict[str, int]) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "provenance.json").write_text(
        json.dumps(
            {
                "model": "m",
                "model_sha256": "0",
                "split": None,
                "categories": {"0": "crack", "5": "scratch"},
                "options": {},
                "image_root": "x",
                "image_ids": photos,
                "image_sha256": {},
                "seen_in_training": [],
            }
        )
    )
    (folder / "predictions.json").write_text(json.dumps(results))
    return folder / "predictions.json"


def proposed(work: Workspace, path: Path) -> tuple[int, int]:
    found = propose(work.store, path, work.photos.size_wh)
    return found.waiting, found.unknown


def _answer(image: int, bbox: list[float], score: float, category: int = 0) -> dict[str, Any]:
    return {"image_id": image, "category_id": category, "bbox": bbox, "score": score}


PHOTOS = {"test/crack/000.png": 1, "test/good/000.png": 2, "test/good/001.png": 3, "elsewhere.png": 4}


def test_answers_are_proposed_once(work: Workspace, tmp_path: Path):
    results = [
        _answer(1, [3, 5, 10, 4], 0.9),  # fits the label
        _answer(1, [20, 20, 5, 5], 0.3),
        _answer(2, [1, 1, 9, 9], 0.6, category=5),
        _answer(2, [1, 1, 2, 2], 0.02),
    ]
    path = _predictions(tmp_path / "p", results, PHOTOS)
    assert proposed(work, path) == (2, 1)
    crack = work.store.photo(number_of(work, "test/crack/000.png"))
    assert [(one.proposed, one.score) for one in crack.records] == [(False, None), (True, 0.3)]
    assert crack.records[1].attributes == {"source": "detector", "reviewed": False}
    good = work.store.photo(number_of(work, "test/good/000.png"))
    assert work.store.categories()[good.records[0].category_id] == "scratch"
    assert proposed(work, path) == (2, 1)
    assert work.store.photo(good.id) == good
    accepted = {"key": good.records[0].key, "category_id": good.records[0].category_id}
    save_edit(work.store, good.id, photo_edit(1, [accepted]), SIZE)
    again = _predictions(tmp_path / "q", [_answer(2, [30, 30, 5, 5], 0.4)], PHOTOS)
    assert proposed(work, again)[0] == 1
    good = work.store.photo(good.id)
    assert [(one.proposed, one.score) for one in good.records] == [(False, 0.6), (True, 0.4)]
    assert [one.proposed for one in work.store.photo(crack.id).records] == [False]


def test_masks_that_sam_was_asked_for_stay_when_new_predictions_come(work: Workspace, tmp_path: Path):
    number = number_of(work, "test/good/000.png")
    asked = box("0b7c6f0e-2d6b-4d0e-9c6a-0a4d8a8f5c11", [30, 5, 5, 5], proposed=True, attributes={"source": "sam"})
    save_edit(work.store, number, photo_edit(0, [asked]), SIZE)
    for name, count in (("p", 1), ("q", 2)):
        answers = [_answer(2, [1 + 9 * at, 1, 5, 5], 0.6) for at in range(count)]
        proposed(work, _predictions(tmp_path / name, answers, PHOTOS))
        sources = [record.attributes["source"] for record in work.store.photo(number).records]
        assert sources == ["sam", *["detector"] * count]


def test_a_class_that_was_renamed_does_not_come_back(category: Category, tmp_path: Path):
    path = _predictions(tmp_path / "p", [_answer(n, [1, 1, 9, 9], 0.6, category=5) for n in (2, 3)], PHOTOS)
    late = category.photo("good", 1)
    late.rename(tmp_path / "late.png")
    work = open_workspace(category.root, tmp_path / "ann.json")
    proposed(work, path)
    number = {name: number for number, name in work.store.categories().items()}["scratch"]
    work.rename_category(number, "score")
    proposed(work, path)
    work.store.close()
    (tmp_path / "late.png").rename(late)
    work = open_workspace(category.root, tmp_path / "ann.json")
    proposed(work, path)
    assert set(work.store.categories().values()) == {"crack", "stain", "score"}
    assert [one.category_id for one in work.store.photo(number_of(work, "test/good/001.png")).records] == [number]
    work.store.close()


def test_photos_that_come_later_get_their_proposals(category: Category, tmp_path: Path):
    path = _predictions(tmp_path / "p", [_answer(2, [1, 1, 9, 9], 0.6), _answer(3, [1, 1, 9, 9], 0.6)], PHOTOS)
    late = category.photo("good", 1)
    late.rename(tmp_path / "late.png")
    work = open_workspace(category.root, tmp_path / "ann.json")
    assert proposed(work, path) == (1, 2)
    work.store.close()
    (tmp_path / "late.png").rename(late)
    work = open_workspace(category.root, tmp_path / "ann.json")
    before = work.store.photo(number_of(work, "test/good/000.png"))
    assert proposed(work, path) == (2, 1)
    assert work.store.photo(before.id) == before
    assert [record.proposed for record in work.store.photo(number_of(work, "test/good/001.png")).records] == [True]
    work.store.close()


def test_proposals_are_not_in_the_file_until_they_are_accepted(work: Workspace, tmp_path: Path):
    proposed(work, _predictions(tmp_path / "p", [_answer(2, [1, 1, 9, 9], 0.6)], PHOTOS))
    number = number_of(work, "test/good/000.png")

    def written() -> list[dict[str, Any]]:
        work.file.save()
        content = json.loads((tmp_path / "ann.json").read_text())
        return [one for one in content["annotations"] if one["image_id"] == number]

    assert written() == []
    key = work.store.photo(number).records[0].key
    save_edit(work.store, number, photo_edit(1, [{"key": key, "category_id": 1}]), SIZE)
    assert written()[0]["attributes"] == {"source": "detector", "reviewed": True}
    assert written()[0]["score"] == 0.6


def test_a_coco_file_is_taken_too_and_nonsense_is_not(work: Workspace, tmp_path: Path):
    path = tmp_path / "refined.json"
    content = {
        "images": [{"id": 1, "file_name": "test/good/000.png", "width": 48, "height": 40}],
        "categories": [{"id": 1, "name": "crack"}],
        "annotations": [
            {
                "id": 1,
                "image_id": 1,
                "category_id": 1,
                "bbox": [1, 2, 3, 4],
                "area": 12,
                "attributes": {"source": "sam", "predicted_iou": 0.4},
            }
        ],
    }
    path.write_text(json.dumps(content))
    assert proposed(work, path) == (1, 0)
    record = work.store.photo(number_of(work, "test/good/000.png")).records[0]
    assert record.attributes == {"source": "sam", "predicted_iou": 0.4, "reviewed": False}
    (tmp_path / "bare.json").write_text("[]")
    with pytest.raises(InputError, match=r"without provenance\.json"):
        proposed(work, tmp_path / "bare.json")


def test_a_photo_that_is_not_in_the_folder_stays_out_of_the_list(category: Category, tmp_path: Path):
    category.photo("crack", 0).unlink()
    category.mask("crack", 0).unlink()
    content = {
        "images": [{"id": 1, "file_name": "test/crack/000.png", "width": 48, "height": 40}],
        "categories": [{"id": 1, "name": "crack"}],
        "annotations": [],
    }
    (tmp_path / "ann.json").write_text(json.dumps(content))
    work = open_workspace(category.root, tmp_path / "ann.json")
    proposed(work, _predictions(tmp_path / "p", [_answer(1, [20, 20, 5, 5], 0.3)], PHOTOS))
    assert work.store.rows("SELECT here FROM photo WHERE id = 1")[0]["here"] == 0
    work.store.close()


def test_photos_of_the_highest_priority_come_first(work: Workspace, tmp_path: Path):
    results = [_answer(1, [3, 5, 10, 4], 0.99), _answer(2, [1, 1, 9, 9], 0.26), _answer(3, [1, 1, 9, 9], 0.95)]
    proposed(work, _predictions(tmp_path / "p", results, PHOTOS))
    rows = {
        row["name"]: row for row in work.store.rows("SELECT name, worth AS priority, disagrees, low_score FROM photo")
    }
    agreed, near, sure = (rows[f"test/{name}.png"] for name in ("crack/000", "good/000", "good/001"))
    assert (agreed["disagrees"], near["disagrees"], sure["disagrees"]) == (0, 1, 1)
    assert agreed["priority"] == 0
    assert near["priority"] == sure["priority"] == 1.0  # a defect where no label is
    number = number_of(work, "test/good/001.png")
    save_edit(work.store, number, photo_edit(1, [], state="good"), SIZE)
    assert work.store.rows("SELECT worth FROM photo WHERE id = ?", (number,))[0]["worth"] == 0


def test_priority_is_the_largest_doubt(work: Workspace):
    number = number_of(work, "test/good/002.png")

    def priority(**more: Any) -> float:
        revision = work.store.photo(number).revision
        after = save_edit(work.store, number, photo_edit(revision, [box("k", [1, 1, 5, 5], **more)]), SIZE)
        return review_priority(after.state, after.records, after.predicted).value

    assert priority(attributes={"source": "sam", "predicted_iou": 0.6}, proposed=True) == pytest.approx(0.4)
    assert priority() == 0


def test_answers_outside_of_the_photo_or_for_another_size_are_left_out(work: Workspace, tmp_path: Path):
    results = [
        _answer(2, [-4, 5, 10, 10], 0.9),
        _answer(2, [500, 500, 9, 9], 0.9),
        _answer(3, [1, 1, 9, 9], 0.6),
    ]
    found = propose(work.store, _predictions(tmp_path / "p", results, PHOTOS), work.photos.size_wh)
    assert (found.waiting, found.misfits) == (2, 1)
    assert work.store.photo(number_of(work, "test/good/000.png")).records[0].bbox == (0, 5, 6, 10)
    scaled = {
        "images": [{"id": 1, "file_name": "test/good/002.png", "width": 24, "height": 20}],
        "categories": [{"id": 1, "name": "crack"}],
        "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 1, 4, 4], "area": 16, "iscrowd": 0}],
    }
    edge = {"id": 1, "image_id": 1, "category_id": 1, "bbox": [-6, -6, 20, 20], "area": 400, "iscrowd": 0}
    outside = edge | {"id": 2, "bbox": [60, 2, 5, 5], "area": 25}
    own = scaled | {"images": [scaled["images"][0] | {"width": 48, "height": 40}], "annotations": [edge, outside]}
    (tmp_path / "own.json").write_text(json.dumps(own))
    assert propose(work.store, tmp_path / "own.json", work.photos.size_wh).misfits == 1
    (record,) = work.store.photo(number_of(work, "test/good/002.png")).records
    assert (record.bbox, record.area) == ((0, 0, 14, 14), 196)
    (tmp_path / "scaled.json").write_text(json.dumps(scaled))
    assert propose(work.store, tmp_path / "scaled.json", work.photos.size_wh).misfits == 1
    assert work.store.photo(number_of(work, "test/good/002.png")).records == ()


def test_results_of_another_tool_are_taken_by_the_names_of_photos(work: Workspace, tmp_path: Path):
    number = next(number for number, name in work.store.categories().items() if name == "crack")
    answer = {**_answer(0, [20, 10, 5, 6], 0.9, number), "file_name": "test/good/001.png"}
    path = tmp_path / "theirs.json"
    path.write_text(json.dumps([answer]))
    assert proposed(work, path) == (1, 0)
    record = work.store.photo(number_of(work, "test/good/001.png")).records[0]
    assert (record.bbox, record.category_id, record.score) == ((20, 10, 5, 6), number, 0.9)
    for wrong, problem in (
        ({"file_name": "test/good/099.png"}, r"the photo test/good/099\.png, which the annotation file does not have"),
        ({"file_name": "000.png"}, "which may be"),
        ({"category_id": 77}, "predicts category 77, which the annotation file does not have"),
        ({"file_name": None}, r"without provenance\.json beside it, and does not name the photos"),
    ):
        path.write_text(json.dumps([answer | wrong]))
        with pytest.raises(InputError, match=problem):
            proposed(work, path)


def test_it_is_said_how_the_ids_of_categories_were_read(work: Workspace, tmp_path: Path):
    answer = {**_answer(0, [20, 10, 5, 6], 0.9, 77), "file_name": "test/good/001.png", "category_name": "crack"}
    path = tmp_path / "theirs.json"
    path.write_text(json.dumps([answer]))
    notes = propose(work.store, path, work.photos.size_wh).notes
    assert any("classes are told by category_name" in note for note in notes)
    crack = next(number for number, name in work.store.categories().items() if name == "crack")
    assert work.store.photo(number_of(work, "test/good/001.png")).records[0].category_id == crack


def test_the_name_of_a_photo_goes_before_the_id_that_is_its_stem(work: Workspace, tmp_path: Path):
    answer = {**_answer(3, [20, 10, 5, 6], 0.9), "file_name": "test/good/000.png"}
    with pytest.raises(InputError, match=r"image_id 3 with file_name test/good/000\.png; in the provenance\.json"):
        proposed(work, _predictions(tmp_path / "p", [answer], PHOTOS))


def test_the_score_of_an_annotation_may_be_among_its_attributes(work: Workspace, tmp_path: Path):
    shape = {"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4], "area": 12, "attributes": {"score": 0.05}}
    content = {
        "images": [{"id": 1, "file_name": "test/good/000.png", "width": 48, "height": 40}],
        "categories": [{"id": 1, "name": "crack"}],
        "annotations": [shape, {**shape, "id": 2, "bbox": [9, 9, 5, 5], "attributes": {"score": 0.7}}],
    }
    path = tmp_path / "scored.json"
    path.write_text(json.dumps(content))
    assert proposed(work, path) == (1, 0)  # one below 0.1 is none
    assert work.store.photo(number_of(work, "test/good/000.png")).records[0].score == 0.7
