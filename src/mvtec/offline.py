"""Loads Ultralytics so that it stays silent: no update check, no analytics, no download, no other tool's hooks.

Ultralytics calls out in these places (8.4): a DNS look-up and an update check at start, usage events and the platform,
ClearML, Comet, MLflow … callbacks in every trainer, a font for its plots, `yolo26n.pt` to test mixed precision,
weights that are not found, and `pip install` of what it misses. Its settings live in a file of the user's;
ours is another, so that nothing of the user's is changed. It writes photos anew that do not end as a JPEG does, and
keeps what it has read of the labels beside them, pickled; it reads what lies there, and a pickle can run code.
"""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from functools import cache
from pathlib import Path
from types import ModuleType

from mvtec.cache import cache_folder
from mvtec.errors import OutputError


@cache
def ultralytics() -> ModuleType:
    """The module `ultralytics`, imported on the first call and made silent."""
    settings = cache_folder() / "ultralytics"
    os.environ.update(
        YOLO_OFFLINE="true",
        YOLO_AUTOINSTALL="false",
        YOLO_VERBOSE="false",
        YOLO_CONFIG_DIR=str(settings),
        ULTRALYTICS_SAFE_LOAD="true",  # a checkpoint is data; do not run code from it
    )
    try:
        _provide_fonts(settings / "Ultralytics")
    except OSError as error:
        raise OutputError(
            settings, f"cannot be made ({error.strerror or error})", "Set MVTEC_CACHE to a folder you can write to"
        ) from error

    import ultralytics as module
    from PIL import Image
    from ultralytics.data import dataset, utils
    from ultralytics.utils import SETTINGS, callbacks, downloads, patches

    SETTINGS.update(sync=False)
    Image.open = patches._image_open  # PIL's own; theirs asks for a package whenever a file is no image
    downloads.attempt_download_asset = _local_file
    callbacks.add_integration_callbacks = lambda _instance: None
    utils._replace_image = lambda _photo, _write: None
    dataset.load_dataset_cache_file = _no_label_cache
    dataset.save_dataset_cache_file = lambda _prefix, _path, content, version: content.update(version=version)
    return module


def _local_file(file: str | Path, *_args: object, **_options: object) -> str:
    """In place of Ultralytics' search for a checkpoint: the file as it is named, or none.

    Ultralytics takes apostrophes out of a path, looks for `yolov5nu.pt` when it is given `yolov5n.pt`, and asks its
    releases for what it does not find.
    """
    if not Path(file).is_file():
        raise FileNotFoundError(file)
    return str(file)


def _no_label_cache(file: Path) -> dict[str, object]:
    """In place of Ultralytics' reading of the labels that it keeps: there are none, so the label files are read."""
    raise FileNotFoundError(file)


def _provide_fonts(folder: Path) -> None:
    """Put a font where Ultralytics looks for Arial before it downloads it: DejaVu Sans, which comes with matplotlib."""
    import matplotlib

    source = Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("Arial.ttf", "Arial.Unicode.ttf"):
        if not (folder / name).exists():
            shutil.copyfile(source, folder / name)


Loud = Callable[[], AbstractContextManager[None]]


@contextlib.contextmanager
def quiet(log: Path) -> Iterator[Loud]:
    """Send all that Ultralytics prints to the end of a file, its bars included.

    Yields:
        A function whose `with` block prints where it would without us.
    """
    stdout, stderr = sys.stdout, sys.stderr

    @contextlib.contextmanager
    def loud() -> Iterator[None]:
        with contextlib.redirect_stdout(stdout), contextlib.redirect_stderr(stderr):
            yield

    with (
        log.open("a", encoding="utf-8") as stream,
        contextlib.redirect_stdout(stream),
        contextlib.redirect_stderr(stream),
    ):
        ultralytics()
        logger = logging.getLogger("ultralytics")
        handlers, level = logger.handlers[:], logger.level
        logger.handlers[:] = [logging.StreamHandler(stream)]
        logger.setLevel(logging.INFO)
        try:
            yield loud
        finally:
            logger.handlers[:] = handlers
            logger.setLevel(level)
