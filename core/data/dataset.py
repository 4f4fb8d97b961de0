"""From a plan's tables to labelled, split, checked examples."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medplug.core.config import DataConfig
from medplug.core.data import leakage
from medplug.core.data.also import Also, learned_along
from medplug.core.data.arms import treated
from medplug.core.data.bins import stratified_by
from medplug.core.data.domains import add_domain_tables, divide_sites, main_table, spared, strata, tidied
from medplug.core.data.folds import split_folds
from medplug.core.data.naming import named_labels
from medplug.core.data.near import nearly_the_same
from medplug.core.data.problems import Problem
from medplug.core.data.reading import Facts, read
from medplug.core.data.revealing import revealing
from medplug.core.data.sketched import Sketches
from medplug.core.data.split_column import named_splits
from medplug.core.data.splits import LEFT_OUT, Splits, limit_rows, split_rows
from medplug.core.data.targets import Target
from medplug.core.data.twins import Twins
from medplug.core.data.units import left_out, split_units, told
from medplug.core.errors import DataError
from medplug.core.retrieval.corpus import Corpus, passages_of
from medplug.core.task import Examples, Task

SPLITS = ("train", "validation", "test")
MOST_SUBGROUPS = 50


@dataclass(slots=True)
class Dataset:
    """Examples and encoded labels by split, and the target learned from the training labels.

    `also` holds the targets that are learned along, by their names, `twins` the
    test rows that training or validation rows repeat, `corpus` the passages that
    questions are answered from, where passages are ranked, `sketches` what rows were compared by.
    """

    splits: dict[str, Examples]
    labels: dict[str, NDArray[Any]]
    target: Target
    facts: Facts
    also: dict[str, Also] = field(default_factory=dict)
    twins: Twins | None = None
    corpus: Corpus | None = None
    sketches: Sketches = field(default_factory=Sketches)

    @property
    def also_targets(self) -> dict[str, Target]:
        """The targets that are learned along, by their names."""
        return {name: each.target for name, each in self.also.items()}


def load_dataset(
    task: Task,
    data: DataConfig,
    *,
    by: tuple[str, ...],
    seed: int,
    sample: bool,
    sha256: Mapping[str, str],
    oracle: bool = False,
) -> Dataset:
    """Read, check, split and encode; `DataError` or `RowsError` name what is wrong.

    `by` are further columns to carry along for the report, `sha256` the tables'
    `fingerprints`. With `oracle` the validation rows are labelled ones of the
    target domain, which a study may have and a user has not.
    """
    facts = Facts(sample=sample, sample_is=task.sample_is, wording=task.wording, sha256=dict(sha256))
    splits = _read_splits(task, data, by, seed, facts, oracle)
    if data.source_sites:
        splits = divide_sites(splits, task, data, seed, facts, oracle=oracle)
    if data.finds_domains:  # no column named them: they are nothing to report by
        splits = {name: replace(examples, sites=None) for name, examples in splits.items()}
        facts.split_by += "; the domains are made of the rows themselves"
    for name in SPLITS:
        if not len(splits[name]):
            raise DataError(f"the {name} split has no rows; look at data.split, data.split_column or data.{name}")
    if data.limit is not None:
        splits = {name: _limited(examples, name, task, data.limit, seed) for name, examples in splits.items()}
    if not data.source_sites:
        splits = add_domain_tables(splits, task, data, facts)
    splits = {name: splits[name] for name in ("train", "unlabelled", "validation", "test") if name in splits}
    splits["train"] = tidied(task, splits["train"], facts)
    target = task.target(splits["train"].labels or [])
    for name in ("validation", "test"):
        splits[name] = _known_labels(splits[name], target, name, data, facts)
    _check_subgroups(splits["test"])
    sketches = Sketches()
    near = nearly_the_same(splits, task.slots, sketches)
    alike = task.alike(splits) or (None if near is None else near.rows)
    facts.leaks, twins = leakage.compare(splits, task.slots, alike, None if near is None else near.slots)
    facts.revealing = revealing(splits, target, task.slots)
    facts.named = named_labels(splits, target, getattr(data, "label", None))
    labels = {name: target.encode(examples.labels) for name, examples in splits.items() if examples.labels is not None}
    further = task.further_passages()
    if further is not None:
        told = {"name": "further passages", "rows": len(further), "rejected": 0, "sha256": further.sha256}
        facts.tables["corpus"] = told
    corpus = _corpus(splits, further) if target.kind == "ranking" else None
    return Dataset(splits, labels, target, facts, learned_along(task, splits, facts), twins, corpus, sketches)


def _corpus(splits: Mapping[str, Examples], further: Corpus | None) -> Corpus:
    """The passages of all labelled rows, whatever their split, and then further ones."""
    given = [passages_of(examples.values, examples.labels) for examples in splits.values() if examples.labels]
    return Corpus.of(chain(*given, () if further is None else zip(further.ids, further.texts, strict=True)))


def _read_splits(
    task: Task, data: DataConfig, by: tuple[str, ...], seed: int, facts: Facts, oracle: bool
) -> dict[str, Examples]:
    train, names = read(task, data, main_table(data), by, facts, split_column=data.split_column)
    if len(train):
        task.target(train.labels or [])  # refuses a column that cannot be a label before anything is cut by it
    if data.finds_domains:
        train.sites = task.domains(train, seed)
    if names is not None:
        where = _named(names, data)
        if (left_out := int((where == LEFT_OUT).sum())) > 0:
            facts.counts[f"rows left out by the column {data.split_column}"] = left_out
        named = {name: train.take(np.flatnonzero(where == name)) for name in SPLITS}
        return _with_validation(task, named, data, seed, facts, oracle)
    given = {
        name: read(task, data, name, by, facts)[0] for name in ("validation", "test") if getattr(data, name) is not None
    }
    return {**_cut(task, train, data, seed, facts, given, oracle), **given}


def _named(names: list[str], data: DataConfig) -> Splits:
    """The split that each row's value of ``data.split_column`` stands for, by its name or as a fold."""
    if data.test_folds:
        return split_folds(names, data.test_folds, data.validation_folds, column=str(data.split_column))
    return named_splits(names, key="data.split_column")


def _with_validation(
    task: Task, splits: dict[str, Examples], data: DataConfig, seed: int, facts: Facts, oracle: bool
) -> dict[str, Examples]:
    """Splits that a column names; a validation split that it leaves out is cut off the training rows."""
    by = f"the column {data.split_column}" + (_folds(data) if data.test_folds else "")
    if len(splits["validation"]) or not len(splits["train"]):
        facts.split_by = by
        return splits
    cut = _cut(task, splits["train"], data, seed, facts, {"test": splits["test"]}, oracle)
    facts.split_by = f"{by}; validation rows, which it does not name, are cut off its training rows by {facts.split_by}"
    return {**cut, "test": splits["test"]}


def _folds(data: DataConfig) -> str:
    chosen_by = f", validation {', '.join(data.validation_folds)}" if data.validation_folds else ""
    return f" (test {', '.join(data.test_folds)}{chosen_by})"


def _cut(
    task: Task,
    train: Examples,
    data: DataConfig,
    seed: int,
    facts: Facts,
    given: Mapping[str, Examples],
    oracle: bool,
) -> dict[str, Examples]:
    """Cut the splits that have no table of their own off the training table."""
    shares = [share if name not in given else 0.0 for name, share in zip(SPLITS, data.fractions, strict=True)]
    if set(given) == {"validation", "test"}:
        facts.split_by = "tables of their own"
        return {"train": train}
    total = sum(shares)
    fractions = (shares[0] / total, shares[1] / total, shares[2] / total)
    how: dict[str, Any] = {"fractions": fractions, "seed": seed}
    drawn_by = strata(train, task, data)
    if (rule := data.own_rule) is not None:
        units = task.units(train, rule)
        where, unit = split_units(drawn_by, units, rule=rule, **how), told(units, rule)
        if len(units) > 1:
            facts.counts[left_out(units)] = int((where == LEFT_OUT).sum())
    else:
        groups = train.groups if data.split != "random" else None
        where = split_rows(drawn_by, groups=groups, **how)
        unit = f"the column {data.group}" if groups is not None else "row"
    if data.finds_domains:
        where = spared(where, train, data, oracle=oracle)
    even = task.drawn_by(train.labels or [])
    by = [*([stratified_by(even)] if len(set(even)) > 1 else []), *(["domain"] if data.source_sites else [])]
    facts.split_by = f"{unit}{', stratified by ' if by else ''}{' and '.join(by)}, seed {seed}"
    return {name: train.take(np.flatnonzero(where == name)) for name in SPLITS if name not in given}


def _limited(examples: Examples, split: str, task: Task, per_class: int, seed: int) -> Examples:
    """At most `per_class` rows a class (without classes: in all) to learn from and to choose by, all to test."""
    if split not in ("train", "validation"):
        return examples
    return examples.take(limit_rows(task.drawn_by(examples.labels or []), per_class, seed))


def _check_subgroups(test: Examples) -> None:
    """Refuse a column of too many values before hours of training go into its report."""
    for column, values in {
        "data.site": test.sites or [],
        **{f"report.by ({k})": v for k, v in test.by.items()},
    }.items():
        if len(set(values)) > MOST_SUBGROUPS:
            raise DataError(
                f"{column}: the test split has {len(set(values))} different values there, more than {MOST_SUBGROUPS}; "
                "name a column of few values (patients go to data.group)"
            )


def _known_labels(examples: Examples, target: Target, split: str, data: DataConfig, facts: Facts) -> Examples:
    """Refuse (or set aside) rows whose label the training split does not have."""
    unknown = target.unknown(examples.labels or [])
    if not unknown:
        return examples
    rows = examples.rows[unknown].tolist()
    if data.on_error == "stop":
        listed = ", ".join(map(str, rows[:20])) + (", ..." if len(rows) > 20 else "")
        raise DataError(
            f"{len(rows)} row(s) of the {split} split have a label that the training split lacks "
            f"(row numbers in their table: {listed}{_names(examples, unknown)})\n"
            f"the training labels are: {_some((*target.classes, *target.outcomes))}\n"
            "add such rows to training, correct the label column, or set them aside with: data.on_error=skip"
        )
    facts.rejected += [(split, Problem(row, "label", "the training split lacks this label")) for row in rows]
    return examples.take(np.setdiff1d(np.arange(len(examples)), unknown))


def _names(examples: Examples, unknown: list[int]) -> str:
    """The unknown labels themselves, where they look like class names and not like text about a patient.

    Not those of treatments, whose outcomes may be patients' numbers.
    """
    if treated(examples.labels or []):
        return ""
    labels = {str(label) for label in (examples.labels[i] for i in unknown)} if examples.labels else set()
    short = sorted(label for label in labels if len(label) <= 40)
    return f"; labels: {_some(tuple(short))}" if short and len(short) == len(labels) <= 10 else ""


def _some(names: tuple[str, ...]) -> str:
    return ", ".join(names[:20]) + (f" and {len(names) - 20} more" if len(names) > 20 else "")
