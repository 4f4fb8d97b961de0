"""The passages that questions are answered from, each once, and which of them are right for which question."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from medplug.core.data import cells
from medplug.core.data.problems import Problems
from medplug.core.errors import DataError

if TYPE_CHECKING:
    import polars as pl

    from medplug.core.data.tables import Tabular
    from medplug.core.evaluation.retrieval import Relevance

Pairs = Sequence[tuple[str, str]]
"""Two texts a row: a question and its passage, or a passage's id and its text."""
_BYTES = 8


def normal(text: str) -> str:
    """The text as it is compared with others: letter case and white space mean nothing."""
    return " ".join(text.casefold().split())


def content_id(text: str) -> str:
    """The id of a passage that has none: sixteen digits of its content, equal where `normal` texts are."""
    return hashlib.blake2b(normal(text).encode("utf-8", "surrogatepass"), digest_size=_BYTES).hexdigest()


def numbered(texts: Sequence[str]) -> NDArray[np.int64]:
    """A number a text ``[texts]``, from 0 as they are first met, equal where their `normal` texts are."""
    known: dict[str, int] = {}
    return np.array([known.setdefault(normal(text), len(known)) for text in texts], dtype=np.int64)


@dataclass(frozen=True, slots=True)
class Corpus:
    """Passages, no two of equal content, in the order they were met.

    `rows` finds the passage of every id that was met: ids of equal texts stand for one passage, the first.
    """

    ids: list[str]
    texts: list[str]
    rows: Mapping[str, int]

    @classmethod
    def of(cls, passages: Iterable[tuple[str, str]]) -> Corpus:
        """Gather (id, text) pairs; `DataError` where one id stands for different texts."""
        ids: list[str] = []
        texts: list[str] = []
        rows: dict[str, int] = {}
        by_content: dict[str, int] = {}
        differing = set()
        for name, text in passages:
            row = by_content.setdefault(normal(text), len(texts))
            if row == len(texts):
                ids.append(name)
                texts.append(text)
            if rows.setdefault(name, row) != row:
                differing.add(name)
        if differing:
            raise DataError(
                f"{len(differing)} passage id(s) stand for different texts in different rows; give each text an id of "
                "its own, or leave the column of ids out (data.passage_id)"
            )
        return cls(ids, texts, rows)

    def __len__(self) -> int:
        return len(self.texts)

    @property
    def sha256(self) -> str:
        """The SHA-256, in hex, of all ids and texts in order."""
        parts = json.dumps([self.ids, self.texts]).encode()
        return hashlib.sha256(parts).hexdigest()

    def table(self) -> pl.DataFrame:
        """Its passages as they are kept: columns ``id`` and ``passage``."""
        import polars as pl

        from medplug.core.retrieval.index import ID, PASSAGE

        return pl.DataFrame({ID: self.ids, PASSAGE: self.texts}, schema={ID: pl.String, PASSAGE: pl.String})

    def at(self, rows: Sequence[int]) -> list[str]:
        """The texts at some rows."""
        return [self.texts[row] for row in rows]


@dataclass(frozen=True, slots=True)
class Questions:
    """The distinct questions of some rows: their `texts`, the position of each one's `first` row, and `of` each row."""

    texts: list[str]
    first: NDArray[np.int64]
    of: NDArray[np.int64]

    @classmethod
    def among(cls, asked: Sequence[str]) -> Questions:
        """Those of these rows; questions are equal where their `normal` texts are."""
        of = numbered(asked)
        first = np.unique(of, return_index=True)[1].astype(np.int64)
        return cls([asked[row] for row in first], first, of)

    @classmethod
    def of_rows(cls, values: Sequence[Any]) -> Questions:
        """Those of rows' raw values."""
        return cls.among([value.question for value in values])

    def __len__(self) -> int:
        return len(self.texts)


def relevance(questions: Questions, pairs: Pairs, texts: Sequence[str]) -> Relevance:
    """For each question the rows of its right passages among `texts`: all that `pairs` name with it.

    A pair whose passage is not there says nothing.
    """
    place = {normal(text): number for number, text in enumerate(questions.texts)}
    rows = {normal(text): row for row, text in reversed(list(enumerate(texts)))}
    found: list[dict[int, float]] = [{} for _ in questions.texts]
    for question, passage in pairs:
        number, row = place.get(normal(question)), rows.get(normal(passage))
        if number is not None and row is not None:
            found[number][row] = 1.0
    return found


def read_passages(
    source: Tabular, *, key: str, passage: tuple[str, str], identifier: tuple[str, str] | None
) -> list[tuple[str, str]]:
    """The passages of a table as (id, text); `passage` and `identifier` are a column's configuration key and its name.

    Without an `identifier` an id is made of the content. Raises `DataError` for a table that
    cannot be read or lacks a column, `RowsError` for rows without a passage or an id, and for ids that repeat.
    """
    from medplug.core.data.tables import read_table, table_name

    table = read_table(source, key=key, columns=dict([passage] if identifier is None else [passage, identifier]))
    problems = Problems(table_name(source))
    texts = cells.texts(table[passage[1]], passage[0])
    cells.refuse(problems, texts.is_null(), passage[1], "the passage is empty")
    if identifier is None:
        problems.stop("")
        return [(content_id(text), text) for text in texts.to_list()]
    ids = cells.texts(table[identifier[1]], identifier[0])
    cells.refuse(problems, ids.is_null(), identifier[1], "the id is empty")
    again = ids.is_not_null() & ~ids.is_first_distinct()
    cells.refuse(problems, again, identifier[1], "the id is that of an earlier row; each passage needs its own")
    problems.stop("")
    return list(zip(ids.to_list(), texts.to_list(), strict=True))


def read_corpus(source: Tabular, *, key: str, passage: tuple[str, str], identifier: tuple[str, str] | None) -> Corpus:
    """The passages of a table, each once; as `read_passages`."""
    return Corpus.of(read_passages(source, key=key, passage=passage, identifier=identifier))


def pairs_of(values: Sequence[Any]) -> list[tuple[str, str]]:
    """The (question, passage) texts of rows."""
    return [(value.question, value.context) for value in values]


def passages_of(values: Sequence[Any], labels: Sequence[Any]) -> list[tuple[str, str]]:
    """The (id, text) of the passages of rows; `labels` are their ids."""
    return [(str(label), value.context) for value, label in zip(values, labels, strict=True)]
