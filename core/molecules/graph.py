"""Molecules as graphs of atoms and bonds, in numbers that pretrained graph networks read."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medplug.core.molecules.reading import parsed

ATOM = ("element", "chirality", "degree", "charge", "hydrogens", "aromatic", "hybridisation")
"""The columns of `MoleculeGraph.atoms`."""
BOND = ("type", "direction", "conjugated", "ring")
"""The columns of `MoleculeGraph.bonds`."""
_CHIRALITIES = ("CHI_UNSPECIFIED", "CHI_TETRAHEDRAL_CW", "CHI_TETRAHEDRAL_CCW")
_TYPES = ("SINGLE", "DOUBLE", "TRIPLE", "AROMATIC")
_DIRECTIONS = ("NONE", "ENDUPRIGHT", "ENDDOWNRIGHT")
_HYBRIDISATIONS = ("UNSPECIFIED", "S", "SP", "SP2", "SP3", "SP2D", "SP3D", "SP3D2", "OTHER")


@dataclass(frozen=True, eq=False)
class MoleculeGraph:
    """The atoms and bonds of one molecule, hydrogens not among them; all int16.

    - `atoms` ``[atoms, 7]``: atomic number (1 to 118), chirality (0 none or of
      another kind, 1 clockwise, 2 counter-clockwise), degree, formal charge
      (signed), hydrogens, aromatic (0 or 1), hybridisation (0 unspecified, 1 s,
      2 sp, 3 sp2, 4 sp3, 5 sp2d, 6 sp3d, 7 sp3d2, 8 other).
    - `pairs` ``[2, 2 * bonds]``: the atoms that each bond joins, both ways, one after the other.
    - `bonds` ``[2 * bonds, 4]``, the same for both ways: type (0 single, 1
      double, 2 triple, 3 aromatic; a bond of another kind, as a dative one,
      counts as single), direction beside a double bond (0 none, 1 up, 2 down),
      conjugated and in a ring (0 or 1).

    Chirality, type and direction are numbered as in Hu et al., Strategies for
    Pre-training Graph Neural Networks, ICLR 2020, whose embeddings of elements
    begin with hydrogen: their row is the atomic number less 1.
    """

    atoms: NDArray[np.int16]
    pairs: NDArray[np.int16]
    bonds: NDArray[np.int16]

    @cached_property
    def digest(self) -> bytes:
        """Sixteen bytes that stand for its content."""
        told = hashlib.blake2b(f"{self.atoms.shape} {self.bonds.shape}".encode(), digest_size=16)
        for array in (self.atoms, self.pairs, self.bonds):
            told.update(np.ascontiguousarray(array).tobytes())
        return told.digest()


def graph(smiles: str) -> MoleculeGraph:
    """The graph of a molecule, its atoms in the order of the SMILES; a standard SMILES gives one graph a molecule.

    Raises `MoleculeError` where the SMILES cannot be read, and `ConfigError`
    where rdkit is not installed.
    """
    molecule = parsed(smiles)
    atoms = [_atom(atom) for atom in molecule.GetAtoms()]
    ends = [(bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()) for bond in molecule.GetBonds()]
    pairs = [pair for a, b in ends for pair in ((a, b), (b, a))]
    bonds = [numbers for bond in molecule.GetBonds() for numbers in (_bond(bond),) * 2]
    return MoleculeGraph(
        np.array(atoms, dtype=np.int16),
        np.ascontiguousarray(np.array(pairs, dtype=np.int16).reshape(-1, 2).T),
        np.array(bonds, dtype=np.int16).reshape(-1, len(BOND)),
    )


def symbols(smiles: str) -> tuple[str, ...]:
    """The element of every atom, in the order of `graph`; raises as that does."""
    return tuple(atom.GetSymbol() for atom in parsed(smiles).GetAtoms())


def _atom(atom: Any) -> tuple[int, ...]:
    return (
        atom.GetAtomicNum(),
        _place(atom.GetChiralTag(), _CHIRALITIES),
        atom.GetDegree(),
        atom.GetFormalCharge(),
        atom.GetTotalNumHs(),
        int(atom.GetIsAromatic()),
        _place(atom.GetHybridization(), _HYBRIDISATIONS),
    )


def _bond(bond: Any) -> tuple[int, ...]:
    return (
        _place(bond.GetBondType(), _TYPES),
        _place(bond.GetBondDir(), _DIRECTIONS),
        int(bond.GetIsConjugated()),
        int(bond.IsInRing()),
    )


def _place(kind: Any, names: tuple[str, ...]) -> int:
    """Where a kind stands among the names; 0 where it does not."""
    return names.index(kind.name) if kind.name in names else 0
