"""The page's modules without a browser: `node --test` on vectors that pycocotools has made."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from conftest import REPOSITORY
from page_vectors import VECTORS, vectors


def test_the_vectors_are_those_of_pycocotools():
    assert VECTORS.read_text() == vectors(), "run python tests/annotate/page/page_vectors.py"


def test_the_modules_pass_their_own_tests():
    node = shutil.which("node")
    if node is None:
        (pytest.fail if os.environ.get("MVTEC_NEEDS_BROWSER") else pytest.skip)("there is no Node.js here")
    files = sorted(Path(__file__).parent.glob("*.test.js"))
    assert files
    done = subprocess.run([node, "--test", *files], capture_output=True, text=True, cwd=REPOSITORY, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
