"""What a save of a photo with many masks costs, in time and on the disk, and what its history takes.

    python benchmarks/annotate_history.py [--masks 300] [--saves 100]

One photo of 4000×3000 with masks of 200×200 pixels; each save changes one of them. Through the routes, without a
browser; CPU time is that of the server.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np
from annotate import ask, resident, server

from mvtec.convert.pixels.geometry import region_of
from mvtec.convert.pixels.rle import encode_region, run_lengths

HEIGHT, WIDTH, SIDE = 3000, 4000, 200


def mask(seed: int) -> list[int]:
    """A blob somewhere on the photo, as COCO's run lengths."""
    draw = np.random.default_rng(seed)
    small = draw.integers(0, 256, (20, 20), dtype=np.uint8)
    crop = cv2.resize(small, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC) > 110
    region = region_of(crop, (int(draw.integers(0, WIDTH - SIDE)), int(draw.integers(0, HEIGHT - SIDE))))
    assert region is not None
    return run_lengths(encode_region(region, (HEIGHT, WIDTH)))


def cpu_seconds(process: int) -> float:
    """The CPU time of a process."""
    fields = Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / 100


def history(folder: Path, masks: int, saves: int) -> None:
    (folder / "photos").mkdir()
    cv2.imwrite(str(folder / "photos" / "large.png"), np.zeros((HEIGHT, WIDTH, 3), np.uint8))
    with server(folder / "photos", folder / "ann.json", "--no-sam") as (address, process):
        ask(address, "POST", "/api/categories", {"name": "scratch"})

        def shape(seed: int) -> dict[str, object]:
            return {"kind": "mask", "counts": mask(seed)}

        def save(revision: int, said: list[dict[str, object]]) -> float:
            edit = {"revision": revision, "change": f"c{revision}", "client": "c", "annotations": said}
            before = time.perf_counter()
            status, answer = ask(address, "PUT", "/api/photos/1", edit)
            assert status == 200, answer
            return time.perf_counter() - before

        said = [{"key": f"k{number}", "category_id": 1} for number in range(masks)]
        save(0, [{**one, "shape": shape(number)} for number, one in enumerate(said)])
        begun, times = cpu_seconds(process), []
        for number in range(saves):
            changed = said.copy()
            changed[number % masks] = {**said[number % masks], "shape": shape(masks + number)}
            times.append(save(number + 1, changed))
        spent, memory = cpu_seconds(process) - begun, resident(process)
    size = (folder / "ann.json.work.sqlite").stat().st_size
    print(
        f"{masks} masks, {saves} saves: "
        f"{statistics.median(times) * 1000:.0f} ms a save, {max(times) * 1000:.0f} at most"
    )
    print(f"CPU of the server {spent / saves * 1000:.0f} ms a save; memory {memory:.0f} MiB; store {size / 1e6:.2f} MB")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--masks", type=int, default=300)
    parser.add_argument("--saves", type=int, default=100)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        history(Path(folder), arguments.masks, arguments.saves)


if __name__ == "__main__":
    main()
