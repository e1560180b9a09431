from pathlib import Path

import pytest

from mvtec.cache import cache_folder
from mvtec.detect.recipe import Recipe
from mvtec.detect.weights import STARTER_FILE, find_start
from mvtec.errors import InputError, WeightsError
from mvtec.run import photos_seen_by


@pytest.fixture
def weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MVTEC_WEIGHTS", str(tmp_path / "weights"))
    monkeypatch.setenv("MVTEC_CACHE", str(tmp_path / "cache"))
    (tmp_path / "weights").mkdir()
    (tmp_path / "cache" / "weights").mkdir(parents=True)
    return tmp_path / "weights"


def test_weights_that_are_not_here_name_the_three_ways_on(weights: Path):
    with pytest.raises(WeightsError) as caught:
        find_start("yolo11n.pt")
    assert all(option in str(caught.value) for option in ("`weights`", "`download`", "`from_scratch`"))
    assert str(weights) in str(caught.value)


def test_the_order_in_which_weights_are_found(weights: Path, tmp_path: Path):
    cached = cache_folder() / "weights" / "yolo11n.pt"
    cached.write_bytes(b"")
    assert find_start("yolo11n.pt").weights == cached
    (weights / "yolo11n.pt").write_bytes(b"")
    assert find_start("yolo11n.pt").weights == weights / "yolo11n.pt"
    own = tmp_path / "own.pt"
    own.write_bytes(b"")
    assert find_start("yolo11n.pt", weights=own).weights == own
    assert find_start(str(own)).weights == own


def test_without_a_name_ours_are_taken_where_there_are_no_others(weights: Path, tmp_path: Path):
    ours = find_start()
    assert (ours.weights, ours.is_starter) == (STARTER_FILE, True)
    assert 1e6 < STARTER_FILE.stat().st_size < 6e6
    (weights / "yolo11n.pt").write_bytes(b"")
    assert find_start().weights == weights / "yolo11n.pt"
    assert find_start("starter") == ours
    own = tmp_path / "own.pt"
    own.write_bytes(b"")
    assert find_start(weights=own).architecture == str(own)
    assert find_start(from_scratch=True).architecture == "yolo11n.yaml"
    scratch = find_start("starter", from_scratch=True)
    assert (scratch.architecture, scratch.weights) == ("yolov5n.yaml", None)


def test_an_architecture_file_is_kept_and_takes_weights_of_its_name(weights: Path, tmp_path: Path):
    (weights / "yolo11n.pt").write_bytes(b"")
    own = tmp_path / "own" / "yolo11n.yaml"
    start = find_start(str(own))
    assert (start.architecture, start.weights) == (str(own), weights / "yolo11n.pt")


def test_from_scratch_uses_none(weights: Path):
    (weights / "yolo11n.pt").write_bytes(b"")
    start = find_start("yolo11n.pt", from_scratch=True)
    assert (start.architecture, start.weights, start.record()) == ("yolo11n.yaml", None, None)
    with pytest.raises(InputError, match="contradicts"):
        find_start("yolo11n.pt", from_scratch=True, download=True)
    with pytest.raises(InputError, match="contradicts `weights`"):
        find_start(weights=weights / "yolo11n.pt", download=True)


def test_a_wrong_weights_path_is_named(tmp_path: Path):
    with pytest.raises(WeightsError, match=r"gone\.pt: no such weights file"):
        find_start("yolo11n.pt", weights=tmp_path / "gone.pt")


@pytest.mark.parametrize("options", [{"epochs": 0}, {"imgsz": 100}, {"batch": 0}, {"freeze": -1}], ids=str)
def test_settings_that_make_no_sense_are_refused(options):
    with pytest.raises(InputError):
        Recipe(**options)


def test_boxes_are_not_turned_and_polygons_are():
    recipe = Recipe()
    assert recipe.ultralytics_settings(has_polygons=False, pretrained=True)["degrees"] == 0
    assert recipe.ultralytics_settings(has_polygons=True, pretrained=True)["degrees"] == 180
    assert recipe.ultralytics_settings(has_polygons=True, pretrained=False)["freeze"] is None


def test_a_path_that_is_not_there_is_no_name(weights: Path):
    (weights / "yolo11n.pt").write_bytes(b"")
    with pytest.raises(WeightsError, match="no such weights file"):
        find_start("/no/such/place/yolo11n.pt")


def test_weights_are_recorded_by_the_name_they_were_given_by(weights: Path, tmp_path: Path):
    (tmp_path / "blob2").write_bytes(b"weights")
    (weights / "yolo11n.pt").symlink_to(tmp_path / "blob2")
    assert find_start("yolo11n.pt").record()["file"] == str(weights / "yolo11n.pt")


def test_an_architecture_file_is_found_from_any_folder(weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own.yaml").write_text("nc: 1")
    assert weights.is_dir()
    assert find_start("own.yaml", from_scratch=True).architecture == str(tmp_path / "own.yaml")


def test_a_page_that_is_served_in_the_place_of_weights_is_not_kept(weights: Path, monkeypatch: pytest.MonkeyPatch):
    def fetch(_url: str, target: Path, **_: object) -> None:
        target.write_text("<html>log in</html>")

    monkeypatch.setattr("mvtec.detect.weights.fetch", fetch)
    with pytest.raises(WeightsError, match="served something else"):
        find_start("yolo11n.pt", download=True)
    assert list((cache_folder() / "weights").iterdir()) == list(weights.iterdir()) == []


def test_a_record_is_looked_for_beside_a_folder_of_weights_alone(tmp_path: Path):
    (tmp_path / "run.json").write_text("another tool's")
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "own.pt").write_bytes(b"")
    assert photos_seen_by(tmp_path / "models" / "own.pt") == {}
