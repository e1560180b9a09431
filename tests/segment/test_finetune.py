"""`mvtec segment finetune`, with an image encoder that is two convolutions and a mask decoder that is SAM's own."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from conftest import Category, make_category

from mvtec.convert.instances import LabelledImage
from mvtec.convert.pixels.geometry import region_of
from mvtec.datasets.images import read_photo
from mvtec.datasets.split import Split, make_split
from mvtec.datasets.tree import read_tree
from mvtec.errors import InputError, OutputError
from mvtec.run import prepare_run, read_run
from mvtec.segment.embeddings import EmbeddingCache
from mvtec.segment.examples import Example, Features, jitter, target
from mvtec.segment.finetune import finetune
from mvtec.segment.model import SIDE, SamModel
from mvtec.segment.recipe import FinetuneRecipe
from mvtec.segment.training import mask_loss
from mvtec.tta import turn

QUICK = FinetuneRecipe(epochs=3, views=2)
ONCE = FinetuneRecipe(epochs=1, views=1)


def small_sam() -> SamModel:
    """SAM with an image encoder that sees only each patch's mean colour; everything else is the real thing."""
    import torch
    from segment_anything.modeling import MaskDecoder, PromptEncoder, Sam, TwoWayTransformer
    from torch import nn

    torch.manual_seed(0)
    encoder = nn.Sequential()
    encoder.add_module("patches", nn.AvgPool2d(16))
    encoder.add_module("widen", nn.Conv2d(3, 32, 1))
    encoder.add_module("neck", nn.Conv2d(32, 256, 1))
    encoder.img_size = SIDE
    network = Sam(
        encoder,
        PromptEncoder(256, (64, 64), (SIDE, SIDE), 16),
        MaskDecoder(
            transformer_dim=256, transformer=TwoWayTransformer(depth=1, embedding_dim=256, mlp_dim=64, num_heads=8)
        ),
    )
    network.eval().requires_grad_(False)
    return SamModel("small", network, "cpu", False, {}, "5" * 64)


@pytest.fixture(scope="module")
def spots(tmp_path_factory: pytest.TempPathFactory) -> Category:
    """Ten bright discs on dark ground, and five photos without; the mask is the disc."""
    category = make_category(tmp_path_factory.mktemp("data") / "spots", defects=("dot", "spot"))
    random = np.random.default_rng(0)
    for defect in ("dot", "spot"):
        for number in range(5):
            mask = np.zeros((40, 48), np.uint8)
            cv2.circle(mask, tuple(int(at) for at in random.integers(12, 28, 2)), 8, 255, -1)
            photo = cv2.merge([mask // 2 + 60] * 3) + random.integers(0, 20, (40, 48, 3), dtype=np.uint8)
            cv2.imwrite(str(category.photo(defect, number)), photo)
            cv2.imwrite(str(category.mask(defect, number)), mask)
    return category


@pytest.fixture
def split(spots: Category) -> Split:
    return make_split(read_tree(spots.root), folds=2)


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    path = tmp_path / "base.pt"
    path.write_bytes(b"base")
    return path


def run_finetune(spots: Category, split: Split, checkpoint: Path, out: Path, **options):
    options = {"recipe": QUICK, "cache": EmbeddingCache(checkpoint.parent / "cache")} | options
    prepare_run(out, resume=options.get("resume", False), overwrite=False)
    return finetune(read_tree(spots.root), split, checkpoint, options.pop("model", small_sam()), out, **options)


def test_views_boxes_and_targets():
    mask = np.zeros((40, 48), bool)
    mask[4:10, 6:30] = True
    region = region_of(mask)
    example = Example(LabelledImage("a.png", None, (48, 40), ()), "0" * 64, region)
    seen = []
    for view in range(8):
        turned = turn(mask, view)
        seen.append(turned.tobytes() + bytes(turned.shape))
        box, wanted = target(example, view)
        ys, xs = np.nonzero(turned)
        expected = np.array([xs.min(), ys.min(), xs.max() + 1, ys.max() + 1]) * SIDE / 48
        np.testing.assert_allclose(box, expected)
        assert wanted.shape == (256, 256)
        assert wanted.sum() == pytest.approx(mask.sum() * (256 / 48) ** 2, rel=0.02)
        assert not wanted[turned.shape[0] * 256 // 48 + 1 :].any()
    assert len(set(seen)) == 8
    for _ in range(50):
        moved = jitter(np.array([100.0, 100.0, 300.0, 200.0]), 0.1, np.random.default_rng(0))
        assert (np.abs(moved - [100, 100, 300, 200]) <= [20, 10, 20, 10]).all()


def test_the_loss_is_least_where_mask_and_predicted_iou_are_right():
    import torch

    truth = torch.zeros(2, 8, 8)
    truth[:, 2:5, 2:5] = 1
    right = (truth * 2 - 1) * 20
    good = mask_loss(right, torch.ones(2), truth)
    assert good == pytest.approx(0, abs=1e-3)
    assert mask_loss(right, torch.full((2,), 0.5), truth) == pytest.approx(0.25, abs=1e-3)
    assert mask_loss(-right, torch.zeros(2), truth) > 1


@pytest.mark.slow
def test_it_learns_and_leaves_a_run(spots: Category, split: Split, checkpoint: Path, tmp_path: Path):
    out = tmp_path / "run"
    views, epochs = [], []
    record = run_finetune(
        spots,
        split.fold(0),
        checkpoint,
        out,
        recipe=FinetuneRecipe(epochs=12, views=2, learning_rate=4e-3, patience=12),
        on_view=lambda *at: views.append(at),
        on_epoch=lambda *at: epochs.append(at),
    )
    rest, held_out = split.fold(0).train, split.folds[0]
    defects = [path for path in rest if "good" not in path]
    assert views[-1] == (2 * len(defects) + len([path for path in held_out if "good" not in path]),) * 2
    assert [epoch for epoch, *_ in epochs] == list(range(1, 13))
    history = json.loads((out / "history.json").read_text())
    assert history[-1]["loss"] < history[0]["loss"] / 2
    best = max(figures["val_iou"] for figures in history)
    assert best == record.figures["val_iou"] > 0.7 > history[0]["val_iou"]
    assert read_run(out) == record
    assert sorted(path.name for path in (out / "weights").iterdir()) == ["sam.pt"]
    assert set(record.train_images.values()) == {path for path in [*rest, *held_out] if "good" not in path}
    assert not set(record.train_images.values()) & set(split.test)


@pytest.mark.parametrize("train", ["decoder", "decoder+neck"])
def test_interrupted_and_resumed_is_as_if_nothing_had_happened(
    train, spots: Category, split: Split, checkpoint: Path, tmp_path: Path
):
    import torch

    recipe = FinetuneRecipe(train=train, epochs=3, views=2)

    def stop(epoch: int, *_: object) -> None:
        if epoch == 2:
            raise KeyboardInterrupt

    defects = [path for path in split.train if "good" not in path]
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    run_finetune(spots, split, checkpoint, whole, recipe=recipe)
    with pytest.raises(KeyboardInterrupt):
        run_finetune(spots, split, checkpoint, parts, recipe=recipe, on_epoch=stop)
    with pytest.raises(OutputError, match="unfinished run"):
        run_finetune(spots, split, checkpoint, parts, recipe=recipe)
    with pytest.raises(InputError, match="other photos"):
        run_finetune(spots, split.fold(0), checkpoint, parts, resume=True)
    edited = Category(Path(shutil.copytree(spots.root, tmp_path / "edited")))
    mask = edited.root / "ground_truth" / Path(defects[0]).parent.name / f"{Path(defects[0]).stem}_mask.png"
    cv2.imwrite(str(mask), cv2.dilate(cv2.imread(str(mask), cv2.IMREAD_GRAYSCALE), np.ones((3, 3))))
    with pytest.raises(InputError, match="other masks"):
        run_finetune(edited, split, checkpoint, parts, resume=True)
    # the settings of the run are those it began with
    run_finetune(spots, split, checkpoint, parts, recipe=QUICK, resume=True)
    one, other = (torch.load(run / "weights" / "sam.pt", weights_only=True) for run in (whole, parts))
    assert one["mvtec_train_images"] == other["mvtec_train_images"]
    before = small_sam().network.state_dict()
    changed = set()
    for key, tensor in one["model"].items():
        assert torch.equal(tensor, other["model"][key]), key
        if not torch.equal(tensor, before[key]):
            changed.add(".".join(key.split(".")[:2]) if key.startswith("image") else key.split(".")[0])
    assert changed == {"mask_decoder"} | ({"image_encoder.neck"} if train == "decoder+neck" else set())


@pytest.mark.parametrize("stopped", [False, True])
def test_the_model_is_given_back_as_it_was(
    stopped: bool, spots: Category, split: Split, checkpoint: Path, tmp_path: Path
):
    """Its digest names its first weights: embeddings of others would be kept, and believed, under that name."""
    import torch

    model, photo = small_sam(), read_photo(spots.photo("dot", 0))
    before = model.encode(photo)

    def stop(*_: object) -> None:
        if stopped:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt) if stopped else nullcontext():
        run_finetune(spots, split, checkpoint, tmp_path / "run", model=model, on_epoch=stop, recipe=ONCE)
    assert torch.equal(model.encode(photo), before)
    for key, tensor in small_sam().network.state_dict().items():
        assert torch.equal(model.network.state_dict()[key], tensor), key
    assert not any(weight.requires_grad for weight in model.network.parameters())
    if not stopped:
        tuned = torch.load(tmp_path / "run" / "weights" / "sam.pt", weights_only=True)["model"]
        assert not torch.equal(tuned["image_encoder.neck.weight"], model.network.image_encoder.neck.weight)


def test_photos_that_find_no_room_in_the_cache_are_said_before_the_first_epoch(
    spots: Category, split: Split, checkpoint: Path, tmp_path: Path
):
    size = 32 * 64 * 64 * 2 + 132  # bytes of a view, before the neck
    said, views = [], []
    cache = EmbeddingCache(tmp_path / "small", most_bytes=size * 10)
    recipe = FinetuneRecipe(epochs=1, views=2)
    run_finetune(
        spots,
        split,
        checkpoint,
        tmp_path / "run",
        recipe=recipe,
        cache=cache,
        on_note=said.append,
        on_view=lambda *at: views.append(at),
        on_epoch=lambda *_: said.append("epoch"),
    )
    assert views[-1] == (9, 9)  # nine tenths of the cache, in 8 photos of 2 views
    assert said == [
        "the cache has room for about 4 of the 8 photos (16 views of 0.3 MB): the others are encoded again in each "
        "epoch, which takes long. --cache-size 1 keeps them all; with fewer --views more fit",
        "epoch",
    ]
    assert EmbeddingCache(tmp_path / "large", most_bytes=size * 18).room(size - 132) == 16


def test_a_cache_that_cannot_be_written_is_said(
    spots: Category, split: Split, checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    said: list[str] = []
    monkeypatch.setattr(EmbeddingCache, "_write", full)
    cache = EmbeddingCache(tmp_path / "cache")
    run_finetune(spots, split, checkpoint, tmp_path / "run", recipe=ONCE, cache=cache, on_note=said.append)
    assert said == [
        f"{tmp_path / 'cache'} cannot be written (No space left on device): each epoch encodes the photos again"
    ]


def test_it_stops_when_val_gets_no_better(spots: Category, split: Split, checkpoint: Path, tmp_path: Path):
    recipe = FinetuneRecipe(epochs=50, views=1, learning_rate=1e-9, patience=2)  # nothing is learnt
    record = run_finetune(spots, split.fold(0), checkpoint, tmp_path / "run", recipe=recipe)
    assert len(json.loads((tmp_path / "run" / "history.json").read_text())) < 10
    assert record.figures["epoch"] < 8


def test_features_are_computed_once(spots: Category, tmp_path: Path):
    model = small_sam()
    calls = []
    counted = SimpleNamespace(
        encoder_digest=model.encoder_digest,
        encode=lambda photo, **how: calls.append((photo.shape, how)) or model.encode(photo, **how),
    )
    image = LabelledImage("a.png", spots.photo("dot", 0), (48, 40), ())
    example = Example(image, "a" * 64, region_of(np.ones((40, 48), bool)))
    for before_neck, channels in ((False, 256), (True, 32)):
        features = Features(counted, EmbeddingCache(tmp_path / "cache"), before_neck=before_neck)
        for _ in range(2):
            assert tuple(features.of(example, 0).shape) == (channels, 64, 64)
            assert tuple(features.of(example, 1).shape) == (channels, 64, 64)
    assert calls == [
        (shape, {"before_neck": before_neck}) for before_neck in (False, True) for shape in ((40, 48, 3), (48, 40, 3))
    ]


@pytest.mark.parametrize(("begun", "said"), [(True, "--resume"), (False, "need not encode them again")])
def test_interrupted_it_says_one_way_to_go_on(
    begun, said, spots: Category, checkpoint: Path, tmp_path: Path, mvtec, monkeypatch: pytest.MonkeyPatch
):
    out = tmp_path / "run"

    def stop(*_: object, **__: object) -> None:
        if begun:
            (out / "weights").mkdir()
            (out / "weights" / "last.pt").touch()
        raise KeyboardInterrupt

    monkeypatch.setattr("mvtec.segment.checkpoint.load_sam", lambda *_: None)
    monkeypatch.setattr("mvtec.segment.finetune.finetune", stop)
    words = ("segment", "finetune", spots.root, "--out", out, "--weights", checkpoint, "--cache", tmp_path / "cache")
    warnings = [line for line in mvtec(*words).err.splitlines() if line.startswith("warning:")]
    assert [said in warning for warning in warnings] == [True]


def test_a_full_disk_is_an_error_of_the_disk(tmp_path: Path):
    """torch itself says RuntimeError, and the command line would show a traceback."""
    script = """
import resource, signal, sys, torch
from pathlib import Path
from mvtec.segment.finetune import _save
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 16, 1 << 16))
try:
    _save(Path(sys.argv[1]), {"a": torch.zeros(1 << 16)})
except OSError:
    print("OSError")
"""
    pytest.importorskip("resource")
    words = [sys.executable, "-c", script, str(tmp_path / "last.pt")]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert (done.stdout.strip(), list(tmp_path.iterdir())) == ("OSError", []), done.stderr


@pytest.mark.parametrize(
    ("values", "option"),
    [
        ({"epochs": 0}, "--epochs"),
        ({"views": 9}, "--views"),
        ({"jitter": 0.6}, "--jitter"),
        ({"learning_rate": 0}, "--learning-rate"),
        ({"patience": 0}, "--patience"),
    ],
)
def test_settings_that_make_no_sense(values: dict, option: str):
    with pytest.raises(InputError, match=option):
        FinetuneRecipe(**values)


def test_errors_of_the_command(spots: Category, tmp_path: Path, mvtec, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("MVTEC_WEIGHTS", str(tmp_path))
    out = tmp_path / "run"
    assert mvtec("segment", "finetune", spots.root, "--out", out, "--fold", 1).err.count("--split") == 1
    missing = mvtec("segment", "finetune", spots.root, "--out", out)
    assert (missing.code, "mvtec segment weights mobile_sam" in missing.err) == (2, True)
    assert mvtec("segment", "finetune", tmp_path / "none", "--out", out).code == 2
    broken = tmp_path / "mobile_sam.pt"
    broken.write_bytes(b"no checkpoint")
    failed = mvtec("segment", "finetune", spots.root, "--out", out)
    assert (failed.code, "cut off or no file of torch" in failed.err, out.exists()) == (2, True, False)
