"""Pairs kept apart by drug, protein, both, scaffold and cluster, and across domains; what is nearly the same."""

from __future__ import annotations

import os
from itertools import combinations, product
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from pydantic import ValidationError

from medplug.core.data.dataset import Dataset, load_dataset
from medplug.core.data.reading import fingerprints
from medplug.core.errors import DataError
from medplug.core.molecules.features import scaffold
from medplug.core.proteins import kmers
from medplug.core.task import Examples
from medplug.plugins.drug_target.options import RULES, DrugTargetData, DrugTargetOptions
from medplug.plugins.drug_target.splitting import alike, domains, scaffolds, units
from medplug.plugins.drug_target.task import DrugTarget

pytest.importorskip("rdkit.Chem", reason="rdkit is an extra: pip install 'medplug[chem]'")
SHARED = Path(os.environ.get("MEDPLUG_SHARED") or Path(__file__).parents[4] / "shared") / "data"
CORES = ("c1ccccc1", "c1ccncc1", "C1CCNCC1", "c1ccc2ccccc2c1", "C1CC(=O)NC1", "c1ccsc1", "c1cnc2[nH]ccc2c1", "C1CCOC1")
DRUGS = [tail + core for core in CORES for tail in ("", "Cl", "CCO")] + ["CCO", "CCN", "CC(=O)O"]
SPLITS = ("train", "validation", "test")


def sequences(families: int = 9, members: int = 3, seed: int = 0) -> list[str]:
    """Families of sequences, whose members differ from the first by one residue in forty."""
    draw = np.random.default_rng(seed)
    letters, found = np.array(list("ACDEFGHIKLMNPQRSTVWY")), []
    for _ in range(families):
        first = draw.choice(letters, 200)
        for member in range(members):
            other = first.copy()
            other[draw.choice(200, 5 * member, replace=False)] = "A"
            found.append("".join(other))
    return found


def table(drugs: list[str] = DRUGS, proteins: list[str] | None = None) -> pl.DataFrame:
    """Every drug with every protein, and an affinity."""
    every = list(product(drugs, proteins or sequences()))
    draw = np.random.default_rng(1)
    return pl.DataFrame(
        {
            "smiles": [drug for drug, _ in every],
            "sequence": [protein for _, protein in every],
            "label": draw.normal(6, 1, len(every)).round(3),
            "fold": draw.integers(0, 5, len(every)),
        }
    )


def load(frame: pl.DataFrame | None = None, *, seed: int = 0, oracle: bool = False, **keys: Any) -> Dataset:
    data = DrugTargetData(**{"train": table() if frame is None else frame, "duplicates": "keep", **keys})
    task = DrugTarget(DrugTargetOptions(target="regression"), data)
    sha256 = fingerprints(task, data, ())
    return load_dataset(task, data, by=(), seed=seed, sample=False, sha256=sha256, oracle=oracle)


def of(found: Dataset, split: str) -> tuple[list[str], list[str]]:
    return found.splits[split].inputs["drug"], found.splits[split].inputs["protein"]


def keys_of(found: Dataset, split: str, rule: str) -> dict[str, list[str]]:
    """The keys of a split, with clusters numbered over all rows."""
    drugs, proteins = of(found, split)
    if rule != "cluster":
        return units(drugs, proteins, rule, 0.03)
    every = sequences()
    number = dict(zip(every, kmers.clusters(every, 0.03), strict=True))
    return {"cluster": [str(number[protein]) for protein in proteins]}


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("rule", RULES)
def test_no_key_of_a_rule_is_in_two_splits_and_every_row_is_accounted_for(rule: str, seed: int) -> None:
    found = load(split=rule, shares=(0.6, 0.2, 0.2), seed=seed)
    keys = {split: keys_of(found, split, rule) for split in SPLITS}
    for name in keys["train"]:
        for one, other in combinations(SPLITS, 2):
            assert not set(keys[one][name]) & set(keys[other][name])
    kept = sum(len(found.splits[split]) for split in SPLITS)
    left = found.facts.counts.get("rows left out because their drug and protein fall in different splits", 0)
    assert kept + left == table().height and (left > 0) is (rule == "cold_pair")
    assert f"({rule}), stratified by the label's quantile, seed {seed}" in found.facts.split_by
    assert found.twins is not None and not found.twins.same.any()


def test_the_same_seed_gives_the_same_splits() -> None:
    rows = [load(split="cold_pair", seed=seed).splits["train"].rows.tolist() for seed in (3, 3, 4)]
    assert rows[0] == rows[1] != rows[2]


@pytest.mark.parametrize("rule", ["cold_drug", "cold_pair", "scaffold"])
def test_validation_rows_are_cut_by_the_rule_where_folds_name_the_test(rule: str) -> None:
    found = load(split=rule, split_column="fold", test_folds="4")
    assert len(found.splits["test"]) == int((table()["fold"] == 4).sum())
    drugs = {split: set(of(found, split)[0]) for split in SPLITS}
    assert not drugs["train"] & drugs["validation"] and drugs["test"] & drugs["train"]
    assert "cut off its training rows by" in found.facts.split_by and f"({rule})" in found.facts.split_by


def test_validation_rows_are_cut_by_the_rule_where_the_test_has_its_own_table() -> None:
    found = load(table().head(600), test=table().tail(50), split="cold_drug")
    assert not set(of(found, "train")[0]) & set(of(found, "validation")[0])
    assert len(found.splits["train"]) + len(found.splits["validation"]) == 600


def test_a_drug_without_rings_stands_for_itself() -> None:
    assert scaffolds(["CCO", "CCN", "Clc1ccccc1", "CCO"]) == ["CCO", "CCN", scaffold("c1ccccc1"), "CCO"]


def test_a_rule_needs_enough_of_what_it_divides() -> None:
    with pytest.raises(DataError, match=r"data.split=cluster: the rows have 2 different protein cluster\(s\)"):
        load(table(proteins=sequences(families=2)), split="cluster")


def test_unknown_rules_are_told_with_the_known_ones() -> None:
    with pytest.raises(ValidationError, match="cold_drug, cold_target, cold_pair, scaffold, cluster, or three shares"):
        DrugTargetData(split="cold")


# ---- nearly the same


def pairs(drugs: list[str], proteins: list[str]) -> Examples:
    return Examples(np.arange(1, len(drugs) + 1), {"drug": drugs, "protein": proteins})


def test_pairs_are_alike_where_drug_and_protein_both_are() -> None:
    first, near, _, other, *_ = sequences()
    long = "CCCCCCCCCCCCCCCCCCCCc1ccccc1"
    train = pairs(["C[C@H](N)C(=O)O", long, "CCO"], [first, first, first])
    test = pairs(["C[C@@H](N)C(=O)O", "C" + long, "CCO", "CCN", "CCO"], [near, first, first, first, other])
    keys = alike({"train": train, "test": test}).keys
    assert [key in set(keys["train"]) for key in keys["test"]] == [True, True, True, False, False]


def test_keys_do_not_depend_on_the_order_of_rows_or_splits() -> None:
    drugs, proteins = [list(each) for each in zip(*product(DRUGS, sequences(3)), strict=True)]
    one, other = pairs(drugs, proteins), pairs(drugs[::-1], proteins[::-1])
    assert alike({"train": one, "test": other}).keys["train"] == alike({"a": other, "b": one}).keys["b"]


def test_a_mirror_image_across_splits_is_a_near_leak_and_no_exact_one() -> None:
    frame = table(drugs=["C[C@H](N)c1ccccc1", "C[C@@H](N)c1ccccc1", "c1ccncc1CC"], proteins=sequences(4, 2))
    frame = frame.with_columns(split=pl.Series(["train"] * 8 + ["test"] * 8 + ["validation"] * 8))
    found = load(frame, split_column="split")
    kinds = {(leak.kind, leak.rows) for leak in found.facts.leaks}
    assert kinds == {("near-identical inputs", 8)}
    assert found.twins is not None and found.twins.near is not None
    assert found.twins.near.all() and not found.twins.same.any()


# ---- domains across clusters


def test_no_drug_or_protein_of_the_target_is_of_a_cluster_of_the_source() -> None:
    found = load(domains="cluster")
    source, target = {"drug": set(), "protein": set()}, {"drug": set(), "protein": set()}
    for split, rows in found.splits.items():
        for slot, values in rows.inputs.items():
            (source if split in ("train", "validation") else target)[slot].update(values)
    assert not source["drug"] & target["drug"] and not source["protein"] & target["protein"]
    every = sequences()
    number = dict(zip(every, kmers.clusters(every, 0.03), strict=True))
    assert not {number[each] for each in source["protein"]} & {number[each] for each in target["protein"]}
    assert found.facts.split_by.endswith("the domains are made of the rows themselves")


def test_all_source_rows_are_learned_from_or_chosen_by_and_a_fifth_of_the_target_is_tested_on() -> None:
    found = load(domains="cluster")
    assert found.facts.counts["rows of the source and target sites held out and not used"] == 0
    left = found.facts.counts["rows of neither the source nor the target sites left out"]
    assert left > 0 and left + sum(map(len, found.splits.values())) == table().height
    target = len(found.splits["unlabelled"]) + len(found.splits["test"])
    assert len(found.splits["test"]) / target == pytest.approx(0.2, abs=0.05)
    assert found.splits["unlabelled"].labels is None and found.splits["test"].sites is None


def test_target_labels_and_an_oracle_are_chosen_by_on_the_target() -> None:
    for keys in ({"target_labels": 20}, {"oracle": True}):
        found = load(domains="cluster", **keys)
        assert found.splits["validation"].tells_of_target


def test_an_oracle_chooses_on_the_target_where_a_column_names_the_test_alone() -> None:
    frame = table().with_columns(split=pl.when(pl.col("fold") == 4).then(pl.lit("test")).otherwise(pl.lit("train")))
    found = load(frame, domains="cluster", split_column="split", oracle=True)
    assert found.splits["validation"].tells_of_target


def test_domains_go_with_a_rule() -> None:
    found = load(domains="cluster", split="cold_target", cluster_likeness=0.6)
    assert not set(of(found, "train")[1]) & set(of(found, "validation")[1])
    assert not set(of(found, "unlabelled")[1]) & set(of(found, "test")[1])


def test_sixty_per_cent_of_the_clusters_are_the_source() -> None:
    unlike = sequences(10, 1)
    every = [(drug, protein) for drug in DRUGS for protein in unlike]
    told = domains([drug for drug, _ in every], [protein for _, protein in every], 0.03, seed=0)
    source = {protein for (_, protein), each in zip(every, told, strict=True) if each == "source"}
    target = {protein for (_, protein), each in zip(every, told, strict=True) if each == "target"}
    assert (len(source), len(target)) == (6, 4)
    assert set(told) == {"source", "target", ""}


def test_one_cluster_alone_makes_no_domains() -> None:
    with pytest.raises(DataError, match="all proteins are of one cluster"):
        load(table(proteins=sequences(1)), domains="cluster")


@pytest.mark.parametrize("keys", [{"site": "fold"}, {"source_sites": ["a"]}, {"unlabelled": "more.csv"}])
def test_domains_of_clusters_leave_no_room_for_others(keys: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="data.domains=cluster makes the domains itself"):
        DrugTargetData(domains="cluster", **keys)


def test_the_keys_of_a_run_of_domains_can_be_given_again() -> None:
    told = DrugTargetData(domains="cluster").model_dump(mode="json")
    assert DrugTargetData(**told).source_sites == ("source",)


# ---- Davis


@pytest.mark.shared
@pytest.mark.skipif(not SHARED.is_dir(), reason="no shared data: set MEDPLUG_SHARED to the folder that holds data/")
def test_davis_has_929_test_pairs_with_a_twin() -> None:
    found = load(
        SHARED / "dti_davis/davis.csv.gz", label="affinity", split_column="fold", test_folds="9", validation_folds="4"
    )
    assert [len(found.splits[name]) for name in SPLITS] == [20037, 5009, 5010]
    assert found.twins is not None and found.twins.near is not None
    assert found.twins.same.sum() == 929
    assert found.twins.near.sum() == 1058
