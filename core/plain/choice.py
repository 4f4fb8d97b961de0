"""Multiple choice without a model: what the options look like, and which words they share with the question."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medplug.core.answers.options import MOST
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


class PlainChoice:
    """What a linear model is told of every option, as blocks: dense ``[rows, 8 * (features + 1)]``.

    An option's features are its letter (as eight ones and zeros), the logarithm of its length in
    characters, whether none is longer, the words it shares (`OptionOverlap`) and whether none shares more;
    the last column is 1 where the row has the option, and the block of one that it lacks is 0.
    """

    def __init__(self) -> None:
        self._overlap = OptionOverlap()

    def fit_transform(self, rows: Sequence[Choice]) -> NDArray[np.float64]:
        """Learn the words from the training rows and give their matrix."""
        self._overlap.fit(rows, [])
        return self.transform(rows)

    def transform(self, rows: Sequence[Choice]) -> NDArray[np.float64]:
        """Give the matrix of other rows. Raises RuntimeError before `fit_transform`."""
        lengths, overlaps = LongestOption().scores(rows), self._overlap.scores(rows)
        there = np.isfinite(lengths)
        letters = np.broadcast_to(np.eye(MOST)[: there.shape[1]], (*there.shape, MOST))
        told = [np.log1p(np.where(there, lengths, 0.0)), _is_best(lengths), np.where(there, overlaps, 0.0)]
        columns = np.stack([*told, _is_best(overlaps), np.ones(there.shape)], axis=2)
        found = np.zeros((len(rows), MOST, MOST + columns.shape[2]))
        found[:, : there.shape[1]] = np.concatenate([letters, columns], axis=2) * there[..., None]
        return found.reshape(len(rows), MOST * found.shape[2])


def _is_best(scores: Scores) -> NDArray[np.float64]:
    """1 for the options of a row that no other surpasses."""
    return np.asarray(scores == scores.max(axis=1, keepdims=True, initial=-np.inf), dtype=np.float64)


def _asked(row: Choice) -> str:
    return row.question if row.context is None else f"{row.question}\n{row.context}"


def _padded(rows: Sequence[Choice], scores: Scores) -> Scores:
    """The flat scores of all options as ``[rows, most]``."""
    counts = np.array([len(row.options) for row in rows], dtype=np.int64)
    real = np.arange(counts.max(initial=0)) < counts[:, None]
    found = np.full(real.shape, -np.inf)
    found[real] = scores
    return found
