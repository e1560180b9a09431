"""Which photo a detection is about: by its id, by its name, by the stem of the name, or refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mvtec.convert.formats.coco.results import number, results_for
from mvtec.errors import InputError

PHOTOS = {1: "002.png", 2: "003.png", 3: "004.png", 4: "part_9.png"}


def photos_of(*records: dict[str, Any], photos: dict[int, str] | None = None) -> tuple[list[int], str]:
    whole = [{"category_id": 1, "bbox": [1, 2, 3, 4], "score": 0.5, **record} for record in records]
    found = results_for(Path("pred.json"), whole, photos or PHOTOS, "truth.json")
    return [result.image_id for result in found.results], " ".join(found.notes)


def test_plain_ids_are_those_of_the_annotation_file():
    assert photos_of({"image_id": 1}, {"image_id": 2}) == ([1, 2], "")


@pytest.mark.parametrize(
    "name",
    ["003.png", "images/test/003.png", "003", "./003.png", "images\\003.png", "003.jpg"],
)
def test_the_name_says_which_photo_is_meant(name: str):
    assert photos_of({"image_id": 2, "file_name": name}) == ([2], "")
    assert photos_of({"file_name": name}) == ([2], "")


def test_ids_of_ultralytics_are_stems_and_the_name_goes():
    found, said = photos_of({"image_id": 2, "file_name": "002.png"}, {"image_id": 3, "file_name": "003.png"})
    assert found == [1, 2]
    assert "as Ultralytics writes them; photos are told by file_name" in said


def test_text_ids_are_stems():
    found, said = photos_of({"image_id": "part_9"}, {"image_id": "003"}, {"image_id": "test/004.png"})
    assert found == [4, 2, 3]
    assert "text are taken for the names of photos" in said


def test_a_number_beside_text_ids_is_a_stem_too():
    assert photos_of({"image_id": "part_9"}, {"image_id": 2})[0] == [4, 1]
    with pytest.raises(InputError, match="predicts image 1"):
        photos_of({"image_id": "part_9"}, {"image_id": 1})


def test_numbers_that_are_no_ids_are_stems_where_all_are():
    found, said = photos_of({"image_id": 2}, {"image_id": 5}, photos={1: "2.png", 2: "5.png"})
    assert found == [1, 2]
    assert "numbers that photos are named by" in said
    with pytest.raises(InputError, match=r"predicts image 5, which truth\.json does not have"):
        photos_of({"image_id": 2}, {"image_id": 5})


def test_text_that_is_an_id_is_one():
    assert photos_of({"image_id": "1"}, photos={1: "a.png"}) == ([1], "")
    with pytest.raises(InputError, match=r'image "2", which is the name of 2\.png and the id of b\.png'):
        photos_of({"image_id": "2"}, photos={1: "2.png", 2: "b.png"})


def test_an_id_that_contradicts_the_name_is_refused():
    with pytest.raises(InputError, match=r"image_id 1 with file_name 003\.png; in truth\.json 1 is 002\.png"):
        photos_of({"image_id": 1, "file_name": "003.png"})
    with pytest.raises(InputError, match="image_id 1 with file_name"):  # two names of one id
        photos_of({"image_id": 0, "file_name": "a.png"}, {"image_id": 1, "file_name": "b.png"},
                  {"image_id": 1, "file_name": "c.png"}, photos={1: "a.png", 2: "b.png", 3: "c.png"})  # fmt: skip


def test_ids_of_another_numbering_give_way_to_names():
    photos = {1: "a.png", 2: "b.png"}
    found, said = photos_of({"image_id": 0, "file_name": "a.png"}, {"image_id": 1, "file_name": "b.png"}, photos=photos)
    assert found == [1, 2]
    assert "photos are told by file_name" in said


def test_a_name_that_may_be_two_photos_is_refused_unless_the_id_says_which():
    photos = {1: "crack/000.png", 2: "good/000.png"}
    with pytest.raises(InputError, match=r"000\.png, which may be crack/000\.png or good/000\.png"):
        photos_of({"file_name": "000.png"}, photos=photos)
    with pytest.raises(InputError, match="may be"):
        photos_of({"image_id": "000"}, photos=photos)
    assert photos_of({"file_name": "000.png", "image_id": 2}, photos=photos)[0] == [2]
    assert photos_of({"file_name": "good/000.png", "image_id": 2}, photos=photos)[0] == [2]


def test_a_photo_that_is_not_known_is_refused():
    with pytest.raises(InputError, match=r"the photo 099\.png, which truth\.json does not have"):
        photos_of({"image_id": 1, "file_name": "099.png"})
    with pytest.raises(InputError, match="the photo other, which"):
        photos_of({"image_id": "other"})


def test_two_images_of_one_name_are_refused():
    with pytest.raises(InputError, match=r"truth\.json: has two images of the name a\.png"):
        photos_of({"image_id": 1}, photos={1: "a.png", 2: "a.png"})


@pytest.mark.parametrize("odd", [[1], {"id": 1}, None, True, float("nan"), 2.5])
def test_an_id_that_is_none_leaves_the_name(odd: Any):
    assert photos_of({"image_id": odd, "file_name": "003.png"}) == ([2], "")


def test_a_whole_number_with_a_point_is_an_id():
    assert photos_of({"image_id": 2.0, "file_name": "003.png"}) == ([2], "")


def test_a_name_of_thousands_of_digits_is_a_name():
    photos = {1: "9" * 5000 + ".png", 2: "3.png"}
    assert photos_of({"image_id": 3}, photos=photos)[0] == [2]
    assert photos_of({"image_id": "9" * 5000}, photos=photos)[0] == [1]


def test_a_score_of_hundreds_of_digits_is_none():
    assert (number(10**400), number(float("inf")), number("1"), number(1)) == (None, None, None, 1.0)
