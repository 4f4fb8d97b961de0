"""Molecules that are alike: skeletons, and clusters by shared neighbourhoods."""

from __future__ import annotations

import random

import numpy as np
import pytest

from medplug.core.molecules.clusters import clusters, skeletons
from medplug.core.molecules.reading import MoleculeError

Chem = pytest.importorskip("rdkit.Chem", reason="rdkit is an extra: pip install 'medplug[chem]'")
TAILS = ("", "C", "CC", "CCC", "CCCC", "CCCCC", "CCCCCC", "CCCCCCC", "CCCCCCCC", "N", "O", "OC", "Cl", "F", "CS")
CORES = ("c1ccccc1", "c1ccncc1", "C1CCNCC1", "c1ccc2ccccc2c1", "C1CC(=O)NC1", "c1ccsc1")
SERIES = [tail + core for tail in TAILS for core in CORES]


def sets(smiles: list[str]) -> list[set[int]]:
    from rdkit.Chem import rdFingerprintGenerator

    generator = rdFingerprintGenerator.GetMorganGenerator(radius=2)
    return [set(generator.GetSparseFingerprint(Chem.MolFromSmiles(each)).GetOnBits()) for each in smiles]


def linked_plainly(smiles: list[str], threshold: float) -> set[frozenset[int]]:
    """Single linkage as it is defined: every pair compared, components by walking."""
    found, seen = sets(smiles), set()
    groups = set()
    for start in range(len(smiles)):
        if start in seen:
            continue
        group, waiting = {start}, [start]
        while waiting:
            one = waiting.pop()
            for other in range(len(smiles)):
                if other not in group and len(found[one] & found[other]) >= threshold * len(found[one] | found[other]):
                    group.add(other)
                    waiting.append(other)
        seen |= group
        groups.add(frozenset(group))
    return groups


def groups_of(numbers: list[int]) -> set[frozenset[int]]:
    return {frozenset(np.flatnonzero(np.array(numbers) == number).tolist()) for number in set(numbers)}


@pytest.mark.parametrize("threshold", [0.3, 0.5, 0.7, 0.9, 1.0])
def test_clusters_are_those_of_comparing_every_pair(threshold: float) -> None:
    assert groups_of(clusters(SERIES, threshold)) == linked_plainly(SERIES, threshold)


def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = clusters(SERIES, 0.6)
    monkeypatch.setattr("medplug.core.molecules.clusters._BLOCK", 7)
    monkeypatch.setattr("medplug.core.molecules.clusters._PAIRS", 3)
    assert clusters(SERIES, 0.6) == whole


def test_numbers_do_not_depend_on_the_order_of_rows() -> None:
    order = random.Random(0).sample(range(len(SERIES)), len(SERIES))
    numbers, shuffled = clusters(SERIES, 0.5), clusters([SERIES[i] for i in order], 0.5)
    assert [numbers[i] for i in order] == shuffled
    assert set(numbers) == set(range(len(set(numbers))))


def test_equal_molecules_are_together_and_no_molecules_are_no_clusters() -> None:
    assert clusters(["CCO", "c1ccccc1", "CCO"], 1.0) == [0, 1, 0]
    assert clusters([], 0.5) == []


def test_a_threshold_that_is_no_share_is_refused() -> None:
    with pytest.raises(ValueError, match="threshold must be above 0 and at most 1; got 0"):
        clusters(["C"], 0)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("C[C@H](N)C(=O)O", "C[C@@H](N)C(=O)O"),
        ("C/C=C/C", "C/C=C\\C"),
        ("CC(=O)O", "CC(=O)[O-]"),
        ("CCN", "CC[NH3+]"),
        ("Oc1ccccn1", "O=c1cccc[nH]1"),
        ("Cc1c[nH]cn1", "Cc1cnc[nH]1"),
        ("[2H]C", "C"),
    ],
)
def test_stereochemistry_protons_and_mobile_hydrogens_leave_the_skeleton_as_it_is(one: str, other: str) -> None:
    first, second = skeletons([one, other])
    assert first == second and len(first) == 14


def test_other_molecules_have_other_skeletons() -> None:
    assert len(set(skeletons(["CCO", "COC", "CCC", "CC=O"]))) == 4


def test_what_cannot_be_read_is_refused_without_its_content() -> None:
    with pytest.raises(MoleculeError) as told:
        skeletons(["C1CC(secret"])
    assert "secret" not in str(told.value)
