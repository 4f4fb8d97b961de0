"""Domains: which labelled rows come from the source, which from the target, and which target rows are unlabelled.

Two ways to say it: tables (``data.source``, ``data.train``, ``data.unlabelled``),
or sites within one table (``data.source_sites``, ``data.target_sites``).
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from medplug.core.config import DataConfig
from medplug.core.contracts import Examples, Task
from medplug.core.data.reading import Facts, read
from medplug.core.data.splits import limit_rows
from medplug.core.errors import DataError

Rows = NDArray[np.int64]


def main_table(data: DataConfig) -> str:
    """The table that splits are cut from: the target's labelled one, or the source where there is none."""
    return "source" if data.train is None and data.source is not None else "train"


def add_domain_tables(splits: dict[str, Examples], task: Task, data: DataConfig, facts: Facts) -> dict[str, Examples]:
    """Mark the labelled rows' domains, put the source's rows before the target's, and add the unlabelled ones.

    Without a source of its own, the training table is the source of what is unlabelled.
    """
    if data.source is None and data.unlabelled is None:
        return splits
    found = dict(splits)
    target_trains = data.source is not None and data.train is not None
    found["train"] = _marked(splits["train"], of_target=target_trains)
    if target_trains:
        source, _ = read(task, data, "source", (), facts)
        found["train"] = _marked(source, of_target=False).followed_by(found["train"])
    if data.unlabelled is not None:
        found["unlabelled"] = _marked(read(task, data, "unlabelled", (), facts)[0], of_target=True)
    _count(found["train"], facts)
    return found


def divide_sites(
    splits: dict[str, Examples], data: DataConfig, seed: int, facts: Facts, *, oracle: bool
) -> dict[str, Examples]:
    """Divide the splits of one table by site.

    Training keeps the source's rows and so many labelled ones of the target as
    ``data.target_labels`` says; the target's other training rows are unlabelled.
    Test rows are the target's. Validation rows are the source's, unless target
    labels are given to learn from, or `oracle` allows them. Rows of other sites
    are counted and left.
    """
    _check_names(splits, data)
    source = {name: _of_sites(rows, data.source_sites) for name, rows in splits.items()}
    target = {name: _of_sites(rows, data.target_sites) for name, rows in splits.items()}
    left = sum(len(rows) - len(source[name]) - len(target[name]) for name, rows in splits.items())
    facts.counts["rows of neither the source nor the target sites left out"] = left
    taught = _taught(splits["train"], target["train"], data, seed)
    labelled = splits["train"].take(taught)
    train = _marked(splits["train"].take(source["train"]), of_target=False).followed_by(
        _marked(labelled, of_target=True)
    )
    found = {"train": train, "test": splits["test"].take(target["test"])}
    by_target = bool(data.target_labels) or oracle
    chosen_by = splits["validation"].take((target if by_target else source)["validation"])
    if isinstance(data.target_labels, int) and data.target_labels and not oracle:
        chosen_by = chosen_by.take(limit_rows(chosen_by.labels or [], data.target_labels, seed))
    found["validation"] = chosen_by
    unlabelled = splits["train"].take(np.setdiff1d(target["train"], taught))
    if len(unlabelled):
        found["unlabelled"] = _marked(replace(unlabelled, labels=None), of_target=True)
    _count(train, facts)
    return found


def _taught(train: Examples, target: Rows, data: DataConfig, seed: int) -> Rows:
    """The positions of the target's training rows whose labels may be learned from."""
    if data.target_labels == "all":
        return target
    if not data.target_labels:
        return target[:0]
    labels = train.take(target).labels or []
    return target[limit_rows(labels, data.target_labels, seed)]


def _of_sites(examples: Examples, sites: tuple[str, ...]) -> Rows:
    return np.flatnonzero(np.isin(np.array(examples.sites or [], dtype=np.str_), sites)).astype(np.int64)


def _check_names(splits: dict[str, Examples], data: DataConfig) -> None:
    known = {site for examples in splits.values() for site in examples.sites or []}
    for key, sites in (("source_sites", data.source_sites), ("target_sites", data.target_sites)):
        unknown = sorted(set(sites) - known)
        if unknown:
            shown = ", ".join(sorted(known)[:20])
            raise DataError(
                f"data.{key}: no row has the site {', '.join(unknown)} in column {data.site} (sites: {shown})"
            )


def _marked(examples: Examples, *, of_target: bool) -> Examples:
    return replace(examples, of_target=np.full(len(examples), of_target))


def _count(train: Examples, facts: Facts) -> None:
    assert train.of_target is not None
    facts.counts["labelled rows of the target domain"] = int(train.of_target.sum())
    facts.counts["labelled rows of the source domain"] = int((~train.of_target).sum())
