"""`mvtec segment refine` with a model that answers what it is told to."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from conftest import Category, noise, write_png
from pycocotools import mask as coco_mask

from mvtec.datasets.images import BadPhotoError
from mvtec.errors import InputError, OutputError
from mvtec.segment.answers import RefineOptions
from mvtec.segment.embeddings import EmbeddingCache
from mvtec.segment.model import EMBEDDING, Answer
from mvtec.segment.refine import refine


@dataclass
class Corner:
    """Answers each box with its upper left quarter; remembers what it was asked."""

    name: str = "corner"
    encoder_digest: str = "0" * 64
    predicted_iou: float = 0.9
    train_images: dict[str, str] = field(default_factory=dict)
    encoded: int = 0
    views: int = 0
    asked: list[tuple[np.ndarray, np.ndarray | None]] = field(default_factory=list)

    def encode(self, photo: np.ndarray):
        import torch

        assert photo.shape in ((40, 48, 3), (48, 40, 3))
        self.encoded += 1
        return torch.zeros(EMBEDDING, dtype=torch.float16)

    def answer(self, embeddings, size_hw, boxes_xyxy, points_xy=None, *, choose):
        assert choose == "fit"
        assert all(tuple(embedding.shape) == EMBEDDING for embedding in embeddings)
        self.views = len(embeddings)
        self.asked.append((boxes_xyxy, points_xy))
        answers = []
        for x1, y1, x2, y2 in boxes_xyxy.astype(int):
            mask = np.zeros(size_hw, bool)
            mask[y1 : (y1 + y2) // 2, x1 : (x1 + x2) // 2] = True
            answers.append(Answer(mask, self.predicted_iou, 0.8))
        return answers


@pytest.fixture
def annotations(category: Category, tmp_path: Path, mvtec) -> Path:
    out = tmp_path / "instances.json"
    assert mvtec("convert", "masks-to-coco", category.root, "--out", out).code == 0
    content = json.loads(out.read_text())
    content["annotations"][0] |= {"attributes": {"shift": 3, "source": "person"}, "inspector": "Ada"}
    content["licenses"] = [{"id": 1, "name": "ours"}]
    out.write_text(json.dumps(content))
    return out


def by_id(path: Path) -> dict[int, dict]:
    return {annotation["id"]: annotation for annotation in json.loads(path.read_text())["annotations"]}


def test_masks_boxes_areas_and_where_they_come_from(annotations: Path, category: Category, tmp_path: Path):
    out = tmp_path / "refined.json"
    done = refine(annotations, out, photos=category.root, model=Corner())
    before, after = by_id(annotations), by_id(out)
    assert (done.photos, done.encoded, done.masks, done.kept) == (10, 10, len(before), 0)
    x, y, w, h = before[1]["bbox"]
    assert after[1]["bbox"] == [x, y, w // 2, h // 2]
    assert after[1]["area"] == (w // 2) * (h // 2) == coco_mask.area(after[1]["segmentation"])
    assert after[1]["attributes"] == {
        "shift": 3,
        "source": "sam",
        "model": "corner",
        "prompt_bbox": [x, y, w, h],
        "predicted_iou": 0.9,
        "stability": 0.8,
        "needs_review": False,
    }
    assert after[1]["inspector"] == "Ada"
    assert json.loads(out.read_text())["licenses"] == [{"id": 1, "name": "ours"}]
    assert json.loads(out.read_text())["images"] == json.loads(annotations.read_text())["images"]


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (RefineOptions(min_score=0.95), "predicted IoU below 0.95"),
        (RefineOptions(min_overlap=0.5), "box IoU below 0.5"),
    ],
)
def test_what_fails_keeps_its_shape_and_is_marked(annotations, category, tmp_path, options, reason):
    out = tmp_path / "refined.json"
    done = refine(annotations, out, photos=category.root, model=Corner(), options=options)
    before, after = by_id(annotations), by_id(out)
    assert (done.masks, done.kept) == (0, len(before))
    for number, annotation in after.items():
        assert {key: annotation[key] for key in ("bbox", "area", "segmentation")} == {
            key: before[number][key] for key in ("bbox", "area", "segmentation")
        }
        assert annotation["attributes"]["needs_review"] is True
        assert annotation["attributes"]["review_reason"] == reason
    assert after[1]["attributes"]["source"] == "person"


def test_what_a_person_said_of_the_old_shape_is_not_said_of_the_new_one(annotations, category, tmp_path):
    content = json.loads(annotations.read_text())
    approved = {"source": "person", "reviewed": True, "edited": True, "worker": "Ada"}
    content["annotations"][0]["attributes"] = approved
    content["annotations"][1]["attributes"] = approved
    content["annotations"][1]["bbox"] = [100, 100, 5, 5]  # not in the photo: its shape stays
    annotations.write_text(json.dumps(content))
    refine(annotations, tmp_path / "refined.json", photos=category.root, model=Corner())
    new, old = (by_id(tmp_path / "refined.json")[number]["attributes"] for number in (1, 2))
    assert (new["source"], new["reviewed"], new["worker"], "edited" in new) == ("sam", False, "Ada", False)
    assert old.items() >= approved.items()


def test_what_one_model_said_is_not_said_of_another(annotations: Path, category: Category, tmp_path: Path):
    first, second = tmp_path / "first.json", tmp_path / "second.json"
    refine(annotations, first, photos=category.root, model=Corner())
    content = json.loads(first.read_text())
    content["annotations"][0]["bbox"] = [100, 100, 5, 5]
    first.write_text(json.dumps(content))
    refine(first, second, photos=category.root, model=Corner(name="other"))
    said = by_id(second)[1]["attributes"]
    assert said["model"] == "other"
    assert "predicted_iou" not in said
    assert "stability" not in said


def test_an_empty_mask_and_a_box_outside_the_photo_are_marked(annotations: Path, category: Category, tmp_path: Path):
    content = json.loads(annotations.read_text())
    content["annotations"][0]["bbox"] = [100, 100, 5, 5]
    content["annotations"][1]["bbox"] = [5, 5, 1, 1]  # its quarter has no pixel
    annotations.write_text(json.dumps(content))
    done = refine(annotations, tmp_path / "refined.json", photos=category.root, model=Corner())
    after = by_id(tmp_path / "refined.json")
    assert done.kept == 2
    assert after[1]["attributes"]["review_reason"] == "its box is not in the photo"
    assert after[2]["attributes"]["review_reason"] == "SAM sees nothing in the box"


def test_a_box_without_area_is_another_thing_than_one_outside(annotations: Path, category: Category, tmp_path: Path):
    content = json.loads(annotations.read_text())
    for annotation, box in zip(content["annotations"], ([5, 5, 0, 9], [-3, 5, 3, 4], [48, 5, 3, 4]), strict=False):
        annotation["bbox"] = box
    annotations.write_text(json.dumps(content))
    refine(annotations, tmp_path / "refined.json", photos=category.root, model=Corner())
    after = by_id(tmp_path / "refined.json")
    reasons = [after[number]["attributes"]["review_reason"] for number in (1, 2, 3)]
    assert reasons == ["its box has no area", "its box is not in the photo", "its box is not in the photo"]


def test_a_box_that_sticks_out_is_compared_as_sam_was_asked(annotations: Path, category: Category, tmp_path: Path):
    content = json.loads(annotations.read_text())
    content["annotations"][0]["bbox"] = [-1000, -1000, 1010, 1020]
    annotations.write_text(json.dumps(content))
    model = Corner()
    options = RefineOptions(min_overlap=0.2)
    refine(annotations, tmp_path / "refined.json", photos=category.root, model=model, options=options)
    assert model.asked[0][0].tolist() == [[0, 0, 10, 20]]
    after = by_id(tmp_path / "refined.json")[1]
    assert (after["bbox"], after["attributes"]["prompt_bbox"]) == ([0, 0, 5, 10], [-1000, -1000, 1010, 1020])


def test_boxes_alone_and_crowds(annotations: Path, category: Category, tmp_path: Path):
    content = json.loads(annotations.read_text())
    content["annotations"][0]["segmentation"] = []
    content["annotations"][1]["iscrowd"] = 1
    annotations.write_text(json.dumps(content))
    model = Corner()
    options = RefineOptions(prompt="box+points")
    done = refine(annotations, tmp_path / "refined.json", photos=category.root, model=model, options=options)
    assert done.crowds == 1
    after = by_id(tmp_path / "refined.json")
    assert after[1]["segmentation"]["size"] == [40, 48]
    assert after[2] == by_id(annotations)[2]
    boxes, points = model.asked[0]
    x1, y1, x2, y2 = boxes[0]
    assert points[0].tolist() == [[(x1 + x2) / 2, (y1 + y2) / 2]]


def test_the_point_is_inside_the_old_mask(annotations: Path, category: Category, tmp_path: Path):
    """The middle of a ring's box is not in the ring."""
    from mvtec.convert.pixels.rle import encode_rle

    ring = np.zeros((40, 48), bool)
    ring[5:25, 5:25] = True
    ring[9:25, 9:25] = False
    content = json.loads(annotations.read_text())
    content["annotations"][0] |= {"segmentation": encode_rle(ring), "bbox": [5, 5, 20, 20]}
    annotations.write_text(json.dumps(content))
    model = Corner()
    options = RefineOptions(prompt="box+points")
    refine(annotations, tmp_path / "refined.json", photos=category.root, model=model, options=options)
    (x, y) = model.asked[0][1][0][0]
    assert ring[int(y), int(x)]


def test_a_second_run_encodes_nothing(annotations: Path, category: Category, tmp_path: Path):
    cache = EmbeddingCache(tmp_path / "cache")
    model = Corner()
    refine(annotations, tmp_path / "a.json", photos=category.root, model=model, cache=cache)
    assert model.encoded == 10
    again = refine(annotations, tmp_path / "b.json", photos=category.root, model=model, cache=cache)
    assert (model.encoded, again.encoded) == (10, 0)
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()
    next(iter((tmp_path / "cache").glob("*.npy"))).write_bytes(b"cut off")
    write_png(category.photo("crack", 0), noise(77))  # another photo under the same name
    assert refine(annotations, tmp_path / "c.json", photos=category.root, model=model, cache=cache).encoded in (1, 2)
    other = Corner(encoder_digest="1" * 64)
    assert refine(annotations, tmp_path / "d.json", photos=category.root, model=other, cache=cache).encoded == 10


@pytest.mark.parametrize("spoil", ["nan", "bit", "cut", "huge", "shape", "plain"])
def test_a_spoilt_embedding_is_made_again(spoil: str, annotations: Path, category: Category, tmp_path: Path):
    cache, model = EmbeddingCache(tmp_path / "cache"), Corner()
    refine(annotations, tmp_path / "a.json", photos=category.root, model=model, cache=cache)
    file = sorted((tmp_path / "cache").glob("*.npy"))[0]
    content = file.read_bytes()
    array = np.load(file)
    array[0, 0, 0] = np.nan
    if spoil == "nan":
        np.save(file, array)
    elif spoil == "bit":
        file.write_bytes(content[:1000] + bytes([content[1000] ^ 1]) + content[1001:])
    elif spoil == "cut":
        file.write_bytes(content[:-5])
    elif spoil == "huge":
        file.write_bytes(content.replace(b"(256, 64, 64)", b"(9999999,9,9)"))
    elif spoil == "shape":
        np.save(file, np.zeros((1, 64, 64), np.float16))
    else:
        np.save(file, np.zeros(EMBEDDING, np.float16))  # right, and not written by us
    done = refine(annotations, tmp_path / "b.json", photos=category.root, model=model, cache=cache)
    assert (done.encoded, done.spoilt, model.encoded) == (1, 1, 11)
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()
    assert file.read_bytes() == content
    again = refine(annotations, tmp_path / "c.json", photos=category.root, model=model, cache=cache)
    assert (again.encoded, again.spoilt) == (0, 0)


def test_numbers_that_are_not_finite_are_not_kept(tmp_path: Path):
    import torch

    cache = EmbeddingCache(tmp_path)
    cache.put("a", torch.full(EMBEDDING, torch.inf, dtype=torch.float16))
    assert (list(tmp_path.iterdir()), cache.get("a"), cache.spoilt) == ([], None, 0)


def test_a_full_cache_drops_what_was_not_used_for_longest(tmp_path: Path):
    import torch

    cache = EmbeddingCache(tmp_path, most_bytes=4 * 2 * int(np.prod(EMBEDDING)))
    keys = [f"{number:032x}-{0:016x}-0" for number in range(5)]
    for number, key in enumerate(keys[:4]):
        cache.put(key, torch.full(EMBEDDING, number, dtype=torch.float16))
        os.utime(tmp_path / f"{key}.npy", (number, number))
    cache.put(keys[4], torch.zeros(EMBEDDING, dtype=torch.float16))
    assert sorted(path.stem for path in tmp_path.iterdir()) == keys[2:]
    assert cache.get(keys[3])[0, 0, 0] == 3
    np.save(tmp_path / "measured.npy", np.zeros(4 * EMBEDDING[0] * EMBEDDING[1] * EMBEDDING[2]))  # the user's
    large = torch.zeros((3 * EMBEDDING[0], *EMBEDDING[1:]), dtype=torch.float16)  # as those before the neck are
    cache.put(f"{keys[0]}-before-neck", large)
    assert sorted(path.stem for path in tmp_path.iterdir()) == [f"{keys[0]}-before-neck", "measured"]


@pytest.mark.skipif(os.name == "nt", reason="files have no such modes there")
def test_a_cache_can_be_shared_between_users(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    import torch

    def refuse(*_: object) -> None:
        raise PermissionError

    cache = EmbeddingCache(tmp_path)
    cache.put("a", torch.ones(EMBEDDING, dtype=torch.float16))
    umask = os.umask(0)
    os.umask(umask)
    assert (tmp_path / "a.npy").stat().st_mode & 0o777 == 0o666 & ~umask
    monkeypatch.setattr(os, "utime", refuse)  # as for another user's file
    assert cache.get("a") is not None


def test_a_strip_that_sam_cannot_see_is_named(category: Category, annotations: Path, tmp_path: Path):
    content = json.loads(annotations.read_text())
    write_png(category.photo("crack", 0), noise(5, 1, 4000))
    image = next(image for image in content["images"] if image["file_name"] == "test/crack/000.png")
    image |= {"width": 4000, "height": 1}
    annotations.write_text(json.dumps(content))
    with pytest.raises(BadPhotoError, match=r"000\.png: is 4000×1 pixels, too narrow a strip for SAM"):
        refine(annotations, tmp_path / "refined.json", photos=category.root, model=Corner())


def test_results_of_a_detector(annotations: Path, category: Category, tmp_path: Path):
    content = json.loads(annotations.read_text())
    folder = tmp_path / "predictions"
    folder.mkdir()
    results = [
        {"image_id": a["image_id"], "category_id": a["category_id"], "bbox": a["bbox"], "score": 0.5}
        for a in content["annotations"]
    ]
    (folder / "predictions.json").write_text(json.dumps(results))
    with pytest.raises(InputError, match=r"provenance\.json"):
        refine(folder / "predictions.json", tmp_path / "r.json", photos=None, model=Corner())
    provenance = {
        "model": "m",
        "model_sha256": "0",
        "split": None,
        "categories": {"1": "crack", "2": "stain"},
        "options": {},
        "image_root": str(category.root),
        "image_ids": {image["file_name"]: image["id"] for image in content["images"]},
        "image_sha256": {},
        "seen_in_training": [],
    }
    (folder / "provenance.json").write_text(json.dumps(provenance))
    out = tmp_path / "refined" / "predictions.json"
    names = {number: name for name, number in provenance["image_ids"].items()}
    first, second = sorted({result["image_id"] for result in results})[:2]
    (folder / "predictions.json").write_text(json.dumps([results[0] | {"image_id": second, "file_name": names[first]}]))
    with pytest.raises(InputError, match=rf"image_id {second} with file_name {names[first]}"):
        refine(folder / "predictions.json", out, photos=None, model=Corner())
    (folder / "predictions.json").write_text(json.dumps(results))
    refine(folder / "predictions.json", out, photos=None, model=Corner())
    refined = json.loads(out.read_text())
    assert [entry["score"] for entry in refined] == [0.5] * len(results)
    assert all(coco_mask.area(entry["segmentation"]) == entry["area"] for entry in refined)
    assert json.loads((out.parent / "provenance.json").read_text()) == provenance
    kept = (out.parent / "provenance.json").read_bytes()
    (out.parent / "provenance.json").write_text("of other predictions")
    with pytest.raises(OutputError, match="exists already"):
        refine(folder / "predictions.json", out.with_name("more.json"), photos=None, model=Corner())
    with pytest.raises(OutputError, match=r"is of predictions\.json, too"):
        refine(folder / "predictions.json", out.with_name("more.json"), photos=None, model=Corner(), overwrite=True)
    photo = category.photo("crack", 0)
    with pytest.raises(OutputError, match="which is read"):
        refine(folder / "predictions.json", photo, photos=None, model=Corner(), overwrite=True)
    (out.parent / "provenance.json").write_bytes(kept)
    refine(folder / "predictions.json", out.with_name("more.json"), photos=None, model=Corner(), overwrite=True)


def test_what_is_wrong_is_named(annotations: Path, category: Category, tmp_path: Path):
    out = tmp_path / "refined.json"
    with pytest.raises(InputError, match="does not say where its photos are"):
        refine(annotations, out, photos=None, model=Corner())
    with pytest.raises(InputError, match="no such photo"):
        refine(annotations, out, photos=tmp_path, model=Corner())
    with pytest.raises(OutputError, match="exists already"):
        refine(annotations, annotations, photos=category.root, model=Corner())
    write_png(category.photo("crack", 1), noise(5, 20, 30))
    with pytest.raises(InputError, match="30×20 pixels"):
        refine(annotations, out, photos=category.root, model=Corner())
    assert not out.exists()


def test_photos_the_model_was_tuned_on_are_named(annotations: Path, category: Category, tmp_path: Path, mvtec):
    from mvtec.files import sha256_file

    seen = category.photo("crack", 2)
    model = Corner(train_images={sha256_file(seen): "crack.png", "f" * 64: "elsewhere.png"})
    out = tmp_path / "refined.json"
    done = refine(annotations, out, photos=category.root, model=model)
    assert done.seen == 1
    assert json.loads(out.read_text())["info"]["seen_in_training"] == ["test/crack/002.png"]
    judged = mvtec("evaluate", "masks", annotations, out)
    assert (judged.code, "was trained on test/crack/002.png" in judged.err) == (2, True)
    again = tmp_path / "again.json"
    model.train_images = {sha256_file(category.photo("stain", 0)): "stain.png"}
    refine(out, again, photos=category.root, model=model)
    named = json.loads(again.read_text())["info"]["seen_in_training"]
    assert named == ["test/crack/002.png", "test/stain/000.png"]


def test_several_views_are_kept_apart_in_the_cache(annotations: Path, category: Category, tmp_path: Path):
    cache, model = EmbeddingCache(tmp_path / "cache"), Corner()
    refine(annotations, tmp_path / "one.json", photos=category.root, model=model, cache=cache)
    options = RefineOptions(views=8)
    done = refine(annotations, tmp_path / "8.json", photos=category.root, model=model, cache=cache, options=options)
    assert (done.encoded, model.encoded, model.views) == (10, 80, 8)
    with pytest.raises(InputError, match="--views"):
        RefineOptions(views=9)


def test_what_the_command_says_and_when(annotations, category, tmp_path, mvtec, monkeypatch: pytest.MonkeyPatch):
    loaded = []
    model = Corner()
    model.tuned = False
    monkeypatch.setattr("mvtec.segment.checkpoint.load_sam", lambda *_: loaded.append(1) or model)
    monkeypatch.setattr("mvtec.segment.weights.find_checkpoint", lambda *_: tmp_path / "sam.pt")
    content = json.loads(annotations.read_text())
    content["annotations"][0]["bbox"] = [100, 100, 5, 5]
    content["annotations"][1]["iscrowd"] = 1
    annotations.write_text(json.dumps(content))
    out, cache = tmp_path / "refined.json", tmp_path / "cache"
    words = ("segment", "refine", annotations, "--images", category.root, "--out", out, "--cache", cache)
    refused = mvtec(*words, "--views", 9)
    assert (refused.code, "--views" in refused.err, loaded, cache.exists()) == (2, True, [], False)
    done = mvtec(*words)
    assert done.code == 0
    assert done.err.splitlines() == [
        "warning: 1 instance keeps its old shape; look for attributes.needs_review: "
        "test/crack/000.png, annotation 1: its box is not in the photo",
        f"warning: 1 crowd annotation left as in {annotations}: SAM draws single objects",
    ]
    assert "12 masks, 0 of them in several pieces; none reaches out of its box" in done.out
    as_json = json.loads(mvtec(*words, "--overwrite", "--json").out)
    assert (as_json["masks"], as_json["in_pieces"], as_json["grown"], as_json["kept"]) == (12, 0, 0, 1)
    assert as_json["unrefined"] == ["test/crack/000.png, annotation 1: its box is not in the photo"]


class Specks(Corner):
    """Answers each box with itself, moved by 2 pixels to the right, with a hole, and specks around it."""

    def answer(self, _embeddings, size_hw, boxes_xyxy, _points_xy=None, **_how):
        answers = []
        for x1, y1, x2, y2 in boxes_xyxy.astype(int):
            mask = np.zeros(size_hw, bool)
            mask[y1:y2, x1 + 2 : x2 + 2] = True
            mask[y1 + 1, x1 + 4] = False
            mask[0, 0] = mask[38:40, 46:48] = True
            answers.append(Answer(mask, 0.9, 0.8))
        return answers


def test_pieces_and_growth_are_counted_and_small_ones_dropped_on_demand(annotations, category, tmp_path):
    content = json.loads(annotations.read_text())
    content["annotations"] = content["annotations"][:1]
    content["annotations"][0]["bbox"] = [10, 10, 12, 8]
    annotations.write_text(json.dumps(content))
    out = tmp_path / "refined.json"
    done = refine(annotations, out, photos=category.root, model=Specks())
    name = "test/crack/000.png, annotation 1"
    assert (done.masks, done.in_pieces, done.tidied, done.grown) == (1, 1, 0, [(26, name)])
    assert (by_id(out)[1]["bbox"], by_id(out)[1]["area"]) == ([0, 0, 48, 40], 12 * 8 - 1 + 1 + 4)
    assert done.shapes() == (
        "1 mask, 1 of them in several pieces; 1 reaches out of the box, by 26 px (median), 26 at most: " + name
    )
    options = RefineOptions(min_region_area=5, min_hole_area=2)
    tidy = refine(annotations, out, photos=category.root, model=Specks(), options=options, overwrite=True)
    assert (tidy.in_pieces, tidy.tidied, tidy.grown) == (1, 1, [(2, name)])
    assert (by_id(out)[1]["bbox"], by_id(out)[1]["area"]) == ([12, 10, 12, 8], 12 * 8)
    assert by_id(out)[1]["attributes"]["prompt_bbox"] == [10, 10, 12, 8]
    for option in ("min_region_area", "min_hole_area"):
        with pytest.raises(InputError, match=option.replace("_", "-")):
            RefineOptions(**{option: -1})


def test_a_mask_beside_its_box_is_not_taken(annotations: Path, category: Category, tmp_path: Path):
    class Beside(Corner):
        def answer(self, _embeddings, size_hw, boxes_xyxy, _points_xy=None, **_how):
            mask = np.zeros(size_hw, bool)
            mask[0, 0] = mask[39, 47] = True  # its tight box holds every other, and no pixel is in one
            return [Answer(mask, 0.9, 0.8)] * len(boxes_xyxy)

    content = json.loads(annotations.read_text())
    for annotation in content["annotations"]:
        annotation["bbox"] = [10, 10, 5.5, 5]
    annotations.write_text(json.dumps(content))
    done = refine(annotations, tmp_path / "refined.json", photos=category.root, model=Beside())
    before, after = by_id(annotations), by_id(tmp_path / "refined.json")
    assert (done.masks, done.kept) == (0, len(before))
    assert after[1]["attributes"]["review_reason"] == "SAM's mask is outside of the box"
    assert after[1]["segmentation"] == before[1]["segmentation"]


@pytest.mark.parametrize("attributes", ["dent", ["dent"], 3])
def test_attributes_that_could_not_be_kept_stop_the_command(attributes, annotations, category, tmp_path):
    content = json.loads(annotations.read_text())
    content["annotations"][0]["attributes"] = attributes
    annotations.write_text(json.dumps(content))
    with pytest.raises(InputError, match=r"test/crack/000\.png has attributes that are not an object"):
        refine(annotations, tmp_path / "refined.json", photos=category.root, model=Corner())


def test_a_stated_size_beyond_all_photos_is_refused_before_memory_is_taken(annotations, category, tmp_path):
    content = json.loads(annotations.read_text())
    content["images"][0] |= {"width": 1 << 19, "height": 1 << 19}
    content["annotations"][0]["segmentation"] = {"size": [1 << 19, 1 << 19], "counts": [0, 1 << 38]}
    annotations.write_text(json.dumps(content))
    with pytest.raises(InputError, match="has a stated size of 524288×524288 pixels"):
        refine(annotations, tmp_path / "refined.json", photos=category.root, model=Corner())
