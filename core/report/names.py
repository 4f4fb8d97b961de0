"""What metrics and leaks are called in sentences, tables and figures."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from medplug.core.data.leakage import NEAR, NEAR_SLOT
from medplug.core.evaluation.metrics import GREATER_IS_BETTER
from medplug.core.specs import TargetKind

_NAMES = {
    "accuracy": "accuracy",
    "balanced_accuracy": "balanced accuracy",
    "precision": "precision",
    "recall": "recall",
    "f1": "F1",
    "macro_f1": "macro F1",
    "micro_f1": "micro F1",
    "auroc": "AUROC",
    "auprc": "AUPRC",
    "ef1": "enrichment factor at 1 %",
    "log_loss": "log loss",
    "brier": "Brier score",
    "ece": "calibration error (ECE)",
    "mae": "mean absolute error",
    "mse": "mean squared error",
    "r2": "R²",
    "rm2": "modified r² (rm²)",
    "pearson": "Pearson correlation",
    "spearman": "Spearman correlation",
    "c_index": "concordance index",
    "cox_loss": "partial likelihood loss",
    "factual_loss": "loss of the outcome seen",
    "factual_auroc": "AUROC of the outcome seen",
    "factual_mae": "mean absolute error of the outcome seen",
    "propensity_loss": "propensity log loss",
    "policy_gain": "gain of the advice over the best single arm",
    "exact_match": "exact match",
    "token_f1": "token F1",
    "mrr": "mean reciprocal rank",
    "recall_at_1": "recall at 1",
    "recall_at_10": "recall at 10",
    "ndcg_at_10": "nDCG at 10",
    "map": "mean average precision",
    "dice": "Dice",
    "iou": "IoU",
    "rouge_l": "ROUGE-L",
    "hausdorff95": "95 % Hausdorff distance (pixels)",
}
CRITERIA = {
    "iwv": "validation log loss, weighed for the target (IWV)",
    "dev": "validation log loss, weighed and corrected (DEV)",
    "snd": "neighbourhood density on target rows (SND)",
    "infomax": "information of target predictions (InfoMax)",
}
"""What the criteria that need no target labels are called."""
_OF_A_NUMBER = {
    "iwv": "validation squared error in standard deviations, weighed for the target (IWV)",
    "dev": "validation squared error in standard deviations, weighed and corrected (DEV)",
}
_AVERAGED = ("precision", "recall", "f1", "auroc", "auprc")


def metric_name(metric: str, kind: TargetKind | None = None) -> str:
    """A metric in words; with the target's `kind`, also what it is an average of."""
    name = _NAMES.get(metric, metric.replace("_", " "))
    if kind == "multilabel" and metric == "accuracy":
        return "accuracy (every label right)"
    if kind in ("multiclass", "multilabel") and metric in _AVERAGED:
        return f"{name} (macro average)"
    return name


def criterion_name(criterion: str, kind: TargetKind) -> str:
    """A criterion that needs no target labels, in words."""
    return (_OF_A_NUMBER if kind == "regression" else CRITERIA).get(criterion, CRITERIA[criterion])


def class_name(kind: TargetKind) -> tuple[str, str]:
    """What one of the things that are decided between is called, and several."""
    return ("letter", "letters") if kind == "choice" else ("class", "classes")


def constant_name(kind: TargetKind) -> str:
    """What the baseline that looks at no input gives every row."""
    constants = {
        "regression": "training mean",
        "survival": "same risk",
        "treatment": "arms' means",
        "span": "constant answer",
        "text": "commonest answer",
        "ranking": "same order of passages",
    }
    return constants.get(kind, "training majority")


def greater_is_better(metric: str) -> bool:
    """Which way a metric is better; one that the catalogue lacks is taken to be better when greater."""
    return GREATER_IS_BETTER.get(metric, True)


def gain(difference: Mapping[str, Any], metric: str) -> dict[str, Any]:
    """A difference from metrics.json with its sign turned where less is better, so that above 0 the model is better."""
    if greater_is_better(metric):
        return dict(difference)
    low, high = difference["ci95"]
    return {"value": _minus(difference["value"]), "ci95": [_minus(high), _minus(low)]}


def _minus(value: float | None) -> float | None:
    return None if value is None else -value


def leak_name(kind: str, group: str = "patient") -> str:
    """A kind of leak in words; `group` is what groups are called."""
    told = {"same group": f"the same {group}", "same inputs": "the same set of inputs"}
    told[NEAR] = "nearly the same set of inputs"
    if kind not in told and kind.startswith(NEAR_SLOT):
        return f"nearly the same {kind.removeprefix(NEAR_SLOT)}"
    return told.get(kind, f"the {kind}")
