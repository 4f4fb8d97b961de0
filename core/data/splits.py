"""Splits: drawn by label, or drawn by whole groups."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from itertools import compress
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medplug.core.data.arms import Treated, treated
from medplug.core.data.bins import binned, even_rows, numeric, timed
from medplug.core.errors import ConfigError, DataError

TRAIN, VALIDATION, TEST, LEFT_OUT = "train", "validation", "test", "left out"
_ORDER = np.array([TRAIN, VALIDATION, TEST])
_RARE = 10  # a combination of labels seen in fewer rows shares one stratum with the other rare ones
_FOLDS = 20
_CLUSTERS = 300  # stratified grouping takes time by the number of groups

Splits = NDArray[np.str_]
Codes = NDArray[np.int64]


def split_rows(
    labels: Sequence[Any], *, groups: Sequence[str] | None, fractions: tuple[float, float, float], seed: int
) -> Splits:
    """Draw ``train``, ``validation`` or ``test`` for every row ``[rows]``.

    Stratified by label (for tuples of labels by their combination, rare ones
    pooled; for numbers by quantile, for times by event and quantile, for treatments
    by arm and outcome); rows of one group stay together. `fractions` are those of train, validation and test; a zero
    gives an empty split. A label that occurs at all occurs in train wherever whole
    groups and the fractions allow; one with a single row is in train. Depends on labels, groups and `seed` alone.

    Raises `ConfigError` for bad fractions, `DataError` for too few rows or groups.
    """
    _check_fractions(fractions)
    labels = binned(labels)
    rng = np.random.default_rng(seed)
    asked = sum(fraction > 0 for fraction in fractions)
    if len(labels) < asked:
        raise DataError(f"data.split: {len(labels)} row(s) cannot fill {asked} splits; give more rows or fewer splits")
    strata = _pooled(_codes(labels), _RARE) if _multilabel(labels) else _codes(labels)
    if groups is None:
        splits = _draw_rows(strata, fractions, rng)
        units: Codes = np.arange(len(labels))
    else:
        units = _codes(groups)
        splits = _draw_groups(strata, units, fractions, rng)
    if fractions[0] > 0:
        _teach_every_label(splits, labels, units)
    return _ORDER[splits]


def limit_rows(labels: Sequence[Any], per_class: int, seed: int) -> Codes:
    """Positions, ascending, of at most `per_class` random rows of each class.

    For tuples of labels no label exceeds `per_class`: rows are taken greedily,
    those with the rarest labels first. Rows without any label count as a class.
    Of numbers and times, at most `per_class` rows in all, spread evenly over their bins;
    of treatments so many an arm, spread over its outcomes.
    Raises `ConfigError` for `per_class` below one.
    """
    if per_class < 1:
        raise ConfigError(f"data.limit={per_class}: at least one row of each class is needed; leave it out for all")
    if treated(labels):
        return _limit_arms(labels, per_class, seed)
    if numeric(labels) or timed(labels):
        return even_rows(labels, len(labels), per_class, seed)
    order = np.random.default_rng(seed).permutation(len(labels))
    if _multilabel(labels):
        return _greedy([_set(label) for label in labels], order, per_class)
    codes = _codes(labels)
    return np.sort(order[_rank(codes[order]) < per_class]).astype(np.int64)


def _limit_arms(labels: Sequence[Treated], per_arm: int, seed: int) -> Codes:
    kept: list[Codes] = []
    for arm in dict.fromkeys(label.arm for label in labels):
        rows = np.array([i for i, label in enumerate(labels) if label.arm == arm], dtype=np.int64)
        kept.append(rows[even_rows([labels[i].outcome for i in rows], len(rows), per_arm, seed)])
    return np.sort(np.concatenate(kept))


def _check_fractions(fractions: tuple[float, float, float]) -> None:
    if min(fractions) < 0 or abs(sum(fractions) - 1) > 1e-6:
        shown = ", ".join(f"{fraction:g}" for fraction in fractions)
        raise ConfigError(
            f"data.split: the fractions of train, validation and test are {shown}\n"
            "none may be negative and together they must be 1, as in data.split=[0.8,0.1,0.1]"
        )


def _multilabel(labels: Sequence[Any]) -> bool:
    return any(isinstance(label, tuple | list | set | frozenset) for label in labels)


def _set(label: Any) -> frozenset[Any]:
    whole = label if isinstance(label, tuple | list | set | frozenset) else () if label is None else (label,)
    return frozenset(whole) or frozenset([None])


def _codes(values: Sequence[Any]) -> Codes:
    """Whole numbers ``[rows]`` for values, in order of first appearance."""
    codes: dict[Any, int] = {}
    if _multilabel(values):
        values = [_set(value) for value in values]
    return np.array([codes.setdefault(value, len(codes)) for value in values], dtype=np.int64)


def _pooled(codes: Codes, least: int) -> Codes:
    """The same codes, with one new code for all that have fewer than `least` rows."""
    counts = np.bincount(codes)
    return np.where(counts[codes] < least, len(counts), codes)


def _rank(codes: Codes) -> Codes:
    """How many earlier rows have the same code ``[rows]``."""
    order = np.argsort(codes, kind="stable")
    starts = np.concatenate([[0], np.cumsum(np.bincount(codes))])[:-1]
    rank = np.empty(len(codes), dtype=np.int64)
    rank[order] = np.arange(len(codes)) - starts[codes[order]]
    return rank


def _counts(n: int, fractions: tuple[float, float, float]) -> tuple[int, int]:
    """How many of `n` units validation and test get: rounded, and one at least where asked."""
    validation, test = (max(1, round(n * fraction)) if fraction > 0 else 0 for fraction in fractions[1:])
    return validation, test


def _draw_rows(strata: Codes, fractions: tuple[float, float, float], rng: np.random.Generator) -> Codes:
    shuffled = rng.permutation(len(strata))
    order = shuffled[np.argsort(strata[shuffled], kind="stable")]  # random rows, one stratum after the other
    # the first row of each stratum is never drawn away from train
    pool = order[_rank(strata[order]) > 0] if fractions[0] > 0 else order
    validation, test = _counts(len(strata), fractions)
    held = _every(pool, len(pool) if fractions[0] == 0 else min(validation + test, len(pool)), rng)
    splits = np.zeros(len(strata), dtype=np.int64)
    splits[held] = 1
    splits[_every(held, round(len(held) * test / max(1, validation + test)), rng)] = 2
    return splits


def _every(positions: Codes, count: int, rng: np.random.Generator) -> Codes:
    """`count` of the positions, evenly spaced from a random start: of each stretch its share, give or take one."""
    spaced = (np.arange(count) + rng.random()) * (len(positions) / max(1, count))
    return positions[np.minimum(spaced.astype(np.int64), len(positions) - 1)]


def _draw_groups(strata: Codes, units: Codes, fractions: tuple[float, float, float], rng: np.random.Generator) -> Codes:
    groups, asked = int(units.max()) + 1, sum(fraction > 0 for fraction in fractions)
    if groups < asked:
        raise DataError(
            f"data.split: there are only {groups} group(s), too few for {asked} splits that share no group\n"
            "ask for fewer splits (a fraction of 0), or leave data.group out if rows need not stay together"
        )
    clusters = (rng.permutation(groups) % _CLUSTERS)[units]  # groups beyond that many are joined at random
    folds = min(groups, _FOLDS)
    fold_of = _folds(strata, clusters, folds, int(rng.integers(2**31)))
    sizes = np.bincount(fold_of, minlength=folds)
    order = rng.permutation(folds)
    order = order[np.argsort(sizes[order] > 2 * sizes.mean(), kind="stable")]  # a giant group belongs in train
    validation, test = _fold_counts(folds, fractions)
    split_of = np.zeros(folds, dtype=np.int64)
    split_of[order[: validation + test]] = 1
    split_of[order[:test]] = 2
    return split_of[fold_of]


def _fold_counts(folds: int, fractions: tuple[float, float, float]) -> tuple[int, int]:
    validation, test = _counts(folds, fractions)
    spare = folds - (1 if fractions[0] > 0 else 0)
    while validation + test > spare:
        validation, test = (validation - 1, test) if validation >= test else (validation, test - 1)
    return (folds - test, test) if fractions[0] == 0 and fractions[1] > 0 else (validation, test)


def _folds(strata: Codes, clusters: Codes, folds: int, seed: int) -> Codes:
    """The fold ``[rows]`` of every row. None is empty: an empty fold always suits the next group best."""
    from sklearn.model_selection import StratifiedGroupKFold  # slow to import

    pooled = _pooled(strata, folds)
    plain = pooled if np.bincount(pooled).max() >= folds else np.zeros_like(pooled)
    splitter = StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
    fold_of = np.zeros(len(plain), dtype=np.int64)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # rare labels: train gets its row of each later
        for fold, (_, rows) in enumerate(splitter.split(plain, plain, clusters)):
            fold_of[rows] = fold
    return fold_of


def _teach_every_label(splits: Codes, labels: Sequence[Any], units: Codes) -> None:
    """Move a unit (a row or a group) into train for every label that train lacks, in place."""
    sets = [_set(label) for label in labels] if _multilabel(labels) else None
    lacking = _seen(labels, sets, splits > 0) - _seen(labels, sets, splits == 0)
    left = np.bincount(splits, minlength=3)
    for row in np.flatnonzero(splits).tolist() if lacking else ():
        if lacking.isdisjoint(sets[row] if sets else (labels[row],)):
            continue
        unit = units == units[row]
        if unit.sum() < left[splits[row]]:  # a split that was asked for is never emptied
            left[splits[row]] -= unit.sum()
            splits[unit] = 0
            lacking -= _seen(labels, sets, unit)


def _seen(labels: Sequence[Any], sets: Sequence[frozenset[Any]] | None, rows: NDArray[np.bool_]) -> set[Any]:
    """The labels that occur in these rows."""
    return set().union(*compress(sets, rows)) if sets else set(compress(labels, rows))


def _greedy(sets: Sequence[frozenset[Any]], order: Codes, per_class: int) -> Codes:
    total: dict[Any, int] = {}
    for names in sets:
        for name in names:
            total[name] = total.get(name, 0) + 1
    left = dict.fromkeys(total, per_class)
    taken = []
    for row in sorted(order.tolist(), key=lambda row: min(total[name] for name in sets[row])):
        if all(left[name] for name in sets[row]):
            taken.append(row)
            for name in sets[row]:
                left[name] -= 1
    return np.array(sorted(taken), dtype=np.int64)
