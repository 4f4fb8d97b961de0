"""Molecules and proteins as boosted trees read them: what they are made of, reduced to a few columns."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from medplug.core.data.entities import distinct
from medplug.core.molecules.features import descriptors, morgan
from medplug.core.plain.protein import whole
from medplug.core.proteins.kmers import kmers

if TYPE_CHECKING:
    from sklearn.decomposition import TruncatedSVD

WIDTH = 64
"""The most columns that a fingerprint or a composition becomes."""
Described = tuple[Any, NDArray[np.float64]]


class ReducedEntities:
    """Columns for trees ``[rows, columns]`` of entities that many rows share, each distinct one computed once.

    `told` says in words what trees read. `describe` gives of distinct entities a wide
    matrix, dense or sparse, and a few plain numbers of each. The wide one is reduced by a truncated singular value
    decomposition (as in latent semantic analysis, Deerwester et al. 1990) that is
    fitted on the distinct training entities, so that one of many rows counts no
    more than another; the numbers stand behind its columns as they are.
    """

    deep = True

    def __init__(self, describe: Callable[[Sequence[str]], Described], told: str) -> None:
        self._describe, self.told = describe, told
        self._reduction: TruncatedSVD | None = None
        self._columns = 0

    def fit_transform(self, rows: Sequence[str]) -> NDArray[np.float64]:
        """Learn the reduction from the training entities and give the matrix of their rows."""
        from sklearn.decomposition import TruncatedSVD

        once, at = distinct(rows)
        wide, plain = self._describe(once)
        width = min(WIDTH, min(wide.shape) - 1)
        self._reduction = TruncatedSVD(width, random_state=0).fit(wide) if width > 0 else None
        found = self._beside(wide, plain)
        self._columns = found.shape[1]
        return found[at]

    def transform(self, rows: Sequence[str]) -> NDArray[np.float64]:
        """The matrix of other rows. Raises RuntimeError before `fit_transform`."""
        if not self._columns:
            raise RuntimeError("ReducedEntities: call fit_transform with the training rows first")
        once, at = distinct(rows)
        return self._beside(*self._describe(once))[at] if once else np.zeros((0, self._columns))

    @property
    def categorical(self) -> NDArray[np.bool_]:
        """No column is a code. Raises RuntimeError before `fit_transform`."""
        if not self._columns:
            raise RuntimeError("ReducedEntities: call fit_transform with the training rows first")
        return np.zeros(self._columns, dtype=np.bool_)

    def _beside(self, wide: Any, plain: NDArray[np.float64]) -> NDArray[np.float64]:
        if self._reduction is None:  # a single entity in training: nothing to tell apart
            return plain
        return np.hstack([self._reduction.transform(wide), plain])


def tree_molecules() -> ReducedEntities:
    """SMILES as Morgan counts (logarithms of one more, reduced) and the twenty descriptors.

    Raises `MoleculeError` where a SMILES cannot be read.
    """
    return ReducedEntities(
        lambda smiles: (np.log1p(morgan(smiles, counts=True).astype(np.float64)), descriptors(smiles)),
        "reduced Morgan fingerprints and descriptors of the molecules",
    )


def tree_proteins() -> ReducedEntities:
    """Sequences as square roots of the shares of three residues in a row (reduced), and what they are as a whole."""
    return ReducedEntities(
        lambda sequences: (kmers(sequences).astype(np.float64).sqrt(), whole(sequences)),
        "reduced 3-mer compositions of the proteins",
    )
