"""What validation rows settle once a model is trained: corrected probabilities, a threshold, sets for the truth."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medplug.core.config import SelectionConfig
from medplug.core.data.dataset import Dataset
from medplug.core.data.targets import Target
from medplug.core.evaluation.conformal import KINDS, fewest, fit_conformal
from medplug.core.evaluation.metrics import ONE_LABEL
from medplug.core.evaluation.operating import HALF, threshold_by
from medplug.core.evaluation.recalibration import compared, fit_calibration, methods
from medplug.core.evaluation.statistic import POSITIVE, Labels, Probabilities
from medplug.core.evaluation.survival import baseline_hazard
from medplug.core.plan import Plan
from medplug.core.training.job import Trained

NONE, AUTO = "none", "auto"


def target_after(dataset: Dataset, trained: Trained, plan: Plan) -> Target:
    """The target, with what only a trained model can tell of it.

    Of the time to an event the baseline hazard, of classes and numbers what validation rows settle.
    """
    if dataset.target.kind in (*ONE_LABEL, "multilabel", "choice", "regression"):
        logits = trained.logits["validation"]
        target, trained.settled = settled(dataset, logits, plan.selection, plan.run.seed)
        return target
    if dataset.target.kind != "survival":
        return dataset.target
    return replace(dataset.target, hazard=baseline_hazard(dataset.labels["train"], trained.logits["train"][:, 0]))


def settled(
    dataset: Dataset, logits: NDArray[np.float32], selection: SelectionConfig, seed: int
) -> tuple[Target, dict[str, Any]]:
    """The target as `selection` asks, and what was compared on the way, from the validation rows' `logits`."""
    target, validation = dataset.target, dataset.splits["validation"]
    if not target.has_classes and target.kind not in KINDS:
        return target, {}
    labels, told = dataset.labels["validation"], dict[str, Any]()
    if available := methods(target, len(labels)):
        losses = compared(target, logits, labels, validation.groups, seed)
        name = _chosen(selection.calibration, available, losses)
        fitted = None if name == NONE else fit_calibration(name, target, logits, labels)
        target = replace(target, calibration=fitted)
        told["recalibration"] = {
            "asked": selection.calibration,
            "chosen": NONE if fitted is None else name,
            "rows": len(labels),
            "log_loss": losses,
        }
    predicted = target.probabilities(logits)
    target = with_threshold(target, selection.threshold, labels, predicted)
    if selection.coverage is not None and target.kind in KINDS:
        conformal = fit_conformal(target, labels, predicted, selection.coverage)
        target = replace(target, conformal=conformal)
        told["conformal"] = {
            "coverage": selection.coverage,
            "rows": len(labels),
            "fewest": fewest(selection.coverage),
            "quantile": None if conformal is None else conformal.quantile,
        }
    return target, told


def with_threshold(target: Target, rule: str, labels: Labels, predicted: Probabilities) -> Target:
    """The target deciding by `rule` on these validation rows; as it is where the rule is half, or settles nothing."""
    if rule == HALF or target.kind != "binary":
        return target
    return replace(target, threshold=threshold_by(rule, labels == POSITIVE, predicted[:, POSITIVE]))


def _chosen(asked: str, available: tuple[str, ...], losses: dict[str, float]) -> str:
    """The correction to fit: the one asked for where the rows allow it, the best of those compared, or none."""
    if asked == AUTO:
        return min(losses, key=lambda name: losses[name]) if losses else NONE
    return asked if asked in available else NONE
