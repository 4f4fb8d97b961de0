"""Graphs of molecules: what the numbers mean, and that they do not depend on how the molecule was written."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from medplug.core.molecules.graph import ATOM, BOND, MoleculeGraph, graph
from medplug.core.molecules.reading import MoleculeError, standardise

Chem = pytest.importorskip("rdkit.Chem", reason="rdkit is an extra: pip install 'medplug[chem]'")
SHARED = Path(os.environ.get("MEDPLUG_SHARED") or Path(__file__).parents[4] / "shared")
WEIGHTS = SHARED / "weights" / "molecule_gcn_contextpred.safetensors"
SMILES = ["CCO", "C[C@H](N)C(=O)O", "F/C=C/F", "c1ccc2[nH]ccc2c1", "C[N+](C)(C)CC#N", "N[Pt](N)(Cl)Cl"]


def column(found: MoleculeGraph, name: str) -> list[int]:
    if name in ATOM:
        return list(found.atoms[:, ATOM.index(name)].tolist())
    return list(found.bonds[::2, BOND.index(name)].tolist())


def test_atoms_are_told_by_number() -> None:
    found = graph("C[N+](C)(C)CC#N")
    assert column(found, "element") == [6, 7, 6, 6, 6, 6, 7]
    assert column(found, "charge") == [0, 1, 0, 0, 0, 0, 0]
    assert column(found, "degree") == [1, 4, 1, 1, 2, 2, 1]
    assert column(found, "hydrogens") == [3, 0, 3, 3, 2, 0, 0]
    assert column(found, "hybridisation") == [4, 4, 4, 4, 4, 2, 2]
    assert column(graph("Cc1ccccc1"), "aromatic") == [0, 1, 1, 1, 1, 1, 1]


def test_bonds_are_told_by_number() -> None:
    assert column(graph("CC=CC#N"), "type") == [0, 1, 0, 2]
    benzene = graph("Cc1ccccc1")
    assert Counter(column(benzene, "type")) == {0: 1, 3: 6} and sum(column(benzene, "ring")) == 6
    assert column(graph("C=CC=C"), "conjugated") == [1, 1, 1] and column(graph("CC=C"), "conjugated") == [0, 0]


def test_mirror_images_differ_in_chirality_and_sides_of_a_double_bond_in_direction() -> None:
    one, other = column(graph("C[C@H](N)C(=O)O"), "chirality"), column(graph("C[C@@H](N)C(=O)O"), "chirality")
    assert one != other and sorted([one[1], other[1]]) == [1, 2] and sum(one) == one[1]
    assert column(graph("F/C=C/F"), "direction") == [1, 0, 1] and column(graph("F/C=C\\F"), "direction") == [1, 0, 2]


@pytest.mark.parametrize("smiles", SMILES)
def test_each_bond_goes_both_ways_with_equal_numbers(smiles: str) -> None:
    found = graph(smiles)
    np.testing.assert_array_equal(found.pairs[:, ::2], found.pairs[::-1, 1::2])
    np.testing.assert_array_equal(found.bonds[::2], found.bonds[1::2])
    assert all(array.dtype == np.int16 for array in (found.atoms, found.pairs, found.bonds))
    degree = np.bincount(found.pairs[0], minlength=len(found.atoms))
    np.testing.assert_array_equal(degree, column(found, "degree"))


@pytest.mark.parametrize("smiles", SMILES)
def test_however_a_molecule_is_written_its_standard_smiles_gives_one_graph(smiles: str) -> None:
    expected = graph(standardise(smiles)).digest
    molecule = Chem.MolFromSmiles(smiles)
    for seed in range(5):
        other = Chem.MolToRandomSmilesVect(molecule, 1, randomSeed=seed + 1)[0]
        assert graph(standardise(other)).digest == expected


def test_digests_tell_molecules_apart() -> None:
    digests = [graph(smiles).digest for smiles in [*SMILES, "F/C=C\\F", "C[C@@H](N)C(=O)O", "CC[OH2+]"]]
    assert len(set(digests)) == len(digests) and {len(digest) for digest in digests} == {16}


def test_a_lone_atom_has_no_bonds() -> None:
    found = graph("[Na+]")
    assert found.atoms.shape == (1, len(ATOM)) and found.pairs.shape == (2, 0) and found.bonds.shape == (0, len(BOND))


def test_a_bad_smiles_is_refused() -> None:
    with pytest.raises(MoleculeError, match="cannot be parsed"):
        graph("CC(")


@pytest.mark.shared
@pytest.mark.skipif(not WEIGHTS.is_file(), reason="no shared weights: set MEDPLUG_SHARED")
def test_numbers_lie_within_the_embeddings_of_pretrained_weights() -> None:
    from safetensors.numpy import load_file

    rows = {name: len(table) for name, table in load_file(WEIGHTS).items() if "embedding" in name}
    for smiles in [*SMILES, "[2H]C", "[U]", "F/C=C\\F"]:
        found = graph(smiles)
        assert found.atoms[:, 0].min() - 1 >= 0 and found.atoms[:, 0].max() - 1 < rows["x_embedding1.weight"]
        assert found.atoms[:, 1].max() < rows["x_embedding2.weight"]
        types, directions = found.bonds[:, 0].max(initial=0), found.bonds[:, 1].max(initial=0)
        assert types < 4 and directions < rows["gnns.0.edge_embedding2.weight"], "type 4 is a loop at an atom"
