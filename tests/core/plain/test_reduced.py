"""Reduced molecules and proteins as trees read them."""

from __future__ import annotations

import numpy as np
import pytest

from medplug.core.data.content import JointRow
from medplug.core.plain.joint import TreeJoint
from medplug.core.plain.reduced import WIDTH, ReducedEntities, tree_molecules, tree_proteins
from medplug.core.plain.table import TreeTable

LETTERS = np.array(list("ACDEFGHIKLMNPQRSTVWY"))


def sequences(number: int, seed: int = 0) -> list[str]:
    return ["".join(row) for row in np.random.default_rng(seed).choice(LETTERS, (number, 80))]


def test_many_rows_of_an_entity_count_no_more_than_one() -> None:
    few, once, often = sequences(12), tree_proteins(), tree_proteins()
    plain = once.fit_transform(few)
    repeated = often.fit_transform([*few, *[few[0]] * 500])
    np.testing.assert_allclose(repeated[:12], plain, atol=1e-9)
    np.testing.assert_array_equal(repeated[12:], np.repeat(repeated[:1], 500, axis=0))


def test_a_row_is_the_same_whatever_stands_beside_it() -> None:
    features, train, others = tree_proteins(), sequences(100), sequences(20, seed=1)
    fitted = features.fit_transform(train)
    assert fitted.shape == (100, WIDTH + 5) and features.categorical.shape == (WIDTH + 5,)
    np.testing.assert_allclose(features.transform(others + train)[20:], fitted, atol=1e-9)
    np.testing.assert_allclose(features.transform(others[7:8])[0], features.transform(others)[7], atol=1e-9)
    assert features.transform([]).shape == (0, WIDTH + 5)


def test_fitting_again_gives_the_same_columns() -> None:
    np.testing.assert_array_equal(*(tree_proteins().fit_transform(sequences(90)) for _ in range(2)))


def test_likeness_outlasts_the_reduction() -> None:
    ancestors = sequences(10)
    kin = [each[:40] + "ACDE" + each[44:] for each in ancestors]
    found = tree_proteins().fit_transform([*ancestors, *kin])[:, :-5]
    distance = np.linalg.norm(found[:10, None] - found[None, 10:], axis=2)
    assert (distance.argmin(axis=1) == np.arange(10)).all()


def test_a_single_training_entity_leaves_its_plain_numbers() -> None:
    features = tree_proteins()
    assert features.fit_transform(sequences(1) * 3).shape == (3, 5) == features.transform(sequences(3)).shape


def test_nothing_is_read_before_it_is_learned() -> None:
    features = ReducedEntities(lambda rows: (np.eye(len(rows)), np.zeros((len(rows), 1))), "nothing")
    with pytest.raises(RuntimeError, match="fit_transform"):
        features.transform(["a"])
    with pytest.raises(RuntimeError, match="fit_transform"):
        _ = features.categorical


def test_molecules_are_their_counts_reduced_and_their_descriptors() -> None:
    pytest.importorskip("rdkit", reason="rdkit is an extra: pip install 'medplug[chem]'")
    chains = ["C" * i + end for i in range(1, 9) for end in ("O", "N", "C(=O)O")]
    found = tree_molecules().fit_transform(chains)
    assert found.shape == (24, 23 + 20) and np.isfinite(found).all()
    assert found[0, 23] == pytest.approx(32.026, abs=1e-3)  # methanol


def test_pairs_take_deep_trees_and_the_report_says_what_they_read() -> None:
    joint = TreeJoint({"drug": tree_molecules(), "protein": tree_proteins()})
    assert joint.deep and joint.told.startswith("reduced Morgan fingerprints") and "compositions" in joint.told
    table = TreeJoint({"first": TreeTable(), "second": TreeTable()})
    assert not table.deep and table.told == "the columns of values"


def test_slots_stand_side_by_side() -> None:
    joint = TreeJoint({"one": tree_proteins(), "other": tree_proteins()})
    rows = [JointRow({"one": a, "other": b}) for a, b in zip(sequences(9), sequences(9, seed=4), strict=True)]
    assert joint.fit_transform(rows).shape == (9, 2 * (8 + 5)) and joint.categorical.shape == (26,)
