from pathlib import Path

import pytest
import torch

from mvtec.errors import OutputError, WeightsError
from mvtec.files import (
    check_output,
    fresh_folder,
    json_bytes,
    read_tensors,
    staged_file,
    staged_folder,
    write_json,
    write_tensors,
)


def test_json_is_the_same_bytes_whatever_the_order_of_keys():
    assert json_bytes({"b": 1, "a": "ä"}) == json_bytes({"a": "ä", "b": 1}) == '{\n "a": "ä",\n "b": 1\n}\n'.encode()


def test_existing_output_is_refused_and_kept(tmp_path: Path):
    path = tmp_path / "out.json"
    path.write_text("mine")
    with pytest.raises(OutputError, match="exists already"):
        write_json(path, 1, overwrite=False)
    assert path.read_text() == "mine"
    write_json(path, 1, overwrite=True)
    assert path.read_text() == "1\n"


def write_half_a_folder(out: Path) -> None:
    with staged_folder(out, overwrite=True) as staged:
        (staged / "half").write_text("")
        raise RuntimeError


def write_half_a_file(out: Path) -> None:
    with staged_file(out, overwrite=True) as staged:
        staged.write_text("half")
        raise RuntimeError


@pytest.mark.parametrize("write_half", [write_half_a_folder, write_half_a_file])
def test_a_failure_leaves_neither_output_nor_remains(tmp_path: Path, write_half):
    with pytest.raises(RuntimeError):
        write_half(tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_overwriting_a_folder_fails_without_losing_the_old_one(tmp_path: Path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "old").write_text("")
    with pytest.raises(RuntimeError):
        write_half_a_folder(tmp_path / "out")
    assert (tmp_path / "out" / "old").exists()
    with staged_folder(tmp_path / "out", overwrite=True) as staged:
        (staged / "new").write_text("")
    assert [path.name for path in tmp_path.rglob("*")] == ["out", "new"]


def test_overwriting_a_link_leaves_what_it_points_to(tmp_path: Path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "photo").write_text("")
    (tmp_path / "out").symlink_to(tmp_path / "data")
    with staged_folder(tmp_path / "out", overwrite=True):
        pass
    assert (tmp_path / "data" / "photo").exists()
    assert not (tmp_path / "out").is_symlink()


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match=r"out: cannot be written"):
        check_output(tmp_path / "file" / "out", overwrite=False)


def test_an_output_that_would_swallow_an_input_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    data = tmp_path / "data" / "bottle"
    data.mkdir(parents=True)
    for out in (data, data.parent):
        with pytest.raises(OutputError, match="would be lost"):
            check_output(out, overwrite=True, inputs=[data])
    monkeypatch.chdir(data)
    with pytest.raises(OutputError, match="would be lost"):
        check_output(Path(), overwrite=True)


def test_an_output_that_is_an_input_or_has_too_long_a_name_is_refused(tmp_path: Path):
    (tmp_path / "a.json").touch()
    with pytest.raises(OutputError, match=r"a\.json: is read, and would be lost"):
        check_output(tmp_path / "a.json", overwrite=True, inputs=[tmp_path / "a.json"])
    check_output(tmp_path / ("a" * 200), overwrite=False)
    with pytest.raises(OutputError, match="has a name of more than 200 bytes"):
        check_output(tmp_path / ("ä" * 101), overwrite=False)


def test_looking_at_an_output_makes_nothing(tmp_path: Path):
    check_output(tmp_path / "a" / "b" / "out", overwrite=False)
    assert list(tmp_path.iterdir()) == []
    write_json(tmp_path / "a" / "b" / "out", 1, overwrite=False)
    assert (tmp_path / "a" / "b" / "out").exists()


def fail_in_a_fresh_folder(out: Path) -> None:
    with fresh_folder(out, overwrite=True):
        (out / "new").write_text("")
        raise RuntimeError


def test_a_fresh_folder_gives_back_what_it_replaced(tmp_path: Path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "old").write_text("")
    with pytest.raises(RuntimeError):
        fail_in_a_fresh_folder(tmp_path / "out")
    assert [path.name for path in tmp_path.rglob("*")] == ["out", "old"]
    with fresh_folder(tmp_path / "out", overwrite=True):
        pass
    assert [path.name for path in tmp_path.rglob("*")] == ["out"]


def test_a_folder_that_cannot_be_moved_in_leaves_the_old_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """As where a virus scanner holds a file of the new one on Windows."""
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "conversion.json").write_text("old")
    rename = Path.rename

    def held(path: Path, target: Path) -> Path:
        if path.parent.name == "new":
            raise PermissionError(13, "used by another process")
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", held)
    with pytest.raises(PermissionError), staged_folder(tmp_path / "out", overwrite=True) as staged:
        (staged / "new").write_text("")
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    assert (tmp_path / "out" / "conversion.json").read_text() == "old"


def test_a_full_memory_is_no_broken_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    write_tensors(tmp_path / "a.pt", {"x": torch.zeros(2)})

    def full(*_words: object, **_more: object) -> None:
        raise RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory")

    monkeypatch.setattr("torch.load", full)
    with pytest.raises(RuntimeError, match="DefaultCPUAllocator"):
        read_tensors(tmp_path / "a.pt", "Give another")
    monkeypatch.undo()
    assert list(read_tensors(tmp_path / "a.pt", "Give another")) == ["x"]
    (tmp_path / "a.pt").write_bytes((tmp_path / "a.pt").read_bytes()[:100])
    with pytest.raises(WeightsError, match="is cut off or no file of torch"):
        read_tensors(tmp_path / "a.pt", "Give another")
