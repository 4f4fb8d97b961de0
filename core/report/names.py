"""What metrics and leaks are called in sentences, tables and figures."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from medplug.core.data.leakage import NEAR, NEAR_SLOT
from medplug.core.evaluation.metrics import GREATER_IS_BETTER
from medplug.core.report.language import later, said, say
from medplug.core.report.retold import retold
from medplug.core.specs import TargetKind

_NAMES = {
    "accuracy": later("accuracy"),
    "balanced_accuracy": later("balanced accuracy"),
    "precision": later("precision"),
    "recall": later("recall"),
    "f1": later("F1"),
    "macro_f1": later("macro F1"),
    "micro_f1": later("micro F1"),
    "auroc": later("AUROC"),
    "auprc": later("AUPRC"),
    "ef1": later("enrichment factor at 1 %"),
    "log_loss": later("log loss"),
    "brier": later("Brier score"),
    "ece": later("calibration error (ECE)"),
    "mae": later("mean absolute error"),
    "mse": later("mean squared error"),
    "r2": later("R²"),
    "rm2": later("modified r² (rm²)"),
    "pearson": later("Pearson correlation"),
    "spearman": later("Spearman correlation"),
    "c_index": later("concordance index"),
    "cox_loss": later("partial likelihood loss"),
    "factual_loss": later("loss of the outcome seen"),
    "factual_auroc": later("AUROC of the outcome seen"),
    "factual_mae": later("mean absolute error of the outcome seen"),
    "propensity_loss": later("propensity log loss"),
    "policy_gain": later("gain of the advice over the best single arm"),
    "exact_match": later("exact match"),
    "token_f1": later("token F1"),
    "mrr": later("mean reciprocal rank"),
    "recall_at_1": later("recall at 1"),
    "recall_at_10": later("recall at 10"),
    "ndcg_at_10": later("nDCG at 10"),
    "map": later("mean average precision"),
    "dice": later("Dice"),
    "iou": later("IoU"),
    "rouge_l": later("ROUGE-L"),
    "hausdorff95": later("95 % Hausdorff distance (pixels)"),
}
CRITERIA = {
    "iwv": later("validation log loss, weighed for the target (IWV)"),
    "dev": later("validation log loss, weighed and corrected (DEV)"),
    "snd": later("neighbourhood density on target rows (SND)"),
    "infomax": later("information of target predictions (InfoMax)"),
}
"""What the criteria that need no target labels are called."""
_OF_A_NUMBER = {
    "iwv": later("validation squared error in standard deviations, weighed for the target (IWV)"),
    "dev": later("validation squared error in standard deviations, weighed and corrected (DEV)"),
}
_AVERAGED = ("precision", "recall", "f1", "auroc", "auprc")


def metric_name(metric: str, kind: TargetKind | None = None) -> str:
    """A metric in words; with the target's `kind`, also what it is an average of."""
    name = said(_NAMES[metric]) if metric in _NAMES else metric.replace("_", " ")
    if kind == "multilabel" and metric == "accuracy":
        return say("accuracy (every label right)")
    if kind in ("multiclass", "multilabel") and metric in _AVERAGED:
        return say("{metric} (macro average)", metric=name)
    return name


def criterion_name(criterion: str, kind: TargetKind) -> str:
    """A criterion that needs no target labels, in words."""
    return said((_OF_A_NUMBER if kind == "regression" else CRITERIA).get(criterion, CRITERIA[criterion]))


def class_noun(kind: TargetKind) -> tuple[str, str]:
    """What one of the things that are decided between is called, and several, as `count` takes them."""
    return ("letter", "letters") if kind == "choice" else ("class", "classes")


_CONSTANTS = {
    "regression": later("training mean"),
    "survival": later("same risk"),
    "treatment": later("arms' means"),
    "span": later("constant answer"),
    "text": later("commonest answer"),
    "ranking": later("same order of passages"),
}


def constant_name(kind: TargetKind, *, short: bool = False) -> str:
    """What the baseline that looks at no input gives every row; `short` for the head of a column."""
    if kind in _CONSTANTS:
        return said(_CONSTANTS[kind])
    return say("majority") if short else say("training majority")


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
    if kind == "same group":
        return say("the same {group}", group=retold(group))
    if kind == "same inputs":
        return say("the same set of inputs")
    if kind == "same tabular":
        return say("the same values in the table")
    if kind == NEAR:
        return say("nearly the same set of inputs")
    if kind.startswith(NEAR_SLOT):
        return say("nearly the same {slot}", slot=retold(kind.removeprefix(NEAR_SLOT)))
    return say("the {kind}", kind=retold(kind))
