"""Training of spans: windows of contexts with the tokens of their answers, scored by the answers of whole rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from torch import nn

from medplug.core.adapter import Matrix, Weights
from medplug.core.answers.found import FoundSpans, choose_threshold
from medplug.core.answers.questions import Pair
from medplug.core.answers.spans import Answers
from medplug.core.answers.windows import Integers
from medplug.core.readers.span import SpanReader, Windows, each_window
from medplug.core.readers.windows import SpanWindow, label_tokens
from medplug.core.span_model import NULL, SpanLoss, SpanModel
from medplug.core.training.compute import Report
from medplug.core.training.encodings import encode_items
from medplug.core.training.frozen import FrozenFeatures
from medplug.core.training.job import Adapters, Job, Trained
from medplug.core.training.learner import Learner
from medplug.core.training.rows import Rows
from medplug.core.training.sameness import check_outputs_differ
from medplug.core.training.span_search import find_spans
from medplug.core.training.vectors import Encodings

MOST_BYTES = 2**31
"""Token features of a frozen backbone beyond this are computed each epoch, and not kept."""
_FLOAT = 4


@dataclass(frozen=True, slots=True)
class SpanLearner(Learner):
    """A model of spans. Its items are rows, each a tuple of windows, which are drawn one by one.

    `columns` are those of start and end in each window of each training row ``[windows, 2]``.
    """

    columns: Sequence[Integers] = ()

    @property
    def labels(self) -> Sequence[Integers]:
        """The columns of every training row."""
        return self.columns

    def loss(self) -> nn.Module:
        """Cross-entropy of start and end."""
        return SpanLoss(self.job.plan.train.label_smoothing)

    def rows(self, adapters: Adapters, weights: Weights | None, references: Mapping[str, Matrix]) -> Rows:
        """Every window of every row, with the row's weight."""
        return window_rows(Learner.rows(self, adapters, weights, references))

    def found(self, split: str, report: Report = lambda done, total: None) -> FoundSpans:
        """The likeliest span of each row of a split."""
        assert isinstance(self.model, SpanModel)
        return find_spans(self.model, self.items[split], self._contexts(split), self.job.compute, report)

    def score(self, chosen_by: str) -> dict[str, float]:
        """The mean scores of the validation rows, at the threshold that is best for them."""
        found = self._best(self.found("validation"))
        by_row = found.scores(self._contexts("validation"), self._answers("validation"))
        return {name: float(by_row[name].mean()) for name in dict.fromkeys((chosen_by, self.job.metric))}

    def trained(self, notes: dict[str, Any], history: list[dict[str, float]]) -> Trained:
        """What training leaves: spans in place of logits, and in the model the threshold of no answer."""
        stage = self.job.stage
        spans = {split: self.found(split, stage(f"predicting {split}")) for split in ("validation", "test")}
        threshold = self._best(spans["validation"]).threshold
        assert isinstance(self.model, SpanModel)
        self.model.threshold.fill_(threshold)
        always = threshold == -np.inf
        told = "none: every validation row has an answer, so one is always given" if always else round(threshold, 3)
        notes = {**notes, "log odds above which an answer is given": told}
        findings = {split: replace(found, threshold=threshold) for split, found in spans.items()}
        return Trained(notes, {}, history, self.census, findings=findings)

    def _best(self, found: FoundSpans) -> FoundSpans:
        """What was found in the validation rows, at the threshold that is best for them."""
        threshold = choose_threshold(found, self._contexts("validation"), self._answers("validation"))
        return replace(found, threshold=threshold)

    def _answers(self, split: str) -> list[Answers]:
        return self.job.dataset.splits[split].labels or []

    def _contexts(self, split: str) -> list[str]:
        return [pair.context for pair in self.job.values(split)]


def window_rows(rows: Rows) -> Rows:
    """Rows of windows as windows: each has its row's weight, domain and numbers, and its own label."""
    labelled = len(rows.labels)
    counts = np.array([len(item) for item in rows.items], dtype=np.int64)
    of = np.repeat(np.arange(len(counts)), counts)
    own = of[of < labelled]
    return replace(
        rows,
        items=[window for item in rows.items for window in each_window(item)],
        labels=np.concatenate([np.asarray(each) for each in rows.labels]),
        weights=None if rows.weights is None else rows.weights[own],
        sources=None if rows.sources is None else rows.sources[own],
        reference={name: values[of] for name, values in rows.reference.items()},
    )


def span_learner(model: SpanModel, job: Job, frozen: FrozenFeatures) -> SpanLearner:
    """The model with its windows; where the backbone stays frozen, with what it gives for them, as far as that fits."""
    reader = model.backbone
    assert isinstance(reader, SpanReader)
    job.stage("preparing")
    items = _prepared(reader, {split: job.values(split) for split in job.dataset.splits})
    census = {split: reader.census(rows) for split, rows in items.items()}
    if not any(parameter.requires_grad for parameter in reader.parameters()) and fits(reader, items):
        items = _encoded(reader, items, job)
        model = model.behind(reader.over(Encodings(reader.text.width)), job.dataset.target)
    elif job.plan.pretrained:
        check_outputs_differ(reader, job.values("train"), job.compute)
    columns, lost = _columns(items["train"], job.dataset.splits["train"].labels or [])
    if lost:
        census["train"]["rows whose answer no window holds"] = lost
    return SpanLearner(model, items, census, job, frozen, columns=columns)


def _columns(rows: Sequence[Windows], answers: Sequence[Answers]) -> tuple[list[Integers], int]:
    """The columns of each row's answer, and how many answers are in no window as a whole."""
    found = [label_tokens(windows, right) + NULL + 1 for windows, right in zip(rows, answers, strict=True)]
    return found, sum(bool(right) and bool((each == NULL).all()) for each, right in zip(found, answers, strict=True))


def fits(reader: SpanReader, items: Mapping[str, Sequence[Windows]]) -> bool:
    """Whether the features of all contexts' tokens are at most `MOST_BYTES`, in float32."""
    tokens = sum(int(window.of_context.sum()) for window in _distinct(items).values())
    return tokens * reader.text.width * _FLOAT <= MOST_BYTES


def _prepared(reader: SpanReader, values: Mapping[str, Sequence[Pair]]) -> dict[str, list[Windows]]:
    """The windows of every split, those of equal pairs the same ones."""
    rows = reader.prepare([pair for pairs in values.values() for pair in pairs])
    ends = np.cumsum([len(pairs) for pairs in values.values()]).tolist()
    return {split: rows[end - len(values[split]) : end] for split, end in zip(values, ends, strict=True)}


def _distinct(items: Mapping[str, Sequence[Windows]]) -> dict[int, SpanWindow]:
    return {id(window): window for rows in items.values() for row in rows for window in row}


def _encoded(reader: SpanReader, items: Mapping[str, Sequence[Windows]], job: Job) -> dict[str, list[Windows]]:
    """The same windows with the features of their contexts' tokens, each window encoded once."""
    windows = list(_distinct(items).values())
    report = job.stage("encoding")
    features = encode_items(reader.text, [window.item for window in windows], job.compute, report)
    known = {}
    for window in reversed(windows):
        (pooled, tokens), mask = features.pop(), window.of_context  # questions' tokens are let go one by one
        known[id(window)] = replace(window, item=(pooled, tokens[mask]), offsets=window.offsets[mask])
    made = {id(row): tuple(known[id(window)] for window in row) for rows in items.values() for row in rows}
    return {split: [made[id(row)] for row in rows] for split, rows in items.items()}
