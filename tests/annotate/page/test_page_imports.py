"""The files of the page: their imports have no circle, each file is used, and the package installs all of them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest
from conftest import REPOSITORY

import mvtec.annotate

PAGE = Path(mvtec.annotate.__path__[0]) / "page"
_IMPORT = re.compile(r"""^(?:import|export|\})[^;]*?["'](\.[^"']+)["'];""", re.MULTILINE)
_STARTED_BY_HTML = {"main.js", "docs.js"}


def imports_of(page: Path) -> dict[str, set[str]]:
    """The imports of each JavaScript file, as paths relative to the page's folder."""
    return {
        file.relative_to(page).as_posix(): {
            (file.parent / name).resolve().relative_to(page.resolve()).as_posix()
            for name in _IMPORT.findall(file.read_text())
        }
        for file in sorted(page.rglob("*.js"))
    }


def test_the_imports_have_no_circle():
    graph = imports_of(PAGE)
    assert "canvas/stage.js" in graph["main.js"]
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(f"imports in a circle: {' -> '.join(error.args[1])}")


def test_a_circle_is_found(tmp_path: Path):
    (tmp_path / "sub").mkdir()
    (tmp_path / "a.js").write_text('import {\n  b,\n} from "./sub/b.js";\n')
    (tmp_path / "sub" / "b.js").write_text('import { a } from "../a.js";\n')
    assert imports_of(tmp_path) == {"a.js": {"sub/b.js"}, "sub/b.js": {"a.js"}}
    with pytest.raises(CycleError):
        TopologicalSorter(imports_of(tmp_path)).prepare()


def test_each_file_is_imported_and_each_import_is_there():
    graph = imports_of(PAGE)
    assert set.union(*graph.values()) | _STARTED_BY_HTML == graph.keys()


def test_each_file_begins_with_its_subject_and_is_short():
    for file in PAGE.rglob("*.js"):
        text = file.read_text()
        assert text.startswith("// "), file
        assert text.count("\n") <= 300, file


def _installed() -> Iterator[Path]:
    (globs,) = re.findall(r'^"mvtec.annotate" = \[(.*)\]$', (REPOSITORY / "pyproject.toml").read_text(), re.MULTILINE)
    for glob in re.findall(r'"([^"]+)"', globs):
        yield from (path for path in PAGE.parent.glob(glob) if path.is_file())


def test_the_package_installs_each_file_of_the_page():
    assert set(_installed()) == {path for path in PAGE.rglob("*") if path.is_file()}
