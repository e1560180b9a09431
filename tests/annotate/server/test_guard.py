"""Nobody else gets in: other hosts, other pages, no token, too much."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import Category
from fastapi.testclient import TestClient
from workspaces import open_workspace

from mvtec.annotate.server.guard import MOST_BYTES, MOST_BYTES_OF_OTHERS, Guard, is_loopback
from mvtec.annotate.server.routes import make_app

ADDRESS = "http://127.0.0.1:8765"


@pytest.fixture
def page(category: Category, tmp_path: Path) -> Iterator[TestClient]:
    work = open_workspace(category.root, tmp_path / "ann.json")
    with TestClient(Guard(make_app(work), None), base_url=ADDRESS) as client:
        yield client


@pytest.fixture
def locked(category: Category, tmp_path: Path) -> Iterator[TestClient]:
    work = open_workspace(category.root, tmp_path / "ann.json")
    with TestClient(Guard(make_app(work), "secret", on_network=True), base_url="http://192.168.1.5:8765") as client:
        yield client


@pytest.mark.parametrize("host", ["127.0.0.1:8765", "localhost:8765", "[::1]:8765", "127.0.0.1"])
def test_this_machine_may_ask(page: TestClient, host: str):
    assert page.get("/api/session", headers={"host": host}).status_code == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8765", "127.0.0.1.evil.example", "192.168.1.5", "localhost.evil", ""]
)
def test_a_name_that_could_be_anyones_is_refused(page: TestClient, host: str):
    assert page.get("/api/session", headers={"host": host}).status_code == 421


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"origin": "https://127.0.0.1:8765"},
        {"origin": "http://127.0.0.1:9999"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
    ],
)
def test_a_page_from_elsewhere_is_refused(page: TestClient, headers: dict[str, str]):
    for method, path in (("POST", "/api/save"), ("GET", "/api/photos/1/image"), ("PUT", "/api/photos/1")):
        assert page.request(method, path, headers=headers).status_code == 403


def test_our_own_page_and_a_link_to_it_are_not(page: TestClient):
    ours = {"origin": ADDRESS, "sec-fetch-site": "same-origin"}
    assert page.post("/api/save", headers=ours).status_code == 200
    opened = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"}
    assert page.get("/", headers=opened).status_code == 200
    assert page.get("/api/session", headers=opened).status_code == 403


def test_a_form_of_another_page_cannot_write(page: TestClient):
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"):
        answer = page.put("/api/photos/1", content=b"{}", headers={"content-type": kind})
        assert answer.status_code == 415


def test_a_body_has_an_end(page: TestClient):
    large = {"content-length": str(MOST_BYTES + 1), "content-type": "application/json"}
    assert page.put("/api/photos/1", content=b"{}", headers=large).status_code == 413
    assert page.put("/api/photos/1", content=iter([b"{}"])).status_code == 411
    large["content-length"] = str(MOST_BYTES_OF_OTHERS + 1)
    for path in (
        "/api/photos/1/sam",
        "/api/photos/1/prepare",
        "/api/rows",
        "/api/here",
        "/api/categories",
        "/api/save",
    ):
        answer = page.post(path, content=b"{}", headers=large)
        assert (answer.status_code, answer.json()["detail"]) == (413, "the body must be at most 1 MiB")


def test_every_answer_has_the_policy(page: TestClient):
    for path in ("/", "/api/session", "/static/style.css", "/nothing", "/api/photos/1/image"):
        headers = page.get(path).headers
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cross-origin-resource-policy"] == "same-origin"


def test_this_machine_needs_the_token_as_well(category: Category, tmp_path: Path):
    work = open_workspace(category.root, tmp_path / "ann.json")
    with TestClient(Guard(make_app(work), "secret"), base_url=ADDRESS) as client:
        for path in ("/", "/api/session", "/api/photos/1", "/api/photos/1/thumb", "/static/main.js", "/docs"):
            answer = client.get(path)
            assert answer.status_code == 401
            assert "token is needed" in answer.json()["detail"]
        for header in ("Bearer wrong", "secret", "Basic secret", ""):
            assert client.get("/api/session", headers={"authorization": header}).status_code == 401
        assert client.get("/api/session", headers={"authorization": "Bearer secret"}).status_code == 200
        assert client.put("/api/photos/1", json={}).status_code == 401
        assert client.get("/?token=secret").status_code == 200
        assert client.get("/api/session").status_code == 200
        assert client.get("/api/session", headers={"host": "192.168.1.5:8765"}).status_code == 421


def test_another_host_needs_the_token_once(locked: TestClient):
    for path in ("/", "/api/session", "/static/style.css", "/?token=wrong", "/docs", "/openapi.json"):
        assert locked.get(path, follow_redirects=False).status_code == 401
    assert locked.get("/api/session?token=secret").status_code == 401
    answer = locked.get("/?token=secret", follow_redirects=False)
    assert answer.status_code == 200
    assert 'content="0; url=/"' in answer.text
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert "secret" not in cookie
    value = answer.headers["set-cookie"].split(";")[0]
    locked.cookies.clear()
    odd = f'prefs={{"a":1}}; a=b c; foo; {value}'
    assert locked.get("/api/session", headers={"cookie": odd}).status_code == 200
    locked.get("/?token=secret")
    assert locked.get("/api/session").status_code == 200
    locked.cookies.clear()
    assert locked.get("/api/session", headers={"cookie": "mvtec-8765=secret"}).status_code == 401
    assert locked.get("/api/session", headers={"host": "evil.example"}).status_code == 421


def test_which_hosts_only_this_machine_reaches():
    assert [is_loopback(host) for host in ("127.0.0.1", "localhost", "::1", "127.8.8.8")] == [True] * 4
    assert [is_loopback(host) for host in ("0.0.0.0", "::", "192.168.1.5", "example.com")] == [False] * 4
