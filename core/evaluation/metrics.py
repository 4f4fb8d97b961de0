"""The catalogue of metrics: what each is called, what it applies to, and which way is better."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from medplug.core.data.targets import Target
from medplug.core.errors import UsageError, did_you_mean
from medplug.core.evaluation import confusion, numeric, probabilistic, ranking, survival, treatment
from medplug.core.evaluation.statistic import Labels, Prepare, Probabilities, Statistic, Values, Weights
from medplug.core.specs import TargetKind

ONE_LABEL: tuple[TargetKind, ...] = ("binary", "multiclass")
CLASSES: tuple[TargetKind, ...] = (*ONE_LABEL, "multilabel")
BINARY: tuple[TargetKind, ...] = ("binary",)
NUMBER: tuple[TargetKind, ...] = ("regression",)
TIME: tuple[TargetKind, ...] = ("survival",)
ARMS: tuple[TargetKind, ...] = ("treatment",)
OPTIONS: tuple[TargetKind, ...] = ("choice",)


@dataclass(frozen=True, slots=True)
class Metric:
    """How a metric is prepared, which kinds of target it applies to, and which way is better."""

    prepare: Prepare
    kinds: tuple[TargetKind, ...] = CLASSES
    greater_is_better: bool = True


METRICS: dict[str, Metric] = {
    "accuracy": Metric(confusion.accuracy, (*CLASSES, *OPTIONS)),
    "balanced_accuracy": Metric(confusion.balanced_accuracy, ONE_LABEL),
    "precision": Metric(confusion.precision),
    "recall": Metric(confusion.recall),
    "f1": Metric(confusion.f1),
    "macro_f1": Metric(confusion.macro_f1),
    "micro_f1": Metric(confusion.micro_f1),
    "auroc": Metric(ranking.auroc),
    "auprc": Metric(ranking.auprc),
    "ef1": Metric(ranking.ef1, BINARY),
    "log_loss": Metric(probabilistic.log_loss, (*CLASSES, *OPTIONS), greater_is_better=False),
    "brier": Metric(probabilistic.brier, (*CLASSES, *OPTIONS), greater_is_better=False),
    "ece": Metric(probabilistic.ece, (*CLASSES, *OPTIONS), greater_is_better=False),
    "mae": Metric(numeric.mae, NUMBER, greater_is_better=False),
    "mse": Metric(numeric.mse, NUMBER, greater_is_better=False),
    "r2": Metric(numeric.r2, NUMBER),
    "rm2": Metric(numeric.rm2, NUMBER),
    "pearson": Metric(numeric.pearson, NUMBER),
    "spearman": Metric(numeric.spearman, NUMBER),
    "c_index": Metric(ranking.c_index, (*NUMBER, *TIME)),
    "cox_loss": Metric(survival.cox_loss, TIME, greater_is_better=False),
    "factual_loss": Metric(treatment.factual_loss, ARMS, greater_is_better=False),
    "factual_auroc": Metric(treatment.factual_auroc, ARMS),
    "factual_mae": Metric(treatment.factual_mae, ARMS, greater_is_better=False),
    "propensity_loss": Metric(treatment.propensity_loss, ARMS, greater_is_better=False),
    "policy_gain": Metric(treatment.policy_gain, ARMS),
}
"""precision, recall and f1 are of the positive class (binary) or macro averages, as are auroc and auprc."""

OVERLAPS = {"dice": True, "iou": True, "hausdorff95": False}
"""The metrics of masks (`medplug.core.evaluation.masks`), and whether greater is better."""

ANSWERS = {"exact_match": True, "token_f1": True, "rouge_l": True}
"""The metrics of answers that are texts (`medplug.core.evaluation.answers`), and whether greater is better."""

RANKINGS = dict.fromkeys(("mrr", "recall_at_1", "recall_at_10", "ndcg_at_10", "map"), True)
"""The metrics of ranked passages (`medplug.core.evaluation.retrieval`), and whether greater is better."""

GREATER_IS_BETTER: dict[str, bool] = {
    **{name: metric.greater_is_better for name, metric in METRICS.items()},
    **OVERLAPS,
    **ANSWERS,
    **RANKINGS,
}

BY_CLASS: dict[str, Prepare] = {
    "precision": confusion.precision_by_class,
    "recall": confusion.recall_by_class,
    "f1": confusion.f1_by_class,
    "auroc": ranking.auroc_by_class,
    "auprc": ranking.auprc_by_class,
}
"""Metrics of one class against the rest; their statistics give ``[b, classes]``."""


def fallback(kind: TargetKind) -> str:
    """What models are chosen by where their metric is undefined or equal: the loss that they are fitted to."""
    return {"regression": "mse", "survival": "cox_loss", "treatment": "factual_loss"}.get(kind, "log_loss")


def metric_names(kind: TargetKind) -> tuple[str, ...]:
    """The metrics that apply to targets of this kind."""
    return tuple(name for name, metric in METRICS.items() if kind in metric.kinds)


def prepare(target: Target, metric: str, labels: Labels, probabilities: Probabilities) -> Statistic:
    """Prepare a metric on data, to be taken at any weights; UsageError where the target has no such metric."""
    names = metric_names(target.kind)
    if metric not in names:
        hint = did_you_mean(metric, names)
        raise UsageError(f"{metric!r} is not a metric of a {target.kind} target{hint} (valid: {', '.join(names)})")
    return METRICS[metric].prepare(target, labels, np.asarray(probabilities, dtype=np.float64))


def measure(target: Target, metric: str, labels: Labels, probabilities: Probabilities, weights: Weights) -> Values:
    """The values ``[b]`` of a metric at row weights ``[b, rows]``; NaN where it is undefined."""
    return prepare(target, metric, labels, probabilities)(weights)
