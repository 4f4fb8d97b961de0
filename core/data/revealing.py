"""Single columns and words that tell the label almost perfectly: they may have been written when it was known.

Each is learned from the training rows alone and judged on the labelled rows of
the other splits, so that one that is unlike in every row (an id, say) tells nothing.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from medplug.core.data.owners import NAMED_BY, owned_by, owners_of
from medplug.core.data.tabular import TableRow
from medplug.core.data.targets import Target
from medplug.core.specs import Modality
from medplug.core.task import Examples

ALMOST = 0.95
"""From this balanced accuracy on (of numbers: this R²) a single column or word tells the label almost perfectly."""
_FEWEST, _OF_A_CLASS = 20, 5
"""Rows to judge by, and of each class: with fewer a column may be right by chance."""
_BINS = 32
KINDS = ("binary", "multiclass", "multilabel", "regression", "survival", "treatment")
"""The kinds of target whose rows have one answer that a column or a word could tell."""
_MOST = 2_000
_NONE: frozenset[str] = frozenset()
_WORD = re.compile(r"[\u3400-\u9fff]+|[^\W\u3400-\u9fff]+")
_CLASSES = 50

Codes = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Revealing:
    """One column, or one word of texts, of an input `slot`, and how well it alone tells the label on `rows`.

    `score` is the balanced accuracy (of a number as label: R²), `label` the class that a word tells of (None: the
    label as a whole).
    """

    slot: str
    what: Literal["column", "word"]
    name: str
    label: str | None
    score: float
    rows: int


@dataclass(frozen=True, slots=True)
class _Answers:
    """The labels of the rows to learn by and of those to judge by: class numbers, or float64 where they are numbers."""

    name: str | None
    learned: NDArray[Any]
    judged: NDArray[Any]

    @property
    def numbers(self) -> bool:
        return self.learned.dtype.kind == "f"

    @property
    def enough(self) -> bool:
        """Whether they can show anything."""
        if len(self.judged) < _FEWEST or not len(self.learned):
            return False
        if self.numbers:
            return bool(np.ptp(self.judged) > 0 and np.ptp(self.learned) > 0)
        known = np.unique(self.learned)
        return int((np.bincount(self.judged[np.isin(self.judged, known)]) >= _OF_A_CLASS).sum()) > 1


def revealing(splits: Mapping[str, Examples], target: Target, slots: Mapping[str, Modality]) -> list[Revealing]:
    """Every column and word that tells the label almost perfectly, the best first; of kinds without one answer none."""
    learned = _some(splits["train"])
    others = [_some(each) for name, each in splits.items() if name in ("validation", "test") and each.labels]
    if not others or target.kind not in KINDS:
        return []
    answers = [each for each in _answers(target, learned, others) if each.enough]
    found: list[Revealing] = []
    for slot, modality in slots.items() if answers else ():
        train, rest = learned.inputs[slot], [value for each in others for value in each.inputs[slot]]
        if modality == "tabular":
            found += _columns(slot, train, rest, answers)
        if modality == "text":
            found += _words(slot, train, rest, answers, target, owners_of([learned, *others]))
    return sorted(found, key=lambda each: -each.score)


def _some(examples: Examples) -> Examples:
    """The labelled rows, at most `_MOST`, evenly spread."""
    if len(examples) <= _MOST:
        return examples
    return examples.take(np.linspace(0, len(examples) - 1, _MOST).astype(np.int64))


def _answers(target: Target, learned: Examples, others: Sequence[Examples]) -> Iterator[_Answers]:
    first, second = ([label for e in many for label in e.labels or []] for many in ([learned], others))
    if target.kind == "multilabel":
        for name in target.classes[:_CLASSES]:
            has = (np.array([name in label for label in each], dtype=np.int64) for each in (first, second))
            yield _Answers(name, *has)
        return
    train, rest = (target.encode(each) for each in (first, second))
    if target.kind in ("survival", "treatment"):  # whether the event came, or what came of the treatment
        train, rest = train[:, 1], rest[:, 1]
    numeric = target.kind == "regression" or (target.kind == "treatment" and not target.binary_outcome)
    kind = np.float64 if numeric else np.int64
    yield _Answers(None, np.asarray(train).astype(kind), np.asarray(rest).astype(kind))


def _columns(slot: str, train: Sequence[Any], rest: Sequence[Any], answers: Sequence[_Answers]) -> Iterator[Revealing]:
    kept, shown = ([i for i, row in enumerate(rows) if isinstance(row, TableRow)] for rows in (train, rest))
    if not kept or not shown:
        return
    columns = train[kept[0]].columns
    numbers = [np.stack([rows[i].numbers for i in at]) for rows, at in ((train, kept), (rest, shown))]
    for place, name in enumerate((*columns.numeric, *columns.categorical)):
        if place < len(columns.numeric):
            codes = _binned(numbers[0][:, place], numbers[1][:, place])
        else:
            at = place - len(columns.numeric)
            codes = _coded([train[i].names[at] for i in kept], [rest[i].names[at] for i in shown])
        for each in answers:
            part = _Answers(each.name, each.learned[kept], each.judged[shown])
            if part.enough and (score := _told(*codes, part)) >= ALMOST:
                yield Revealing(slot, "column", name, each.name, score, len(shown))


def _binned(train: NDArray[np.float64], rest: NDArray[np.float64]) -> tuple[Codes, Codes]:
    """Numbers as codes: each value for itself where there are few, else 32 bins of equal counts; missing is a code."""
    known = np.sort(train[~np.isnan(train)])
    values = np.unique(known) if len(known) else known
    if len(values) <= _BINS:
        edges = (values[1:] + values[:-1]) / 2
    else:
        edges = np.unique(known[np.linspace(0, len(known) - 1, _BINS + 1).astype(np.int64)[1:-1]])
    missing = len(edges) + 1
    found = [np.where(np.isnan(each), missing, np.searchsorted(edges, each)) for each in (train, rest)]
    return found[0].astype(np.int64), found[1].astype(np.int64)


def _coded(train: Sequence[str | None], rest: Sequence[str | None]) -> tuple[Codes, Codes]:
    place = {name: i for i, name in enumerate(dict.fromkeys(train))}
    unknown = len(place)
    return np.array([place[name] for name in train]), np.array([place.get(name, unknown) for name in rest])


def _told(train: Codes, rest: Codes, answers: _Answers) -> float:
    """How well the codes tell the judged labels, by what each code goes with in the training rows."""
    codes = int(max(train.max(), rest.max())) + 1
    if answers.numbers:
        sums, counts = np.bincount(train, answers.learned, codes), np.bincount(train, minlength=codes)
        means = np.where(counts > 0, sums / np.maximum(counts, 1), answers.learned.mean())
        off = ((answers.judged - means[rest]) ** 2).sum()
        return float(1 - off / ((answers.judged - answers.judged.mean()) ** 2).sum())
    classes = int(max(answers.learned.max(), answers.judged.max())) + 1
    together = np.bincount(train * classes + answers.learned, minlength=codes * classes).reshape(codes, classes)
    weighed = together / np.maximum(together.sum(axis=0), 1)  # each class counts the same, however rare
    return _balanced(weighed.argmax(axis=1)[rest], answers.judged)


def _balanced(predicted: Codes, truth: Codes) -> float:
    """The mean over the classes of the share of their rows that are right."""
    right, rows = np.bincount(truth, predicted == truth), np.bincount(truth)
    return float((right[rows > 0] / rows[rows > 0]).mean())


def _words(
    slot: str,
    train: Sequence[Any],
    rest: Sequence[Any],
    answers: Sequence[_Answers],
    target: Target,
    owners: Sequence[str],
) -> Iterator[Revealing]:
    learned, shown = ([words_of(each) if isinstance(each, str) else _NONE for each in many] for many in (train, rest))
    had = owned_by(owners, (*learned, *shown)) if any(learned) else Counter[str]()
    everywhere = Counter(word for words in learned for word in words) if had else had
    for each in answers if had else ():
        found: list[Revealing] = []
        told = 0
        for name, member, judged in () if each.numbers else _against_the_rest(each, target):
            telling = [
                Revealing(slot, "word", word, name, score, len(judged))
                for word, score in _telling(learned, everywhere, member, shown, judged)
                if had[word] >= NAMED_BY
            ]
            told += int(judged.sum()) if telling else 0
            found += telling
        # of many classes some have a symptom of their own; what gives the label away tells most rows' class
        if each.name is not None or target.kind != "multiclass" or 2 * told >= len(each.judged):
            yield from found


def _against_the_rest(answers: _Answers, target: Target) -> Iterator[tuple[str | None, NDArray[np.bool_], Codes]]:
    """Of each class its name, whether training rows have it, and whether judged rows do (1 or 0)."""
    if answers.name is not None or target.kind != "multiclass":
        yield answers.name, answers.learned == 1, answers.judged
        return
    for number, name in enumerate(target.classes[:_CLASSES]):
        judged = (answers.judged == number).astype(np.int64)
        if min(judged.sum(), len(judged) - judged.sum()) >= _OF_A_CLASS:
            yield name, answers.learned == number, judged


def _telling(
    learned: Sequence[frozenset[str]],
    everywhere: Mapping[str, int],
    member: NDArray[np.bool_],
    shown: Sequence[frozenset[str]],
    judged: Codes,
) -> Iterator[tuple[str, float]]:
    """The words that by their presence, or absence, tell members from others, and how well they do of judged rows."""
    inside = Counter(word for i in np.flatnonzero(member).tolist() for word in learned[i])
    own, other = max(1, int(member.sum())), max(1, int((~member).sum()))
    for word, rows in everywhere.items():
        gap = inside[word] / own - (rows - inside[word]) / other
        if abs(gap) >= 2 * ALMOST - 1:
            has = np.array([word in words for words in shown]) == (gap > 0)
            if (score := _balanced(has.astype(np.int64), judged)) >= ALMOST:
                yield word, score


def words_of(text: str) -> frozenset[str]:
    """The words of a text in small letters; of Chinese, which has no spaces, each two characters that follow."""
    found: set[str] = set()
    for run in _WORD.findall(text.casefold()):
        found.update((run[i : i + 2] for i in range(len(run) - 1)) if "\u3400" <= run[0] <= "\u9fff" else (run,))
    return frozenset(found)
