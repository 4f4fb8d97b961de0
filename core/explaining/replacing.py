"""Explanations of rows by replacing, as Shapley values.

Columns and modalities give way to those of other rows, stretches of a recording to a flat line.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from medplug.core.data.content import JointRow
from medplug.core.data.tabular import TableRow
from medplug.core.data.targets import Target
from medplug.core.explaining.answering import Answering, mixed, put, taken
from medplug.core.explaining.attribution import Attribution, Content
from medplug.core.explaining.explain import Asked
from medplug.core.explaining.said import Said
from medplug.core.explaining.segments import of_segments
from medplug.core.explaining.shapley import Coalitions, Places, Shares, Values, shares
from medplug.core.signals.signal import Signal

if TYPE_CHECKING:
    from medplug.core.predictor import Predictor
    from medplug.core.task import Examples

METHOD = "shapley_values"
_BACKGROUND = 32  # rows that stand for what is usual
_LEAST = 2
_ASKED = 128  # predictions behind the values of one row's columns, for each step that is asked for
_ASKED_OF_STRETCHES = 24
MOST_COLUMNS = 500
"""Columns beyond which a row's values are not shared out among them: they would be mostly chance."""


def explained(predictor: Predictor, examples: Examples, asked: Asked) -> list[Attribution]:
    """The Shapley values of every row's columns and stretches and, where there are several modalities, of these.

    What is usual is what ``asked.others`` have (else the examples themselves); with fewer than two
    of them there is nothing to replace anything by, and of columns the missing value stands in.
    """
    slots = {slot: predictor.task.slots[slot] for slot in examples.inputs}
    parted = {"tabular", "signal"} & set(slots.values())
    if not len(examples) or not explainable(predictor.target) or not (parted or len(slots) > 1):
        return []
    answering = Answering(predictor)
    others = (asked.others or examples).values
    random = np.random.default_rng(asked.seed)
    drawn = [others[i] for i in np.sort(random.permutation(len(others))[:_BACKGROUND])]
    values, found = examples.values, list[Attribution]()
    for row, value, predicted in zip(examples.rows.tolist(), values, answering(values), strict=True):
        said = Said.of(predictor.target, predicted)
        if len(slots) > 1:
            found += of_modalities(answering, said, row, value, drawn, asked)
        for slot, modality in slots.items():
            if modality == "tabular":
                found += of_columns(answering, said, row, value, slot, drawn, asked)
            if modality == "signal":
                found += of_stretches(answering, said, row, value, slot, asked)
    return found


def explainable(target: Target) -> bool:
    """Whether one number a row can be told: not of masks, spans, rankings, texts and options."""
    return target.by_row and target.kind != "choice"


def of_columns(
    answering: Answering, said: Said, row: int, value: Any, slot: str, others: Sequence[Any], asked: Asked
) -> list[Attribution]:
    """The values of one table's columns, all else of the row staying as it is; none where it lacks the table."""
    own = taken(value, slot)
    if own is None:
        return []
    names = (*own.columns.numeric, *own.columns.categorical)
    if len(names) > MOST_COLUMNS:
        return []
    background = [each for each in (taken(other, slot) for other in others) if each is not None]
    if len(background) < _LEAST:
        background = [_lacking(own)]

    def game(kept: Coalitions, places: Places) -> Values:
        return said.much(answering([put(value, slot, each) for each in mixed(own, background, kept, places)]))

    found = shares(game, len(names), len(background), asked=_ASKED * asked.steps, seed=asked.seed)
    content = Content(words=_words(own)) if asked.show else Content()
    return [_attribution(row, slot, "tabular", said, "column", names, found, content)]


def of_stretches(answering: Answering, said: Said, row: int, value: Any, slot: str, asked: Asked) -> list[Attribution]:
    """The values of a recording's stretches, all else of the row staying; none where it lacks the recording."""
    own = taken(value, slot)
    if not isinstance(own, Signal):
        return []

    def much(recordings: Sequence[Signal]) -> Values:
        return said.much(answering([put(value, slot, each) for each in recordings]))

    found, names = of_segments(much, own, _ASKED_OF_STRETCHES * asked.steps, asked.seed)
    return [_attribution(row, slot, "signal", said, "segment", names, found, Content())]


def of_modalities(
    answering: Answering, said: Said, row: int, value: JointRow, others: Sequence[JointRow], asked: Asked
) -> list[Attribution]:
    """The values of the modalities that one row has, each given way to that of other rows that have it."""
    has = [slot for slot, each in value.values.items() if each is not None]
    usual = {slot: [other[slot] for other in others if other[slot] is not None] for slot in has}
    if len(has) < _LEAST or min(map(len, usual.values())) < _LEAST:
        return []
    most = max(map(len, usual.values()))

    def game(kept: Coalitions, places: Places) -> Values:
        rows = []
        for keeps, place in zip(kept.tolist(), places.tolist(), strict=True):
            given = {
                slot: value[slot] if keep else usual[slot][place % len(usual[slot])]
                for slot, keep in zip(has, keeps, strict=True)
            }
            rows.append(JointRow({**value.values, **given}))
        return said.much(answering(rows))

    found = shares(game, len(has), most, asked=_ASKED * asked.steps, seed=asked.seed)
    return [_attribution(row, "", "", said, "modality", tuple(has), found, Content())]


def _attribution(
    row: int, slot: str, modality: str, said: Said, unit: Any, names: tuple[str, ...], found: Shares, content: Content
) -> Attribution:
    return Attribution(
        row=row,
        slot=slot,
        modality=modality,
        method=METHOD,
        predicted=said.name,
        unit=unit,
        scores=found.values,
        names=names,
        total=found.predicted - found.usual,
        content=content,
    )


def _lacking(own: TableRow) -> TableRow:
    """A row without any value."""
    return TableRow(own.columns, np.full_like(own.numbers, np.nan), (None,) * len(own.names))


def _words(own: TableRow) -> tuple[str, ...]:
    """The row's values as text, for those who may see them."""
    return (*(f"{number:g}" for number in own.numbers), *("" if name is None else name for name in own.names))
