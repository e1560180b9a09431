import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import pytest
import typer
from conftest import Category

from mvtec.cli.commands import app
from mvtec.workflows.demo import DemoSize


def commands(group: typer.main.TyperGroup | None = None, words: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    group = group or typer.main.get_command(app)
    found = []
    for name, command in sorted(group.commands.items()):
        found += commands(command, (*words, name)) if hasattr(command, "commands") else [(*words, name)]
    return found


def test_help_loads_nothing_heavy():
    """What makes `mvtec --help` quick, without a stopwatch."""
    script = (
        "import sys; from mvtec.cli.main import main; sys.argv = ['mvtec', '--help']\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "heavy = {'torch', 'cv2', 'numpy', 'ultralytics', 'pydantic', 'matplotlib', 'pycocotools', 'requests'}\n"
        "print('HEAVY', sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert "HEAVY []" in done.stdout
    assert "train-detector" in done.stdout


@pytest.mark.parametrize("words", commands(), ids=" ".join)
def test_every_command_has_help_and_a_place_in_the_docs(words: tuple[str, ...], mvtec):
    outcome = mvtec(*words, "--help")
    assert outcome.code == 0
    assert "Usage" in outcome.out
    guide = (Path(__file__).parents[2] / "docs" / "guide.md").read_text(encoding="utf-8")
    assert f"## mvtec {' '.join(words)}\n" in guide


def test_the_demo_says_how_large_it_is(mvtec):
    shown = " ".join(mvtec("demo", "--help").out.replace("│", " ").split())
    for default in asdict(DemoSize()).values():
        assert f"by default {default}" in shown


@pytest.mark.parametrize(
    "words",
    [
        ("datasets", "check"),
        ("datasets", "info"),
        ("datasets", "split", "--out", "OUT"),
        ("convert", "masks-to-coco", "--out", "OUT"),
        ("convert", "masks-to-yolo", "--out", "OUT"),
        ("train-detector", "--out", "OUT", "--model", "yolov5n.yaml", "--from-scratch"),
        ("train-anomaly", "--out", "OUT"),
        ("annotate", "--no-open"),
        ("predict", "nowhere-either", "--out", "OUT"),
        ("evaluate", "anomaly", "--anomaly", "nowhere-either"),
        ("evaluate", "boxes", "nowhere-either"),
    ],
    ids=" ".join,
)
def test_a_wrong_path_is_one_line_and_exit_2(words: tuple[str, ...], tmp_path: Path, mvtec):
    words = tuple(str(tmp_path / "out") if word == "OUT" else word for word in words)
    place = 2 if words[0] in {"datasets", "convert", "evaluate"} else 1
    outcome = mvtec(*words[:place], tmp_path / "nowhere", *words[place:])
    assert outcome.code == 2
    assert outcome.out == ""
    assert outcome.err.startswith("error: ")
    assert "nowhere" in outcome.err
    assert len(outcome.err.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "words",
    [
        ("datasets", "split"),
        ("convert", "masks-to-coco"),
        ("convert", "masks-to-yolo"),
    ],
    ids=" ".join,
)
def test_an_output_that_cannot_be_written_is_one_line(words: tuple[str, ...], category: Category, mvtec):
    outcome = mvtec(*words, category.root, "--out", category.photo("good", 0) / "out")
    assert outcome.code == 2
    assert "cannot be written" in outcome.err
    assert len(outcome.err.splitlines()) == 1


@pytest.mark.parametrize("option", ["--seed", "--resamples"])
def test_a_negative_number_is_refused(option: str, tmp_path: Path, mvtec):
    outcome = mvtec("evaluate", "boxes", tmp_path, tmp_path, option, "-1")
    assert (outcome.code, "Traceback" in outcome.err) == (2, False)


def test_info_as_text_and_json(category: Category, mvtec):
    text = mvtec("datasets", "info", category.root).out
    assert "48×40 (15)" in text
    assert '"imbalance_ratio": 1.0' in mvtec("datasets", "info", category.root, "--json").out


@pytest.mark.parametrize("words", [("train-detector",), ("segment", "finetune")], ids=" ".join)
def test_a_training_whose_seed_is_not_that_of_its_split_says_so(words: tuple[str, ...], mvtec):
    shown = " ".join(mvtec(*words, "--help").out.replace("│", " ").split())
    assert "a split that is not given is made with seed 0 always" in shown


class OutOfMemoryError(RuntimeError):
    """As torch's, which is told by its name."""


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (MemoryError(), "that of the machine is full. Give smaller photos"),
        (
            RuntimeError("DefaultCPUAllocator: can't allocate memory"),
            "that of the machine is full. Give smaller photos",
        ),
        (
            OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
            "that of the GPU is full. Give --device cpu",
        ),
    ],
)
def test_a_full_memory_is_one_line(error: Exception, said: str, mvtec, monkeypatch: pytest.MonkeyPatch):
    def read_tree(*_: object) -> None:
        raise error

    monkeypatch.setattr("mvtec.datasets.tree.read_tree", read_tree)
    outcome = mvtec("datasets", "info", "anything")
    assert (outcome.code, said in outcome.err, len(outcome.err.splitlines())) == (2, True, 1)


def test_other_errors_of_the_program_stay_what_they_are(mvtec, monkeypatch: pytest.MonkeyPatch):
    def read_tree(*_: object) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr("mvtec.datasets.tree.read_tree", read_tree)
    with pytest.raises(RuntimeError, match="a bug"):
        mvtec("datasets", "info", "anything")


def test_opencv_needs_no_display_library():
    """The build `make` installs links to nothing that a server lacks."""
    script = "import cv2; print([l.split()[-1] for l in open('/proc/self/maps') if 'libGL' in l or 'libX11' in l])"
    if not Path("/proc/self/maps").exists():
        pytest.skip("needs Linux")
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
