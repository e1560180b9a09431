"""Importing any module of the package changes nothing in the process that imports it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

SCRIPT = """
import importlib, json, logging, os, pkgutil, signal, sys, warnings
import cv2, numpy, PIL.Image, sklearn, torch
import mvtec

def state():
    mask = os.umask(0)
    os.umask(mask)
    return {
        "umask": mask,
        "Pillow's limit": PIL.Image.MAX_IMAGE_PIXELS,
        "PIL.Image.open": id(PIL.Image.open),
        "OpenCV's threads": cv2.getNumThreads(),
        "torch's threads": torch.get_num_threads(),
        "torch.load and save": (id(torch.load), id(torch.save)),
        "streams": (id(sys.stdout), id(sys.stderr), id(sys.excepthook)),
        "environment": dict(os.environ),
        "signals": [str(signal.getsignal(number)) for number in (signal.SIGINT, signal.SIGTERM)],
        "logging": (logging.getLogger().level, len(logging.getLogger().handlers)),
        "folder": os.getcwd(),
        "numpy's errors": numpy.geterr(),
        "ultralytics": "ultralytics" in sys.modules,
    }

changed = {}
for module in pkgutil.walk_packages(mvtec.__path__, "mvtec."):
    before = state()
    importlib.import_module(module.name)
    after = state()
    if differing := [name for name in before if before[name] != after[name]]:
        changed[module.name] = differing
print(json.dumps({"changed": changed, "modules": len([name for name in sys.modules if name.startswith("mvtec.")])}))
"""


def test_importing_changes_nothing(tmp_path: Path):
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("YOLO_", "ULTRALYTICS_"))}
    environment |= {"HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path / "config"), "MVTEC_CACHE": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], capture_output=True, text=True, env=environment, cwd=tmp_path, check=False
    )
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert said["changed"] == {}
    assert said["modules"] > 200
    assert list(tmp_path.iterdir()) == []
