"""What a card says of each box, drawn by hand, and that pictures are read for the cards that are shown alone."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from random_case import judge, random_case

from mvtec.evaluate.boxes import count_instances
from mvtec.evaluate.operating_points import operating_points
from mvtec.evaluate.report.gallery import Card, make_cards, pixels_uri
from mvtec.evaluate.report.page_templates import template
from mvtec.evaluate.statistics.matching import match


def card(truth: list[tuple[int, list[int], int]], found: list[tuple[int, list[int], float]]) -> Card:
    """The card of one photo with instances of (class, box, iscrowd) and predictions of (class, box, score)."""
    content: dict[str, Any] = {
        "images": [{"id": 1, "file_name": "a.png", "width": 100, "height": 100}],
        "categories": [{"id": 1, "name": "crack"}, {"id": 2, "name": "stain"}],
        "annotations": [
            {"id": n, "image_id": 1, "category_id": label, "bbox": box, "area": box[2] * box[3], "iscrowd": crowd}
            for n, (label, box, crowd) in enumerate(truth, start=1)
        ],
    }
    results = [{"image_id": 1, "category_id": label, "bbox": box, "score": score} for label, box, score in found]
    return make_cards(judge(content, results), Path("nowhere"), 0.25)[0]


def test_each_box_is_told_apart():
    one = card(
        [(1, [0, 0, 10, 10], 0), (1, [30, 0, 10, 10], 0), (2, [60, 0, 10, 10], 0)],
        [
            (1, [0, 0, 10, 10], 0.9),
            (1, [0, 0, 10, 9], 0.8),  # finds what is found already
            (1, [60, 0, 10, 10], 0.7),  # on a stain
            (2, [90, 90, 5, 5], 0.6),
            (2, [60, 0, 10, 10], 0.2),  # does not count
        ],
    )
    assert [box.verdict for box in one.truth] == ["found", "missed", "missed"]
    assert [box.verdict for box in one.found] == ["right", "false", "wrong class", "false"]
    assert (one.missed, one.false_boxes, one.verdict) == (2, 3, "2 missed, 3 false (1 wrong class)")


def test_a_crowd_is_no_instance_and_a_box_in_it_neither_right_nor_false():
    one = card([(1, [0, 0, 50, 50], 1), (2, [60, 60, 10, 10], 0)], [(1, [5, 5, 9, 9], 0.9), (2, [5, 5, 9, 9], 0.8)])
    assert [box.verdict for box in one.truth] == ["crowd", "missed"]
    assert [box.verdict for box in one.found] == ["crowd", "false"]
    alone = card([(1, [0, 0, 50, 50], 1)], [(1, [5, 5, 9, 9], 0.9)])
    assert (alone.missed, alone.false_boxes, alone.verdict) == (0, 0, "a crowd only")


@pytest.mark.parametrize("seed", range(6))
def test_cards_count_as_pycocotools_does(seed: int):
    truth, results = random_case(seed)
    for annotation in truth["annotations"][::3]:
        annotation["iscrowd"] = 1
    judged = judge(truth, results)
    point = next(p for p in operating_points(judged, match(truth, results)) if p.min_score == 0.25)
    cards = make_cards(judged, Path("nowhere"), 0.25)
    assert sum(one.instances for one in cards) == point.instances == sum(count_instances(judged).values())
    assert sum(one.instances - one.missed for one in cards) == point.found
    assert sum(one.false_boxes for one in cards) == point.false_boxes


def picture(one: Card, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr("mvtec.evaluate.report.gallery.data_uri", lambda _: "data:,")
    return template("parts.jinja").module.boxes_picture(one)


def test_the_picture_says_which_box_is_false_and_what_was_missed(monkeypatch: pytest.MonkeyPatch):
    one = card([(2, [60, 0, 10, 10], 0)], [(1, [60, 0, 10, 10], 0.9), (1, [5, 50, 10, 10], 0.8)])
    drawn = picture(one, monkeypatch)
    assert drawn.count("✗ crack") == 2
    assert "crack 0.90, wrong class" in drawn
    assert ">missed: stain<" in drawn
    assert drawn.count('text-anchor="end"') == 2  # those in the right half
    right = picture(card([(1, [5, 50, 10, 10], 0)], [(1, [5, 50, 10, 10], 0.8)]), monkeypatch)
    assert "✗" not in right
    assert "missed" not in right
    assert 'text-anchor="end"' not in right


def test_a_box_as_large_as_the_photo_and_its_label_are_in_it(monkeypatch: pytest.MonkeyPatch):
    drawn = picture(card([], [(1, [0, 0, 100, 100], 0.9)]), monkeypatch)
    rect = re.search(r'<rect class="pred" x="(.*?)" y="(.*?)" width="(.*?)" height="(.*?)">', drawn)
    x, y, w, h = (float(value) for value in rect.groups())
    assert min(x, y) > 0
    assert max(x + w, y + h) < 100
    assert 0 < float(re.search(r'<text .*? y="(.*?)"', drawn).group(1)) < 100


def test_a_strip_has_a_picture():
    assert pixels_uri(np.zeros((4000, 3, 3), np.uint8)).startswith("data:image/jpeg")
