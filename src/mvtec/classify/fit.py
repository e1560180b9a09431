"""Fits the last layer, and the last stage of the backbone where the recipe says so, to features computed before."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from mvtec.classify.losses import ClassLoss
from mvtec.classify.model import Classifier
from mvtec.classify.unlike import learn_normal_patches
from mvtec.datasets.samples import GOOD
from mvtec.errors import InputError

if TYPE_CHECKING:
    import torch

OnEpoch = Callable[[int, int, dict[str, float]], None]


def fit(
    model: Classifier,
    features: Sequence[torch.Tensor],
    labels: Sequence[int],
    *,
    seed: int,
    on_epoch: OnEpoch = lambda _epoch, _epochs, _figures: None,
) -> tuple[Classifier, list[dict[str, float]]]:
    """Train a classifier as its recipe says.

    Args:
        model: Fresh from `new_classifier`; it may be changed.
        features: Of each photo, as `Classifier.features` gives them.
        labels: The class number of each photo.
        seed: Seed of weights, order, views and dropout.
        on_epoch: Called after each epoch with its number from 1, the number of epochs, and its figures.

    Returns:
        The trained classifier, and by epoch the train `loss` and `accuracy`.

    Raises:
        InputError: The recipe needs good photos, and there are none.
    """
    import torch

    torch.manual_seed(seed)
    if model.recipe.pooling == "unlike-good":
        good = [at for at, label in enumerate(labels) if model.classes[label] == GOOD]
        if not good:
            raise InputError("--recipe", "compares photos with good ones, and none are to train on", "Give another one")
        model = replace(model, normal_patches=learn_normal_patches([features[at] for at in good], seed))
    with torch.no_grad():
        ready = [model.vectors(views) if model.recipe.trains == "head" else views for views in features]
    if model.recipe.solver == "logistic":
        return _solve(model, torch.stack(ready), labels), []
    return _descend(model, torch.stack(ready), labels, seed, on_epoch)


def _solve(model: Classifier, vectors: torch.Tensor, labels: Sequence[int]) -> Classifier:
    """A logistic regression on standardised vectors, each view an example; put into the last layer."""
    import torch
    from sklearn.linear_model import LogisticRegression

    photos, views = vectors.shape[:2]
    examples = vectors.reshape(photos * views, -1).double().numpy()
    mean, deviation = examples.mean(axis=0), examples.std(axis=0)
    deviation[deviation == 0] = 1
    class_weight = "balanced" if model.recipe.loss == "weighted" else None
    solver = LogisticRegression(C=model.recipe.regularisation, max_iter=2000, class_weight=class_weight)
    solver.fit((examples - mean) / deviation, np.repeat(np.asarray(labels), views))
    weights = np.zeros((len(model.classes), examples.shape[1]))
    bias = np.full(len(model.classes), -1e3)  # a class without a train photo is never the answer
    if len(solver.classes_) == 2:  # sklearn keeps one row of two
        rows = np.concatenate([-solver.coef_, solver.coef_]) / 2
        offsets = np.append(-solver.intercept_, solver.intercept_) / 2
    else:
        rows, offsets = solver.coef_, solver.intercept_
    weights[solver.classes_] = rows / deviation
    bias[solver.classes_] = offsets - (rows / deviation) @ mean
    last = torch.nn.Linear(weights.shape[1], len(weights))
    with torch.no_grad():
        last.weight.copy_(torch.from_numpy(weights))
        last.bias.copy_(torch.from_numpy(bias))
    return replace(model, last=last)


def _descend(
    model: Classifier, features: torch.Tensor, labels: Sequence[int], seed: int, on_epoch: OnEpoch
) -> tuple[Classifier, list[dict[str, float]]]:
    """Adam; of each photo one view an epoch. Batch norm keeps ImageNet's statistics.

    `features` are vectors where the head alone learns, else what the tail takes.
    """
    import torch

    recipe = model.recipe
    target = torch.tensor(labels)
    counts = torch.bincount(target, minlength=len(model.classes))
    with torch.no_grad():
        width = features.shape[-1] if recipe.trains == "head" else model.vectors(features[0]).shape[-1]
    model = replace(model, last=torch.nn.Linear(width, len(model.classes)))
    learning = [*model.tail.parameters(), *model.last.parameters()]
    for weight in learning:
        weight.requires_grad_(True)
    optimiser = torch.optim.Adam(learning, lr=recipe.learning_rate)
    loss_of = ClassLoss(recipe.loss, counts.tolist())
    random = torch.Generator().manual_seed(seed)
    history = []
    for epoch in range(1, recipe.epochs + 1):
        if recipe.sampling == "balanced":
            order = torch.multinomial(1 / counts[target], len(target), replacement=True, generator=random)
        else:
            order = torch.randperm(len(target), generator=random)
        total, right = 0.0, 0
        for batch in torch.split(order, recipe.batch):
            views = torch.randint(features.shape[1], (len(batch),), generator=random)
            seen = features[batch, views]
            if recipe.trains == "last-stage":
                seen = model.vectors(seen)
            if recipe.dropout:
                kept = torch.rand(seen.shape, generator=random) >= recipe.dropout
                seen = seen * kept / (1 - recipe.dropout)
            logits = model.last(seen)
            loss = loss_of(logits, target[batch])
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            total += float(loss.detach()) * len(batch)
            right += int((logits.argmax(dim=1) == target[batch]).sum())
        loss_of.end_epoch()
        figures = {"loss": round(total / len(target), 5), "accuracy": round(right / len(target), 5)}
        history.append(figures)
        on_epoch(epoch, recipe.epochs, figures)
    return model, history
