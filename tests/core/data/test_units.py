"""Splits by a rule of a task's own: what stays together, what is left out, and what cannot be done."""

from __future__ import annotations

from itertools import combinations, product

import numpy as np
import pytest

from medplug.core.data.splits import LEFT_OUT, TEST, TRAIN, VALIDATION, split_rows
from medplug.core.data.units import left_out, split_units, told
from medplug.core.errors import DataError

SHARES = (0.7, 0.1, 0.2)
DRUGS, PROTEINS = 40, 50


def pairs(drugs: int = DRUGS, proteins: int = PROTEINS) -> tuple[list[str], dict[str, list[str]]]:
    """Every drug with every protein, and a label that neither tells."""
    every = list(product(range(drugs), range(proteins)))
    labels = np.random.default_rng(0).choice(["yes", "no"], len(every), p=[0.2, 0.8]).tolist()
    return labels, {"drug": [f"d{drug}" for drug, _ in every], "protein": [f"p{protein}" for _, protein in every]}


def keys_of(where: np.ndarray, keys: list[str]) -> dict[str, set[str]]:
    return {name: {keys[i] for i in np.flatnonzero(where == name)} for name in (TRAIN, VALIDATION, TEST)}


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("names", [("drug",), ("protein",), ("drug", "protein")])
def test_no_key_is_in_two_splits(names: tuple[str, ...], seed: int) -> None:
    labels, both = pairs()
    units = {name: both[name] for name in names}
    where = split_units(labels, units, rule="cold", fractions=SHARES, seed=seed)
    for keys in units.values():
        found = keys_of(where, keys)
        assert all(found.values())
        assert not any(found[one] & found[other] for one, other in combinations(found, 2))


def test_of_one_unit_no_row_is_left_out_and_shares_are_met() -> None:
    labels, both = pairs()
    where = split_units(labels, {"drug": both["drug"]}, rule="cold", fractions=SHARES, seed=1)
    counts = {name: int((where == name).sum()) for name in (TRAIN, VALIDATION, TEST, LEFT_OUT)}
    assert counts[LEFT_OUT] == 0 and sum(counts.values()) == len(labels)
    assert [counts[name] / len(labels) for name in (TRAIN, VALIDATION, TEST)] == pytest.approx(SHARES, abs=0.03)


def test_of_two_units_a_row_is_left_out_exactly_where_its_keys_disagree() -> None:
    labels, both = pairs()
    where = split_units(labels, both, rule="cold_pair", fractions=SHARES, seed=3)
    found = [keys_of(where, keys) for keys in both.values()]
    of = [{key: name for name, keys in each.items() for key in keys} for each in found]
    for drug, protein, split in zip(*both.values(), where, strict=True):
        assert split == (of[0][drug] if of[0][drug] == of[1][protein] else LEFT_OUT)
    assert np.mean(where == TEST) == pytest.approx(0.04, abs=0.015)
    assert np.mean(where == TRAIN) == pytest.approx(0.49, abs=0.05)


def test_the_seed_alone_decides() -> None:
    labels, both = pairs()
    one, again, other = (split_units(labels, both, rule="cold", fractions=SHARES, seed=seed) for seed in (5, 5, 6))
    assert one.tolist() == again.tolist() != other.tolist()


def test_a_share_of_nothing_is_an_empty_split() -> None:
    labels, both = pairs()
    where = split_units(labels, both, rule="cold", fractions=(0.8, 0.2, 0.0), seed=0)
    assert set(where.tolist()) == {TRAIN, VALIDATION, LEFT_OUT}


def test_one_unit_is_split_as_groups_are() -> None:
    labels, both = pairs()
    where = split_units(labels, {"drug": both["drug"]}, rule="cold", fractions=SHARES, seed=2)
    assert where.tolist() == split_rows(labels, groups=both["drug"], fractions=SHARES, seed=2).tolist()


def test_too_few_keys_are_told_with_the_rule_and_what_they_are() -> None:
    labels, both = pairs(drugs=2)
    with pytest.raises(DataError, match=r"data.split=cold_drug: the rows have 2 different drug\(s\), too few for 3"):
        split_units(labels, {"drug": both["drug"]}, rule="cold_drug", fractions=SHARES, seed=0)


def test_a_split_that_no_row_is_left_for_is_told_with_what_helps() -> None:
    chain = [f"k{i}" for i in range(10)]  # each drug with a protein of its own
    with pytest.raises(DataError, match="no row of the (validation|test) split is left(.|\n)*data.shares"):
        split_units(["a"] * 10, {"drug": chain, "protein": chain[::-1]}, rule="cold_pair", fractions=SHARES, seed=0)


def test_the_words_name_the_units_and_the_rule() -> None:
    units = {"drug": ["a"], "protein": ["b"]}
    assert told(units, "cold_pair") == "drug and protein (cold_pair)"
    assert left_out(units) == "rows left out because their drug and protein fall in different splits"
