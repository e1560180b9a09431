"""The command itself: killed at any moment it loses nothing, stopped it writes the file, misused it says how."""

from __future__ import annotations

import http.client
import json
import random
import signal
import socket
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from conftest import REPOSITORY, Category
from running import running, start
from workspaces import box, edit

from mvtec.convert.formats.coco.files import read_coco


def test_stopped_it_writes_the_file(category: Category, tmp_path: Path):
    for how in (signal.SIGTERM, signal.SIGINT):
        path = tmp_path / f"{how.name}.json"
        with running(category.root, path, "--no-sam") as server:
            assert server.ask("PUT", "/api/photos/6", edit(0, [], state="good"))[0] == 200
            assert server.end(how) == 0
            assert "Traceback" not in server.process.stderr.read()
        images = {image.id: image for image in read_coco(path).images}
        assert images[6].model_dump()["attributes"] == {"review": "good"}


def test_a_file_that_cannot_be_written_at_the_end_is_said(category: Category, tmp_path: Path):
    path = tmp_path / "ann.json"
    with running(category.root, path, "--no-sam") as server:
        server.ask("POST", "/api/save")
        assert server.ask("PUT", "/api/photos/6", edit(0, [], state="good"))[0] == 200
        path.write_text("{}")
        assert server.end() == 1
        said = server.process.stderr.read()
        assert "changed by another program" in said
        assert "Nothing is lost" in said


@pytest.mark.slow
def test_killed_at_any_moment_it_keeps_all_it_said_it_had(category: Category, tmp_path: Path):
    path = tmp_path / "ann.json"
    draw = random.Random(0)
    revision, kept = 0, []
    for _ in range(3):
        with running(category.root, path, "--no-sam") as server:
            killer = threading.Timer(draw.uniform(0.2, 0.6), server.process.kill)
            killer.start()
            try:
                for number in range(10_000):
                    wanted = [*kept, box(f"k{revision}", [1, 1, 5, 5])]
                    status, answer = server.ask("PUT", "/api/photos/6", edit(revision, wanted))
                    assert status == 200, answer
                    revision, kept = answer["revision"], [{"key": one["key"], "category_id": 1} for one in wanted]
                    if number % 20 == 0:
                        server.ask("POST", "/api/save")
            except (OSError, http.client.HTTPException):
                pass
            killer.join()
            assert server.process.wait(timeout=30) == -signal.SIGKILL
        with running(category.root, path, "--no-sam") as server:
            photo = server.ask("GET", "/api/photos/6")[1]
            keys = [one["key"] for one in photo["annotations"]]
            # The last one may have been written without the answer having come through.
            assert keys[: len(kept)] == [one["key"] for one in kept]
            assert len(keys) in (len(kept), len(kept) + 1)
            revision, kept = photo["revision"], [{"key": key, "category_id": 1} for key in keys]
    found = [one for one in read_coco(path).annotations if one.image_id == 6]
    assert len(found) == len(kept) > 3
    assert len({one.id for one in found}) == len(found)


@pytest.mark.slow
def test_eight_browsers_lose_and_double_nothing(category: Category, tmp_path: Path):
    path = tmp_path / "ann.json"
    with running(category.root, path, "--no-sam") as server:
        made: list[set[str]] = [set() for _ in range(8)]

        def work(browser: int) -> None:
            for step in range(12):
                key = f"b{browser}-{step}"
                while True:
                    photo = server.ask("GET", "/api/photos/6")[1]
                    old = [{"key": one["key"], "category_id": 1} for one in photo["annotations"]]
                    wanted = edit(photo["revision"], [*old, box(key, [1, 1, 5, 5])], change=f"{key}-{len(old)}")
                    if server.ask("PUT", "/api/photos/6", wanted)[0] == 200:
                        made[browser].add(key)
                        break

        threads = [threading.Thread(target=work, args=(browser,)) for browser in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        keys = [one["key"] for one in server.ask("GET", "/api/photos/6")[1]["annotations"]]
        assert len(keys) == len(set(keys)) == 96
        assert set(keys) == set.union(*made)
    assert sum(one.image_id == 6 for one in read_coco(path).annotations) == 96


def test_mistakes_are_said(category: Category, tmp_path: Path, mvtec):
    outcome = mvtec("annotate", tmp_path / "none", "--ann", tmp_path / "a.json", "--port", 0)
    assert outcome.code == 2
    assert "no such folder" in outcome.err
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        outcome = mvtec("annotate", category.root, "--ann", tmp_path / "a.json", "--port", taken.getsockname()[1])
    assert outcome.code == 2
    assert "--port" in outcome.err
    outcome = mvtec("annotate", category.root, "--ann", tmp_path / "a.json", "--port", 0, "--weights", "none.pt")
    assert outcome.code == 2
    assert "none.pt" in outcome.err
    outcome = mvtec("annotate", category.root, "--ann", tmp_path / "a.json", "--port", 0, "--predictions", "none.json")
    assert outcome.code == 2
    assert "none.json" in outcome.err
    (tmp_path / "a.json").write_text("[1")
    (tmp_path / "a.json.work.sqlite").unlink(missing_ok=True)
    outcome = mvtec("annotate", category.root, "--ann", tmp_path / "a.json", "--port", 0)
    assert outcome.code == 2
    assert "is not valid JSON" in outcome.err
    assert not (tmp_path / "a.json.work.sqlite").exists()


def _status(address: str) -> int:
    try:
        with urllib.request.urlopen(address, timeout=30) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code if "token is needed" in json.loads(error.read())["detail"] else 0


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])
def test_who_has_no_token_sees_nothing(category: Category, tmp_path: Path, host: str):
    with running(category.root, tmp_path / "a.json", "--no-sam", "--host", host) as server:
        assert len(server.address.partition("?token=")[2]) >= 32
        ours = f"http://127.0.0.1:{server.root.split(':')[2]}"
        for path in ("", "api/session", "api/photos/1", "api/photos/1/image", "static/main.js", "docs", "openapi.json"):
            assert _status(ours + path) == 401, path
        assert _status(f"{ours}?{server.address.partition('?')[2]}") == 200


def test_no_token_is_for_this_machine_alone(category: Category, tmp_path: Path, mvtec):
    with running(category.root, tmp_path / "a.json", "--no-sam", "--no-token") as server:
        assert "token" not in server.address
        assert _status(server.root + "api/session") == 200
    words = ("annotate", category.root, "--ann", tmp_path / "b.json", "--port", 0, "--no-sam", "--no-token")
    outcome = mvtec(*words, "--host", "0.0.0.0")
    assert outcome.code == 2
    assert "--no-token" in outcome.err
    assert not list(tmp_path.glob("b.json*"))


@pytest.mark.slow
def test_a_box_on_a_real_photo_becomes_the_mask_that_refine_makes(real_bottle: Path, tmp_path: Path, mvtec):
    weights = REPOSITORY.parent / "shared" / "weights" / "mobile_sam.pt"
    if not weights.is_file():
        pytest.skip(f"MobileSAM's weights are not at {weights}")
    mvtec("convert", "masks-to-coco", real_bottle, "--out", tmp_path / "truth.json")
    truth = read_coco(tmp_path / "truth.json")
    number = next(image.id for image in truth.images if image.file_name == "test/broken_small/002.png")
    truth.images = [image for image in truth.images if image.id == number]
    truth.annotations = [one for one in truth.annotations if one.image_id == number]
    (tmp_path / "one.json").write_text(truth.model_dump_json())
    mvtec(
        "segment",
        "refine",
        tmp_path / "one.json",
        "--images",
        real_bottle,
        "--out",
        tmp_path / "r.json",
        "--weights",
        weights,
    )
    refined = read_coco(tmp_path / "r.json").annotations[0]
    with running(real_bottle, tmp_path / "ann.json", "--weights", weights) as server:
        status, answer = server.ask("POST", f"/api/photos/{number}/sam", {"box": list(truth.annotations[0].bbox)})
        assert status == 200
        assert (answer["area"], tuple(answer["bbox"])) == (refined.area, refined.bbox)
        inside = answer["bbox"][0] + answer["bbox"][2] / 2, answer["bbox"][1] + answer["bbox"][3] / 2
        status, by_point = server.ask(
            "POST", f"/api/photos/{number}/sam", {"points": [{"x": inside[0], "y": inside[1], "positive": True}]}
        )
        assert (status, by_point["model"]) == (200, "mobile_sam")
        assert server.ask("POST", f"/api/photos/{number}/sam", {"box": [-9, -9, 5, 5]})[0] == 422
        assert server.ask("POST", f"/api/photos/{number}/sam", {})[0] == 422


def test_a_store_that_is_open_is_not_opened_again(category: Category, tmp_path: Path, mvtec):
    with running(category.root, tmp_path / "a.json", "--no-sam"):
        outcome = mvtec("annotate", category.root, "--ann", tmp_path / "a.json", "--port", 0, "--no-sam")
    assert outcome.code == 2
    assert "open in another mvtec annotate" in outcome.err
    server = start(category.root, tmp_path / "a.json", "--no-sam")
    assert server.end() == 0  # at once, before it may have begun to listen
    assert read_coco(tmp_path / "a.json").images
    server.process.stdout.close()
    server.process.stderr.close()


@pytest.mark.parametrize("missing", ["uvicorn", "fastapi"])
def test_without_the_extra_it_is_said_before_anything_is_written(missing: str, category: Category, tmp_path: Path):
    without = f"import sys; sys.modules[{missing!r}] = None; from mvtec.cli.main import main; main()"
    words = ["annotate", category.root, "--ann", tmp_path / "ann.json", "--no-sam", "--no-open", "--port", 0]
    done = subprocess.run(
        [sys.executable, "-c", without, *map(str, words)], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 2
    assert f"needs {missing}" in done.stderr
    assert not list(tmp_path.glob("ann.json*"))
