"""Downloads from a server on this machine that misbehaves in every way a real one does."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import io
import lzma
import shutil
import tarfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from conftest import make_category

from mvtec.datasets.download import CATEGORIES, _unpack, download
from mvtec.datasets.tree import read_tree
from mvtec.errors import InputError, OutputError


@dataclass
class Server:
    """What is served, and how.

    Attributes:
        content: The file.
        drop_after: Break the connection after so many bytes of an answer; one entry an answer, None for no break.
        ranges: Whether the server can start in the middle.
        status: Answer so instead.
        requests: The Range header of each request.
    """

    content: bytes = b""
    drop_after: list[int | None] = field(default_factory=list)
    ranges: bool = True
    status: int = 200
    requests: list[str | None] = field(default_factory=list)
    url: str = ""


@pytest.fixture
def server() -> Iterator[Server]:
    state = Server()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            asked = self.headers.get("Range")
            state.requests.append(asked)
            if state.status != 200:
                self.send_error(state.status)
                return
            start = int(asked.removeprefix("bytes=").removesuffix("-")) if asked and state.ranges else 0
            total = len(state.content)
            if start >= total:
                self.send_response(416)
                self.send_header("Content-Range", f"bytes */{total}")
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            self.send_response(206 if start else 200)
            if start:
                self.send_header("Content-Range", f"bytes {start}-{total - 1}/{total}")
            self.send_header("Content-Length", str(total - start))
            self.end_headers()
            stop = state.drop_after.pop(0) if state.drop_after else None
            self.wfile.write(state.content[start:][:stop])
            if stop is not None:
                self.close_connection = True

        def log_message(self, *_: object) -> None:
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    state.url = f"http://127.0.0.1:{http.server_port}/bottle.tar.xz"
    thread = threading.Thread(target=http.serve_forever, daemon=True)
    thread.start()
    yield state
    http.shutdown()
    http.server_close()


def pack(members: dict[str, bytes | tarfile.TarInfo]) -> bytes:
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w") as tar:
        for name, content in members.items():
            if isinstance(content, tarfile.TarInfo):
                tar.addfile(content)
            else:
                info = tarfile.TarInfo(name)
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))
    return lzma.compress(raw.getvalue())


@pytest.fixture
def archive(tmp_path: Path) -> bytes:
    root = make_category(tmp_path / "source" / "bottle").root
    files = {f"bottle/{file.relative_to(root)}": file.read_bytes() for file in root.rglob("*") if file.is_file()}
    ballast = np.random.default_rng(0).bytes(300_000)  # so that a connection can break in the middle
    return pack({**files, "bottle/readme.txt": ballast})


def fetch_bottle(server: Server, out: Path, **options) -> str:
    return download("bottle", out, url=server.url, pause_s=0, **options)


def kept_part(server: Server) -> str:
    """Where a broken download into `out` is kept: the name says which address it came from."""
    return f".out.{hashlib.sha256(server.url.encode()).hexdigest()[:8]}.tar.xz.part"


def left_behind(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.name != "source")


def test_a_category_arrives_whole(server: Server, archive: bytes, tmp_path: Path):
    server.content = archive
    digest = fetch_bottle(server, tmp_path / "out")
    assert digest == hashlib.sha256(archive).hexdigest()
    assert len(read_tree(tmp_path / "out").samples) == 15
    assert left_behind(tmp_path) == ["out"]


def test_a_broken_connection_is_resumed_where_it_broke(server: Server, archive: bytes, tmp_path: Path):
    server.content, server.drop_after = archive, [100_000, 50_000, None]
    fetch_bottle(server, tmp_path / "out")
    assert server.requests == [None, "bytes=100000-", "bytes=150000-"]
    assert len(read_tree(tmp_path / "out").samples) == 15


def test_a_server_that_cannot_resume_is_asked_for_all_again(server: Server, archive: bytes, tmp_path: Path):
    server.content, server.drop_after, server.ranges = archive, [100_000, None], False
    fetch_bottle(server, tmp_path / "out", sha256=hashlib.sha256(archive).hexdigest())
    assert len(read_tree(tmp_path / "out").samples) == 15


def test_a_second_run_goes_on_where_the_first_gave_up(server: Server, archive: bytes, tmp_path: Path):
    server.content, server.drop_after = archive, [10_000, 0, 0, 0, 0]
    with pytest.raises(InputError, match=r"connection broke 5 times .* 10000 bytes are kept"):
        fetch_bottle(server, tmp_path / "out")
    assert left_behind(tmp_path) == [kept_part(server)]
    server.requests.clear()
    fetch_bottle(server, tmp_path / "out")
    assert server.requests == ["bytes=10000-"]
    assert left_behind(tmp_path) == ["out"]


def test_a_kept_part_of_another_file_is_thrown_away(server: Server, archive: bytes, tmp_path: Path):
    server.content = archive
    (tmp_path / kept_part(server)).write_bytes(archive + b"longer than the file")
    fetch_bottle(server, tmp_path / "out")
    assert len(read_tree(tmp_path / "out").samples) == 15


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        pytest.param(lambda a: a[: len(a) // 2], "cut off or corrupt", id="truncated"),
        pytest.param(lambda a: a[:200_000] + b"????" + a[200_004:], "cut off or corrupt", id="corrupt"),
        pytest.param(lambda _: b"<html>gone</html>", "cut off or corrupt", id="a_web_page"),
        pytest.param(lambda _: pack({"bottle/readme.txt": b"hello"}), "no MVTec category", id="another_archive"),
    ],
)
def test_a_broken_archive_leaves_nothing(server: Server, archive: bytes, tmp_path: Path, spoil, message: str):
    server.content = spoil(archive)
    with pytest.raises(InputError, match=message):
        fetch_bottle(server, tmp_path / "out")
    assert left_behind(tmp_path) == []


def _member(name: str, kind: bytes, target: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


def _with_nul(name: str) -> tarfile.TarInfo:
    """A file whose name of the PAX header has a NUL in it."""
    info = tarfile.TarInfo(name)
    info.pax_headers = {"path": "bottle/a\0b"}
    return info


@pytest.mark.parametrize(
    "members",
    [
        pytest.param({"../escaped.txt": b"x"}, id="parent"),
        pytest.param({"/tmp/escaped-mvtec.txt": b"x"}, id="absolute"),
        pytest.param({"bottle/../../escaped.txt": b"x"}, id="parent_inside"),
        pytest.param({"C:\\escaped.txt": b"x"}, id="windows"),
        pytest.param({"l": _member("bottle/link", tarfile.SYMTYPE, "/etc"), "bottle/link/x": b"x"}, id="symlink"),
        pytest.param({"l": _member("bottle/hard", tarfile.LNKTYPE, "/etc/passwd")}, id="hard_link"),
        pytest.param({"d": _member("bottle/device", tarfile.CHRTYPE)}, id="device"),
        pytest.param({"bottle/": b"x", ".": b"x"}, id="dot"),
        pytest.param({"": b"x"}, id="empty"),
        pytest.param({"bottle/nul": _with_nul("bottle/nul")}, id="nul"),
        pytest.param({"bottle/" + "a" * 300: b"x"}, id="too_long"),
        pytest.param({"bottle/a": b"x", "bottle/a/b": b"x"}, id="file_as_folder"),
        pytest.param({"bottle/a/b": b"x", "bottle/a": b"x"}, id="folder_as_file"),
    ],
)
def test_a_hostile_archive_writes_nothing(server: Server, tmp_path: Path, members):
    server.content = pack(members)
    inner = tmp_path / "inner"
    inner.mkdir()
    with pytest.raises(InputError, match=r"is unsafe|a name that is taken or that no file can have"):
        fetch_bottle(server, inner / "out")
    assert left_behind(inner) == []
    assert left_behind(tmp_path) == ["inner"]
    assert not Path("/tmp/escaped-mvtec.txt").exists()


@pytest.mark.parametrize(
    "compress", [lzma.compress, partial(gzip.compress, compresslevel=0), bz2.compress], ids=["xz", "gzip", "bzip2"]
)
def test_the_checksum_at_the_end_of_an_archive_is_read(tmp_path: Path, compress):
    """It stands behind the last file, where unpacking could stop; nothing else tells of a changed byte in gzip."""
    photo = np.random.default_rng(0).bytes(3000)
    whole = compress(lzma.decompress(pack({"bottle/a.bin": photo, "bottle/b.txt": b"b"})))
    middle = len(whole) // 2
    flipped = bytearray(whole)
    flipped[middle] ^= 1
    archive, target = tmp_path / "archive", tmp_path / "target"
    for content in (flipped, *(whole[:-cut] for cut in (1, 8, 12, 30))):
        archive.write_bytes(content)
        target.mkdir()
        with pytest.raises(InputError, match="cut off or corrupt"):
            _unpack(archive, target, "https://example.org/x")
        shutil.rmtree(target)
    archive.write_bytes(whole)
    target.mkdir()
    _unpack(archive, target, "https://example.org/x")
    assert (target / "bottle" / "a.bin").read_bytes() == photo


def test_a_broken_list_of_files_in_an_archive_without_checksum_is_seen(tmp_path: Path):
    """Python's reader takes a header that it cannot read as the end of the archive."""
    plain = bytearray(lzma.decompress(pack({"bottle/a.txt": b"a", "bottle/b.txt": b"b"})))
    plain[plain.find(b"bottle/b.txt")] ^= 1
    (tmp_path / "archive").write_bytes(plain)
    (tmp_path / "target").mkdir()
    with pytest.raises(InputError, match="cut off or corrupt"):
        _unpack(tmp_path / "archive", tmp_path / "target", "https://example.org/x")


def test_an_archive_that_was_whole_when_the_command_was_killed_is_not_fetched_again(
    server: Server, archive: bytes, tmp_path: Path
):
    server.content = archive
    (tmp_path / kept_part(server).removesuffix(".part")).write_bytes(archive)
    fetch_bottle(server, tmp_path / "out")
    assert server.requests == [f"bytes={len(archive)}-"]
    assert left_behind(tmp_path) == ["out"]


def test_a_bomb_is_not_unpacked(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("mvtec.datasets.download._MAX_BYTES", 1000)
    for content in (pack({"bottle/zeros": bytes(2000)}), lzma.compress(bytes(3000))):
        server.content = content
        with pytest.raises(InputError, match="more than 8 GB"):
            fetch_bottle(server, tmp_path / "out")
        assert left_behind(tmp_path) == []


def test_another_checksum_is_refused(server: Server, archive: bytes, tmp_path: Path):
    server.content = archive
    with pytest.raises(InputError, match="has the SHA-256"):
        fetch_bottle(server, tmp_path / "out", sha256="0" * 64)
    assert left_behind(tmp_path) == []


def test_photo_counts_of_the_official_archive_are_checked(
    server: Server, archive: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    server.content = archive
    monkeypatch.setattr("mvtec.datasets.download._SHARE", server.url.rsplit("/", 1)[0])
    with pytest.raises(InputError, match=r"\(0, 5, 10\) photos .* \(209, 20, 63\)"):
        download("bottle", tmp_path / "out", pause_s=0)
    assert left_behind(tmp_path) == []


def test_a_missing_page_and_an_unknown_category_are_named(server: Server, tmp_path: Path):
    server.status = 404
    with pytest.raises(InputError, match="404"):
        fetch_bottle(server, tmp_path / "out")
    with pytest.raises(InputError, match="Choose one of bottle, cable"):
        download("cup", tmp_path / "out")
    for url in ("ftp://example.org/x", "http://[::1", "http://", "http://a:b/x"):
        with pytest.raises(InputError, match="is not a web address"):
            download("bottle", tmp_path / "out", url=url)
    assert left_behind(tmp_path) == []


def test_an_existing_folder_is_refused_before_anything_is_fetched(server: Server, tmp_path: Path):
    (tmp_path / "out").mkdir()
    with pytest.raises(OutputError, match="exists already"):
        fetch_bottle(server, tmp_path / "out")
    assert server.requests == []


def test_the_counts_of_the_paper():
    """Table 1 of Bergmann et al. 2019: 3629 train, 1725 test photos, 1258 of them with a defect."""
    assert sum(c.train_good for c in CATEGORIES.values()) == 3629
    assert sum(c.test_good + c.test_defect for c in CATEGORIES.values()) == 1725
    assert sum(c.test_defect for c in CATEGORIES.values()) == 1258


def test_the_command_shows_the_licence(server: Server, archive: bytes, tmp_path: Path, mvtec):
    server.content = archive
    outcome = mvtec("datasets", "download", "bottle", "--out", tmp_path / "out", "--url", server.url)
    assert outcome.code == 0
    assert "CC BY-NC-SA 4.0" in outcome.err
