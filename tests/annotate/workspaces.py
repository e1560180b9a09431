"""What the tests of `annotate` share: a workspace on a small category, and edits of its photos."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

from mvtec.annotate.server.annotation_file import AnnotationFile
from mvtec.annotate.server.open_store import open_store
from mvtec.annotate.server.photos import PhotoFolder, find_photos
from mvtec.annotate.server.records import PhotoEdit
from mvtec.annotate.server.workspace import Workspace

_numbers = itertools.count(1)


def open_workspace(root: Path, annotations: Path) -> Workspace:
    """As `serve.prepare` opens it, without SAM."""
    names, _ = find_photos(root)
    opened = open_store(root, names, annotations)
    return Workspace(
        root.name, PhotoFolder(root), opened.store, AnnotationFile(opened.store, annotations), None, "not wanted"
    )


def number_of(work: Workspace, name: str) -> int:
    return int(work.store.rows("SELECT id FROM photo WHERE name = ?", (name,))[0]["id"])


def same(annotation: dict[str, Any]) -> dict[str, Any]:
    """An annotation as the page had it, unchanged."""
    return {name: annotation[name] for name in ("key", "category_id", "attributes", "proposed")}


def box(key: str, bbox: list[float], category: int = 1, **more: Any) -> dict[str, Any]:
    return {"key": key, "category_id": category, "shape": {"kind": "box", "bbox": bbox}, **more}


def mask(key: str, counts: list[int], category: int = 1, **more: Any) -> dict[str, Any]:
    return {"key": key, "category_id": category, "shape": {"kind": "mask", "counts": counts}, **more}


def edit(revision: int, annotations: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
    return {
        "revision": revision,
        "change": f"change-{next(_numbers)}",
        "client": "tester",
        "annotations": annotations,
    } | more


def photo_edit(revision: int, annotations: list[dict[str, Any]], **more: Any) -> PhotoEdit:
    return PhotoEdit.model_validate(edit(revision, annotations, **more))
