from __future__ import annotations

import math

import numpy as np
import pytest

from medplug.core.plain.protein import PlainProtein
from medplug.core.proteins.reading import AMINO_ACIDS

SEQUENCES = ["MKTAYIAKQR", "GGGGG", "MXXUK", "XXX", "W", "ACDEFGHIKLMNPQRSTVWY" * 3]


def of(sequence: str) -> dict[str, float]:
    """The five last columns."""
    (row,) = PlainProtein().transform([sequence])
    return dict(zip(["length", "hydropathy", "highest", "charge", "aromatic"], row[420:].tolist(), strict=True))


def test_columns_are_shares_of_residues_then_of_pairs() -> None:
    found = PlainProtein().fit_transform(SEQUENCES)
    assert found.shape == (6, 425) and np.isfinite(found).all()
    for row, sequence in zip(found, SEQUENCES, strict=True):
        known = [letter for letter in sequence if letter in AMINO_ACIDS]
        expected = [known.count(letter) / max(len(known), 1) for letter in AMINO_ACIDS]
        np.testing.assert_allclose(row[:20], expected, atol=1e-7)
        pairs = [a + b for a, b in zip(sequence, sequence[1:], strict=False) if a in AMINO_ACIDS and b in AMINO_ACIDS]
        shares = [pairs.count(a + b) / max(len(pairs), 1) for a in AMINO_ACIDS for b in AMINO_ACIDS]
        np.testing.assert_allclose(row[20:420], shares, atol=1e-7)


def test_physical_means_are_what_their_names_say() -> None:
    assert of("KKDE") == pytest.approx({**of("KKDE"), "charge": 0.0, "hydropathy": (-3.9 * 2 - 3.5 * 2) / 4})
    assert of("KKRX")["charge"] == 1 and of("DE")["charge"] == -1
    assert of("FWYA")["aromatic"] == 0.75
    assert of("ACDEF" * 20)["length"] == pytest.approx(math.log1p(100))


def test_a_stretch_through_a_membrane_shows_in_the_highest_mean_and_hardly_in_the_mean() -> None:
    spread, together = "IK" * 19, "I" * 19 + "K" * 19
    assert of(spread)["hydropathy"] == pytest.approx(of(together)["hydropathy"])
    assert of(together)["highest"] == pytest.approx(4.5) and of(spread)["highest"] < 1


def test_letters_of_no_one_amino_acid_count_for_the_length_alone() -> None:
    assert of("XXX") == {"length": math.log1p(3), "hydropathy": 0, "highest": 0, "charge": 0, "aromatic": 0}
    np.testing.assert_allclose(list(of("KFX").values())[1:], list(of("KF").values())[1:])


def test_rows_do_not_depend_on_each_other() -> None:
    together = PlainProtein().transform([*SEQUENCES, SEQUENCES[0]])
    np.testing.assert_array_equal(together[:-1], np.vstack([PlainProtein().transform([each]) for each in SEQUENCES]))
    np.testing.assert_array_equal(together[-1], together[0])
    assert PlainProtein().transform([]).shape == (0, 425)
