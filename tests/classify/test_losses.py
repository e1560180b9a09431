"""The losses, against their formulas and against PyTorch's own."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from mvtec.classify.losses import LOSSES, ClassLoss
from mvtec.classify.recipe import find_recipe
from mvtec.errors import InputError

LOGITS = torch.tensor([[2.0, 0.0, -1.0], [0.5, 0.1, 0.0], [0.0, 1.0, 3.0], [0.0, 0.2, 0.1]])
LABELS = torch.tensor([0, 0, 2, 1])
COUNTS = [40, 10, 5]


def test_cross_entropy_and_weights_are_those_of_torch():
    loss = ClassLoss("cross-entropy", COUNTS)(LOGITS, LABELS)
    torch.testing.assert_close(loss, functional.cross_entropy(LOGITS, LABELS))
    weights = torch.tensor([55 / (3 * count) for count in COUNTS])
    expected = (functional.cross_entropy(LOGITS, LABELS, reduction="none") * weights[LABELS]).mean()
    torch.testing.assert_close(ClassLoss("weighted", COUNTS)(LOGITS, LABELS), expected)


def test_focal_is_that_of_lin():
    p = LOGITS.softmax(dim=1)[torch.arange(4), LABELS]
    torch.testing.assert_close(ClassLoss("focal", COUNTS)(LOGITS, LABELS), (-((1 - p) ** 2) * p.log()).mean())


def test_class_balanced_weighs_by_the_effective_number():
    weights = ClassLoss("class-balanced", COUNTS).weights
    effective = torch.tensor([(1 - 0.99**count) / (1 - 0.99) for count in COUNTS])
    torch.testing.assert_close(weights * effective, (weights * effective)[0].expand(3))
    assert float(weights.sum()) == pytest.approx(3)


def test_adaptive_focal_follows_rarity_and_difficulty():
    loss = ClassLoss("adaptive-focal", COUNTS)
    assert loss.focus.tolist() == pytest.approx([2, 2 + 4 * 0.75, 2 + 4 * 0.875])
    loss(LOGITS, LABELS)
    loss.end_epoch()
    miss = 1 - LOGITS.softmax(dim=1)[torch.arange(4), LABELS]
    assert loss.focus.tolist() == pytest.approx([2, 2 + 4 * 0.75 * float(miss[3]), 2 + 4 * 0.875 * float(miss[2])])
    torch.testing.assert_close(loss.weights, loss.focus / 2)
    torch.testing.assert_close(
        ClassLoss("adaptive-focal", [7, 7, 7])(LOGITS, LABELS), ClassLoss("focal", [7, 7, 7])(LOGITS, LABELS)
    )


@pytest.mark.parametrize("name", LOSSES)
def test_a_class_without_a_photo_and_a_sure_answer_do_no_harm(name):
    logits = torch.tensor([[100.0, 0.0, 0.0], [0.0, 100.0, 0.0]], requires_grad=True)
    loss = ClassLoss(name, [1, 1, 0])
    loss(logits, torch.tensor([0, 1])).backward()
    loss.end_epoch()
    assert torch.isfinite(logits.grad).all()
    assert torch.isfinite(loss.weights).all()


def test_a_recipe_takes_another_loss():
    recipe = find_recipe("original").learning_by("focal", "balanced")
    assert (recipe.loss, recipe.sampling, recipe.epochs) == ("focal", "balanced", 50)
    assert find_recipe("best").learning_by("weighted").loss == "weighted"
    with pytest.raises(InputError, match="there is no hinge"):
        find_recipe("original").learning_by("hinge")
    with pytest.raises(InputError, match="logistic"):
        find_recipe("best").learning_by("focal")
    with pytest.raises(InputError, match="logistic"):
        find_recipe("best").learning_by(sampling="balanced")
