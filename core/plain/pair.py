"""Simple features of pairs of texts for the linear baseline: the words of both, and how many they share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from medplug.core.answers.questions import Pair
from medplug.core.data.entities import distinct
from medplug.core.plain.text import PlainText


class PlainPair:
    """TF-IDF of the question, TF-IDF of the context and their cosine side by side; ``[rows, 2 * terms + 1]`` sparse.

    Both have the words and the weights of `PlainText`, learned from all texts of the
    training rows, each counted once. An empty text has no words, and a cosine of 0.
    """

    def __init__(self) -> None:
        self._text = PlainText()

    def fit_transform(self, rows: Sequence[Pair]) -> Any:
        """Learn the words from the training pairs and give their matrix."""
        texts, _ = distinct([text for row in rows for text in (row.question, row.context) if text])
        self._text.fit_transform(texts)
        return self.transform(rows)

    def transform(self, rows: Sequence[Pair]) -> Any:
        """Give the matrix of other pairs. Raises RuntimeError before `fit_transform`."""
        from scipy import sparse
        from sklearn.preprocessing import normalize

        texts, at = distinct([text for row in rows for text in (row.question, row.context)])
        matrix = self._text.transform(texts)
        unit = normalize(matrix)  # of a mixture of languages rows are longer than 1
        cosine = unit[at[::2]].multiply(unit[at[1::2]]).sum(axis=1)
        return sparse.hstack([matrix[at[::2]], matrix[at[1::2]], sparse.csr_matrix(cosine)], format="csr")
