"""Labels of other formats beside the photos are named, since they are not read."""

from __future__ import annotations

from pathlib import Path

import pytest
from conftest import noise, write_png

from mvtec.annotate.server.photos import find_photos
from mvtec.annotate.server.serve import prepare
from mvtec.annotate.server.unread_labels import say_labels_beside

YOLO = "0 0.5 0.5 0.2 0.2\n"


@pytest.mark.parametrize(
    ("photo", "label", "content", "words"),
    [
        ("a.png", "a.txt", YOLO, "such as a.txt, and are not read: convert them first (mvtec convert yolo-to-coco"),
        ("images/a.png", "images/a.txt", YOLO, "such as images/a.txt"),
        ("images/train/a.png", "labels/train/a.txt", YOLO, "such as labels/train/a.txt"),
        ("obj_train_data/a.png", "obj_train_data/a.txt", YOLO, "such as obj_train_data/a.txt"),
        ("a.png", "a.xml", "<annotation/>", "mvtec convert voc-to-coco"),
        ("JPEGImages/a.png", "Annotations/a.xml", "<annotation/>", "such as Annotations/a.xml"),
        ("a.png", "a.json", '{"shapes": []}', "such as a.json, and are not read: convert them, and start again"),
        ("train/a.png", "train/_annotations.coco.json", '{"info": {}, "images": []}', "start again with it as --ann"),
        ("a.png", "notes.txt", "no label", None),
        ("a.png", "notes.json", '{"sender": "me"}', None),
    ],
)
def test_labels_are_named(tmp_path: Path, photo: str, label: str, content: str, words: str | None):
    write_png(tmp_path / photo, noise(1))
    (tmp_path / label).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / label).write_text(content)
    said = say_labels_beside(tmp_path, find_photos(tmp_path)[0])
    assert (said is None) if words is None else (said is not None and words in said)


def test_it_is_said_until_there_are_labels(tmp_path: Path):
    write_png(tmp_path / "photos" / "a.png", noise(1))
    (tmp_path / "photos" / "a.txt").write_text(YOLO)

    def notes() -> list[str]:
        ready = prepare(
            tmp_path / "photos",
            tmp_path / "ann.json",
            predictions=None,
            model="auto",
            weights=None,
            use_sam=False,
            device="cpu",
        )
        ready.work.store.execute("UPDATE photo SET labels = 1")
        ready.work.store.close()
        return ready.notes

    assert any("such as a.txt" in note for note in notes())
    assert not any("a.txt" in note for note in notes())
