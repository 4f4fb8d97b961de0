"""Scaffolds, fingerprints and descriptors."""

from __future__ import annotations

import numpy as np
import pytest

from medplug.core.molecules import features
from medplug.core.molecules.features import DESCRIPTORS, descriptors, morgan, scaffold
from medplug.core.molecules.reading import MoleculeError, standardise

Chem = pytest.importorskip("rdkit.Chem", reason="rdkit is an extra: pip install 'medplug[chem]'")
ASPIRIN = "CC(=O)Oc1ccccc1C(=O)O"
CAFFEINE = "Cn1c(=O)c2c(ncn2C)n(C)c1=O"


def test_side_chains_do_not_change_a_scaffold_and_rings_do() -> None:
    assert scaffold("CCc1ccccc1") == scaffold(ASPIRIN) == standardise("c1ccccc1")
    assert scaffold("c1ccc(CCc2ccncc2)cc1") == standardise("c1ccc(CCc2ccncc2)cc1"), "what links rings stays"
    assert scaffold("c1ccncc1") != scaffold("c1ccccc1")
    assert scaffold("CCCCO") == ""


def test_mirror_images_have_one_scaffold() -> None:
    assert scaffold("O=C1C[C@H](c2ccccc2)CN1") == scaffold("O=C1C[C@@H](c2ccccc2)CN1")


def test_fingerprints_do_not_depend_on_how_a_molecule_is_written() -> None:
    one, other, caffeine = morgan([ASPIRIN, "OC(=O)c1ccccc1OC(C)=O", CAFFEINE])
    np.testing.assert_array_equal(one, other)
    assert one.dtype == np.uint8 and set(one.tolist()) == {0, 1} and one.shape == (2048,)
    assert not np.array_equal(one, caffeine)


def test_neighbourhoods_of_no_bonds_are_the_kinds_of_atoms() -> None:
    (methane, ethane, decane) = morgan(["C", "CC", "C" * 10], radius=0)
    assert methane.sum() == ethane.sum() == 1 and decane.sum() == 2, "ends and middles"


def test_counts_say_how_often_and_stop_at_255() -> None:
    molecules = [ASPIRIN, CAFFEINE, "C" * 600]
    bits, counts = morgan(molecules, bits=64), morgan(molecules, bits=64, counts=True)
    np.testing.assert_array_equal(bits, (counts > 0).astype(np.uint8))
    assert counts[2].max() == 255 and counts[0].max() > 1


def test_a_part_has_no_bit_that_the_whole_lacks_at_radius_0() -> None:
    part, whole = morgan(["c1ccccc1C", "c1ccccc1CC(N)C"], radius=0)
    assert (part <= whole).all()


def test_each_distinct_molecule_is_computed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []
    real = features.parsed
    monkeypatch.setattr(features, "parsed", lambda smiles: seen.append(smiles) or real(smiles))
    found = morgan(["CCO", "CCC", "CCO"])
    np.testing.assert_array_equal(found[0], found[2])
    assert descriptors(["CCO", "CCO"]).shape == (2, len(DESCRIPTORS))
    assert seen == ["CCO", "CCC", "CCO"]


def test_descriptors_are_what_their_names_say() -> None:
    aspirin, caffeine = (dict(zip(DESCRIPTORS, row, strict=True)) for row in descriptors([ASPIRIN, CAFFEINE]))
    assert aspirin["weight"] == pytest.approx(180.0423, abs=1e-3)  # C9H8O4 of the lightest common isotopes
    assert aspirin["heavy_atoms"] == 13 and aspirin["heteroatoms"] == 4 and aspirin["donors"] == 1
    assert aspirin["aromatic_rings"] == aspirin["rings"] == 1 and aspirin["heterocycles"] == 0
    assert aspirin["polar_surface"] == pytest.approx(63.6, abs=0.01)
    assert aspirin["sp3_carbons"] == pytest.approx(1 / 9)
    assert caffeine["rings"] == 2 and caffeine["heterocycles"] == 2 and caffeine["donors"] == 0
    assert aspirin["logp"] > caffeine["logp"]
    (alanine,) = descriptors(["C[C@H](N)C(=O)O"])
    assert alanine[DESCRIPTORS.index("stereo_centres")] == 1


def test_descriptors_are_finite_and_named_one_by_one() -> None:
    found = descriptors([ASPIRIN, CAFFEINE, "C", "[Na+]", "N[Pt](N)(Cl)Cl", "[H][H]"])
    assert np.isfinite(found).all() and found.shape == (6, len(set(DESCRIPTORS)))


def test_no_molecules_give_empty_matrices() -> None:
    assert morgan([]).shape == (0, 2048) and descriptors([]).shape == (0, len(DESCRIPTORS))


@pytest.mark.parametrize("compute", [scaffold, lambda smiles: morgan([smiles]), lambda smiles: descriptors([smiles])])
def test_a_bad_smiles_is_refused_without_quoting_it(compute: object) -> None:
    with pytest.raises(MoleculeError, match="cannot be parsed") as caught:
        compute("secret(")  # type: ignore[operator]
    assert "secret" not in str(caught.value)
