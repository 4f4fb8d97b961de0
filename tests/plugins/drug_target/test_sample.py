"""The built-in sample is what its description says."""

from __future__ import annotations

import numpy as np
import pytest

from medplug.core.errors import ConfigError
from medplug.core.molecules.reading import standardise
from medplug.core.proteins.reading import standardise as standardise_sequence
from medplug.plugins.drug_target.sample import DRUGS, FRAGMENTS, MOTIFS, PROTEINS, SCAFFOLDS, sample

pytest.importorskip("rdkit.Chem", reason="rdkit is an extra: pip install 'medplug[chem]'")


def test_it_is_the_same_every_time_small_and_has_entities_that_recur() -> None:
    table = sample()
    assert table.equals(sample())
    assert 1_500 < table.height < 2_500
    assert len({standardise(text) for text in table["smiles"].unique()}) == DRUGS
    assert table["sequence"].n_unique() == PROTEINS
    assert table.select("drug", "smiles").n_unique() == DRUGS and table.select("target", "sequence").n_unique() == 48
    assert not table.select("smiles", "sequence").is_duplicated().any()


def test_every_sequence_is_a_protein_with_two_of_the_motifs() -> None:
    for sequence in sample()["sequence"].unique():
        assert standardise_sequence(sequence) == sequence
        assert sum(motif in sequence for motif in MOTIFS) == 2


def test_every_fragment_fits_every_scaffold() -> None:
    for scaffold in SCAFFOLDS:
        for fragment in FRAGMENTS:
            assert standardise(scaffold.format(fragment, fragment))


def test_the_affinity_is_of_a_usual_size_and_lies_in_who_meets_whom() -> None:
    table = sample()
    labels = table["label"].to_numpy()
    assert 2 < labels.min() < 4 and 9 < labels.max() < 11
    one_hot = np.hstack(
        [np.eye(n)[table[c].cast(str).rank("dense").to_numpy() - 1] for c, n in (("drug", DRUGS), ("target", PROTEINS))]
    )
    fitted = one_hot @ np.linalg.lstsq(one_hot, labels, rcond=None)[0]
    assert 0.2 < np.var(labels - fitted) / np.var(labels) < 0.7


def test_it_stands_under_the_columns_that_the_keys_name(task) -> None:
    made = task({"smiles": "SMILES", "label": "pKd", "drug": "drug", "target": "target"})
    assert made.sample().columns == ["drug", "target", "SMILES", "sequence", "pKd"]


@pytest.mark.parametrize("key", [{"drugs": "d.csv"}, {"targets": "t.fasta"}, {"unit": "nM"}])
def test_keys_about_a_table_of_ones_own_ask_for_it(task, key: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match=rf"data\.{next(iter(key))} says how data.train is read"):
        task(key).sample()
