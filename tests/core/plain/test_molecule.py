from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from medplug.core.molecules.features import morgan
from medplug.core.plain.molecule import PlainMolecule

pytest.importorskip("rdkit", reason="rdkit is an extra: pip install 'medplug[chem]'")
ROWS = ["CCO", "c1ccccc1", "CCO", "CC(=O)Oc1ccccc1C(=O)O"]


def test_molecules_are_their_morgan_bits_sparse() -> None:
    found = PlainMolecule().fit_transform(ROWS)
    assert sparse.issparse(found) and found.format == "csr" and found.shape == (4, 2048)
    np.testing.assert_array_equal(found.toarray(), morgan(ROWS))


def test_other_molecules_are_read_in_the_same_columns() -> None:
    features = PlainMolecule()
    features.fit_transform(ROWS)
    np.testing.assert_array_equal(features.transform(ROWS[1:2]).toarray(), morgan(ROWS[1:2]))


def test_a_linear_model_learns_a_functional_group() -> None:
    from sklearn.linear_model import LogisticRegression

    acids = ["C" * i + "C(=O)O" for i in range(1, 9)]
    amines = ["C" * i + "CN" for i in range(1, 9)]
    features, labels = PlainMolecule(), [1] * 8 + [0] * 8
    model = LogisticRegression().fit(features.fit_transform(acids + amines), labels)
    assert model.predict(features.transform(["CC(C)C(=O)O", "CC(C)CN"])).tolist() == [1, 0]
