from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from medplug.core.data.leakage import Leak, compare
from medplug.core.data.twins import Alike, Twins
from medplug.core.task import Examples


def rows(values: list[Any], groups: list[Any] | None = None, labels: list[Any] | None = None) -> Examples:
    return Examples(np.arange(1, len(values) + 1), {"text": values}, labels, groups)


def check(splits: dict[str, Examples], alike: Alike | None = None) -> list[Leak]:
    return compare(splits, alike=alike)[0]


def twins(splits: dict[str, Examples], alike: Alike | None = None) -> Twins:
    found = compare(splits, alike=alike)[1]
    assert found is not None
    return found


def test_clean_splits_have_no_leaks():
    assert check({"train": rows(["a", "b"], ["p", "q"]), "test": rows(["c"], ["r"])}) == []


def test_shared_groups_are_counted_for_every_pair():
    leaks = check(
        {
            "train": rows(["a", "b", "c"], ["p", "q", "r"]),
            "validation": rows(["d", "e"], ["s", "t"]),
            "test": rows(["f", "g", "h", "i"], ["p", "p", "q", "s"]),
        }
    )
    assert leaks == [
        Leak("same group", "train", "test", 3, 2, 0.75),
        Leak("same group", "validation", "test", 1, 1, 0.25),
    ]


def test_texts_are_the_same_after_normalising():
    train = rows(["Fever and cough", "ﬁbrosis Ⅳ", "STRASSE", "Ünder"])
    test = rows(["  fever\tAND\n cough ", "fibrosis iv", "straße", "U\u0308NDER", "fever", "Fever, and cough"])
    assert check({"train": train, "test": test}) == [Leak("same text", "train", "test", 4, None, 4 / 6)]


def test_empty_inputs_and_missing_groups_match_nothing():
    train = rows(["", None, " ", "a"], [None, "", None, "p"])
    assert check({"train": train, "test": rows([" ", "", None], [None, "", "q"])}) == []


def test_arrays_and_bytes_are_compared_by_content_type_and_shape():
    image = np.arange(6.0).reshape(2, 3)
    train = rows([image, b"abc"])
    test = rows([image.copy(), image.T.copy(), image.reshape(3, 2), image.astype(np.float32), b"abc", "abc", b"abd"])
    assert [leak.rows for leak in check({"train": train, "test": test})] == [2]


def test_several_slots_leak_only_as_a_whole():
    def pairs(drugs: list[str | None], proteins: list[str | None]) -> Examples:
        return Examples(np.arange(len(drugs)), {"drug": drugs, "protein": proteins})

    train = pairs(["d1", "d2", "ab", None], ["p1", "p2", "c", None])
    test = pairs(["d1", "d1", "a", None], ["p1", "p2", "bc", None])
    assert check({"train": train, "test": test}) == [Leak("same inputs", "train", "test", 1, None, 0.25)]


def test_an_empty_split_has_no_leaks():
    assert check({"train": rows(["a"], ["p"]), "test": rows([], [])}) == []


def test_a_leak_shows_no_content():
    leaks = check({"train": rows(["Zanzibar"], ["Zanzibar"]), "test": rows(["Zanzibar"], ["Zanzibar"])})
    assert len(leaks) == 2 and "zanzibar" not in repr(leaks).lower()


def test_planted_leaks_are_counted_exactly():
    rng = np.random.default_rng(0)
    texts = [f"note {i}" for i in range(5000)]
    shared = rng.choice(3000, size=137, replace=False)
    test = texts[3000:] + [texts[i].upper() for i in shared]
    (leak,) = check({"train": rows(texts[:3000]), "test": rows(test)})
    assert leak.rows == 137 and leak.share == pytest.approx(137 / len(test))


def test_leakage_is_checked_without_torch():
    code = "import sys, medplug.core.data.leakage, medplug.core.data.splits; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_case_counts_in_molecules_and_proteins() -> None:
    ring, chain = Examples(np.arange(1), {"drug": ["c1ccccc1"]}), Examples(np.arange(1), {"drug": ["C1CCCCC1"]})
    assert compare({"train": ring, "test": chain}, {"drug": "molecule"})[0] == []
    assert len(compare({"train": ring, "test": chain}, {"drug": "text"})[0]) == 1


def test_near_identical_inputs_are_counted_beside_the_same_ones() -> None:
    splits = {"train": rows(["a", "b"]), "validation": rows(["c"]), "test": rows(["a", "d", "e", "f"])}
    alike = Alike({"train": ["1", "2"], "validation": ["3"], "test": ["9", "2", "3", ""]}, "by number")
    assert check(splits, alike) == [
        Leak("same text", "train", "test", 1, None, 0.25),
        Leak("near-identical text", "train", "test", 2, None, 0.5),
        Leak("near-identical text", "validation", "test", 1, None, 0.25),
    ]
    found = twins(splits, alike)
    assert found.same.tolist() == [True, False, False, False]
    assert found.near is not None and found.near.tolist() == [True, True, True, False]
    assert found.means == "by number"


def test_twins_stand_in_training_or_validation_and_not_in_unlabelled_rows() -> None:
    splits = {"train": rows(["a"]), "unlabelled": rows(["b"]), "validation": rows(["c"]), "test": rows(["a", "b", "C"])}
    assert twins(splits).same.tolist() == [True, False, True]
    assert twins(splits).near is None


def test_rows_without_a_key_are_like_nothing() -> None:
    splits = {"train": rows(["a"]), "test": rows(["b"])}
    assert check(splits, Alike({"train": [""], "test": [""]}, "")) == []
