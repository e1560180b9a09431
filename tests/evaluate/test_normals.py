"""False alarms on good photos that the truth does not have: told by content, and never on those trained on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from conftest import noise, write_png

from mvtec.convert.provenance import Provenance
from mvtec.errors import InputError
from mvtec.evaluate.boxes import about_photos, evaluate_boxes
from mvtec.evaluate.normals import advice
from mvtec.evaluate.predictions import load
from mvtec.files import sha256_file


class Part:
    """A category with a dent and a good photo under test/, four photos in train/good, and what a run says of them."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.photos = [root / "part" / "test" / "dent" / "0.png", root / "part" / "test" / "good" / "0.png"]
        self.normal = [root / "part" / "train" / "good" / f"{n}.png" for n in range(4)]
        for seed, photo in enumerate([*self.photos, *self.normal]):
            write_png(photo, noise(seed))
        images = [
            {"id": n, "file_name": photo.relative_to(root / "part").as_posix(), "width": 48, "height": 40}
            for n, photo in enumerate(self.photos, start=1)
        ]
        box = {"image_id": 1, "category_id": 1, "bbox": [3, 5, 10, 8]}
        self.truth = root / "truth.json"
        self.truth.write_text(
            json.dumps(
                {
                    "images": images,
                    "annotations": [{**box, "id": 1, "area": 80, "iscrowd": 0}],
                    "categories": [{"id": 1, "name": "dent"}],
                }
            )
        )
        self.results = self.predict(root / "p", self.photos, root / "part", [{**box, "score": 0.5}])

    def predict(
        self,
        out: Path,
        photos: list[Path],
        base: Path,
        results: list[dict[str, Any]],
        *,
        model: str = "0",
        seen: tuple[int, ...] = (),
    ) -> Path:
        """What `mvtec predict` leaves."""
        names = [photo.relative_to(base).as_posix() for photo in photos]
        out.mkdir(parents=True, exist_ok=True)
        (out / "predictions.json").write_text(json.dumps(results))
        provenance = Provenance(
            model=str(self.root / "run" / "weights" / "last.pt"),
            model_sha256=model,
            split=None,
            categories={1: "dent"},
            options={},
            image_root=str(base),
            image_ids={name: number for number, name in enumerate(names, start=1)},
            image_sha256={name: sha256_file(photo) for name, photo in zip(names, photos, strict=True)},
            seen_in_training=[names[n] for n in seen],
        )
        (out / "provenance.json").write_text(json.dumps(provenance.to_json()))
        return out / "predictions.json"

    def predict_normals(self, **more: Any) -> Path:
        """A box as good as that of the dent on the first normal photo, a worse one on the second."""
        said = [
            {"image_id": n, "category_id": 1, "bbox": [1, 1, 5, 5], "score": score} for n, score in ((1, 0.6), (2, 0.4))
        ]
        return self.predict(self.root / "p" / "normals", self.normal, self.normal[0].parent, said, **more)

    def alarms(self, normals: Path | None = None) -> tuple[float | None, int]:
        metric = evaluate_boxes(load(self.truth, self.results, normals=normals), resamples=0)["FPR95"]
        return metric.value, metric.n


@pytest.fixture
def part(tmp_path: Path) -> Part:
    return Part(tmp_path)


def test_without_them_one_good_photo_is_judged_and_the_command_is_named(part: Part):
    assert part.alarms() == (0, 1)
    judged = load(part.truth, part.results)
    sentence = advice(judged.provenance, part.results, judged.truth)
    assert sentence is not None
    assert sentence.startswith(f"4 good photos of {part.root / 'part' / 'train' / 'good'} were not predicted")
    run, good, out = part.root / "run", part.root / "part" / "train" / "good", part.root / "p" / "normals"
    assert sentence.endswith(f"run: mvtec predict {run} {good} --out {out}")


@pytest.mark.parametrize("given", ["by default", "predictions", "photos"])
def test_normals_beside_the_predictions_are_judged(part: Part, given: str):
    part.predict_normals()
    folder = {"by default": None, "predictions": part.root / "p" / "normals", "photos": part.normal[0].parent}[given]
    assert part.alarms(folder) == (pytest.approx(1 / 5), 5)
    judged = load(part.truth, part.results, normals=folder)
    assert any("on 1 good photo of the truth and on 4 of " in line for line in about_photos(judged))
    assert evaluate_boxes(judged, resamples=0)["AP"].value == pytest.approx(1)  # of the truth's photos alone


def test_photos_that_were_trained_on_or_are_in_the_truth_are_left_out(part: Part):
    part.normal[3].write_bytes(part.photos[1].read_bytes())
    part.predict_normals(seen=(0,))
    assert part.alarms() == (0, 3)
    trained, known = load(part.truth, part.results).warnings
    assert "1 photo of " in trained
    assert "trained on: left out" in trained
    assert "1 photo of " in known
    assert "in the truth, too" in known


def test_photos_that_were_not_predicted_are_refused_with_the_command(part: Part):
    with pytest.raises(InputError, match=r"good: 4 of its 4 photos were not predicted, such as 0\.png\. Run: mvtec pr"):
        part.alarms(part.normal[0].parent)
    part.predict_normals()
    write_png(part.normal[0].parent / "new.png", noise(99))
    with pytest.raises(InputError, match=r"1 of its 5 photos were not predicted, such as new\.png"):
        part.alarms(part.normal[0].parent)


def test_predictions_of_another_model_are_refused(part: Part):
    part.predict_normals(model="1")
    with pytest.raises(InputError, match="was made by another model than the predictions"):
        part.alarms()


def test_normals_that_were_all_trained_on_are_refused_where_they_are_given(part: Part):
    part.predict_normals(seen=(0, 1, 2, 3))
    assert part.alarms() == (0, 1)
    with pytest.raises(InputError, match="has no photo that is new to the model"):
        part.alarms(part.root / "p" / "normals")


def test_another_tools_results_for_them_are_found_by_name(part: Part):
    (part.root / "p" / "provenance.json").unlink()
    results = json.loads(part.results.read_text())
    for result in results:
        result["file_name"] = "test/dent/0.png"
    results.append({"file_name": "train/good/2.png", "category_id": 1, "bbox": [1, 1, 5, 5], "score": 0.7})
    part.results.write_text(json.dumps(results))
    assert part.alarms(part.normal[0].parent) == (pytest.approx(1 / 5), 5)
    with pytest.raises(InputError, match=r"the photo train/good/2\.png, which .* does not have"):
        part.alarms()


def test_normals_that_another_tool_says_nothing_of_are_counted_in_a_warning(part: Part):
    (part.root / "p" / "provenance.json").unlink()
    folder = part.normal[0].parent
    assert any(
        f"has no box on 4 of 4 photos of {folder}: if the model was not asked about them" in line
        for line in load(part.truth, part.results, normals=folder).warnings
    )
    (folder / "9.png").write_text("no photo")
    with pytest.raises(InputError, match=r"9\.png"):
        load(part.truth, part.results, normals=folder)


def test_normals_of_another_tool_that_are_in_the_truth_are_counted_once(part: Part):
    (part.root / "p" / "provenance.json").unlink()
    content = json.loads(part.truth.read_text())
    for image, photo in zip(content["images"], part.photos, strict=True):
        image["sha256"] = sha256_file(photo)
    part.truth.write_text(json.dumps(content))
    write_png(part.normal[0].parent / "again.png", noise(1))  # test/good/0.png
    assert part.alarms(part.normal[0].parent)[1] == 1 + 4
    warnings = load(part.truth, part.results, normals=part.normal[0].parent).warnings
    assert any("1 photo of" in line and "in the truth, too: counted once" in line for line in warnings)


def test_the_command_takes_them(part: Part, mvtec):
    outcome = mvtec("evaluate", "boxes", part.truth, part.results, "--json")
    assert any("run: mvtec predict" in line for line in json.loads(outcome.out)["notes"])
    part.predict_normals()
    outcome = mvtec("evaluate", "boxes", part.truth, part.results, "--json")
    content = json.loads(outcome.out)
    assert {point["good"] for point in content["operating_points"]} == {5}
    assert content["inputs"]["normals"] == str(part.root / "p" / "normals")
    assert not any("run: mvtec predict" in line for line in content["notes"])
