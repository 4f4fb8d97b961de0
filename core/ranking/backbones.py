"""Backbones ranked by how well their frozen features suit the labelled rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from medplug.core.data.targets import Target
from medplug.core.errors import UsageError
from medplug.core.evaluation.statistic import membership
from medplug.core.evaluation.survival import null_residuals
from medplug.core.plan import Plan
from medplug.core.progress import Progress, Watch
from medplug.core.ranking.features import Encoder, Matrix, owners, raw, some, training_rows
from medplug.core.ranking.result import Ranking, candidates
from medplug.core.ranking.row_evidence import evidence_shares
from medplug.core.ranking.support import rank_candidates, support
from medplug.core.transfer.transferability import h_score, logme

DECIMALS = 6
"""Nats beyond these are rounding: they put no backbone before another."""


@dataclass(frozen=True, slots=True)
class _Suit:
    """How features suit labels: LogME, the H-score (of classes), and what each row adds to the former ``[rows]``."""

    logme: float
    h_score: float | None
    shares: NDArray[np.float64]

    @property
    def scores(self) -> dict[str, float]:
        """What there is, by name."""
        return {"logme": self.logme, **({} if self.h_score is None else {"h_score": self.h_score})}


def rank_backbones(plans: Sequence[Plan], watch: Watch) -> Ranking:
    """Rank the backbones of plans that differ in nothing else, on the training rows of a run of any of them.

    LogME decides, on half-samples too (see `evidence_shares`); for multilabel
    the H-score is the mean over labels, and a number has none. Of the time to an
    event the number is the martingale residual, of a treatment the outcome less its
    arm's mean. Raises from `medplug.core.errors`.
    """
    plan, notes = plans[0], list[str]()
    watch(Progress("reading"))
    dataset = training_rows(plan)
    _check_rankable(dataset.target)
    train = dataset.splits["train"]
    scored = some(train, plan.run.seed, "training rows", notes)
    if dataset.facts.sample:
        notes.append("the rows are the built-in sample, which is generated: they say nothing of yours")
    labels = dataset.target.encode(scored.labels or [])
    suits, facts = {}, {}
    for each in plans:  # one backbone in memory at a time
        name, encoder = each.encoder.choice.name, Encoder(each, train, watch, dataset.target)
        features = encoder.features(raw(scored))
        watch(Progress(f"scoring {name}"))
        suits[name], facts[name] = _suit(features, labels, dataset.target), {"width": encoder.width}
    full = np.array([each.logme for each in suits.values()])
    shares = np.stack([each.shares - each.shares.mean() for each in suits.values()])  # [backbones, rows]

    def score(index: NDArray[np.int64]) -> NDArray[np.float64]:
        scored: NDArray[np.float64] = np.round(full + shares[:, index].mean(axis=1), DECIMALS)
        return scored

    ranked = rank_candidates(list(suits), score, len(scored), seed=plan.run.seed, groups=owners(scored))
    scores = {name: each.scores for name, each in suits.items()}
    return Ranking(
        task=plan.task.name,
        ranked="backbones",
        by="logme",
        rows=len(scored),
        groups=len(set(scored.groups)) if scored.groups else None,
        candidates=candidates(ranked, scores, facts),
        support=support(ranked),
        notes=notes,
    )


def _check_rankable(target: Target) -> None:
    """Raise `UsageError` where rows have no class or number of their own that features could tell."""
    if target.kind == "choice" or not target.by_row:
        raise UsageError(
            f"backbones are ranked by how their features tell each row's class or number, and this target is "
            f"{target.kind}; train a run with each (train.epochs=1 tells much) and compare them"
        )


def _suit(features: Matrix, labels: NDArray[Any], target: Target) -> _Suit:
    rows = torch.from_numpy(features)
    if not target.has_classes:
        number = torch.from_numpy(_number(labels, target))[:, None]
        return _Suit(logme(rows, number), None, evidence_shares(rows, number).numpy())
    outputs = torch.from_numpy(membership(target, labels)).double()
    outputs = outputs[:, outputs.any(0)]
    return _Suit(logme(rows, outputs), _separation(rows, labels, target), evidence_shares(rows, outputs).numpy())


def _number(labels: NDArray[Any], target: Target) -> NDArray[np.float64]:
    """What features are to tell ``[rows]``, where there are no classes."""
    if target.kind == "survival":
        return null_residuals(labels)
    if target.kind == "treatment":
        arms = labels[:, 0].astype(np.int64)
        means = np.bincount(arms, labels[:, 1]) / np.maximum(np.bincount(arms), 1)
        return np.asarray((labels[:, 1] - means[arms]) / target.scale)
    return target.standardised(labels)


def _separation(rows: Tensor, labels: NDArray[np.int64], target: Target) -> float:
    """The H-score; for multilabel its mean over the labels that vary (0 where none does)."""
    columns = labels.T if target.kind == "multilabel" else labels[None]
    varying = [torch.from_numpy(column.copy()) for column in columns if len(np.unique(column)) > 1]
    return float(np.mean([h_score(rows, column) for column in varying])) if varying else 0.0
