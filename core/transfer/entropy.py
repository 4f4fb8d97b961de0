"""Losses on unlabelled predictions: certain for each row, varied over the rows, seldom torn between two classes.

All take ``[rows, classes]`` logits, give a scalar to minimise and compute in
float32 or better whatever the logits are stored in, also under autocast.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from medplug.core.transfer.samples import widened


def two_sided(logits: Tensor) -> Tensor:
    """Logits of at least two classes: ``[rows, 1]`` as ``[rows, 2]``, others unchanged.

    The one logit z of a binary head becomes (0, z), whose softmax is
    (1 - sigmoid(z), sigmoid(z)). ValueError on anything but ``[rows, classes]``.
    """
    if logits.ndim != 2 or logits.shape[1] < 1:
        raise ValueError(f"logits must be [rows, classes]; got shape {list(logits.shape)}")
    return logits if logits.shape[1] > 1 else torch.cat([torch.zeros_like(logits), logits], 1)


def prediction_entropy(logits: Tensor) -> Tensor:
    """The mean Shannon entropy, in nats, of the rows' softmax: 0 when all are certain, at most ``log(classes)``.

    `logits` are ``[rows, classes]`` with two classes or more (ValueError; see `two_sided`).

    Grandvalet and Bengio, Semi-supervised Learning by Entropy Minimization (2004).
    """
    log_probs = _log_probs(logits)
    return -(log_probs.exp() * log_probs).sum(1).mean()


def information_maximisation(logits: Tensor) -> Tensor:
    """The mean entropy of the rows' softmax less the entropy of their mean: from ``-log(classes)`` to 0.

    Least when every row is certain and every class equally frequent, and 0 when
    all rows are alike. The classes are balanced over the rows given, so these
    should be many for the classes. `logits` are ``[rows, classes]`` with two
    classes or more (ValueError; see `two_sided`).

    Liang et al., Do We Really Need to Access the Source Data? Source Hypothesis
    Transfer for Unsupervised Domain Adaptation (2020).
    """
    log_probs = _log_probs(logits)
    log_mean = log_probs.logsumexp(0) - math.log(len(log_probs))
    # each row's divergence from the mean, negated: their mean is that difference
    return (log_probs.exp() * (log_mean - log_probs)).sum(1).mean()


def class_confusion(logits: Tensor, temperature: float = 2.5) -> Tensor:
    """How much of each class's predictions falls to the other classes, averaged over the classes: from 0 to 1.

    The softmax at `temperature` gives each row i its probabilities p_i, and the
    classes their correlations ``sum_i w_i p_ij p_ik``, where rows of low
    entropy H weigh more: ``w_i = 1 + exp(-H_i)``, constants to the gradient.
    Each class's correlations are divided by their sum, and those with other
    classes are what is confused. A class that no row predicts counts as
    confused. `logits` are ``[rows, classes]`` with two classes or more
    (ValueError; see `two_sided`), `temperature` above 0 (ValueError).

    Jin et al., Minimum Class Confusion for Versatile Domain Adaptation (2020).
    """
    if not 0 < temperature < math.inf:
        raise ValueError(f"temperature must be above 0 and finite; got {temperature}")
    log_probs = _log_probs(logits, temperature)
    weights = certainty(log_probs.exp())
    # a row's probabilities sum to one, so a class's correlations sum to its weighted total over the rows: its diagonal
    # is the mean of p under the rows' shares of that total, and no classes x classes matrix is needed
    shares = (log_probs + weights.log()[:, None]).softmax(0)
    return -(shares * log_probs.expm1()).sum(0).mean()


def certainty(probs: Tensor) -> Tensor:
    """``1 + exp(-H)`` of each row of ``[rows, classes]`` probabilities, H its entropy: ``[rows]``, constants.

    Long et al., Conditional Adversarial Domain Adaptation (2018).
    """
    return 1 + torch.exp(-torch.special.entr(probs.detach()).sum(1))


def _log_probs(logits: Tensor, temperature: float = 1.0) -> Tensor:
    """The log-softmax of checked logits, in float32 or better."""
    if logits.ndim != 2 or len(logits) < 1 or logits.shape[1] < 2:
        wanted = "[rows, classes] with at least one row and two classes"
        hint = ". A binary head's one logit goes through two_sided" if logits.ndim and logits.shape[-1] == 1 else ""
        raise ValueError(f"logits must be {wanted}; got shape {list(logits.shape)}{hint}")
    return (widened(logits)[0] / temperature).log_softmax(1)
