"""Correcting probabilities on validation rows: by temperature, by Platt's line, by isotonic steps.

Temperature divides all logits by one number (Guo et al., On Calibration of Modern Neural Networks,
2017), which leaves decisions of the likeliest class as they are. Platt (1999) fits a slope and an intercept; of
several classes here one slope for all and an intercept a class (bias-corrected temperature: Alexandari,
Kundaje and Shrikumar, 2020). Isotonic regression (Zadrozny and Elkan, 2002) fits a rising step function, of
several classes each against the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize, minimize_scalar
from scipy.special import log_softmax, softmax

from medplug.core.data.targets import Target
from medplug.core.data.trust import Calibration, Knots
from medplug.core.evaluation.linear import ABSENT_LOGIT
from medplug.core.evaluation.logistic import fit_line, fit_shift
from medplug.core.evaluation.probabilistic import log_loss
from medplug.core.evaluation.statistic import Labels, membership

FOLDS = 5
FEWEST_ROWS, FEWEST_FOR_STEPS = 20, 1000
"""With fewer validation rows nothing is compared; with fewer of the others no steps are fitted: they learn by heart."""
_LOG_SCALES = (-4.0, 4.0)
_LEAST_SLOPE = float(np.exp(_LOG_SCALES[0]))
_OF_CLASSES = ("binary", "multiclass", "multilabel")

Floats = NDArray[np.float64]
Fit = Callable[[Target, Floats, Labels], Calibration | None]


def methods(target: Target, rows: int) -> tuple[str, ...]:
    """The corrections that so many validation rows of this target allow.

    Letters of options mean nothing by themselves, so that of a choice there is one temperature alone.
    """
    if target.kind == "choice":
        return ("temperature",)
    if target.kind not in _OF_CLASSES:
        return ()
    return ("temperature", "platt", *(("isotonic",) if rows >= FEWEST_FOR_STEPS else ()))


def fit_calibration(method: str, target: Target, logits: NDArray[Any], labels: Labels) -> Calibration | None:
    """The correction by `method` that these rows ask for: logits ``[rows, outputs]`` and encoded labels.

    None where the rows settle none (all of one class, say).
    """
    return _FITS[method](target, np.asarray(logits, dtype=np.float64), labels)


def compared(
    target: Target, logits: NDArray[Any], labels: Labels, groups: Sequence[str] | None, seed: int
) -> dict[str, float]:
    """The log loss of each correction (and of ``none``) on validation rows that it was not fitted on.

    Five folds, by whole `groups` where these are given. Empty where there are too few rows or
    groups to tell, or the target has no corrections; a method that some fold cannot fit is left out.
    """
    named = methods(target, len(labels) * (FOLDS - 1) // FOLDS)
    folds = _folds(len(labels), groups, seed)
    if not named or len(labels) < FEWEST_ROWS or len(np.unique(folds)) < FOLDS:
        return {}
    found = {name: _held_out(name, target, logits, labels, folds) for name in ("none", *named)}
    return {name: loss for name, loss in found.items() if loss is not None}


def _held_out(
    name: str, target: Target, logits: NDArray[Any], labels: Labels, folds: NDArray[np.int64]
) -> float | None:
    total = 0.0
    for fold in range(FOLDS):
        out = folds == fold
        fitted = None if name == "none" else fit_calibration(name, target, logits[~out], labels[~out])
        if name != "none" and fitted is None:
            return None
        chances = replace(target, calibration=fitted).probabilities(logits[out])
        total += float(log_loss(target, labels[out], chances)(np.ones((1, int(out.sum()))))[0]) * int(out.sum())
    return total / len(labels)


def _folds(rows: int, groups: Sequence[str] | None, seed: int) -> NDArray[np.int64]:
    """The fold of each row, about as many groups in each."""
    unit = np.arange(rows) if groups is None else np.unique(np.asarray(groups), return_inverse=True)[1]
    shuffled = np.random.default_rng(seed).permutation(int(unit.max()) + 1)
    return np.asarray(shuffled[unit] % FOLDS, dtype=np.int64)


def _softened(target: Target, labels: Labels) -> Floats:
    """The truth ``[rows, classes]`` as if one more row a class were there.

    Without it few rows that are all right would make every probability 0 or 1. Of outputs that stand alone
    it is as Platt has it, for each side by itself.
    """
    members = membership(target, labels).astype(np.float64)
    if target.kind in ("multiclass", "choice"):
        rows, classes = members.shape
        return np.asarray((rows * members + 1) / (rows + classes))
    positive = members.sum(axis=0)
    return np.asarray(np.where(members == 1, (positive + 1) / (positive + 2), 1 / (len(members) - positive + 2)))


def _shared(members: NDArray[np.bool_], possible: NDArray[np.bool_]) -> Floats:
    """The truth ``[rows, classes]`` as if one more row were there, of whose class nothing is known but that it can be.

    A row whose class the model rules out (none of `members`) says nothing of how sure to be of the others.
    """
    rows = len(members)
    told = (rows * members + possible / possible.sum(axis=1, keepdims=True)) / (rows + 1)
    return np.where(members.any(axis=1, keepdims=True), told, 0.0)


def _temperature(target: Target, logits: Floats, labels: Labels) -> Calibration | None:
    """One positive scale for all logits, by maximum likelihood on softened labels."""
    if target.kind in ("multiclass", "choice"):
        possible = logits > ABSENT_LOGIT / 2
        truth = _shared(membership(target, labels) & possible, possible)

        def loss(log_scale: float) -> float:
            return -float((truth * log_softmax(np.exp(log_scale) * logits, axis=1)).sum(axis=1).mean())
    else:
        truth_of_outputs = _softened(target, labels)[:, -logits.shape[1] :]

        def loss(log_scale: float) -> float:
            scaled = np.exp(log_scale) * logits
            return float((np.logaddexp(0, scaled) - truth_of_outputs * scaled).mean())

    found = minimize_scalar(loss, bounds=_LOG_SCALES, method="bounded", options={"xatol": 1e-3})
    return Calibration("temperature", (float(np.exp(found.x)),))


def _platt(target: Target, logits: Floats, labels: Labels) -> Calibration | None:
    if target.kind == "multiclass":
        return _shifted(target, logits, labels)
    truth = _softened(target, labels)[:, -logits.shape[1] :]
    lines = np.array([_rising_line(x, y) for x, y in zip(logits.T, truth.T, strict=True)])
    if np.isnan(lines).any():
        return None
    return Calibration("platt", tuple(lines[:, 1].tolist()), tuple(lines[:, 0].tolist()))


def _rising_line(x: Floats, y: Floats) -> tuple[float, float]:
    """Intercept and slope; where rows are of one class, or point the wrong way, the slope stays and the rest shifts.

    So no correction turns the order of rows round, or makes one probability of all.
    """
    intercept, slope = fit_line(x, y)
    return (fit_shift(x, y), 1.0) if slope < _LEAST_SLOPE else (intercept, slope)


def _shifted(target: Target, logits: Floats, labels: Labels) -> Calibration | None:
    """One positive scale and a shift a class; None where the model rules a class out."""
    if (logits < ABSENT_LOGIT / 2).any():
        return None
    truth = _softened(target, labels)

    def loss(parameters: Floats) -> tuple[float, Floats]:
        scale, shift = np.exp(parameters[0]), parameters[1:]
        scaled = scale * logits + shift
        pull = (softmax(scaled, axis=1) - truth) / len(truth)
        slope = np.concatenate([[scale * (pull * logits).sum()], pull.sum(axis=0)])
        return -float((truth * log_softmax(scaled, axis=1)).sum() / len(truth)), slope

    bounds = [_LOG_SCALES, *[(None, None)] * logits.shape[1]]
    found = minimize(loss, np.zeros(1 + logits.shape[1]), jac=True, method="L-BFGS-B", bounds=bounds).x
    return Calibration("platt", (float(np.exp(found[0])),), tuple((found[1:] - found[1:].mean()).tolist()))


def _isotonic(target: Target, logits: Floats, labels: Labels) -> Calibration | None:
    outputs = target.plain.probabilities(logits)[:, -logits.shape[1] :]
    truth = membership(target, labels)[:, -logits.shape[1] :]
    if truth.all(axis=0).any() or not truth.any(axis=0).all():
        return None
    return Calibration("isotonic", knots=tuple(_steps(x, y) for x, y in zip(outputs.T, truth.T, strict=True)))


def _steps(probabilities: Floats, positive: NDArray[np.bool_]) -> Knots:
    """A rising step function's corners, kept as far from 0 and 1 as one more row on either side would put them."""
    from sklearn.isotonic import IsotonicRegression

    rows = len(positive)
    fitted = IsotonicRegression(y_min=1 / (rows + 2), y_max=1 - 1 / (rows + 2)).fit(probabilities, positive)
    return tuple(zip(fitted.X_thresholds_.tolist(), fitted.y_thresholds_.tolist(), strict=True))


_FITS: dict[str, Fit] = {"temperature": _temperature, "platt": _platt, "isotonic": _isotonic}
