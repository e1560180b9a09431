"""What annotating costs: a scripted person labels every defect photo in a real browser, and eight of them hurry.

    python benchmarks/annotate.py [--data DIR] [--seconds 60] [--part session|load|brush|list]

`session`: for each defect photo the box of the truth is drawn with the SAM box tool, accepted, and the next photo is
opened; the masks are then those of `mvtec segment refine` on the same boxes, or the difference is shown. `load`: eight
clients open, change and save photos as fast as they are answered. `brush`: a long stroke on a photo of 4000×3000.
`list`: a folder of 50,000 photos.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from playwright.sync_api import Page, expect, sync_playwright

from mvtec.convert.formats.coco.files import read_coco, write_coco
from mvtec.convert.from_masks import InstanceOptions
from mvtec.convert.masks_to_coco import masks_to_coco
from mvtec.convert.pixels.rle import decode_region
from mvtec.datasets.tree import read_tree

SHARED = Path(__file__).parents[2] / "shared"
# From the click to the second frame after the next photo's name, which is set with its picture; ms.
NEXT_PHOTO = """() => new Promise((done) => {
  const began = performance.now();
  const watch = new MutationObserver(() => {
    watch.disconnect();
    requestAnimationFrame(() => requestAnimationFrame(() => done(performance.now() - began)));
  });
  watch.observe(document.querySelector("#photo-name"), { childList: true, characterData: true, subtree: true });
  document.querySelector("#next").click();
})"""
# From the release of the mouse to the proposal in the list; ms, left in `answered`.
WATCH_PROPOSAL = """() => {
  window.answered = null;
  let began = null;
  window.addEventListener("pointerup", () => { began = performance.now(); }, { once: true, capture: true });
  const watch = new MutationObserver(() => {
    if (began === null || !document.querySelector('#annotations [data-proposed="true"]')) return;
    watch.disconnect();
    window.answered = performance.now() - began;
  });
  watch.observe(document.querySelector("#annotations"), { childList: true, attributes: true, subtree: true });
}"""
BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


@contextmanager
def server(root: Path, annotations: Path, *options: object) -> Iterator[tuple[str, int]]:
    """A server that runs: its address with the token, and its process's number."""
    words = ["annotate", root, "--ann", annotations, "--port", 0, "--no-open", *options]
    process = subprocess.Popen(
        [sys.executable, "-m", "mvtec", *map(str, words)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    assert process.stdout is not None
    try:
        yield next(line.strip() for line in process.stdout if line.startswith("http")), process.pid
    finally:
        process.terminate()
        process.wait()
        process.stdout.close()


def ask(address: str, method: str, path: str, body: Any = None) -> tuple[int, Any]:
    data = None if body is None else json.dumps(body).encode()
    root, _, token = address.partition("/?token=")
    headers = {"content-type": "application/json", "authorization": f"Bearer {token}"}
    request = urllib.request.Request(root + path, data, headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())


def resident(process: int) -> float:
    """The memory of a process, MiB."""
    status = Path(f"/proc/{process}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) / 1024


def print_times(of_kind: dict[str, list[float]]) -> None:
    print(f"{'request':44}{'n':>7}{'p50':>8}{'p95':>8}  ms")
    for kind, times in sorted(of_kind.items()):
        if "/static/" in kind:
            continue
        times.sort()
        print(f"{kind:44}{len(times):7}{times[len(times) // 2]:8.0f}{times[int(len(times) * 0.95)]:8.0f}")


def kind_of(method: str, address: str) -> str:
    """A request without its numbers."""
    path = address.split("//", 1)[1].split("/", 1)[1].split("?")[0]
    return f"{method} /" + "/".join("ID" if part.isdigit() else part for part in path.split("/"))


def screen(page: Page, x: float, y: float) -> tuple[float, float]:
    found = page.evaluate(f"() => window.mvtecPage.toScreen({x}, {y})")
    return found["x"], found["y"]


def session(data: Path, folder: Path) -> None:
    dataset = read_tree(data)
    masks_to_coco(dataset, folder / "all.json", options=InstanceOptions())
    truth = read_coco(folder / "all.json")
    defective = {one.image_id for one in truth.annotations}
    truth.images = [image for image in truth.images if image.id in defective]
    write_coco(folder / "truth.json", truth, overwrite=True)
    photos = folder / "photos"
    for image in truth.images:
        (photos / image.file_name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(data / image.file_name, photos / image.file_name)
    boxes = defaultdict(list)
    for one in truth.annotations:
        boxes[one.image_id].append(one)
    empty = truth.model_copy(update={"annotations": []})
    write_coco(folder / "ann.json", empty, overwrite=True)
    times: dict[str, list[float]] = defaultdict(list)
    shown: list[float] = []
    answered: list[float] = []
    with server(photos, folder / "ann.json") as (address, _), sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        page.on(
            "requestfinished",
            lambda request: times[kind_of(request.method, request.url)].append(
                request.timing["responseEnd"] - max(0, request.timing["requestStart"])
            ),
        )
        page.goto(address)
        expect(page.locator("#status")).to_have_attribute("data-state", "saved")
        page.locator('[data-tool="sam-box"]').click()
        names = {image.file_name: image.id for image in truth.images}
        began = time.perf_counter()
        for number, name in enumerate(sorted(names)):
            expect(page.locator("#photo-name")).to_have_text(name)
            for count, one in enumerate(boxes[names[name]], start=1):
                page.keyboard.press(str(one.category_id))
                x, y, w, h = one.bbox
                page.mouse.move(*screen(page, x, y))
                page.mouse.down()
                page.mouse.move(*screen(page, x + w / 2, y + h / 2))
                page.mouse.move(*screen(page, x + w, y + h))
                page.evaluate(WATCH_PROPOSAL)
                page.mouse.up()
                expect(page.locator('#annotations [data-proposed="true"]')).to_have_count(1, timeout=120_000)
                answered.append(page.evaluate("() => window.answered"))
                page.keyboard.press("Enter")
                expect(page.locator('#annotations [data-proposed="false"]')).to_have_count(count)
            expect(page.locator("#status")).to_have_attribute("data-state", "saved")
            if number + 1 < len(names):
                shown.append(page.evaluate(NEXT_PHOTO))
        seconds = time.perf_counter() - began
        browser.close()
    words = ["segment", "refine", folder / "truth.json", "--images", photos, "--out", folder / "refined.json"]
    subprocess.run([sys.executable, "-m", "mvtec", *map(str, words)], check=True)
    means = {}
    for name in ("ann", "refined"):
        found = defaultdict(list)
        for one in read_coco(folder / f"{name}.json").annotations:
            found[one.image_id].append(decode_region(one.segmentation))
        ious = [
            decode_region(one.segmentation).iou(found[number][at])
            for number, ones in boxes.items()
            for at, one in enumerate(ones)
        ]
        means[name] = statistics.mean(ious)
        print(f"{name}: mean mask IoU {means[name]:.4f} over {len(ious)} instances")
    print(f"difference {means['ann'] - means['refined']:+.4f}")
    print(f"{seconds / len(names):.2f} s a photo over {len(names)} photos, all by the script")
    print_times({**times, "(mouse up to mask shown)": answered, "(click to next photo shown)": shown})


def load(data: Path, folder: Path, seconds: float) -> None:
    with server(data, folder / "ann.json", "--no-sam") as (address, process):
        numbers = ask(address, "GET", "/api/photos")[1]["ids"][:500]
        rows = ask(address, "POST", "/api/rows", {"ids": numbers})[1]["photos"]
        times: dict[str, list[float]] = defaultdict(list)
        made: dict[int, set[str]] = defaultdict(set)
        counts: Counter[str] = Counter()
        lock = threading.Lock()
        until = time.monotonic() + seconds
        begun = resident(process)

        def timed(method: str, path: str, body: Any = None) -> tuple[int, Any]:
            before = time.perf_counter()
            found = ask(address, method, path, body)
            with lock:
                times[kind_of(method, f"http://server{path}")].append((time.perf_counter() - before) * 1000)
            return found

        def work(browser: int) -> None:
            draw = np.random.default_rng(browser)
            step = 0
            while time.monotonic() < until:
                row = rows[int(draw.integers(0, 20))]  # few enough that they meet
                photo = timed("GET", f"/api/photos/{row['id']}")[1]
                step += 1
                key = f"b{browser}-{step}"
                old = [
                    {name: one[name] for name in ("key", "category_id", "attributes", "proposed")}
                    for one in photo["annotations"]
                ]
                shape = {"kind": "box", "bbox": [float(step % 800), 10.0, 20.0, 20.0]}
                edit = {
                    "revision": photo["revision"],
                    "change": key,
                    "client": f"browser{browser}",
                    "annotations": [*old[-200:], {"key": key, "category_id": 1, "shape": shape}],
                }
                if len(old) > 200:
                    with lock:
                        made[row["id"]] -= {one["key"] for one in old[:-200]}
                status, _ = timed("PUT", f"/api/photos/{row['id']}", edit)
                with lock:
                    counts[str(status)] += 1
                    if status == 200:
                        made[row["id"]].add(key)

        threads = [threading.Thread(target=work, args=(browser,)) for browser in range(8)]
        for thread in threads:
            thread.start()
        middle = None
        while any(thread.is_alive() for thread in threads):
            time.sleep(0.5)
            if middle is None and time.monotonic() > until - seconds / 2:
                middle = resident(process)
        ended = resident(process)
        lost = doubled = 0
        for number, keys in made.items():
            found = [one["key"] for one in ask(address, "GET", f"/api/photos/{number}")[1]["annotations"]]
            ours = [key for key in found if key.startswith("b")]
            doubled += len(ours) - len(set(ours))
            lost += len(keys - set(found))
    print(f"{seconds:.0f} s, 8 clients: answers {dict(counts)} (409: another was first, and it was told)")
    print(f"lost {lost}, doubled {doubled}; memory {begun:.0f} → {middle or 0:.0f} → {ended:.0f} MiB")
    print_times(times)


def brush(folder: Path) -> None:
    random = np.random.default_rng(0)
    small = random.integers(0, 256, (30, 40, 3), dtype=np.uint8)
    (folder / "photos").mkdir()
    cv2.imwrite(str(folder / "photos" / "large.jpg"), cv2.resize(small, (4000, 3000)))
    with server(folder / "photos", folder / "ann.json", "--no-sam") as (address, _), sync_playwright() as playwright:
        ask(address, "POST", "/api/categories", {"name": "scratch"})
        browser = playwright.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        page.goto(address)
        expect(page.locator("#photo-name")).to_have_text("large.jpg")
        page.locator('[data-tool="brush"]').click()
        page.mouse.move(*screen(page, 200, 200))
        page.mouse.down()
        for step in range(300):
            x, y = 200 + step * 12, 1500 + 1200 * np.sin(step / 12)
            page.mouse.move(*screen(page, x, y))
        frames = sorted(page.evaluate("() => window.mvtecPage.framesOfLastStroke()"))
        page.mouse.up()
        expect(page.locator("#status")).to_have_attribute("data-state", "saved")
        browser.close()
    median, late = frames[len(frames) // 2], frames[int(len(frames) * 0.95)]
    print(f"4000×3000, {len(frames)} frames of a stroke without a GPU: median {median:.1f} ms, p95 {late:.1f} ms")


def many(folder: Path, count: int = 50_000) -> None:
    photos = folder / "photos"
    photos.mkdir()
    first = photos / "000000.png"
    cv2.imwrite(str(first), np.zeros((30, 40, 3), np.uint8))
    for number in range(1, count):
        os.link(first, photos / f"{number:06}.png")
    for what in ("first start", "second start"):
        before = time.perf_counter()
        with server(photos, folder / "ann.json", "--no-sam") as (address, process):
            numbers = ask(address, "GET", "/api/photos")[1]["ids"]
            ask(address, "POST", "/api/rows", {"ids": numbers[:200]})
            ready, begun = time.perf_counter() - before, resident(process)
            before = time.perf_counter()
            for offset in range(0, count, 500):
                ask(address, "POST", "/api/rows", {"ids": numbers[offset : offset + 500]})
            everything, ended = time.perf_counter() - before, resident(process)
        print(
            f"{count} photos, {what}: first rows after {ready:.2f} s, all rows {everything:.2f} s, "
            f"memory {begun:.0f} → {ended:.0f} MiB"
        )


def main() -> None:
    os.environ.setdefault("MVTEC_WEIGHTS", str(SHARED / "weights"))
    data = Path(os.environ.get("MVTEC_SHARED_DATA", SHARED / "data")) / "mvtec_ad" / "bottle"
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=data)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--part", choices=("session", "load", "brush", "list"))
    arguments = parser.parse_args()
    parts = {
        "session": lambda folder: session(arguments.data, folder),
        "load": lambda folder: load(arguments.data, folder, arguments.seconds),
        "brush": brush,
        "list": many,
    }
    for name, part in parts.items():
        if arguments.part in (None, name):
            print(f"== {name}", flush=True)
            with tempfile.TemporaryDirectory() as folder:
                part(Path(folder))


if __name__ == "__main__":
    main()
