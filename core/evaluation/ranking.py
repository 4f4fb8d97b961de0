"""Metrics of the order of the scores: AUROC, average precision, enrichment and the concordance index, ties exact.

Rows are sorted once, into blocks of tied scores; a weighting then costs two
sparse products and a running sum.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from medplug.core.data.targets import Target
from medplug.core.evaluation.statistic import (
    POSITIVE,
    Labels,
    Prepare,
    Probabilities,
    Statistic,
    Values,
    Weights,
    macro,
    membership,
    ratio,
)

PER_CENT = 100

Curve = Callable[[NDArray[np.bool_], NDArray[np.float64]], Statistic]


def auroc_of(positive: NDArray[np.bool_], scores: NDArray[np.float64]) -> Statistic:
    """The chance that a positive row scores above a negative one, a tie counting half.

    The Mann-Whitney form of the area under the ROC curve (Hanley and McNeil,
    1982). NaN where only one class has weight.
    """
    positives, negatives = _blocks(positive, scores, merge_positive=True)

    def statistic(weights: Weights) -> Values:
        won, lost = positives @ weights.T, negatives @ weights.T  # [blocks, b]
        below = np.cumsum(lost, axis=0)
        below -= lost / 2
        wins = np.einsum("kb,kb->b", won, below, dtype=np.float64)
        return ratio(wins, _total(won) * _total(lost), otherwise=np.nan)

    return statistic


def average_precision_of(positive: NDArray[np.bool_], scores: NDArray[np.float64]) -> Statistic:
    """The mean precision at the positive rows' thresholds, without interpolation.

    NaN where no positive row has weight.
    """
    positives, negatives = _blocks(positive, -scores, merge_positive=False)

    def statistic(weights: Weights) -> Values:
        found, false = positives @ weights.T, negatives @ weights.T  # [blocks, b], best scores first
        found_so_far = np.cumsum(found, axis=0, dtype=np.float64)
        false += found
        precision = ratio(found_so_far, np.cumsum(false, axis=0, dtype=np.float64), otherwise=0.0)
        return ratio(np.einsum("kb,kb->b", found, precision), _total(found), otherwise=np.nan)

    return statistic


def ef1(target: Target, labels: Labels, probabilities: Probabilities) -> Statistic:
    """How many times the share of positive rows is higher in the first 1 % by score than in all rows.

    The enrichment factor (as in Truchon and Bayly, J Chem Inf Model 2007) of a
    binary target: 1 is what chance gives. The first 1 % are rounded up to whole rows, so that of
    100 rows or fewer they are one; where they end within tied scores the hits are
    those expected of all orders of these. `most_enrichment` is the most it can
    be. NaN where no positive row has weight.
    """
    positives, negatives = _blocks(np.asarray(labels) == POSITIVE, -probabilities[:, POSITIVE], merge_positive=True)

    def statistic(weights: Weights) -> Values:
        found, false = (np.asarray(each @ weights.T, dtype=np.float64) for each in (positives, negatives))
        sizes = found + false  # [blocks, b], best scores first
        rows, top = _total(sizes), _first(_total(sizes))
        before = np.cumsum(sizes, axis=0) - sizes
        taken = np.clip(ratio(top - before, sizes, otherwise=0.0), 0, 1)
        return ratio(np.einsum("kb,kb->b", found, taken) * rows, top * _total(found), otherwise=np.nan)

    return statistic


def most_enrichment(labels: Labels) -> float:
    """What `ef1` gives where every positive row of encoded binary `labels` comes first; NaN without any."""
    rows, positive = len(labels), int((np.asarray(labels) == POSITIVE).sum())
    top = float(_first(np.array(rows)))
    return min(top, positive) * rows / (top * positive) if positive else float("nan")


def _first(rows: Values) -> Values:
    """How many rows the first 1 % are."""
    return np.asarray(np.ceil(rows / PER_CENT))  # not * 0.01, whose rounding makes 7 of 700 rows 8


def _blocks(positive: NDArray[np.bool_], scores: NDArray[np.float64], *, merge_positive: bool) -> tuple[Any, Any]:
    """Sparse ones ``[blocks, rows]`` of the positive and of the negative rows, in ascending score.

    A block is a run of tied scores. Neighbouring runs of negative rows alone are
    one block, since nothing is measured between them, and with `merge_positive`
    so are those of positive rows: a rare class then costs little.
    """
    _, run = np.unique(scores, return_inverse=True)
    sizes, hits = np.bincount(run), np.bincount(run, weights=positive)
    negative_only, positive_only = hits == 0, (hits == sizes) & merge_positive
    joined = (negative_only[1:] & negative_only[:-1]) | (positive_only[1:] & positive_only[:-1])
    block = np.concatenate([[0], np.cumsum(~joined)])[run]
    return ones(block, positive), ones(block, ~positive)


def c_index(target: Target, labels: Labels, predicted: Probabilities) -> Statistic:
    """The chance that of two rows the one with the larger number is predicted the larger, a tie counting half.

    Harrell's C (1982): pairs of rows with equal numbers do not count, and it is
    NaN where there are no others. For a target that is a number, whose values
    `predicted` ``[rows, 1]`` are, or for the time to an event, where the row
    of the higher risk is the one to meet it first: a pair then counts where the
    earlier of its times is that of an event. A row censored at the time of
    another's event outlived it.

    Two different ranks part at one binary digit: the first where they differ.
    So the pairs that a digit parts are those of an AUROC within each group of
    ranks that agree before it, and C is exact for every resample in n log n. So is
    the sorting: of each digit's groups two that are in order become one, as in a merge sort.
    """
    rank, known, scores = _ordered(target, labels, predicted[:, 0])
    score = np.unique(scores, return_inverse=True)[1]
    order, digits = np.lexsort((score, rank)), []
    for digit in range(int(rank.max()).bit_length()):
        keys = (rank >> (digit + 1)) * (score.max() + 1) + score
        order = order[np.argsort(keys[order], kind="stable")]
        digits.append(_parted(rank, digit, score, known, order))
    of_rank, first = ones(rank, np.ones(len(rank), dtype=np.bool_)), ones(rank, known)

    def statistic(weights: Weights) -> Values:
        wins = np.sum([won(weights) for won in digits], axis=0) if digits else np.zeros(len(weights))
        above = np.asarray(of_rank @ weights.T, dtype=np.float64)  # [ranks, b]
        above = above.sum(axis=0) - np.cumsum(above, axis=0)
        pairs = np.einsum("kb,kb->b", np.asarray((first @ weights.T), dtype=np.float64), above)
        return ratio(wins, pairs, otherwise=np.nan)

    return statistic


def _ordered(
    target: Target, labels: Labels, predicted: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.bool_], NDArray[np.float64]]:
    """Of each row its rank, whether those of higher rank are known to lie above it, and its score."""
    if target.kind != "survival":
        rank = np.unique(labels, return_inverse=True)[1]
        return rank, np.ones(len(rank), dtype=np.bool_), predicted
    times, came = np.unique(labels[:, 0], return_inverse=True)[1], labels[:, 1] == 1
    return np.unique(2 * times + ~came, return_inverse=True)[1], came, -predicted


def _parted(
    rank: NDArray[np.int64], digit: int, score: NDArray[np.int64], known: NDArray[np.bool_], order: NDArray[np.int64]
) -> Statistic:
    """How many pairs of rows that this digit of their ranks parts, the lower one `known`, are scored in that order.

    `order` sorts the rows by the digits before it, and by `score` where these agree.
    """
    group, upper = (rank >> (digit + 1))[order], (rank >> digit) % 2 == 1
    new_group = np.concatenate([[True], group[1:] != group[:-1]])
    new_block = new_group | np.concatenate([[True], np.diff(score[order]) != 0])
    block = np.empty_like(rank)
    block[order] = np.cumsum(new_block) - 1
    opens = new_group[new_block]  # which blocks are the first of a group
    start, of_block = np.flatnonzero(opens), np.cumsum(opens) - 1
    uppers, lowers = ones(block, upper), ones(block, ~upper & known)

    def statistic(weights: Weights) -> Values:
        won, lost = uppers @ weights.T, lowers @ weights.T  # [blocks, b]
        below = np.cumsum(lost, axis=0)
        before = (below - lost)[start]  # of other groups
        below -= lost / 2
        below -= before[of_block]
        return np.asarray(np.einsum("kb,kb->b", won, below, dtype=np.float64))

    return statistic


def ones(block: NDArray[np.int64], chosen: NDArray[np.bool_]) -> Any:
    """Sparse ones ``[blocks, rows]``: which of the `chosen` rows are in which block, of those numbered ``[rows]``."""
    rows = np.flatnonzero(chosen)
    cells = (np.ones(len(rows), dtype=np.float32), (block[rows], rows))
    return sparse.csr_array(cells, shape=(block.max() + 1, len(block)))


def _total(blocks: NDArray[np.floating[Any]]) -> Values:
    return np.asarray(blocks.sum(axis=0, dtype=np.float64))


def _by_class(curve: Curve) -> Prepare:
    """The curve of each class against the rest, ``[b, classes]``."""

    def prepare(target: Target, labels: Labels, probabilities: Probabilities) -> Statistic:
        members = membership(target, labels)
        curves = [curve(members[:, c], probabilities[:, c]) for c in range(members.shape[1])]
        return lambda weights: np.column_stack([each(weights) for each in curves])

    return prepare


def _summarised(curve: Curve) -> Prepare:
    """The curve of the positive class, or the macro average of the classes that have one."""
    by_class = _by_class(curve)

    def prepare(target: Target, labels: Labels, probabilities: Probabilities) -> Statistic:
        if target.kind == "binary":  # one curve: the other class's would double the work
            return curve(np.asarray(labels) == POSITIVE, probabilities[:, POSITIVE])
        statistic = by_class(target, labels, probabilities)
        return lambda weights: macro(statistic(weights))

    return prepare


auroc_by_class = _by_class(auroc_of)
auprc_by_class = _by_class(average_precision_of)
auroc = _summarised(auroc_of)
auprc = _summarised(average_precision_of)
