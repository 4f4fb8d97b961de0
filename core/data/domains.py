"""Domains: which labelled rows come from the source, which from the target, and which target rows are unlabelled.

Two ways to say it: tables (``data.source``, ``data.train``, ``data.unlabelled``),
or sites within one table (``data.source_sites``, ``data.target_sites``).
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from medplug.core.config import DataConfig
from medplug.core.data.bins import binned
from medplug.core.data.reading import Facts, read
from medplug.core.data.splits import TEST, TRAIN, VALIDATION, Splits, limit_rows
from medplug.core.errors import DataError
from medplug.core.task import Examples, Task

Rows = NDArray[np.int64]
Domain = Literal["source", "target"]
_SITES_SHOWN = 20


def main_table(data: DataConfig) -> str:
    """The table that splits are cut from: the target's labelled one, or the source where there is none."""
    return "source" if data.train is None and data.source is not None else "train"


def add_domain_tables(splits: dict[str, Examples], task: Task, data: DataConfig, facts: Facts) -> dict[str, Examples]:
    """Mark the labelled rows' domains, put the source's rows before the target's, and add the unlabelled ones.

    Without a source of its own, the training table is the source of what is unlabelled.
    """
    if data.source is None and data.unlabelled is None:
        return splits
    target_trains = data.source is not None and data.train is not None
    found = {name: _marked(rows, of_target=_of_target(name, data)) for name, rows in splits.items()}
    if target_trains:
        source, _ = read(task, data, "source", (), facts)
        found["train"] = _marked(source, of_target=False).followed_by(found["train"])
    if data.unlabelled is not None:
        found["unlabelled"] = _marked(read(task, data, "unlabelled", (), facts)[0], of_target=True)
    return found


def _of_target(split: str, data: DataConfig) -> bool:
    """Whether a split's rows are the target's.

    All are that are cut from the target's own labelled table; where it has none,
    a test table is, and beside a source table a validation table.
    """
    if data.source is not None and data.train is not None:
        return True
    given = {"test": data.test is not None, "validation": data.validation is not None and data.source is not None}
    return given.get(split, False)


def divide_sites(
    splits: dict[str, Examples], task: Task, data: DataConfig, seed: int, facts: Facts, *, oracle: bool
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
    by_target = bool(data.target_labels) or oracle
    held = target["validation"] if by_target else source["validation"]
    _require(source["train"], "source", "train", data)
    _require(held, "target" if by_target else "source", "validation", data)
    _require(target["test"], "target", "test", data)
    taught = _taught(splits["train"], target["train"], task, data, seed)
    chosen_by = splits["validation"].take(held)
    if isinstance(data.target_labels, int) and data.target_labels and not oracle:
        chosen_by = chosen_by.take(limit_rows(task.drawn_by(chosen_by.labels or []), data.target_labels, seed))
    train, unlabelled = splits["train"], np.setdiff1d(target["train"], taught)
    found = {
        "train": _marked(train.take(source["train"]), of_target=False).followed_by(
            _marked(train.take(taught), of_target=True)
        ),
        "validation": _marked(chosen_by, of_target=by_target),
        "test": _marked(splits["test"].take(target["test"]), of_target=True),
    }
    if len(unlabelled):
        found["unlabelled"] = _marked(replace(train.take(unlabelled), labels=None), of_target=True)
    ours = sum(map(len, [*source.values(), *target.values()]))
    facts.counts["rows of neither the source nor the target sites left out"] = sum(map(len, splits.values())) - ours
    facts.counts["rows of the source and target sites held out and not used"] = ours - sum(map(len, found.values()))
    return found


def spared(where: Splits, train: Examples, data: DataConfig, *, oracle: bool) -> Splits:
    """Cut splits ``[rows]`` whose rows that the domains' division would leave unused are learned from instead.

    The source is never tested on, and validation rows are of one domain, so that
    with shares of 0.7, 0.1 and 0.2 it is 90 % of the source that is learned from
    and 80 % of the target that is unlabelled, its other 20 % tested on.
    """
    sites = np.array(train.sites or [], dtype=np.str_)
    source, target = np.isin(sites, data.source_sites), np.isin(sites, data.target_sites)
    unused = source if data.target_labels or oracle else target
    return np.where(source & (where == TEST) | unused & (where == VALIDATION), TRAIN, where)


def _taught(train: Examples, target: Rows, task: Task, data: DataConfig, seed: int) -> Rows:
    """The positions of the target's training rows whose labels may be learned from."""
    if not data.target_labels:
        return target[:0]
    _require(target, "target", "train", data)
    if data.target_labels == "all":
        return target
    labels = task.drawn_by(train.take(target).labels or [])
    return target[limit_rows(labels, data.target_labels, seed)]


def _of_sites(examples: Examples, sites: tuple[str, ...]) -> Rows:
    return np.flatnonzero(np.isin(np.array(examples.sites or [], dtype=np.str_), sites)).astype(np.int64)


def strata(train: Examples, task: Task, data: DataConfig) -> list[Any]:
    """What rows are split by ``[rows]``: the label (or its bin) and, where sites name domains, the domain."""
    labels = list(binned(task.drawn_by(train.labels or [])))
    if not data.source_sites:
        return labels
    domains = {site: "source" for site in data.source_sites} | {site: "target" for site in data.target_sites}
    where = [domains.get(site, "") for site in train.sites or []]
    return [
        (*label, f"domain {own}") if isinstance(label, tuple) else f"{own} {label}"
        for label, own in zip(labels, where, strict=True)
    ]


def tidied(task: Task, train: Examples, facts: Facts) -> Examples:
    """The training rows as the task cleans them, each domain by itself, and counted.

    Together, a source row could stand in for the target row that repeats it.
    """
    if train.of_target is None:
        train, done = task.tidy(train)
        facts.counts.update(done)
        return train
    counts: Counter[str] = Counter()
    parts = []
    for of_target in (False, True):
        part, done = task.tidy(train.take(np.flatnonzero(train.of_target == of_target)))
        counts.update(done)
        parts.append(part)
        facts.domains["target" if of_target else "source"] = len(part)
    facts.counts.update(counts)
    return parts[0].followed_by(parts[1])


def _require(rows: Rows, domain: Domain, split: str, data: DataConfig) -> None:
    if not len(rows):
        sites = data.source_sites if domain == "source" else data.target_sites
        raise DataError(
            f"data.{domain}_sites: the {split} split has no row of {', '.join(sites)}; "
            "give more rows of that site, or look at data.split and data.split_column"
        )


def _check_names(splits: dict[str, Examples], data: DataConfig) -> None:
    known = {site for examples in splits.values() for site in examples.sites or []}
    for key, sites in (("source_sites", data.source_sites), ("target_sites", data.target_sites)):
        unknown = sorted(set(sites) - known)
        if unknown:
            raise DataError(
                f"data.{key}: no row has the site {', '.join(unknown)} in column {data.site} ({_told(known)})"
                + _as_list(unknown, known, key)
            )


def _as_list(unknown: list[str], known: set[str], key: str) -> str:
    """Where a name is known ones joined by commas: the form that means several."""
    several = [each.split(",") for each in unknown if known.issuperset(part.strip() for part in each.split(","))]
    written = ",".join(f'"{part.strip()}"' for parts in several for part in parts)
    return f"; several are written data.{key}='[{written}]'" if several else ""


def _told(sites: set[str]) -> str:
    """The sites there are; a column of many values names no sites, and may name patients."""
    if len(sites) > _SITES_SHOWN:
        return f"the column holds {len(sites)} other values; is it the right one?"
    return f"sites: {', '.join(sorted(sites))}"


def _marked(examples: Examples, *, of_target: bool) -> Examples:
    return replace(examples, of_target=np.full(len(examples), of_target))
