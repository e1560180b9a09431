"""Loads Ultralytics so that it stays silent: no update check, no analytics, no download, no other tool's hooks.

Ultralytics calls out in these places (8.4): a DNS look-up and an update check at start, usage events and the platform,
ClearML, Comet, MLflow … callbacks in every trainer, a font for its plots, `yolo26n.pt` to test mixed precision,
weights that are not found, files whose name is an address, and `pip install` of what it misses. Its settings live in
a file of the user's, which stays as it is.

It reads the variables of the environment when it is imported. Where a program has imported it before us, its modules
hold other values, so each value is set in all of them.
"""

from __future__ import annotations

import contextlib
import inspect
import logging
import os
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from functools import cache
from pathlib import Path
from types import ModuleType

from mvtec.cache import cache_folder
from mvtec.errors import InputError, MvtecError, OutputError, WeightsError


@cache
def ultralytics() -> ModuleType:
    """The module `ultralytics`, imported on the first call and made silent, also where it was imported before.

    Raises:
        OutputError: Our cache folder cannot be made.
        WeightsError: PyTorch is too old to load a checkpoint without running code from it.
    """
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
    from ultralytics.nn import tasks
    from ultralytics.utils import callbacks, events, patches

    if not tasks._SafeLoad.SUPPORTED:  # it would load the checkpoint all the same, and run its code
        raise WeightsError("torch", "is older than 2.6 and would run code from a checkpoint", "Install torch 2.6")
    _set_everywhere(
        SAFE_LOAD=True,
        AUTOINSTALL=False,
        ONLINE=False,
        VERBOSE=False,
        USER_CONFIG_DIR=settings / "Ultralytics",
        attempt_download_asset=_local_file,
        safe_download=_no_download,
    )
    events.events.enabled = False
    Image.open = patches._image_open  # PIL's own; theirs asks for a package whenever a file is no image
    check_name(callbacks, "add_integration_callbacks", ("instance",))
    callbacks.add_integration_callbacks = lambda _instance: None
    return module


def check_name(module: ModuleType, name: str, parameters: Sequence[str] = ()) -> None:
    """See that a module of Ultralytics has what we are about to replace, before a new release makes that vain.

    Args:
        module: The module.
        name: What it must have.
        parameters: The names of the parameters that a function must have at least, in this order.

    Raises:
        MvtecError: It has not.
    """
    found = getattr(module, name, None)
    named = tuple(inspect.signature(found).parameters)[: len(parameters)] if callable(found) else ()
    if found is None or named != tuple(parameters):
        raise MvtecError(
            f"ultralytics {sys.modules['ultralytics'].__version__}",
            f"has no {module.__name__}.{name}({', '.join(parameters)}), which mvtec relies on",
            "Install the release that pyproject.toml names",
        )


@contextlib.contextmanager
def replaced(module: ModuleType, name: str, value: object, parameters: Sequence[str] = ()) -> Iterator[None]:
    """Put something of ours in the place of a name of Ultralytics, for a while; see `check_name`."""
    check_name(module, name, parameters)
    theirs = getattr(module, name)
    setattr(module, name, value)
    try:
        yield
    finally:
        setattr(module, name, theirs)


def _set_everywhere(**values: object) -> None:
    """Set names in each module of Ultralytics that has them; modules imported later take them from these.

    Raises:
        MvtecError: No module has one of the names.
    """
    for attribute in values:
        if not any(
            hasattr(module, attribute) for name, module in sys.modules.items() if name.startswith("ultralytics")
        ):
            raise MvtecError("ultralytics", f"has no {attribute}, which mvtec relies on", "Install the tested release")
    for name, module in list(sys.modules.items()):
        if name == "ultralytics" or name.startswith("ultralytics."):
            for attribute in values.keys() & vars(module).keys():
                setattr(module, attribute, values[attribute])


def _no_download(url: str | Path, *_args: object, **_options: object) -> str:
    """In place of Ultralytics' download of a file whose name is an address."""
    raise InputError(str(url), "is an address, and nothing is downloaded", "Give a file on this machine")


def _local_file(file: str | Path, *_args: object, **_options: object) -> str:
    """In place of Ultralytics' search for a checkpoint: the file as it is named, or none.

    Ultralytics takes apostrophes out of a path, looks for `yolov5nu.pt` when it is given `yolov5n.pt`, and asks its
    releases for what it does not find.
    """
    if not Path(file).is_file():
        raise FileNotFoundError(file)
    return str(file)


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
