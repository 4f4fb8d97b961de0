"""Simple features of several modalities, side by side, for the baselines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from medplug.core.data.content import JointRow
from medplug.core.plain.features import PlainFeatures, TreeFeatures


class PlainJoint:
    """The plain features of each slot, side by side: ``[rows, columns]``, sparse where any of them is.

    Where a row lacks a slot its columns are 0. A slot that some training rows lack
    has one column more, which is 1 where it is there. Dense columns are
    standardised by the training rows that have them, so that 0 is their mean, and
    so that no unit outweighs a sparse neighbour (the baseline leaves a sparse
    matrix as it is). A slot that no training row has is left out.
    """

    def __init__(self, parts: Mapping[str, PlainFeatures]) -> None:
        self._parts = dict(parts)
        self._blocks: dict[str, _Block] = {}

    def fit_transform(self, rows: Sequence[JointRow]) -> Any:
        """Learn each slot's columns from the training rows that have it, and give their matrix."""
        blocks, matrices = {}, []
        for slot, part in self._parts.items():
            where, values = _present(rows, slot)
            if values:
                blocks[slot], matrix = _Block.fit(part, values, lacking=len(values) < len(rows))
                matrices.append(blocks[slot].spread(matrix, where, len(rows)))
        self._blocks = blocks
        return _beside(matrices, len(rows))

    def transform(self, rows: Sequence[JointRow]) -> Any:
        """Give the matrix of other rows."""
        matrices = []
        for slot, block in self._blocks.items():
            where, values = _present(rows, slot)
            matrices.append(block.spread(block.matrix(values), where, len(rows)))
        return _beside(matrices, len(rows))


class TreeJoint:
    """The columns of several slots as boosted trees read them, side by side; NaN where a row lacks the slot."""

    def __init__(self, parts: Mapping[str, TreeFeatures]) -> None:
        self._parts = dict(parts)

    def fit_transform(self, rows: Sequence[JointRow]) -> NDArray[np.float64]:
        """Learn from the training rows and give their matrix ``[rows, columns]``."""
        return np.hstack([part.fit_transform([row.values[slot] for row in rows]) for slot, part in self._parts.items()])

    def transform(self, rows: Sequence[JointRow]) -> NDArray[np.float64]:
        """Give the matrix of other rows."""
        return np.hstack([part.transform([row.values[slot] for row in rows]) for slot, part in self._parts.items()])

    @property
    def categorical(self) -> NDArray[np.bool_]:
        """Which columns are codes of categories ``[columns]``."""
        return np.concatenate([part.categorical for part in self._parts.values()])

    @property
    def deep(self) -> bool:
        """Whether any slot's columns take larger trees."""
        return any(part.deep for part in self._parts.values())

    @property
    def told(self) -> str:
        """What the trees read of the slots."""
        return " and ".join(dict.fromkeys(part.told for part in self._parts.values()))


@dataclass(frozen=True, slots=True)
class _Block:
    """The columns of one slot; a `scale` (mean and factor) where they are dense, and whether presence is `told`."""

    part: PlainFeatures
    width: int
    scale: tuple[NDArray[np.float64], NDArray[np.float64]] | None
    told: bool

    @classmethod
    def fit(cls, part: PlainFeatures, values: Sequence[Any], *, lacking: bool) -> tuple[_Block, Any]:
        """The block and the matrix of the values that it was fitted on."""
        matrix = part.fit_transform(values)
        if sparse.issparse(matrix):
            return cls(part, matrix.shape[1], None, lacking), matrix
        dense = np.asarray(matrix, dtype=np.float64)
        varies = dense.max(axis=0) > dense.min(axis=0)
        scale = dense.mean(axis=0), 1.0 / np.where(varies, dense.std(axis=0), np.inf)
        block = cls(part, dense.shape[1], scale, lacking)
        return block, block.scaled(dense)

    def matrix(self, values: Sequence[Any]) -> Any:
        """The matrix ``[values, width]`` of other values, of none as well."""
        if not values:
            return np.zeros((0, self.width)) if self.scale else sparse.csr_matrix((0, self.width))
        return self.scaled(self.part.transform(values))

    def scaled(self, matrix: Any) -> Any:
        """Dense columns with mean 0 and deviation 1 of the training rows; sparse ones as they are."""
        if self.scale is None:
            return matrix
        mean, factor = self.scale
        return (np.asarray(matrix, dtype=np.float64) - mean) * factor

    def spread(self, matrix: Any, where: NDArray[np.int64], rows: int) -> Any:
        """The matrix with a row for each of all `rows`, and the column that tells which there are."""
        cells = np.ones(len(where)), (where, np.arange(len(where)))
        places = sparse.csr_matrix(cells, shape=(rows, len(where)))
        placed, there = places @ matrix, places @ np.ones((len(where), 1))
        return _beside([placed, there] if self.told else [placed], rows)


def _present(rows: Sequence[JointRow], slot: str) -> tuple[NDArray[np.int64], list[Any]]:
    """The positions of the rows that have a slot, and their values."""
    where = [i for i, row in enumerate(rows) if row.values[slot] is not None]
    return np.array(where, dtype=np.int64), [rows[i].values[slot] for i in where]


def _beside(matrices: Sequence[Any], rows: int) -> Any:
    if any(sparse.issparse(matrix) for matrix in matrices):
        return sparse.hstack(matrices, format="csr")
    return np.hstack([np.zeros((rows, 0)), *matrices])
