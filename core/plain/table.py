"""What the baselines read of table rows: a dense matrix for the linear one, raw columns for trees."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from medplug.core.data.encoding import FIRST, Encoding
from medplug.core.data.tabular import TableRow

MOST_CODES = 255
"""The most categories of a column that scikit-learn's trees tell apart; rarer ones count as missing."""


class PlainTable:
    """Standardised numbers, categories as 0 or 1, and what is missing; float32 ``[rows, columns]``, without a NaN.

    It is what the backbone ``columns`` gives. A row may be None, all of whose values are missing.
    """

    def __init__(self) -> None:
        self._encoding: Encoding | None = None

    def fit_transform(self, rows: Sequence[TableRow | None]) -> NDArray[np.float32]:
        """Learn the encoding from the training rows and give their matrix; `DataError` where none has a value."""
        self._encoding = Encoding.learn(rows)
        return self.transform(rows)

    def transform(self, rows: Sequence[TableRow | None]) -> NDArray[np.float32]:
        """Give the matrix of other rows. Raises RuntimeError before `fit_transform`."""
        if self._encoding is None:
            raise RuntimeError("PlainTable: call fit_transform with the training rows first")
        return self._encoding.dense(self._encoding.encode(rows))


class TreeTable:
    """The columns as trees read them: float64 ``[rows, numeric + categorical]``, NaN where missing.

    Numbers are as written, categories codes from 0 on; a category that training
    rows lack is missing. A row may be None, all of whose values are missing.
    """

    deep = False
    told = "the columns of values"

    def __init__(self) -> None:
        self._encoding: Encoding | None = None

    def fit_transform(self, rows: Sequence[TableRow | None]) -> NDArray[np.float64]:
        """Learn the categories from the training rows and give their matrix; `DataError` where none has a value."""
        self._encoding = Encoding.learn(rows)
        return self.transform(rows)

    def transform(self, rows: Sequence[TableRow | None]) -> NDArray[np.float64]:
        """Give the matrix of other rows. Raises RuntimeError before `fit_transform`."""
        encoding = self._learned()
        numeric = len(encoding.columns.numeric)
        codes = encoding.encode(rows).codes - FIRST
        matrix = np.full((len(rows), numeric + codes.shape[1]), np.nan)
        matrix[:, numeric:] = np.where((codes >= 0) & (codes < MOST_CODES), codes, np.nan)
        for filled, row in zip(matrix, rows, strict=True):
            if row is not None:
                filled[:numeric] = row.numbers
        return matrix

    @property
    def categorical(self) -> NDArray[np.bool_]:
        """Which columns of the matrix are codes. Raises RuntimeError before `fit_transform`."""
        columns = self._learned().columns
        return np.arange(len(columns.numeric) + len(columns.categorical)) >= len(columns.numeric)

    def _learned(self) -> Encoding:
        if self._encoding is None:
            raise RuntimeError("TreeTable: call fit_transform with the training rows first")
        return self._encoding
