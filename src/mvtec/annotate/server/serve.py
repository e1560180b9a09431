"""`mvtec annotate`: opens the annotation file, and serves the page until it is told to stop."""

from __future__ import annotations

import secrets
import signal
import socket
import threading
import webbrowser
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import uvicorn

from mvtec.annotate.server.annotation_file import AnnotationFile
from mvtec.annotate.server.guard import Guard, is_loopback
from mvtec.annotate.server.open_store import note_folder, open_store
from mvtec.annotate.server.photos import PhotoFolder, find_photos
from mvtec.annotate.server.predictions import propose
from mvtec.annotate.server.routes import make_app
from mvtec.annotate.server.sam import Sam
from mvtec.annotate.server.unread_labels import say_labels_beside
from mvtec.annotate.server.workspace import Workspace
from mvtec.cache import cache_folder
from mvtec.errors import InputError, WeightsError
from mvtec.segment.embeddings import EmbeddingCache
from mvtec.segment.weights import find_checkpoint
from mvtec.words import counted

if TYPE_CHECKING:
    from mvtec.segment.model import SamModel


@dataclass(frozen=True)
class Prepared:
    """A workspace, and what is to be said about it.

    Attributes:
        work: The workspace.
        photos: How many photos there are.
        notes: What the person should know.
    """

    work: Workspace
    photos: int
    notes: list[str]


def prepare(
    root: Path,
    annotations: Path,
    *,
    was_named: bool = True,
    predictions: Path | None,
    model: str,
    weights: Path | None,
    use_sam: bool,
    device: str,
    on_photo: Callable[[], None] = lambda: None,
) -> Prepared:
    """Open all that is worked on.

    Args:
        root: The folder of the photos.
        annotations: The annotation file; it may be missing.
        was_named: Whether the user has named that file.
        predictions: A model's answers, to be proposed.
        model: SAM's name, see `find_checkpoint`.
        weights: SAM's checkpoint, or a run of `mvtec segment finetune`.
        use_sam: Whether to have SAM at all.
        device: Where SAM computes.
        on_photo: Called while masks are read.

    Raises:
        InputError: The folder, the file or the predictions are not as they should be.
        OutputError: The working store cannot be made.
        WeightsError: The weights that were named are not there.
    """
    annotations = annotations.resolve()  # of a link its target is rewritten
    names, links = find_photos(root)
    checkpoint, why_not = _checkpoint(model, weights, use_sam)
    opened = open_store(root, names, annotations, was_named=was_named, on_photo=on_photo)
    notes: list[str] = []
    read_notes: tuple[str, ...] = ()
    if links:
        notes.append(f"{counted(links, 'photo')} behind links that lead out of {root} or to themselves: left out")
    if opened.unread:
        count, first = len(opened.unread), opened.unread[0]
        notes.append(f"{count} photo{'s' * (count > 1)} without a mask that can be read, to be labelled here: {first}")
    if opened.aside is not None:
        notes.append(
            f"{annotations} was changed by another program: it was read anew, its history is in {opened.aside}"
        )
    if opened.former is not None:
        notes.append(f"{annotations} holds the labels of {opened.former}: photos of the same names take them over")
    if opened.missing:
        notes.append(f"{opened.missing} photos of {annotations} are not in {root}; they stay in the file as they are")
    has_labels = opened.store.rows("SELECT 1 FROM photo WHERE labels OR proposals LIMIT 1")
    if not has_labels and (beside := say_labels_beside(root, names)) is not None:
        notes.append(beside)
    folder = PhotoFolder(root)
    try:
        if predictions is not None:
            proposed = propose(opened.store, predictions, folder.size_wh)
            notes.append(f"with those of {predictions}, {counted(proposed.waiting, 'proposal')} to be reviewed")
            read_notes = proposed.notes
            notes += read_notes
            if proposed.unknown:
                notes.append(f"{proposed.unknown} photos of {predictions} are not in {root} and are left out")
            if proposed.misfits:
                notes.append(
                    f"{counted(proposed.misfits, 'answer')} of {predictions} left out: outside of the photo, or of a "
                    "photo of another size"
                )
        note_folder(opened.store, root)
    except BaseException:
        opened.store.close()
        raise
    sam = None
    if checkpoint is not None:
        path = checkpoint

        def load() -> SamModel:
            from mvtec.segment.checkpoint import load_sam

            return load_sam(path, device)

        sam = Sam(folder, load, EmbeddingCache(cache_folder() / "embeddings"), _name(path))
    file = AnnotationFile(opened.store, annotations)
    work = Workspace(root.resolve().name, folder, opened.store, file, sam, why_not, read_notes)
    return Prepared(work, len(names), notes)


def _checkpoint(model: str, weights: Path | None, use_sam: bool) -> tuple[Path | None, str]:
    """SAM's checkpoint, or why there is none; one that was named must be there."""
    if not use_sam:
        return None, "SAM is switched off by --no-sam"
    try:
        return find_checkpoint(model, weights), ""
    except WeightsError as error:
        if weights is not None or model != "auto":
            raise
        return None, str(error)


def _name(checkpoint: Path) -> str:
    """A run's name, or a checkpoint's."""
    return checkpoint.parent.parent.name if checkpoint.name == "sam.pt" else checkpoint.stem


def listen(host: str, port: int, *, use_token: bool = True) -> socket.socket:
    """A socket that waits for browsers; port 0 takes one that is free.

    Raises:
        InputError: The port is taken, or the host is none of this machine, or other machines would need no token.
    """
    if not use_token and not is_loopback(host):
        raise InputError(
            f"--no-token --host {host}",
            "lets everyone in the network read and change the labels",
            "Leave out --no-token, or use --host 127.0.0.1",
        )
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    waiting = socket.socket(family, socket.SOCK_STREAM)
    waiting.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        waiting.bind((host, port))
        waiting.listen(128)
    except (OSError, OverflowError) as error:
        waiting.close()
        raise InputError(
            f"--host {host} --port {port}", f"cannot be listened on ({error})", "Give another --port, such as 0"
        ) from error
    return waiting


def serve(
    work: Workspace,
    waiting: socket.socket,
    host: str,
    *,
    use_token: bool = True,
    open_browser: bool,
    say: Callable[[str], None],
) -> str | None:
    """Serve until the process is told to stop; then the annotation file is written.

    Args:
        work: The workspace; it is closed at the end.
        waiting: The socket, of `listen`.
        host: What it listens on.
        use_token: Whether a browser must bring a token once, which is in the address.
        open_browser: Whether to open the page.
        say: Is told the address.

    Returns:
        Why the annotation file could not be written at the end; None if it was.
    """
    token = secrets.token_urlsafe(24) if use_token else None
    port = waiting.getsockname()[1]
    shown = socket.gethostname() if host in ("0.0.0.0", "::") else f"[{host}]" if ":" in host else host
    address = f"http://{shown}:{port}/" + (f"?token={token}" if token else "")
    config = uvicorn.Config(
        Guard(make_app(work), token, on_network=not is_loopback(host)),
        log_level="warning",
        access_log=False,
        timeout_graceful_shutdown=3,
        ws="none",
        server_header=False,
    )
    server = uvicorn.Server(config)

    def stop(*_: object) -> None:
        server.should_exit = True

    # uvicorn stops at these signals, and sends them again when it has: the file is written by then. One that comes
    # before it listens to them must stop it, too, and so must a terminal that goes away, unless nohup says otherwise.
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        if hasattr(signal, name) and signal.getsignal(getattr(signal, name)) is not signal.SIG_IGN:
            signal.signal(getattr(signal, name), stop)
    say(address)
    if open_browser:
        threading.Timer(0.5, webbrowser.open, [address]).start()
    try:
        server.run(sockets=[waiting])
    finally:
        work.close()
    return work.file.problem
