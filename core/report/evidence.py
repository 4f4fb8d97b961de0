"""All that a report is made from; nothing in it quotes a row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from medplug.core.data.reading import Facts
from medplug.core.data.targets import Target
from medplug.core.evaluation.entities import EntityScores
from medplug.core.evaluation.statistic import Labels
from medplug.core.evaluation.survival import kaplan_meier, median_follow_up, median_time
from medplug.core.explaining.attribution import Attribution


@dataclass(frozen=True, slots=True)
class Spread:
    """Where the numbers of a split lie."""

    mean: float
    deviation: float
    lowest: float
    highest: float

    @classmethod
    def of(cls, labels: Sequence[float]) -> Self:
        """The spread of one number or more."""
        values = np.asarray(labels, dtype=np.float64)
        return cls(float(values.mean()), float(values.std()), float(values.min()), float(values.max()))


@dataclass(frozen=True, slots=True)
class FollowUp:
    """How many rows of a split have the event, and median times, None where they lie beyond the last row's.

    `watched` is how long rows were watched, `outlived` the time that half of them outlive.
    """

    events: int
    watched: float | None
    outlived: float | None

    @classmethod
    def of(cls, labels: Labels) -> Self:
        """That of encoded labels ``[rows, 2]``."""
        return cls(int(labels[:, 1].sum()), median_follow_up(labels), median_time(kaplan_meier(labels)))


@dataclass(frozen=True, slots=True)
class ArmFacts:
    """How many rows of a split were given each arm, and their mean outcome (of classes: the positive one's share)."""

    rows: dict[str, int]
    means: dict[str, float]

    @classmethod
    def of(cls, target: Target, labels: Sequence[Any]) -> Self:
        """Those of raw labels; empty of none."""
        encoded = target.encode(labels)
        members = {arm: encoded[encoded[:, 0] == i, 1] for i, arm in enumerate(target.classes)} if len(labels) else {}
        means = {arm: float(each.mean()) for arm, each in members.items() if len(each)}
        return cls({arm: len(each) for arm, each in members.items()}, means)


@dataclass(frozen=True, slots=True)
class AnswerFacts:
    """How many rows of a split have an answer in their context, and medians of characters (None without any)."""

    answered: int
    of_answers: float | None
    of_contexts: float | None

    @classmethod
    def of(cls, labels: Sequence[Sequence[tuple[str, int]]], contexts: Sequence[str]) -> Self:
        """Those of raw labels of spans; an answer's length is that of the first right one."""
        answers = [len(each[0][0]) for each in labels if each]
        lengths = [len(context) for context in contexts]
        return cls(len(answers), *(float(np.median(each)) if each else None for each in (answers, lengths)))


@dataclass(frozen=True, slots=True)
class SplitFacts:
    """One split in numbers; `groups` is None where no patient column was named.

    `classes` counts rows by class; `spread` stands in for it where the target is
    a number and the split has labels, `follow_up` where it is the time to an event,
    `arms` where it is a treatment, `answers` where it is a span.
    `domain` is whose rows they are, empty where no domains were named.
    """

    rows: int
    groups: int | None
    classes: dict[str, int]
    domain: str = ""
    spread: Spread | None = None
    follow_up: FollowUp | None = None
    arms: ArmFacts | None = None
    answers: AnswerFacts | None = None


@dataclass(frozen=True, slots=True)
class Evidence:
    """What one run showed.

    `scores` is the content of metrics.json; `labels`, `probabilities` and
    `baseline` ``[rows, classes]`` are the test split's, for the figures (of a number
    `probabilities` and `baseline` are predicted values ``[rows, 1]``, of the time to an event log hazards, of a
    treatment what `Target.probabilities` says); `census`
    counts by split what the backbone noticed; `notes` how the model was chosen.
    `uses_unlabelled`: an adapter learns from unlabelled rows; `chosen_on_source`
    and `tested_on_source`: the validation and the test rows are not of the
    domain that the model is for. `entities`: the scores of each drug, say, that many rows share.
    `explanations` are of some test rows, with these rows' content only where examples may be shown.
    `row_numbers` are those of the test rows in their table (None: not known); `stated` is what ``report.card`` says.
    """

    title: str
    task: str
    keys: list[tuple[str, Any, str]]
    target: Target
    splits: dict[str, SplitFacts]
    facts: Facts
    census: dict[str, dict[str, int]]
    metric: str
    scores: dict[str, Any]
    labels: NDArray[Any]
    probabilities: NDArray[np.float64]
    baseline: NDArray[np.float64]
    history: list[dict[str, float]]
    notes: dict[str, Any]
    manifest: dict[str, Any]
    uses_unlabelled: bool = False
    chosen_on_source: bool = False
    tested_on_source: bool = False
    entities: tuple[EntityScores, ...] = ()
    explanations: tuple[Attribution, ...] = ()
    row_numbers: NDArray[np.int64] | None = None
    stated: Mapping[str, str] = field(default_factory=dict)
