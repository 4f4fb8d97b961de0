"""Wrong texts for right pairs, so that entailment can be learned from questions and their answers alone."""

from __future__ import annotations

from functools import reduce
from operator import and_
from typing import TYPE_CHECKING

from medplug.core.data import cells
from medplug.core.data.entities import distinct
from medplug.core.data.tables import read_table
from medplug.core.retrieval.bm25 import BM25
from medplug.core.retrieval.negatives import hard_negatives

if TYPE_CHECKING:
    from medplug.core.data.tables import Tabular
    from medplug.plugins.medical_qa.options import MedicalQaData

RIGHT, WRONG = "yes", "no"
"""What pairs that are given, and pairs that are made, are labelled."""


def with_negatives(source: Tabular, key: str, data: MedicalQaData) -> Tabular:
    """The rows labelled yes and after them, labelled no, each question beside ``data.negatives`` texts of other rows.

    BM25 ranks those texts highest that share the question's words; a text that
    answers the question in any row is not taken. A made row has all other columns of its question's
    row; a row without a text, a group or a site makes none. A table with ``data.label`` is left as it
    is. Raises `DataError` for a table that cannot be read.
    """
    import polars as pl

    table = read_table(source, key=key, columns=None)
    if data.label in table.columns or not {data.question, data.other} <= set(table.columns):
        return source  # the core says what is missing
    asked, texts, *further = (cells.texts(table[name], key) for name, key in _named(data) if name in table.columns)
    whole = [column.is_not_null() for column in (asked, texts, *further)]
    usable = reduce(and_, whole).arg_true()  # a bad row is told once, by its own number
    passages, at = distinct(texts.gather(usable).to_list())
    questions, of = distinct(asked.gather(usable).to_list())
    right: list[list[int]] = [[] for _ in questions]
    for question, place in zip(of.tolist(), at.tolist(), strict=True):
        right[question].append(place)
    found = hard_negatives(BM25.fit(passages), questions, right, passages, data.negatives)
    pairs = [
        (row, place) for row, q in zip(usable.to_list(), of.tolist(), strict=True) for place in found[q] if place >= 0
    ]
    wrong = table[[row for row, _ in pairs]].with_columns(
        pl.Series(data.other, [passages[p] for _, p in pairs], pl.String)
    )
    labelled = [each.with_columns(pl.lit(name).alias(data.label)) for each, name in ((table, RIGHT), (wrong, WRONG))]
    return pl.concat(labelled, how="vertical_relaxed")


def _named(data: MedicalQaData) -> list[tuple[str, str]]:
    """The columns whose empty cells make a bad row, both texts first, and the keys that name them."""
    further = ((data.group, "data.group"), (data.site, "data.site"))
    named = [(name, key) for name, key in further if name is not None]
    return [(data.question, "data.question"), (data.other, "data.other"), *named]
