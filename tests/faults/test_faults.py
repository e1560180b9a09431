"""Commands that are killed, or find the disk full, at any of their changes to a folder: what is left, and what follows.

`make faults` tries each change of each command; the tests every few of them, and of sets of files each one.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
EVERY = int(os.environ.get("MVTEC_FAULTS_EVERY", "0"))


@pytest.fixture(scope="module")
def shim(tmp_path_factory: pytest.TempPathFactory) -> Path:
    compiler = shutil.which("cc")
    if compiler is None or not sys.platform.startswith("linux"):
        pytest.skip("needs Linux and a C compiler, cc")
    library = tmp_path_factory.mktemp("shim") / "shim.so"
    subprocess.run([compiler, "-shared", "-fPIC", "-o", library, HERE / "shim.c", "-ldl"], check=True)
    return library


@pytest.mark.slow
@pytest.mark.parametrize(
    ("names", "every"),
    [
        pytest.param(("masks-to-coco --split",), 1, id="a_set_of_files"),
        pytest.param(("a training",), 17, id="a_run"),
        pytest.param((), 17, id="all"),
    ],
)
def test_no_fault_leaves_a_mixture_and_the_next_run_repairs_all(
    shim: Path, tmp_path: Path, names: tuple[str, ...], every: int
):
    environment = {
        **os.environ,
        "LD_PRELOAD": str(shim),
        "PYTHONPATH": os.pathsep.join([str(HERE.parent), *sys.path]),
        "OMP_NUM_THREADS": "1",
    }
    words = [sys.executable, HERE / "trials.py", tmp_path, str(EVERY or every), *names]
    done = subprocess.run(words, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    tried = dict(re.findall(r"^trials: (.*): (\d+)$", done.stdout, re.MULTILINE))
    assert set(names) <= tried.keys()
    assert [line for line in done.stdout.splitlines() if line.startswith(tuple(f"{name}," for name in tried))] == []
    assert sum(map(int, tried.values())) > 20
