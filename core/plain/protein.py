"""Simple features of proteins for the linear baseline: what they are made of, and how it is spread."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from medplug.core.data.entities import distinct
from medplug.core.proteins.kmers import kmers, words
from medplug.core.proteins.reading import AMINO_ACIDS

WINDOW = 19
"""Residues over which hydropathy is averaged to find stretches that span a membrane (Kyte and Doolittle, 1982)."""
_HYDROPATHY = {
    **{"A": 1.8, "C": 2.5, "D": -3.5, "E": -3.5, "F": 2.8, "G": -0.4, "H": -3.2, "I": 4.5, "K": -3.9, "L": 3.8},
    **{"M": 1.9, "N": -3.5, "P": -1.6, "Q": -3.5, "R": -4.5, "S": -0.8, "T": -0.7, "V": 4.2, "W": -0.9, "Y": -1.3},
}
_CHARGE = {"K": 1.0, "R": 1.0, "D": -1.0, "E": -1.0}
_AROMATIC = {"F": 1.0, "W": 1.0, "Y": 1.0}


class PlainProtein:
    """What a linear model is told of a protein, dense ``[rows, 425]``, each sequence by itself.

    The shares of the 20 amino acids and of the 400 pairs of neighbours, the
    logarithm of the length, the mean hydropathy (Kyte and Doolittle, J Mol Biol
    1982) and its highest mean over 19 residues, the net charge a residue and the
    share of aromatic residues. Letters that stand for no one amino acid (X, U,
    B, Z, O) count for the length alone. Nothing is learned.
    """

    def fit_transform(self, rows: Sequence[str]) -> NDArray[np.float64]:
        """The matrix of the training sequences."""
        return self.transform(rows)

    def transform(self, rows: Sequence[str]) -> NDArray[np.float64]:
        """The matrix of any sequences."""
        once, at = distinct(rows)
        if not once:
            return np.zeros((0, 425))
        composition = [kmers(once, k=k).toarray().astype(np.float64) for k in (1, 2)]
        return np.hstack([*composition, whole(once)])[at]


def whole(sequences: Sequence[str]) -> NDArray[np.float64]:
    """The last five columns of `PlainProtein` ``[sequences, 5]``: length, hydropathy, charge, aromatic residues."""
    return np.array([_of_whole(sequence) for sequence in sequences]).reshape(-1, 5)


def _of_whole(sequence: str) -> list[float]:
    """Length, hydropathy, charge and aromatic residues of a sequence; 0 where it has no residue of a known kind."""
    codes = words(sequence, 1)
    if not len(codes):
        return [math.log1p(len(sequence)), 0.0, 0.0, 0.0, 0.0]
    hydropathy = _scale(_HYDROPATHY)[codes]
    width = min(WINDOW, len(codes))
    sums = np.concatenate([[0.0], np.cumsum(hydropathy)])
    highest = float((sums[width:] - sums[:-width]).max()) / width
    means = (float(_scale(scale)[codes].mean()) for scale in (_CHARGE, _AROMATIC))
    return [math.log1p(len(sequence)), float(hydropathy.mean()), highest, *means]


def _scale(values: dict[str, float]) -> NDArray[np.float64]:
    return np.array([values.get(letter, 0.0) for letter in AMINO_ACIDS])
