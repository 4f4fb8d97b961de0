"""Criteria that choose between models for a target domain without its labels.

The first two estimate the target risk from labelled source rows (less is
better); the others look at predictions on unlabelled target rows alone (greater
is better), and reward a model that is sure and wrong: use them beside the
former. All take float arrays and compute in float64.

Probabilities are ``[rows, classes]`` with a column for each class, so a binary
target's are two columns. For multilabel use `mean_over_labels`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import entr, logsumexp, rel_entr

BLOCK_BYTES = 32 * 2**20
"""What one block of similarities may hold."""


def importance_weighted_risk(losses: NDArray[Any], weights: NDArray[Any]) -> float:
    """The mean of the source rows' `losses` ``[n]`` under their importance `weights` ``[n]``: less is better.

    A weight is the target density over the source density at the row, up to a
    common factor: they are divided by their sum. ValueError on other shapes,
    numbers that are not finite, negative weights, or weights that are all 0.

    Sugiyama et al., Covariate Shift Adaptation by Importance Weighted Cross
    Validation (2007), which divides by n; dividing by the weights' sum costs a
    bias of order 1/n, and spares variance and the factor.
    """
    losses, weights = _weighted(losses, weights)
    return float(weights @ losses / weights.sum())


def deep_embedded_validation(losses: NDArray[Any], weights: NDArray[Any]) -> float:
    """The importance-weighted risk of the source rows, less what chance in the weights put into it: less is better.

    As `importance_weighted_risk`, but the mean of weight times loss is
    corrected by how far the mean weight is from 1, which it should be: a control
    variate, whose coefficient ``-cov(weight loss, weight) / var(weight)`` is
    taken from the same rows, at a bias of order 1/n. So `weights` ``[n]`` must
    be density ratios themselves, not up to a factor. The estimate can leave the
    range of the losses. ValueError as there.

    You et al., Towards Accurate Model Selection in Deep Unsupervised Domain Adaptation (2019).
    """
    losses, weights = _weighted(losses, weights)
    products, deviations = weights * losses, weights - weights.mean()
    variation = deviations @ deviations
    slope = deviations @ products / variation if variation > 0 else 0.0
    return float(products.mean() - slope * (weights.mean() - 1))


def soft_neighbourhood_density(probabilities: NDArray[Any], temperature: float = 0.05) -> float:
    """How many close neighbours the target rows' predictions have, as a mean entropy: greater is better.

    Cosine similarities between the rows of ``[m, classes]``, itself left out,
    divided by `temperature`, give each row a softmax over the others; its
    entropy, in nats, is from 0 (one neighbour counts) to ``log(m - 1)`` (all
    alike). It grows with m, so compare models on the same rows only; a model
    that gives all rows one class has the greatest of all. Similarities are made
    in blocks of rows, about 32 MB at a time.

    ValueError on rows that are not probabilities of two classes or more, fewer
    than two rows, or a temperature that is not above 0.

    Saito et al., Tune it the Right Way: Unsupervised Validation of Domain
    Adaptation via Soft Neighborhood Density (2021).
    """
    probabilities = _probabilities(probabilities)
    rows = len(probabilities)
    if rows < 2 or not 0 < temperature < np.inf:
        raise ValueError(
            f"density needs two rows and a temperature above 0; got {rows} rows, temperature {temperature}"
        )
    directions = probabilities / np.linalg.norm(probabilities, axis=1, keepdims=True)
    block = max(1, BLOCK_BYTES // (rows * directions.itemsize))
    total = sum(_neighbour_entropy(directions, start, block, temperature) for start in range(0, rows, block))
    return float(total / rows)


def information_maximisation(probabilities: NDArray[Any]) -> float:
    """The mutual information, in nats, of row and predicted class ``[m, classes]``: greater is better.

    The entropy of the mean prediction less the mean entropy: from 0, where all
    rows are alike, to ``log(classes)``, where all are certain and the classes
    equally frequent. It prefers balanced classes, whatever the target's are.
    (`medplug.core.transfer.entropy` has its negative, as a loss on logits.)
    ValueError on rows that are not probabilities of two classes or more.

    Bridle et al., Unsupervised Classifiers, Mutual Information and 'Phantom Targets' (1991).
    """
    probabilities = _probabilities(probabilities)
    # as divergences from the mean: nothing cancels where the rows are nearly alike
    return float(rel_entr(probabilities, probabilities.mean(axis=0)).sum(axis=1).mean())


def mean_over_labels(criterion: Callable[[NDArray[np.float64]], float], probabilities: NDArray[Any]) -> float:
    """`criterion` of each label of multilabel probabilities ``[m, labels]`` as a binary target, averaged.

    ValueError on another shape or values outside 0 to 1.
    """
    probabilities = np.asarray(probabilities, dtype=np.float64)
    if probabilities.ndim != 2 or 0 in probabilities.shape:
        raise ValueError(f"probabilities must be [rows, labels] with one of each; got shape {probabilities.shape}")
    return float(np.mean([criterion(np.stack([1 - label, label], axis=1)) for label in probabilities.T]))


def _weighted(losses: NDArray[Any], weights: NDArray[Any]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    losses, weights = np.asarray(losses, dtype=np.float64), np.asarray(weights, dtype=np.float64)
    if losses.ndim != 1 or losses.shape != weights.shape or not len(losses):
        raise ValueError(f"losses and weights must both be [n], n above 0; got {losses.shape} and {weights.shape}")
    if not (np.isfinite(losses).all() and np.isfinite(weights).all() and (weights >= 0).all() and weights.any()):
        raise ValueError("losses and weights must be finite, and weights at least 0 and not all of them 0")
    return losses, weights


def _probabilities(probabilities: NDArray[Any]) -> NDArray[np.float64]:
    probabilities = np.asarray(probabilities, dtype=np.float64)
    if probabilities.ndim != 2 or len(probabilities) < 1 or probabilities.shape[1] < 2:
        wanted = "[rows, classes] with at least one row and two classes (a binary target's are 1 - p and p)"
        raise ValueError(f"probabilities must be {wanted}; got shape {probabilities.shape}")
    if not ((probabilities >= 0).all() and np.allclose(probabilities.sum(axis=1), 1, atol=0.01)):
        raise ValueError(
            "probabilities must be from 0 to 1 and each row must sum to 1; for multilabel: mean_over_labels"
        )
    return np.asarray(probabilities / probabilities.sum(axis=1, keepdims=True))


def _neighbour_entropy(directions: NDArray[np.float64], start: int, block: int, temperature: float) -> float:
    """The summed entropies of the rows from `start`, `block` of them."""
    logits = directions[start : start + block] @ directions.T / temperature
    own = np.arange(len(logits))
    logits[own, start + own] = -np.inf
    return float(entr(np.exp(logits - logsumexp(logits, axis=1, keepdims=True))).sum())
