"""Multiple choice without a model: what the options look like, and which words they share with the question."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medplug.core.answers.questions import Choice
from medplug.core.data.entities import distinct
from medplug.core.plain.text import PlainText

Scores = NDArray[np.float64]
"""``[rows, most]``, a score an option, higher being likelier; -inf where a row has fewer options than others."""


class LongestOption:
    """The length of each option in characters: who writes exams is careful to make the right one exact, so long."""

    def fit(self, rows: Sequence[Choice], answers: Sequence[int]) -> None:
        """Learn nothing."""

    def scores(self, rows: Sequence[Choice]) -> Scores:
        """The lengths of the options."""
        return _padded(
            rows, np.array([len(option.strip()) for row in rows for option in row.options], dtype=np.float64)
        )


class OptionOverlap:
    """How many words each option shares with its question and context: the cosine of their TF-IDF.

    Words and their weights are those of `PlainText`, learned from the questions,
    contexts and options of the training rows; their answers are not looked at.
    """

    def __init__(self) -> None:
        self._text = PlainText()

    def fit(self, rows: Sequence[Choice], answers: Sequence[int]) -> None:
        """Learn the words and how rare they are, each text counted once. Raises ValueError where there are none."""
        texts, _ = distinct([text for row in rows for text in (_asked(row), *row.options)])
        self._text.fit_transform(texts)

    def scores(self, rows: Sequence[Choice]) -> Scores:
        """The cosines, 0 where an option shares no known word. Raises RuntimeError before `fit`."""
        asked, at_asked = distinct([_asked(row) for row in rows for _ in row.options])
        options, at_options = distinct([option for row in rows for option in row.options])
        if not asked:
            return np.zeros((len(rows), 0))
        one, other = self._unit(asked)[at_asked], self._unit(options)[at_options]
        return _padded(rows, np.asarray(one.multiply(other).sum(axis=1), dtype=np.float64).ravel())

    def _unit(self, texts: Sequence[str]) -> Any:
        """Rows of length 1 (or 0), of a mixture of languages as well."""
        from sklearn.preprocessing import normalize

        return normalize(self._text.transform(texts))


def _asked(row: Choice) -> str:
    return row.question if row.context is None else f"{row.question}\n{row.context}"


def _padded(rows: Sequence[Choice], scores: Scores) -> Scores:
    """The flat scores of all options as ``[rows, most]``."""
    counts = np.array([len(row.options) for row in rows], dtype=np.int64)
    real = np.arange(counts.max(initial=0)) < counts[:, None]
    found = np.full(real.shape, -np.inf)
    found[real] = scores
    return found
