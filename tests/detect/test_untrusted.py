"""Model files that would run code or use the network: refused, whoever imported Ultralytics first."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from mvtec.detect.model import load_model
from mvtec.detect.untrusted import check_layers
from mvtec.detect.weights import STARTER_FILE
from mvtec.errors import InputError, WeightsError
from mvtec.files import read_tensors
from mvtec.offline import ultralytics


class Call:
    """Is pickled as a call of a function."""

    def __init__(self, function: Callable[..., Any], *arguments: object) -> None:
        self.call = function, arguments

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[object, ...]]:
        return self.call


def saved(path: Path, model: object) -> Path:
    torch.save({"model": model, "epoch": -1, "train_args": {}}, path)
    return path


def calls_of_known_classes() -> dict[str, Call]:
    ultralytics()
    from ultralytics.nn.modules.block import TorchVision
    from ultralytics.nn.tasks import DetectionModel

    return {
        "torchvision": Call(TorchVision, "resnet18", "DEFAULT"),
        "address": Call(DetectionModel, "https://example.com/model.yaml"),
        "memory": Call(torch.nn.Linear, 10**6, 10**6),
    }


@pytest.mark.parametrize("kind", ["torchvision", "address", "memory"])
def test_a_checkpoint_that_calls_a_known_class_is_refused(kind: str, tmp_path: Path, no_network: list[object]):
    file = saved(tmp_path / "own.pt", calls_of_known_classes()[kind])
    with pytest.raises(WeightsError, match=r"own\.pt: would call (ultralytics|torch)\.nn\.\S+ when it is loaded"):
        load_model(str(file))
    assert no_network == []


def test_tensors_are_read_as_in_a_process_that_never_loaded_a_network(tmp_path: Path, no_network: list[object]):
    """Ultralytics tells torch for good which classes it may call; a file of tensors has no use of them."""
    load_model(str(STARTER_FILE))
    file = saved(tmp_path / "resnet18.pth", calls_of_known_classes()["address"])
    with pytest.raises(WeightsError, match="holds Python objects, not tensors alone"):
        read_tensors(file, "Give weights")
    assert no_network == []


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """What was asked of the network."""
    import socket

    asked: list[object] = []

    def refuse(*arguments: object, **_: object) -> None:
        asked.append(arguments)
        raise OSError("no network in this test")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    return asked


LAYERS = {
    "fetches": ([-1, 1, "TorchVision", [512, "resnet18", "DEFAULT"]], "has a layer TorchVision, which would be"),
    "opens": ([-1, 1, "DetectionModel", ["https://example.com/m.yaml"]], "has a layer DetectionModel, which is not"),
}


@pytest.mark.parametrize(("layer", "said"), LAYERS.values(), ids=LAYERS)
def test_an_architecture_with_a_foreign_layer_is_refused(
    layer: list[Any], said: str, tmp_path: Path, no_network: list[object]
):
    file = tmp_path / "own.yaml"
    file.write_text(f"nc: 1\nbackbone: [{layer}]\nhead: [[[0], 1, Detect, [nc]]]\n")
    with pytest.raises(InputError, match=said):
        load_model(str(file))
    network = torch.load(STARTER_FILE, weights_only=False)
    network["model"].yaml["backbone"][0] = layer
    torch.save(network, tmp_path / "own.pt")
    with pytest.raises(InputError, match=said):
        load_model(str(tmp_path / "own.pt"))
    assert no_network == []


def test_the_architectures_of_ultralytics_are_taken():
    import yaml

    folder = Path(ultralytics().__file__).parent / "cfg" / "models"
    files = [file for file in folder.rglob("yolo*.yaml") if "cls" not in file.stem]
    assert len(files) > 30
    for file in files:
        check_layers(file, yaml.safe_load(file.read_text(encoding="utf-8")))
    with pytest.raises(InputError, match="is not a model file"):
        check_layers("a.yaml", {"backbone": 1, "head": [[1]]})


@pytest.mark.parametrize("name", ["https://example.com/yolo11n.yaml", "http://127.0.0.1:1/a.pt", "ul://a/b/c"])
def test_an_address_is_not_a_model(name: str, no_network: list[object]):
    with pytest.raises(InputError, match="is an address, and nothing is downloaded"):
        load_model(name)
    assert no_network == []


FIRST = """
import socket, sys
from pathlib import Path
def refuse(*args, **kwargs):
    print("ASKED", args)
    raise OSError
socket.getaddrinfo = socket.socket.connect = refuse
import ultralytics
from ultralytics import YOLO, settings
settings.update(runs_dir="mine")
user = Path(settings.file_path)
before = user.read_bytes()
from mvtec.detect.model import load_model, remembered_photos
from mvtec.errors import MvtecError
for load in (load_model, lambda file: remembered_photos(Path(file))):
    try:
        load(sys.argv[1])
    except MvtecError as error:
        print("REFUSED", error)
assert user.read_bytes() == before, user.read_text()
assert settings["sync"] is True and settings["runs_dir"] == "mine"
from ultralytics.utils import checks, downloads, events
print("ONLINE", checks.ONLINE, checks.AUTOINSTALL, events.events.enabled)
print("FONT", checks.check_font("Arial.ttf"))
try:
    checks.check_file("https://example.com/yolo11n.yaml")
except MvtecError as error:
    print("DOWNLOAD", error)
"""


def test_ultralytics_that_was_imported_before_us_runs_no_code_and_keeps_its_settings(tmp_path: Path):
    trap = tmp_path / "executed"
    file = saved(tmp_path / "own.pt", Call(exec, f"open({str(trap)!r}, 'w')"))
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("YOLO_", "ULTRALYTICS_", "PYTEST_"))}
    environment |= {"MVTEC_CACHE": str(tmp_path / "cache"), "XDG_CONFIG_HOME": str(tmp_path / "config")}
    command = [sys.executable, "-c", FIRST, str(file)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert not trap.exists()
    assert done.stdout.count(f"REFUSED {file}: cannot be loaded") == 2
    assert "ONLINE False False False" in done.stdout
    assert f"FONT {tmp_path / 'cache'}" in done.stdout
    assert "DOWNLOAD https://example.com/yolo11n.yaml: is an address, and nothing is downloaded" in done.stdout
    after = done.stdout.split("REFUSED", 1)[1]
    assert "ASKED" not in after
