"""Simple features of molecules for the linear baseline: which small neighbourhoods of atoms they have."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from medplug.core.data.entities import distinct
from medplug.core.molecules.features import morgan


class PlainMolecule:
    """Morgan bits (radius 2, 2,048 bits) of SMILES: sparse ``[rows, 2048]`` of 0 and 1, each molecule by itself.

    Nothing is learned. Raises `MoleculeError` where a SMILES cannot be read.
    """

    def fit_transform(self, rows: Sequence[str]) -> Any:
        """The matrix of the training molecules."""
        return self.transform(rows)

    def transform(self, rows: Sequence[str]) -> Any:
        """The matrix of any molecules."""
        from scipy import sparse

        once, at = distinct(rows)  # a table of pairs has few molecules and many rows
        return sparse.csr_matrix(morgan(once), dtype=float)[at]
