"""Weights that make the source's rows stand for the target's: estimates of the density ratio p_target / p_source.

All take features alone, source ``[n, width]`` and target ``[m, width]`` of
float32 or float64, and give one weight for each row of the source, float64
``[n]`` with mean one, or about. They are right under covariate shift: where the
target's rows differ in their features but not in what these say of the label.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from medplug.core.transfer.gaussian import centred_rows, kernel_blocks, median_distance
from medplug.core.transfer.matching import LeastSquares
from medplug.core.transfer.rows import Rows, Weights, check_rows

KERNEL_ROWS = 10_000
"""The most source rows matched at once: their kernel matrix takes 400 MB."""
GAP_SHARE = 0.25
"""The gap to which weights are matched, times ``1 / n + 1 / m``, about which the discrepancy itself is uncertain."""
BANDWIDTHS = tuple(2.0**step for step in range(-3, 3))
"""What KLIEP tries, times the median distance."""
STRENGTHS = (1.0, 0.1, 0.01, 1e-3, 1e-4)
"""Penalties that the domain classifier tries, the strongest first."""


def kernel_mean_matching(
    source: Rows, target: Rows, *, bandwidth: float | None = None, bound: float = 10.0, tolerance: float | None = None
) -> Weights:
    """Weights in ``[0, bound]`` under which the source's mean in a Gaussian kernel's space is the target's.

    Minimises ``b'Kb / 2 - k'b``, K the source's kernels with itself and k its
    summed kernels with the target times n / m, over ``0 <= b <= bound`` and
    ``|mean(b) - 1| <= tolerance``, by default ``(sqrt(n) - 1) / sqrt(n)``; then
    b is left as it is, of a mean that is about one. `bandwidth` is by default
    the median distance among rows of both samples (about 1,000 of them, evenly
    spaced), in the features' own units: standardise these where they differ.

    From equal weights, steps are taken until the duality gap of the mean
    discrepancy is within its own sampling error, ``(1 / n + 1 / m) / 4``, or for
    2,000 steps: the exact least follows the samples' chance, and its weights are
    no better than equal ones as estimates of the ratio, and many of them zero.
    Memory is bounded by one float32 matrix of 10,000 x 10,000, 400 MB: more
    source rows are split at random (the same way each time) into equal parts,
    each matched to the whole target, whose rows are only summed over.
    ValueError on wrong shapes, and on a bandwidth or a bound that leave nothing.

    Huang et al., Correcting Sample Selection Bias by Unlabeled Data (2006).
    """
    check_rows(source, target)
    if not bound >= 1:
        raise ValueError(f"bound must be 1 or more, for weights of mean one; got {bound}")
    if tolerance is not None and not 0 <= tolerance < 1:
        raise ValueError(f"tolerance must be from 0 to below 1; got {tolerance}")
    source, target = centred_rows(source, target)
    width = _checked_bandwidths([median_distance(source, target) if bandwidth is None else bandwidth])[0]
    order = np.random.default_rng(0).permutation(len(source))
    weights = np.empty(len(source))
    for part in np.array_split(order, -(-len(source) // KERNEL_ROWS)):
        slack = 1 - len(part) ** -0.5 if tolerance is None else tolerance
        weights[part] = _matched(source[part], target, width, bound, slack)
    return weights


def _matched(source: Rows, target: Rows, bandwidth: float, bound: float, slack: float) -> Weights:
    n = len(source)
    kernel = np.empty((n, n), np.float32)
    for rows, block in kernel_blocks(source, source, bandwidth):
        kernel[rows] = block
    pull = np.empty(n)
    for rows, block in kernel_blocks(source, target, bandwidth):
        pull[rows] = block.mean(1)
    gap = GAP_SHARE * (1 / n + 1 / len(target))
    return LeastSquares(kernel, pull, bound, slack, gap).solve()


def classifier_density_ratio(
    source: Rows,
    target: Rows,
    *,
    folds: int = 5,
    strength: float | None = None,
    clip: float = 20.0,
    mean_one: bool = True,
    seed: int,
) -> Weights:
    """Weights ``p(target | x) / p(source | x) * n / m`` by a logistic regression that tells the domains apart.

    Each row is scored by the model of the other `folds`, on features
    standardised there. The model minimises its mean log loss plus ``strength /
    2`` times the squared norm of its coefficients; None: the strength from 1
    down to 1e-4 with the least log loss on held-out rows. Ratios are cut at
    `clip` and then, with `mean_one`, divided by their mean; without, how far their
    mean is from 1 tells how well they are estimated. `seed` draws the folds.
    ValueError on wrong shapes, and on more folds than either domain has rows.

    Bickel et al., Discriminative Learning Under Covariate Shift (2009).
    """
    check_rows(source, target)
    _check_folds(folds, min(len(source), len(target)), "rows of the smaller domain")
    if not clip > 0 or (strength is not None and not strength > 0):
        raise ValueError(f"classifier_density_ratio needs clip > 0 and strength > 0; got {clip} and {strength}")
    features = np.concatenate(centred_rows(source, target))
    domain = np.repeat([0, 1], [len(source), len(target)])
    tried = STRENGTHS if strength is None else (strength,)
    log_odds = _held_out_log_odds(features, domain, tried, folds, seed)
    losses = np.logaddexp(0, np.where(domain == 1, -log_odds, log_odds)).mean(1)
    logs = log_odds[losses.argmin(), : len(source)] + np.log(len(source) / len(target))
    ratios: Weights = np.exp(np.minimum(logs, np.log(clip)))
    if mean_one:
        ratios /= ratios.mean()
    return ratios


def _held_out_log_odds(
    features: Rows, domain: NDArray[np.intp], strengths: Sequence[float], folds: int, seed: int
) -> NDArray[np.float64]:
    """``[strengths, rows]`` log odds of the target, each from a model that did not see the row."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedKFold
    from sklearn.preprocessing import StandardScaler

    found = np.empty((len(strengths), len(features)))
    for seen, held in StratifiedKFold(folds, shuffle=True, random_state=seed).split(features, domain):
        scaler = StandardScaler().fit(features[seen])
        model = LogisticRegression(max_iter=1000, warm_start=True)  # each strength starts where the last one ended
        for row, strength in enumerate(strengths):
            model.set_params(C=1 / (strength * len(seen))).fit(scaler.transform(features[seen]), domain[seen])
            found[row, held] = model.decision_function(scaler.transform(features[held]))
    return found


def kliep(
    source: Rows,
    target: Rows,
    *,
    kernels: int = 100,
    bandwidths: Sequence[float] | None = None,
    folds: int = 5,
    seed: int,
) -> Weights:
    """Weights by a sum of Gaussian kernels under which the target is likeliest, its mean over the source one.

    The `kernels` stand on target rows drawn by `seed`. Of the `bandwidths`, by
    default an eighth to four times the median distance, that of the highest
    mean log ratio on held-out `folds` of the target is taken. The likelihood is
    concave and its constraint a simplex, where the mixture's EM steps climb it
    without a step size. A kernel that sees less of the source than one row at
    its centre would be counts as if it saw that much, so that a target row
    where there is no source has a finite ratio. In many dimensions, some tens,
    a few kernels say little and the weights stay near one. ValueError on wrong
    shapes, on more folds than target rows, and where no source row is near a
    kernel.

    Sugiyama et al., Direct Importance Estimation for Covariate Shift Adaptation (2008).
    """
    check_rows(source, target)
    if kernels < 1:
        raise ValueError(f"kernels must be 1 or more; got {kernels}")
    source, target = centred_rows(source, target)
    if bandwidths is None:
        bandwidths = [median_distance(source, target) * step for step in BANDWIDTHS]
    tried = _checked_bandwidths(bandwidths)
    random = np.random.default_rng(seed)
    centres = random.choice(len(target), min(kernels, len(target)), replace=False)
    if len(tried) > 1:
        _check_folds(folds, len(target), "target rows")
        fold = random.permutation(len(target)) % folds
        tried = [max(tried, key=lambda width: _held_out_likelihood(source, target, centres, width, fold))]
    near, ratios = _shapes(source, target, target[centres], tried[0])
    weights: Weights = near @ _mixture(ratios)
    if not weights.sum() > 0:
        raise ValueError(f"no source row is near a target row at bandwidth {tried[0]:g}; give wider bandwidths")
    weights /= weights.mean()
    return weights


def _held_out_likelihood(
    source: Rows, target: Rows, centres: NDArray[np.intp], bandwidth: float, fold: NDArray[np.intp]
) -> float:
    """The mean log ratio of the target's rows, each under kernels that neither stand on its fold nor were fit to it."""
    _, ratios = _shapes(source, target, target[centres], bandwidth)
    logs = np.empty(len(target))
    for number in range(fold.max() + 1):
        held, kept = fold == number, fold[centres] != number
        if not kept.any():
            return -np.inf
        found = ratios[:, kept]
        logs[held] = np.log(np.maximum(found[held] @ _mixture(found[~held]), np.finfo(float).tiny))
    return float(logs.mean())


def _shapes(
    source: Rows, target: Rows, centres: Rows, bandwidth: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Every kernel on the source's rows ``[n, kernels]`` and the target's, each divided by its mean on the source."""
    near, far = (
        np.concatenate([block for _, block in kernel_blocks(rows, centres, bandwidth)]) for rows in (source, target)
    )
    mass = np.maximum(near.mean(0), 1 / len(source))
    return near / mass, far / mass


def _mixture(ratios: NDArray[np.float64]) -> Weights:
    """The shares ``[kernels]``, summing to one, of the highest mean log of ``ratios @ shares``."""
    shares = np.full(ratios.shape[1], 1 / ratios.shape[1])
    for _ in range(1000):
        sums = np.maximum(ratios @ shares, np.finfo(float).tiny)
        slopes = (1 / sums) @ ratios / len(ratios)
        if slopes.max() < 1 + 1e-3:  # no shares are likelier by more, the mean log being concave
            break
        shares *= slopes
        shares /= shares.sum()
    return shares


def effective_rows(weights: Weights) -> float:
    """``(sum w)^2 / sum w^2``: how many equal rows would give as steady a mean as rows of these weights ``[n]``.

    ValueError where weights are not of one dimension, negative, or all zero.

    Kish, Survey Sampling (1965).
    """
    if weights.ndim != 1 or not (weights >= 0).all() or not (weights > 0).any():
        raise ValueError(f"weights must be [rows], none negative, one above zero; got shape {list(weights.shape)}")
    shares = weights / weights.max()
    return float(shares.sum() ** 2 / (shares**2).sum())


def _checked_bandwidths(bandwidths: Sequence[float]) -> list[float]:
    given = [float(width) for width in bandwidths]
    if not given or not all(0 < width < np.inf for width in given):
        raise ValueError(f"bandwidths must be positive numbers, at least one; got {given}")
    return given


def _check_folds(folds: int, rows: int, of: str) -> None:
    if not 2 <= folds <= rows:
        raise ValueError(f"folds must be from 2 to {rows}, the {of}; got {folds}")
