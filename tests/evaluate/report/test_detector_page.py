"""What the page of `mvtec evaluate boxes` says above its photos, and in its tables."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from random_case import judge

from mvtec.evaluate.boxes import evaluate_boxes
from mvtec.evaluate.operating_points import operating_points
from mvtec.evaluate.report.detector_page import write_report
from mvtec.evaluate.report.training_curves import read_curves
from mvtec.evaluate.statistics.matching import match


def page(tmp_path: Path, bad: list[float | None], good: int) -> str:
    """The page of photos with one crack each, found with these scores or not at all, and of good ones without a box."""
    images = [{"id": n + 1, "file_name": f"{n}.png", "width": 99, "height": 99} for n in range(len(bad) + good)]
    box = [0, 5, 30, 30]
    truth: dict[str, Any] = {
        "images": images,
        "annotations": [
            {"id": n + 1, "image_id": n + 1, "category_id": 1, "bbox": box, "area": 900, "iscrowd": 0}
            for n in range(len(bad))
        ],
        "categories": [{"id": 1, "name": "crack"}],
    }
    results = [
        {"image_id": n + 1, "category_id": 1, "bbox": box, "score": score}
        for n, score in enumerate(bad)
        if score is not None
    ]
    judged = judge(truth, results)
    figures = match(judged.truth_json, judged.results)
    out = tmp_path / "report.html"
    write_report(
        out,
        title="t",
        judged=judged,
        metrics=evaluate_boxes(judged, figures=figures, resamples=20),
        points=operating_points(judged, figures),
        photo_root=tmp_path,
        overwrite=True,
    )
    return out.read_text(encoding="utf-8")


@pytest.fixture(autouse=True)
def no_photos(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mvtec.evaluate.report.gallery.data_uri", lambda _: "data:,")


def test_fpr95_that_cannot_be_reached_says_why(tmp_path: Path):
    text = page(tmp_path, [0.9, 0.8, None], good=4)
    assert "<b>not reachable</b>" in text
    assert "1 of 3 photos with a defect have no box" in text
    text = page(tmp_path, [0.9, 0.8, 0.3], good=1)
    assert "not reachable" not in text
    assert "n = 1 good photo; the threshold is chosen on these same photos" in text


def test_a_count_of_good_photos_has_its_interval_and_is_left_out_without_any(tmp_path: Path):
    text = page(tmp_path, [0.9, 0.8], good=4)
    assert '<b>0 of 4</b>\n<span class="soft">a share of 0.000, 0.000 to 0.490' in text  # Wilson 1927
    assert "of 0</b>" not in page(tmp_path, [0.9, 0.8], good=0)


def test_a_figure_that_is_undefined_says_why_in_its_tile(tmp_path: Path):
    assert '<b>–</b>\n<span class="soft">no instance</span>' in page(tmp_path, [], good=2)


def test_the_row_that_the_photos_are_drawn_from_is_marked(tmp_path: Path):
    text = page(tmp_path, [0.9, 0.8], good=2)
    row = text[text.index('<tr class="drawn">') :]
    assert row.startswith('<tr class="drawn"><td>0.25</td>')
    assert text.count("the photos of this page are drawn from here") == 1


def test_one_epoch_is_no_curve(tmp_path: Path):
    log = tmp_path / "results.csv"
    log.write_text("epoch,train/box_loss\n1,0.5\n")
    assert read_curves(log) == []
    log.write_text("epoch,train/box_loss\n1,0.5\n2,0.25\n")
    assert [(curve.first, curve.last) for curve in read_curves(log)] == [(0.5, 0.25)]
