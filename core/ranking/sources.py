"""Labelled source tables ranked for a target table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from medplug.core.data.bins import even_rows
from medplug.core.data.reading import Facts, fingerprints, open_table, read, read_examples
from medplug.core.data.splits import split_rows
from medplug.core.errors import ConfigError, DataError
from medplug.core.evaluation.linear import fit_logistic, head_probabilities
from medplug.core.plan import Plan
from medplug.core.progress import Progress, Watch
from medplug.core.ranking.distances import ROWS, Score, a_distances, mmd_on
from medplug.core.ranking.features import Encoder, Matrix, owners, raw, some, training_rows
from medplug.core.ranking.result import Ranking, candidates
from medplug.core.ranking.support import rank_candidates, support
from medplug.core.run import make_task
from medplug.core.specs import resolve
from medplug.core.task import Examples, Task
from medplug.core.transfer.transferability import leep, nce

LEAST_ROWS = 10
FIT, CHOOSE = 0.8, 0.2
"""Shares of a source's rows that a probe is fitted on and its strength chosen by."""


def rank_sources(plan: Plan, tables: Mapping[str, Any], watch: Watch) -> Ranking:
    """Rank labelled tables as sources for the target that the plan's data keys name.

    LEEP decides where the target has one label a row (its training rows, as a
    run cuts them); else MMD does. Resamples are of the target's rows; probes
    and sources are taken as they are. Raises from `medplug.core.errors`.
    """
    notes: list[str] = []
    watch(Progress("reading"))
    task, target, labels = _target(plan, notes)
    sources = {name: _source(task, plan, name, table, notes) for name, table in tables.items()}
    encoder = Encoder(plan, target, watch)
    every = [target, *sources.values()]
    ends = np.cumsum([len(each) for each in every])[:-1]
    ours, *theirs = np.split(encoder.features([value for each in every for value in raw(each)]), ends)
    features = dict(zip(sources, theirs, strict=True))
    watch(Progress("measuring distances"))
    near = even_rows(None, len(target), ROWS, plan.run.seed)
    if max(map(len, every)) > ROWS:
        notes.append(f"distances are measured on {ROWS:,} rows of a table at most")
    labelled = {name: each.labels for name, each in sources.items()}
    apart = a_distances(ours, features, labelled, plan.run.seed)
    score = mmd_on(ours[near], features, plan.run.seed)
    scores = {
        name: {"mmd": -float(negative), "a_distance": distance}
        for name, negative, distance in zip(sources, score(np.arange(len(near))), apart, strict=True)
    }
    scored = target.take(near)
    if labels is not None:
        scored, truth, chances = target.take(np.arange(len(labels))), torch.from_numpy(labels), {}
        for name, examples in sources.items():
            watch(Progress(f"fitting a probe on {name}"))
            with _told_of(name):
                chances[name] = _chances(task, plan, examples, features[name], ours[: len(labels)])
        scores = {name: {**_transfer(chances[name], truth), **scores[name]} for name in sources}
        score = _leep_on([*chances.values()], truth)
    ranked = rank_candidates(list(sources), score, len(scored), seed=plan.run.seed, groups=owners(scored))
    return Ranking(
        task=plan.task.name,
        ranked="sources",
        by="mmd" if labels is None else "leep",
        rows=len(scored),
        groups=len(set(scored.groups)) if scored.groups else None,
        candidates=candidates(ranked, scores, _facts(sources), sign=-1 if labels is None else 1),
        support=support(ranked),
        notes=notes,
    )


def _target(plan: Plan, notes: list[str]) -> tuple[Task, Examples, NDArray[np.int64] | None]:
    """The task, the target's rows that may be seen, and the labels of the first of them (None: not to be used)."""
    seed = plan.run.seed
    if plan.data.train is None:
        factory: type[Task] = resolve(plan.task.factory, owner=f"task {plan.task.name}")
        task = factory(plan.task_options, plan.data)
        facts = Facts(sha256=fingerprints(task, plan.data, ()))
        unlabelled = some(read(task, plan.data, "unlabelled", (), facts)[0], seed, "target rows", notes)
        return task, _enough(unlabelled, "the target"), None
    dataset = training_rows(plan)
    train = _enough(some(dataset.splits["train"], seed, "training rows", notes), "the target")
    target = train
    if "unlabelled" in dataset.splits:
        target = train.followed_by(some(dataset.splits["unlabelled"], seed, "unlabelled rows", notes))
    task, _ = make_task(plan)
    if not dataset.target.has_classes:
        what = {"survival": "times to an event", "treatment": "treatments"}.get(dataset.target.kind, "a number")
        notes.append(f"LEEP and NCE are for classes; sources of {what} are ranked by distance alone")
        return task, target, None
    if dataset.target.kind == "multilabel":
        notes.append("LEEP and NCE are for one label a row; sources of several labels are ranked by distance alone")
        return task, target, None
    return task, target, dataset.target.encode(train.labels or [])


def _source(task: Task, plan: Plan, name: str, table: Any, notes: list[str]) -> Examples:
    """A source table's usable rows, read and tidied as ``data.source`` is."""
    extra = [column for column in (plan.data.group, plan.data.site) if column]
    frame, folder = open_table(task, table, key="sources", columns=task.columns(labelled=True), optional=extra)
    examples, problems = read_examples(task, plan.data, frame, name, labelled=True, folder=folder)
    if plan.data.on_error == "stop":
        problems.stop()
    elif problems.rows:
        notes.append(f"{len(problems.rows):,} row(s) of {name} set aside")
    with _told_of(name):
        examples, _ = task.tidy(examples)
        task.target(examples.labels or [])
    return _enough(some(examples, plan.run.seed, f"rows of {name}", notes), name)


def _enough(examples: Examples, what: str) -> Examples:
    if len(examples) < LEAST_ROWS:
        raise DataError(f"{what} has {len(examples)} usable row(s); a ranking of sources needs {LEAST_ROWS} or more")
    return examples


@contextmanager
def _told_of(name: str) -> Iterator[None]:
    """Name the source in what is wrong with it."""
    try:
        yield
    except (ConfigError, DataError) as error:
        raise type(error)(f"{name}: {error}") from None


def _chances(task: Task, plan: Plan, source: Examples, features: Matrix, others: Matrix) -> Tensor:
    """What a linear probe of the source makes of other rows: probabilities ``[others, source classes]``."""
    target = task.target(source.labels or [])
    labels = target.encode(source.labels or [])
    where = split_rows(source.labels or [], groups=owners(source), fractions=(FIT, CHOOSE, 0.0), seed=plan.run.seed)
    fit, choose = where == "train", where == "validation"
    head = fit_logistic(
        features[fit],
        labels[fit],
        features[choose],
        labels[choose],
        target,
        metric="log_loss",  # LEEP reads probabilities; decisions alone would do with ones near the middle
        standardise=True,
        seed=plan.run.seed,
    )
    return torch.from_numpy(head_probabilities(head, others, target))


def _transfer(chances: Tensor, labels: Tensor) -> dict[str, float]:
    return {"leep": leep(chances, labels), "nce": nce(chances.argmax(1), labels)}


def _leep_on(chances: list[Tensor], labels: Tensor) -> Score:
    """LEEP of each source on some of the target's rows; NaN where they are of a single class."""

    def score(index: NDArray[np.int64]) -> NDArray[np.float64]:
        some_labels = labels[index]
        if bool((some_labels == some_labels[0]).all()):
            return np.full(len(chances), np.nan)
        return np.array([leep(each[index], some_labels) for each in chances])

    return score


def _facts(sources: Mapping[str, Examples]) -> dict[str, dict[str, int]]:
    """How many rows of each source were used, and how many different labels they have."""
    return {name: {"rows": len(each), "labels": len(set(each.labels or []))} for name, each in sources.items()}
