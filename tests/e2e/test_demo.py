import json
from pathlib import Path

import pytest


@pytest.mark.slow
def test_the_demo_ends_in_a_report(tmp_path: Path, mvtec):
    small = ("--per-class", 5, "--size", 128, "--epochs", 2, "--imgsz", 64)
    outcome = mvtec("demo", "--out", tmp_path / "demo", *small)
    assert outcome.code == 0, outcome.err
    report = tmp_path / "demo" / "report.html"
    assert outcome.out.splitlines()[-1] == f"report: {report}"
    page = report.read_text(encoding="utf-8")
    assert "began with the starter weights" in page
    assert "train/box_loss" in page
    assert page.count("data:image/jpeg;base64,") == 4
    assert 'src="' not in page  # nothing is fetched
    metrics = json.loads((tmp_path / "demo" / "metrics.json").read_text())
    assert metrics["AP50"]["n"] == 4
    record = json.loads((tmp_path / "demo" / "run" / "run.json").read_text())
    assert Path(record["data"]).is_file()
    assert ".tmp" not in record["data"]
    assert mvtec("demo", "--out", tmp_path / "demo", *small).code == 2
    for mistake in (("--size", 10), ("--per-class", 1), ("--imgsz", 100)):
        assert mvtec("demo", "--out", tmp_path / "demo", "--overwrite", *mistake).code == 2
        assert report.read_text(encoding="utf-8") == page
