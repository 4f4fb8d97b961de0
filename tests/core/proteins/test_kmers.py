"""k-mers and clusters: shares against a plain count, and clusters that depend on nothing but the sequences."""

from __future__ import annotations

import os
import random
import time
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from scipy import sparse

from medplug.core.proteins.kmers import CONJOINT, clusters, kmers
from medplug.core.proteins.reading import AMINO_ACIDS

SHARED = Path(os.environ.get("MEDPLUG_SHARED") or Path(__file__).parents[4] / "shared") / "data"
DAVIS = SHARED / "dti_davis" / "davis.csv.gz"
RANDOM = random.Random(0)


def protein(length: int) -> str:
    return "".join(RANDOM.choices(AMINO_ACIDS, k=length))


def changed(sequence: str, share: float) -> str:
    return "".join(RANDOM.choice(AMINO_ACIDS) if RANDOM.random() < share else letter for letter in sequence)


@pytest.mark.parametrize("groups", [tuple(AMINO_ACIDS), CONJOINT])
@pytest.mark.parametrize("k", [1, 2, 3])
def test_shares_are_those_of_a_plain_count(k: int, groups: tuple[str, ...]) -> None:
    sequences = [protein(50), "MKXXTAYUIAK", "MK", "", "XXXX", protein(9), "MK"]
    found = kmers(sequences, k, groups)
    assert sparse.issparse(found) and found.shape == (7, len(groups) ** k) and found.dtype == np.float32
    group = {letter: number for number, letters in enumerate(groups) for letter in letters}
    for row, sequence in zip(found.toarray(), sequences, strict=True):
        windows = [sequence[i : i + k] for i in range(len(sequence) - k + 1)]
        counts = Counter(tuple(group[x] for x in window) for window in windows if all(x in group for x in window))
        expected = np.zeros(len(groups) ** k)
        for word, times in counts.items():
            place = sum(letter * len(groups) ** (k - 1 - i) for i, letter in enumerate(word))
            expected[place] = times / counts.total()
        np.testing.assert_allclose(row, expected, atol=1e-6)


def test_the_conjoint_triad_has_343_columns_and_puts_each_residue_in_one_group() -> None:
    assert kmers(["MKT"], 3, CONJOINT).shape[1] == 343 and sorted("".join(CONJOINT)) == sorted(AMINO_ACIDS)
    assert (kmers(["AVG"], 3, CONJOINT) != kmers(["GGA"], 3, CONJOINT)).nnz == 0


def test_no_sequences_give_an_empty_matrix_and_no_clusters() -> None:
    assert kmers([]).shape == (0, 8000) and clusters([], 0.5) == []


def test_families_are_found() -> None:
    founders = [protein(300) for _ in range(5)]
    family = [i for i in range(5) for _ in range(12)]
    found = clusters([changed(founders[i], 0.05) for i in family], 0.2)
    assert len(set(found)) == 5 and len(set(zip(family, found, strict=True))) == 5


def test_a_fragment_joins_the_whole_and_an_unrelated_sequence_does_not() -> None:
    whole, other = protein(400), protein(350)
    assert clusters([whole[100:200], other, whole], 0.9) == [0, 1, 0]


def test_a_very_long_sequence_does_not_draw_in_the_unrelated() -> None:
    assert clusters([protein(200), protein(35_000), protein(300)], 0.05) == [2, 0, 1]


def test_the_order_of_rows_and_repeats_change_nothing() -> None:
    founders = [protein(200) for _ in range(8)]
    sequences = [changed(founders[i % 8], 0.15) for i in range(80)]
    expected = dict(zip(sequences, clusters(sequences, 0.2), strict=True))
    assert 8 <= len(set(expected.values())) < 80
    mixed = [*sequences, *sequences[:9]]
    RANDOM.shuffle(mixed)
    assert clusters(mixed, 0.2) == [expected[sequence] for sequence in mixed]


@pytest.mark.parametrize("threshold", [0.1, 0.4, 1.0])
def test_each_member_is_like_the_first_of_its_cluster_and_no_two_firsts_are_alike(threshold: float) -> None:
    founders = [protein(120) for _ in range(30)]
    sequences = [changed(founders[i % 30][: RANDOM.randint(60, 120)], 0.1) for i in range(600)]  # more than one block
    sets = {each: {each[i : i + 5] for i in range(len(each) - 4)} for each in sequences}
    members: dict[int, list[str]] = defaultdict(list)
    for sequence, number in zip(sequences, clusters(sequences, threshold), strict=True):
        members[number].append(sequence)
    firsts = [min(members[number], key=lambda each: (-len(each), each)) for number in range(len(members))]
    assert firsts == sorted(firsts, key=lambda each: (-len(each), each))
    for number, first in enumerate(firsts):
        assert all(len(sets[each] & sets[first]) >= threshold * len(sets[each]) for each in members[number])
        assert all(len(sets[first] & sets[other]) < threshold * len(sets[first]) for other in firsts[:number])


def test_equal_sequences_are_together_and_those_without_a_word_alone() -> None:
    found = clusters(["MK", "XXXXXXX", "MK", "MKV"], 0.5)
    assert found[0] == found[2] and len(set(found)) == 3


def test_thousands_are_clustered_in_seconds() -> None:
    founders = [protein(RANDOM.randint(100, 600)) for _ in range(500)]
    sequences = [changed(founders[i % 500], 0.05) for i in range(2000)]
    began = time.perf_counter()
    found = clusters(sequences, 0.2)
    assert time.perf_counter() - began < 8
    assert len(set(found)) == 500


@pytest.mark.parametrize("threshold", [0.0, -1.0, 1.5, float("nan")])
def test_another_threshold_is_refused(threshold: float) -> None:
    with pytest.raises(ValueError, match="threshold"):
        clusters(["MKV"], threshold)


@pytest.mark.shared
@pytest.mark.skipif(not DAVIS.is_file(), reason="no shared data: set MEDPLUG_SHARED")
def test_kinases_of_davis_fall_into_clusters_of_kin() -> None:
    table = pl.read_csv(DAVIS, columns=["protein_id", "sequence"]).unique(maintain_order=True)
    number = dict(zip(table["protein_id"], clusters(table["sequence"].to_list(), 0.1), strict=True))
    assert 100 < len(set(number.values())) < 379
    assert number["AKT1"] == number["AKT2"] == number["AKT3"] and number["ABL1"] == number["ABL1(T315I)"]
    assert len({number[name] for name in ("AKT1", "ABL1", "EGFR", "JAK2(JH1domain-catalytic)")}) == 4
