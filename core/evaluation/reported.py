"""Which metrics are reported of each kind of target, and in which order."""

from __future__ import annotations

from medplug.core.specs import TargetKind

_CHANCES = ("brier", "log_loss", "ece")
_REPORTED: dict[TargetKind, tuple[str, ...]] = {
    "binary": (
        *("f1", "auroc", "auprc", "accuracy", "balanced_accuracy", "precision", "recall", "macro_f1"),
        *_CHANCES,
    ),
    "multiclass": (
        *("macro_f1", "accuracy", "balanced_accuracy", "precision", "recall", "micro_f1", "auroc", "auprc"),
        *_CHANCES,
    ),
    "multilabel": ("macro_f1", "micro_f1", "accuracy", "precision", "recall", "auroc", "auprc", *_CHANCES),
    "regression": ("mae", "r2", "mse", "pearson", "spearman", "c_index"),
    "survival": ("c_index",),
    "treatment": ("factual_loss", "factual_auroc", "factual_mae", "propensity_loss", "policy_gain"),
    "ranking": ("mrr", "recall_at_1", "recall_at_10", "ndcg_at_10", "map"),
    "choice": ("accuracy", *_CHANCES),
    "mask": ("dice", "iou", "hausdorff95"),
    "text": ("token_f1", "exact_match", "rouge_l"),
    "span": ("token_f1", "exact_match"),
}


def reported(kind: TargetKind, first: str | None = None) -> tuple[str, ...]:
    """The metrics of a kind of target; models are chosen by the first, which is `first` where it is given.

    Raises KeyError for a kind without metrics, ValueError where `first` is none of them.
    """
    names = list(_REPORTED[kind])
    if first is not None:
        names.remove(first)
        names.insert(0, first)
    return tuple(names)
