"""Fits the last layer, and the last stage of the backbone where the recipe says so, to features computed before."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from mvtec.classify.model import Classifier

if TYPE_CHECKING:
    import torch

OnEpoch = Callable[[int, int, dict[str, float]], None]


def fit(
    model: Classifier,
    features: torch.Tensor,
    labels: Sequence[int],
    *,
    seed: int,
    on_epoch: OnEpoch = lambda _epoch, _epochs, _figures: None,
) -> tuple[Classifier, list[dict[str, float]]]:
    """Train a classifier as its recipe says.

    Args:
        model: Fresh from `new_classifier`; it may be changed.
        features: As `model.all_features` gives them: photos, views, features.
        labels: The class number of each photo.
        seed: Seed of order, views and dropout.
        on_epoch: Called after each epoch with its number from 1, the number of epochs, and its figures.

    Returns:
        The trained classifier, and by epoch the train `loss` and `accuracy`.
    """
    if model.recipe.solver == "logistic":
        return _solve(model, features, labels), []
    return model, _descend(model, features, labels, seed, on_epoch)


def _solve(model: Classifier, features: torch.Tensor, labels: Sequence[int]) -> Classifier:
    """A logistic regression on standardised features, each view an example; put into the last layer."""
    import torch
    from sklearn.linear_model import LogisticRegression

    photos, views = features.shape[:2]
    examples = features.reshape(photos * views, -1).double().numpy()
    mean, deviation = examples.mean(axis=0), examples.std(axis=0)
    deviation[deviation == 0] = 1
    solver = LogisticRegression(C=model.recipe.regularisation, max_iter=2000)
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
) -> list[dict[str, float]]:
    """Adam on cross entropy; of each photo one view an epoch. Batch norm keeps ImageNet's statistics."""
    import torch
    from torch import nn

    recipe = model.recipe
    target = torch.tensor(labels)
    learning = [*model.tail.parameters(), *model.last.parameters()]
    for weight in learning:
        weight.requires_grad_(True)
    optimiser = torch.optim.Adam(learning, lr=recipe.learning_rate)
    loss_of = nn.CrossEntropyLoss()
    random = torch.Generator().manual_seed(seed)
    history = []
    for epoch in range(1, recipe.epochs + 1):
        order = torch.randperm(len(target), generator=random)
        total, right = 0.0, 0
        for batch in torch.split(order, recipe.batch):
            views = torch.randint(features.shape[1], (len(batch),), generator=random)
            seen = features[batch, views]
            if recipe.dropout:
                kept = torch.rand(seen.shape, generator=random) >= recipe.dropout
                seen = seen * kept / (1 - recipe.dropout)
            logits = model.logits(seen)
            loss = loss_of(logits, target[batch])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            total += float(loss.detach()) * len(batch)
            right += int((logits.argmax(dim=1) == target[batch]).sum())
        figures = {"loss": round(total / len(target), 5), "accuracy": round(right / len(target), 5)}
        history.append(figures)
        on_epoch(epoch, recipe.epochs, figures)
    return history
