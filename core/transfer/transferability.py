"""How well a backbone's frozen outputs suit a target, before anything is trained; and how far apart two domains lie.

The four scores rank candidates on the same rows and labels, and greater is
better. They take torch tensors of any type on one device, compute in float64
without a gradient and give a float; `proxy_a_distance` takes numpy arrays.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

ROUNDING = 1e-12
"""The least share of a target's squares that counts as unexplained: float32 features know no better."""
SCAN = (-24.0, 16.0, 0.25)
"""Where the evidence is tried first: from, to and step, in decades of precision ratio over the greatest variance."""
ZOOMS, ZOOM = 4, 16
"""The scan's step is divided by `ZOOM` around the best point, `ZOOMS` times."""


def logme(features: Tensor, labels: Tensor) -> float:
    """The log maximum evidence a row of a Bayesian linear model from `features` ``[n, width]``, averaged over outputs.

    `labels` are whole numbers ``[n]``, each class that occurs an output of
    zeros and ones, or numbers ``[n, outputs]``: regression targets, or zeros
    and ones for multilabel. Nothing is centred. An output of zeros alone says
    nothing and is left out. The scale and rotation of the features do not
    matter; that of the targets does, so compare scores on the same targets
    only. An output that the features fit exactly has no greatest evidence: its
    residual counts as 1e-12 of its squares.

    ValueError on other shapes, numbers that are not finite, a single class, or
    no output to score.

    You et al., LogME: Practical Assessment of Pre-trained Models for Transfer
    Learning (2021). The published fixed point seeks a stationary point of the
    evidence in two precisions; here one of them is solved for on paper and the
    ratio of the two is searched, which cannot stop short or on a lower peak.
    """
    rows = _features(features)
    targets = _outputs(labels, rows)
    spectrum, along, residual = _spectrum(rows, targets)
    residual = residual.maximum(ROUNDING * targets.square().sum(0))
    peaks = [_peak(spectrum, *output, len(rows)) for output in zip(along.T.square(), residual, strict=True)]
    return float(torch.stack(peaks).mean())


def h_score(features: Tensor, labels: Tensor, shrinkage: bool = True) -> float:
    """``tr(cov(f)^-1 cov(E[f | y]))`` of `features` ``[n, width]`` and classes ``[n]``: from 0 to classes - 1.

    With `shrinkage`, the covariance of the features is that of Ledoit and Wolf
    (2004), and the classes' part of it is shrunk alike; without, it is inverted
    on the space that the features span, and tells little where rows are few for
    the width. Both covariances divide by n. Features that do not vary score 0.

    ValueError on other shapes, numbers that are not finite or a single class.

    Bao et al., An Information-Theoretic Approach to Transferability in Task
    Transfer Learning (2019); Ibrahim et al., Newer is not always better:
    Rethinking transferability metrics, their peculiarities, stability and
    performance (2021) for the shrinkage.
    """
    rows = _features(features)
    rows = rows - rows.mean(0)
    members = _one_hot(labels, len(rows), "labels").to(rows)
    spectrum, along, _ = _spectrum(rows, members / members.sum(0).sqrt())
    between = along.square().sum(1)  # of the variance along each axis, the share that lies between the classes
    if shrinkage:
        variances = spectrum / len(rows)
        pull = _shrinkage(rows, variances)
        kept, floor = (1 - pull) * variances, pull * variances.sum() / rows.shape[1]
        return float(torch.where(kept > 0, kept / (kept + floor), 0.0) @ between)
    least = max(rows.shape) * torch.finfo(rows.dtype).eps  # of a singular value, beside the greatest
    return float(between[spectrum > least**2 * spectrum.max()].sum())


def leep(source_probs: Tensor, labels: Tensor) -> float:
    """The mean log likelihood, in nats, of `labels` ``[n]`` guessed from a source classifier's probabilities alone.

    `source_probs` are ``[n, source classes]``, rows that sum to 1. Each source
    class guesses target classes as often as they go with it in these very rows,
    and a row's guess mixes those of its source classes. From ``-H(labels)``,
    where the source tells nothing, to 0.

    ValueError on other shapes, rows that are not probabilities or a single class.

    Nguyen et al., LEEP: A New Measure to Evaluate Transferability of Learned
    Representations (2020).
    """
    probs = _features(source_probs, "source_probs", "source classes")
    if bool((probs < 0).any()) or float((probs.sum(1) - 1).abs().max()) > 0.01:
        raise ValueError("source_probs must be probabilities, rows from 0 to 1 that sum to 1; softmax the logits first")
    return _mean_log_guess(probs / probs.sum(1, keepdim=True), labels)


def nce(source_labels: Tensor, labels: Tensor) -> float:
    """Minus the conditional entropy, in nats, of `labels` given `source_labels`, both ``[n]``: `leep` of certainties.

    ValueError on other shapes, numbers that are not whole or a single class in `labels`.

    Tran et al., Transferability and Hardness of Supervised Classification Tasks (2019).
    """
    sources = _one_hot(source_labels, len(source_labels) if source_labels.ndim else 0, "source_labels", least=1)
    return _mean_log_guess(sources.double(), labels)


def proxy_a_distance(x: NDArray[Any], y: NDArray[Any], *, folds: int, seed: int) -> float:
    """``2 (1 - 2 error)`` of a linear classifier that tells ``[n, width]`` from ``[m, width]``: from 0 to 2.

    0 where it does no better than chance. Logistic regression on columns of
    mean 0 and variance 1, judged on rows that it was not fitted on in `folds`
    folds shuffled by `seed`. The error is the mean of the two sides' errors, and
    the fit weighs the sides alike, so their sizes do not matter.

    ValueError on other shapes, numbers that are not finite, or fewer rows on a
    side than `folds`, or `folds` under 2.

    Ben-David et al., Analysis of Representations for Domain Adaptation (2007).
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedKFold, cross_val_predict
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    x, y = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    if x.ndim != 2 or y.ndim != 2 or x.shape[1] != y.shape[1] or not x.shape[1]:
        raise ValueError(f"x and y must be [n, width] and [m, width] of one width; got {x.shape} and {y.shape}")
    if not 2 <= folds <= min(len(x), len(y)):
        raise ValueError(f"folds must be from 2 to the rows of the smaller side; got {folds} for {len(x)} and {len(y)}")
    rows, side = np.concatenate([x, y]), np.repeat([0, 1], [len(x), len(y)])
    if not np.isfinite(rows).all():
        raise ValueError("x and y must be finite; they hold NaN or infinity")
    model = make_pipeline(StandardScaler(), LogisticRegression(class_weight="balanced", max_iter=1000))
    split = StratifiedKFold(folds, shuffle=True, random_state=seed)
    wrong = cross_val_predict(model, rows, side, cv=split) != side
    error = (wrong[: len(x)].mean() + wrong[len(x) :].mean()) / 2
    return float(max(0.0, 2 * (1 - 2 * error)))


def _features(values: Tensor, name: str = "features", columns: str = "width") -> Tensor:
    """The values ``[n, width]`` in float64, without a gradient."""
    if values.ndim != 2 or 0 in values.shape:
        raise ValueError(f"{name} must be [n, {columns}] with at least one of each; got shape {list(values.shape)}")
    values = values.detach().double()
    if not bool(values.isfinite().all()):
        raise ValueError(f"{name} must be finite; they hold NaN or infinity")
    return values


def _outputs(labels: Tensor, rows: Tensor) -> Tensor:
    """The linear model's targets ``[n, outputs]``: classes as zeros and ones, or numbers as they are."""
    if labels.ndim != 2:
        return _one_hot(labels, len(rows), "labels").to(rows)
    targets = _features(labels, "labels", "outputs").to(rows)
    if len(targets) != len(rows):
        raise ValueError(f"labels must have one row a row of features; got {len(targets)} for {len(rows)}")
    targets = targets[:, targets.any(0)]
    if not targets.shape[1]:
        raise ValueError("labels are all zero: there is no output to score")
    return targets


def _one_hot(labels: Tensor, n: int, name: str, least: int = 2) -> Tensor:
    """Who belongs to which of the classes that occur: bool ``[n, classes]``."""
    if labels.shape != (n,) or not n or labels.is_floating_point() or labels.is_complex():
        got = f"{labels.dtype} of shape {list(labels.shape)} for {n} rows"
        raise ValueError(f"{name} must be whole numbers [n], one a row, or for logme numbers [n, outputs]; got {got}")
    classes: Tensor = torch.unique(labels)
    if len(classes) < least:
        raise ValueError(f"{name} must be of at least {least} classes; all {n} rows are of class {int(classes[0])}")
    return labels[:, None].eq(classes)


def _spectrum(rows: Tensor, targets: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The squared singular values of rows ``[n, width]``, and how targets ``[n, outputs]`` lie on their vectors.

    ``[k]`` with k the lesser of n and width; the coordinates on the left
    singular vectors ``[k, outputs]``; and the squares outside them ``[outputs]``.
    """
    width = rows.shape[1]
    joint = torch.cat([rows, targets], 1)
    if len(joint) > joint.shape[1]:  # a rotation of the rows changes none of the three, and leaves few that are not 0
        joint = torch.linalg.qr(joint, mode="r").R
    rows, targets = joint[:, :width], joint[:, width:]
    axes, singular, _ = torch.linalg.svd(rows, full_matrices=False)
    along = axes.T @ targets
    return singular.square(), along, (targets - axes @ along).square().sum(0)


def _peak(spectrum: Tensor, squares: Tensor, residual: Tensor, n: int) -> Tensor:
    """The greatest log evidence a row of one output, over the weights' precision and the noise's.

    For their ratio t the best noise is known: its variance is ``energy(t) / n``
    with ``energy(t) = residual + sum squares t / (t + spectrum)``, the least
    penalised sum of squares. What is left is a function of t alone.
    """

    def evidence(ratios: Tensor) -> Tensor:
        energy = residual + (ratios[:, None] / (ratios[:, None] + spectrum)) @ squares
        volume = torch.log1p(spectrum / ratios[:, None]).sum(1)
        return -((2 * math.pi * math.e / n) * energy).log() / 2 - volume / (2 * n)

    scale = torch.where(spectrum.max() > 0, spectrum.max(), 1.0)
    decades = torch.arange(*SCAN).to(spectrum)
    around = torch.linspace(-1, 1, 2 * ZOOM + 1).to(spectrum) * SCAN[2]
    for zoom in range(ZOOMS):
        best = decades[evidence(scale * 10**decades).argmax()]
        decades = best + around / ZOOM**zoom
    return evidence(scale * 10**decades).max()


def _shrinkage(centred: Tensor, variances: Tensor) -> Tensor:
    """Ledoit and Wolf's weight of the scaled identity, from 0 to 1 (A well-conditioned estimator ..., 2004)."""
    n, width = centred.shape
    level = variances.sum() / width
    spread = (variances - level).square().sum() + (width - len(variances)) * level**2
    noise = (centred.square().sum(1).square().mean() - variances.square().sum()) / n
    return torch.where(spread > 0, (noise / spread).clamp(0, 1), 0.0)


def _mean_log_guess(probs: Tensor, labels: Tensor) -> float:
    """LEEP of checked probabilities ``[n, source classes]`` and labels ``[n]``."""
    members = _one_hot(labels, len(probs), "labels").to(probs)
    joint = members.T @ probs  # [classes, source classes]
    guesses = joint / joint.sum(0).clamp(min=torch.finfo(probs.dtype).tiny)  # a source class that no row has adds 0
    return float((probs * guesses[members.argmax(1)]).sum(1).log().mean())
