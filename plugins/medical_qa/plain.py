"""Simple features of questions and what they are asked of, for the linear baseline."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from medplug.core.plain.text import PlainText


class PlainTexts:
    """TF-IDF of both texts of a pair, side by side; sparse ``[rows, columns]``."""

    def __init__(self) -> None:
        self._parts = (PlainText(), PlainText())

    def fit_transform(self, rows: Sequence[Any]) -> Any:
        """Learn the words of each side and give the matrix."""
        from scipy.sparse import hstack

        return hstack(
            [part.fit_transform(texts) for part, texts in zip(self._parts, _sides(rows), strict=True)]
        ).tocsr()

    def transform(self, rows: Sequence[Any]) -> Any:
        """Give the matrix of other rows."""
        from scipy.sparse import hstack

        return hstack([part.transform(texts) for part, texts in zip(self._parts, _sides(rows), strict=True)]).tocsr()


def _sides(rows: Sequence[Any]) -> tuple[list[str], list[str]]:
    return [row.question for row in rows], [row.context or "none" for row in rows]
