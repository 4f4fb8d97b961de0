from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest

from medplug.core.data.dataset import Dataset, load_dataset
from medplug.core.data.leakage import Leak
from medplug.core.data.reading import fingerprints
from medplug.core.errors import ConfigError, DataError, RowsError
from medplug.core.task import Examples
from medplug.plugins.text_diagnosis.options import TextDiagnosisData, TextDiagnosisOptions
from medplug.plugins.text_diagnosis.task import TextDiagnosis

SPLITS = ["train", "validation", "test"]
LEFT = "rows of neither the source nor the target sites left out"
UNUSED = "rows of the source and target sites held out and not used"


def table(name: str, rows: int, classes: str = "xy", **columns: Any) -> pl.DataFrame:
    """Texts ``NAME 0``, ``NAME 1`` ..., with labels in turn."""
    texts = [f"{name} {i}" for i in range(rows)]
    labels = [classes[i % len(classes)] for i in range(rows)]
    return pl.DataFrame({"text": texts, "label": labels}).with_columns(
        pl.Series(column, values) for column, values in columns.items()
    )


def hospitals(rows: int = 40, names: str = "ABC", **columns: Any) -> pl.DataFrame:
    """As many rows of each hospital, which its texts begin with."""
    return pl.concat([table(name, rows, **columns).with_columns(site=pl.lit(name)) for name in names])


def load(*, oracle: bool = False, seed: int = 0, by: tuple[str, ...] = (), **keys: Any) -> Dataset:
    data = TextDiagnosisData(**keys)
    task = TextDiagnosis(TextDiagnosisOptions(), data)
    sha256 = fingerprints(task, data, by)
    return load_dataset(task, data, by=by, seed=seed, sample=False, sha256=sha256, oracle=oracle)


def load_sites(rows: pl.DataFrame | None = None, **keys: Any) -> Dataset:
    """A is the source and B the target."""
    named = {"site": "site", "source_sites": ["A"], "target_sites": ["B"], "split": [0.5, 0.25, 0.25]}
    return load(train=hospitals() if rows is None else rows, **{**named, **keys})


def origins(found: Dataset, split: str) -> set[str]:
    """The tables or hospitals that a split's texts come from."""
    return {text.split()[0] for text in texts(found, split)}


def texts(found: Dataset, split: str) -> list[str]:
    return found.splits[split].inputs["text"]


def of_target(found: Dataset, split: str = "train") -> list[bool]:
    marks = found.splits[split].of_target
    assert marks is not None and len(marks) == len(found.splits[split])
    return marks.tolist()


def test_without_domains_nothing_is_marked_and_nothing_unlabelled() -> None:
    found = load(train=table("one", 40))
    assert list(found.splits) == SPLITS
    assert found.splits["train"].of_target is None


def test_a_source_table_is_learned_from_beside_the_target_and_never_judged_on() -> None:
    found = load(source=table("source", 30), train=table("target", 40), unlabelled=table("more", 20))
    assert list(found.splits) == ["train", "unlabelled", "validation", "test"]
    assert origins(found, "validation") == origins(found, "test") == {"target"}
    assert [text.split()[0] for text in texts(found, "train")] == ["source"] * 30 + ["target"] * 28
    assert of_target(found) == [False] * 30 + [True] * 28
    assert texts(found, "unlabelled") == [f"more {i}" for i in range(20)]
    assert all(of_target(found, "unlabelled"))
    assert found.facts.domains == {"source": 30, "target": 28}


def test_a_source_table_alone_is_split_itself_and_nothing_of_the_target_is_labelled() -> None:
    found = load(source=table("source", 40), unlabelled=table("target", 20))
    assert [origins(found, split) for split in SPLITS] == [{"source"}] * 3
    assert not any(of_target(found))
    assert origins(found, "unlabelled") == {"target"}


def test_a_source_table_is_judged_on_a_test_table_of_the_target() -> None:
    found = load(source=table("source", 40), unlabelled=table("target", 20), test=table("judged", 10))
    assert (origins(found, "train"), origins(found, "validation")) == ({"source"}, {"source"})
    assert origins(found, "test") == {"judged"}
    assert len(found.splits["train"]) + len(found.splits["validation"]) == 40


def test_an_oracle_chooses_by_a_validation_table_of_the_target() -> None:
    found = load(
        source=table("source", 40), unlabelled=table("target", 20), validation=table("chosen", 10), oracle=True
    )
    assert origins(found, "validation") == {"chosen"}
    assert origins(found, "train") == {"source"}


def test_a_training_table_is_the_source_of_what_is_unlabelled() -> None:
    found = load(train=table("source", 40), unlabelled=table("target", 20))
    assert [origins(found, split) for split in SPLITS] == [{"source"}] * 3
    assert not any(of_target(found)) and all(of_target(found, "unlabelled"))


@pytest.mark.parametrize("label", [None, "wrong", ["x"] * 9])
def test_labels_of_the_unlabelled_table_are_never_read(label: Any) -> None:
    unlabelled = table("target", 9).drop("label")
    if label is not None:
        unlabelled = unlabelled.with_columns(label=pl.lit(label) if isinstance(label, str) else pl.Series(label))
    found = load(train=table("source", 40), unlabelled=unlabelled)
    assert found.splits["unlabelled"].labels is None
    assert "unlabelled" not in found.labels
    assert found.target.classes == ("x", "y")


def test_what_the_unlabelled_tables_labels_are_changes_nothing_not_even_its_fingerprint() -> None:
    one, two = (load(train=table("source", 40), unlabelled=table("target", 9, names)) for names in ("xy", "z"))
    assert one.facts.sha256 == two.facts.sha256
    assert [texts(one, split) for split in one.splits] == [texts(two, split) for split in two.splits]


def test_a_text_is_needed_in_every_unlabelled_row() -> None:
    with pytest.raises(RowsError, match="row 2, column text: the text is empty"):
        load(train=table("source", 40), unlabelled={"text": ["a", ""]})
    found = load(train=table("source", 40), unlabelled={"text": ["a", "", "b"]}, on_error="skip")
    assert texts(found, "unlabelled") == ["a", "b"]
    assert [(split, problem.row) for split, problem in found.facts.rejected] == [("unlabelled", 2)]


def test_patients_and_sites_may_be_missing_where_rows_are_only_learned_from() -> None:
    target = table("target", 40, patient=[f"p{i // 2}" for i in range(40)], site=["B"] * 40, sex=["f", "m"] * 20)
    keys = {"group": "patient", "site": "site", "by": ("sex",)}
    found = load(source=table("source", 30), train=target, unlabelled=table("more", 9), **keys)
    train = found.splits["train"]
    assert train.groups is not None and train.sites is not None
    assert (set(train.groups[:30]), set(train.sites[:30])) == ({""}, {""})
    assert all(group.startswith("p") for group in train.groups[30:])
    assert found.splits["unlabelled"].groups is None
    assert set(found.splits["test"].by["sex"]) <= {"f", "m"}
    assert found.facts.leaks == []


def test_patients_of_the_source_and_unlabelled_tables_are_known_where_given() -> None:
    target = table("target", 40, patient=[f"p{i // 2}" for i in range(40)])
    given = {"source": table("source", 4, patient=list("abcd")), "unlabelled": table("more", 2, patient=["q", "r"])}
    found = load(train=target, group="patient", **given)
    train = found.splits["train"]
    assert train.groups is not None and train.groups[:4] == ["a", "b", "c", "d"]
    assert found.splits["unlabelled"].groups == ["q", "r"]


def test_a_source_that_is_split_itself_needs_its_patients() -> None:
    with pytest.raises(DataError, match=r"data\.source .*there is no column 'patient'"):
        load(source=table("source", 30), unlabelled=table("more", 9), group="patient")


def test_every_table_has_its_fingerprint_and_facts() -> None:
    names = ["source", "train", "unlabelled", "validation", "test"]
    found = load(**{name: table(name, 8) for name in names})
    assert sorted(found.facts.sha256) == sorted(found.facts.tables) == sorted(names)
    assert len(set(found.facts.sha256.values())) == 5
    assert {name: facts["sha256"] for name, facts in found.facts.tables.items()} == found.facts.sha256
    assert found.facts.split_by == "tables of their own"


def test_patients_of_a_source_table_count_in_its_fingerprint() -> None:
    def mark(patients: list[str]) -> str:
        data = TextDiagnosisData(train=table("t", 4), source=table("s", 4, patient=patients), group="patient")
        with_patients = data.model_copy(update={"train": table("t", 4, patient=list("wxyz"))})
        return fingerprints(TextDiagnosis(TextDiagnosisOptions(), data), with_patients, ())["source"]

    assert mark(list("abcd")) != mark(list("aacd"))


def test_a_text_that_is_unlabelled_and_in_test_is_found() -> None:
    test = table("judged", 8)
    found = load(train=table("source", 40), unlabelled=pl.concat([test.head(2), table("target", 6)]), test=test)
    assert found.facts.leaks == [Leak("same text", "unlabelled", "test", 2, None, 0.25)]


def test_a_patient_of_the_source_table_who_is_in_test_is_found() -> None:
    patients = [f"p{i}" for i in range(40)]
    target = table("target", 40, patient=patients)
    found = load(source=table("source", 40, patient=patients), train=target, group="patient")
    kinds = {(leak.kind, leak.first, leak.second): leak for leak in found.facts.leaks}
    assert set(kinds) == {("same group", "train", split) for split in ("validation", "test")}
    assert kinds["same group", "train", "test"].share == 1


def test_what_labelled_and_unlabelled_training_rows_share_is_no_leak() -> None:
    rows = hospitals(patient=[f"p{i // 8}" for i in range(40)])
    found = load_sites(rows, group="patient", target_labels=2)
    train, unlabelled = found.splits["train"], found.splits["unlabelled"]
    assert set(train.groups or []) & set(unlabelled.groups or [])
    assert found.facts.leaks == []


def test_a_target_row_that_a_source_row_repeats_is_kept() -> None:
    target = table("same", 40)
    found = load(source=pl.concat([target, target]), train=target)
    assert of_target(found) == [False] * 40 + [True] * 28
    assert found.facts.counts["duplicate rows dropped"] == 40


def test_dropping_duplicates_keeps_every_rows_domain() -> None:
    source, target = table("source", 20), table("target", 40)
    found = load(source=pl.concat([source, source]), train=pl.concat([target, target]), split=[0.5, 0.2, 0.3])
    for text, marked in zip(texts(found, "train"), of_target(found), strict=True):
        assert text.startswith("target") == marked
    assert len(set(texts(found, "train"))) == len(texts(found, "train"))
    taught = [found.facts.domains[domain] for domain in ("source", "target")]
    assert taught == [20, sum(of_target(found))]


def test_a_limit_counts_target_rows_alone_beside_a_source() -> None:
    found = load(source=table("source", 30), train=table("target", 60), unlabelled=table("more", 20), limit=2)
    assert of_target(found) == [False] * 30 + [True] * 4
    assert (len(found.splits["validation"]), len(found.splits["unlabelled"])) == (4, 20)
    assert len(found.splits["test"]) == 12


@pytest.mark.parametrize("labelled", ["source", "train"])
def test_a_limit_counts_the_rows_that_splits_are_cut_from(labelled: str) -> None:
    found = load(**{labelled: table("labelled", 60)}, unlabelled=table("more", 20), limit=2)
    assert (len(found.splits["train"]), len(found.splits["validation"])) == (4, 4)


def test_labels_that_training_lacks_are_refused_or_set_aside() -> None:
    given = {"source": table("source", 40), "unlabelled": table("target", 9), "test": table("judged", 9, "xyz")}
    with pytest.raises(DataError, match=r"3 row\(s\) of the test split have a label that the training split lacks"):
        load(**given)
    found = load(**given, on_error="skip")
    assert len(found.splits["test"]) == 6


def test_a_class_that_the_source_alone_knows_is_learned() -> None:
    found = load(source=table("source", 30, "xyz"), train=table("target", 40))
    assert found.target.classes == ("x", "y", "z")
    assert set(found.labels) == {"train", "validation", "test"}


def test_tables_without_a_labelled_one_are_refused() -> None:
    from medplug.core.composition import require_training_table

    for name in ("unlabelled", "validation", "test"):
        with pytest.raises(ConfigError, match=f"data.{name} is given without data.train or data.source"):
            require_training_table(TextDiagnosisData(**{name: "a.csv"}))
    require_training_table(TextDiagnosisData(source="a.csv", unlabelled="b.csv", test="c.csv"))
    with pytest.raises(ConfigError, match="data.source_sites divide the table data.train, which is not given"):
        require_training_table(TextDiagnosisData(site="site", source_sites="A", target_sites="B"))


# Sites of one table


def test_the_source_teaches_and_chooses_and_the_target_is_judged() -> None:
    found = load_sites()
    assert [origins(found, split) for split in ("train", "validation", "test")] == [{"A"}, {"A"}, {"B"}]
    assert origins(found, "unlabelled") == {"B"}
    assert not any(of_target(found)) and all(of_target(found, "unlabelled"))
    assert found.splits["unlabelled"].labels is None
    assert list(found.splits) == ["train", "unlabelled", "validation", "test"]


def test_rows_of_other_sites_and_rows_that_no_split_takes_are_counted() -> None:
    found = load_sites()
    used = sum(map(len, found.splits.values()))
    assert found.facts.counts[LEFT] == 40
    assert found.facts.counts[UNUSED] == 80 - used > 0


@pytest.mark.parametrize("seed", range(5))
def test_each_domain_has_its_share_of_every_split_and_class(seed: int) -> None:
    rows = pl.concat([table("A", 400), table("B", 20), table("C", 100)])
    rows = rows.with_columns(site=pl.col("text").str.slice(0, 1))
    found = load_sites(rows, seed=seed)
    sizes = {split: len(examples) for split, examples in found.splits.items()}
    assert abs(sizes["train"] - 200) <= 2 and abs(sizes["validation"] - 100) <= 2
    assert abs(sizes["unlabelled"] - 10) <= 1 and abs(sizes["test"] - 5) <= 1
    assert set(found.splits["test"].labels or []) == {"x", "y"}
    assert found.facts.split_by == f"row, stratified by label and domain, seed {seed}"


@pytest.mark.parametrize("count", [1, 3])
def test_so_many_target_labels_a_class_are_taught_and_chosen_by(count: int) -> None:
    found = load_sites(target_labels=count)
    train, chosen = found.splits["train"], found.splits["validation"]
    taught = [label for label, marked in zip(train.labels or [], of_target(found), strict=True) if marked]
    assert sorted(taught) == ["x"] * count + ["y"] * count
    assert of_target(found) == sorted(of_target(found))
    assert origins(found, "validation") == {"B"}
    assert sorted(chosen.labels or []) == ["x"] * count + ["y"] * count
    assert not set(texts(found, "unlabelled")) & set(texts(found, "train"))
    assert len(found.splits["unlabelled"]) == 20 - 2 * count


def test_all_target_labels_leave_nothing_unlabelled() -> None:
    found = load_sites(target_labels="all")
    assert "unlabelled" not in found.splits
    assert (origins(found, "train"), origins(found, "validation")) == ({"A", "B"}, {"B"})
    assert found.facts.domains["target"] == 20
    assert len(found.splits["validation"]) == 10


def test_test_rows_are_the_same_however_many_target_labels_are_given() -> None:
    wanted = texts(load_sites(), "test")
    for labels in (1, 3, "all"):
        assert texts(load_sites(target_labels=labels), "test") == wanted
    assert texts(load_sites(oracle=True), "test") == wanted


@pytest.mark.parametrize("labels", [0, 2, "all"])
def test_an_oracle_changes_the_validation_rows_alone(labels: Any) -> None:
    plain, oracle = load_sites(target_labels=labels), load_sites(target_labels=labels, oracle=True)
    assert origins(oracle, "validation") == {"B"}
    assert len(oracle.splits["validation"]) == 10
    for split in plain.splits:
        if split != "validation":
            assert texts(plain, split) == texts(oracle, split)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("labels", [0, 2, "all"])
def test_no_patient_of_two_sites_is_on_two_sides(seed: int, labels: Any) -> None:
    rows = hospitals(patient=[f"p{i // 2}" for i in range(40)])  # every patient was in every hospital
    found = load_sites(rows, group="patient", target_labels=labels, seed=seed)
    learned = {p for split in ("train", "unlabelled") if split in found.splits for p in _patients(found, split)}
    sides = [learned, _patients(found, "validation"), _patients(found, "test")]
    assert not (sides[0] & sides[1] or sides[0] & sides[2] or sides[1] & sides[2])
    assert found.facts.leaks == []


def _patients(found: Dataset, split: str) -> set[str]:
    groups = found.splits[split].groups
    assert groups is not None
    return set(groups)


def test_a_split_column_decides_within_each_site() -> None:
    rows = hospitals(8, split=["train"] * 4 + ["dev"] * 2 + ["test"] * 2)
    found = load_sites(rows, split_column="split")
    assert texts(found, "train") == ["A 0", "A 1", "A 2", "A 3"]
    assert texts(found, "unlabelled") == ["B 0", "B 1", "B 2", "B 3"]
    assert (texts(found, "validation"), texts(found, "test")) == (["A 4", "A 5"], ["B 6", "B 7"])
    assert (found.facts.counts[LEFT], found.facts.counts[UNUSED]) == (8, 4)
    assert texts(load_sites(rows, split_column="split", oracle=True), "validation") == ["B 4", "B 5"]


def test_a_target_whose_rows_are_all_for_test_leaves_none_unlabelled() -> None:
    rows = pl.concat(
        [hospitals(8, "A", split=["train", "dev"] * 4, classes="xxyy"), hospitals(8, "B", split=["test"] * 8)]
    )
    found = load_sites(rows, split_column="split")
    assert "unlabelled" not in found.splits
    assert len(found.splits["test"]) == 8


@pytest.mark.parametrize(
    ("of_a", "of_b", "labels", "told"),
    [
        ("dev", "test", 0, "data.source_sites: the train split has no row of A"),
        ("train", "test", 0, "data.source_sites: the validation split has no row of A"),
        ("train dev", "train", 0, "data.target_sites: the test split has no row of B"),
        ("train dev", "train test", 1, "data.target_sites: the validation split has no row of B"),
        ("train dev", "dev test", 1, "data.target_sites: the train split has no row of B"),
    ],
)
def test_a_split_that_its_site_leaves_empty_is_told(of_a: str, of_b: str, labels: int, told: str) -> None:
    parts = [
        table(name, 8).with_columns(site=pl.lit(name), split=pl.Series((names.split() * 8)[:8]))
        for name, names in (("A", of_a), ("B", of_b), ("C", "train train dev dev test test train train"))
    ]
    with pytest.raises(DataError, match=f"{told}; give more rows of that site, or look at data.split"):
        load_sites(pl.concat(parts), split_column="split", target_labels=labels)


@pytest.mark.parametrize(("key", "site"), [("source_sites", "Z"), ("target_sites", "b")])
def test_an_unknown_site_is_told_with_the_sites_there_are(key: str, site: str) -> None:
    with pytest.raises(DataError) as caught:
        load_sites(**{key: [site]})
    assert str(caught.value) == f"data.{key}: no row has the site {site} in column site (sites: A, B, C)"


def test_a_column_of_patients_taken_for_sites_is_not_quoted() -> None:
    rows = hospitals(40, patient=[f"Jane Roe {i}" for i in range(40)])
    with pytest.raises(DataError, match="the column holds 40 other values; is it the right one") as caught:
        load_sites(rows, site="patient")
    assert "Jane" not in str(caught.value)


def test_numbers_of_sites_are_named_as_they_are_written() -> None:
    rows = hospitals().with_columns(site=pl.col("site").replace_strict({"A": 1, "B": 2, "C": 3}))
    found = load_sites(rows, source_sites=["1"], target_sites=["2"])
    assert (origins(found, "train"), origins(found, "test")) == ({"A"}, {"B"})


def test_several_sites_make_one_domain() -> None:
    found = load_sites(hospitals(names="ABCD"), source_sites=["A", "B"], target_sites=["C", "D"])
    assert (origins(found, "train"), origins(found, "test")) == ({"A", "B"}, {"C", "D"})
    assert found.facts.counts[LEFT] == 0


def test_several_labels_a_row_are_divided_too() -> None:
    rows = hospitals().with_columns(label=pl.Series([["x", "y"], ["x"], ["y"], []] * 30))
    found = load_sites(rows, target_labels=2)
    assert found.target.kind == "multilabel"
    train = found.splits["train"]
    taught = [set(label) for label, marked in zip(train.labels or [], of_target(found), strict=True) if marked]
    assert 1 <= sum("x" in names for names in taught) <= 2


def test_a_site_must_be_named_in_every_row() -> None:
    rows = hospitals().with_columns(site=pl.when(pl.col("text") == "C 0").then(None).otherwise(pl.col("site")))
    with pytest.raises(RowsError, match="row 81, column site: the site is empty"):
        load_sites(rows)


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        ({"source_sites": "A"}, "go together; give all three"),
        ({"source_sites": "A", "target_sites": "B"}, "go together; give all three"),
        ({"site": "s", "source_sites": "A", "target_sites": ["B", "A"]}, "not in both"),
        ({"site": "s", "source_sites": "A", "target_sites": "B", "unlabelled": "u.csv"}, "or give tables in place"),
        ({"site": "s", "source_sites": "A", "target_sites": "B", "test": "u.csv"}, "or give tables in place"),
        ({"site": "s", "source_sites": "A", "target_sites": "B", "limit": 3}, "use data.target_labels"),
        ({"target_labels": 3}, "with tables, data.limit counts"),
        ({"target_labels": "some"}, "Input should be 'all'"),
        ({"target_labels": -1}, "greater than or equal to 0"),
        ({"source": "s.csv", "split_column": "split"}, "name domains by data.source_sites"),
        ({"site": "s", "source_sites": [""], "target_sites": "B"}, "at least 1 character"),
    ],
)
def test_keys_that_contradict_each_other_are_refused(keys: dict[str, Any], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        TextDiagnosisData(**keys)


# Examples


def full(begin: int, count: int, *, target: bool) -> Examples:
    """Examples that say in every field which row they are."""
    names = [str(i) for i in range(begin, begin + count)]
    numbers = np.arange(begin, begin + count)
    marks = np.full(count, target)
    return Examples(numbers, {"text": names}, [*names], [*names], [*names], {"sex": [*names]}, marks)


def rows_of(examples: Examples) -> list[list[str]]:
    """What each field says the rows are."""
    fields = [examples.inputs["text"], examples.labels, examples.groups, examples.sites, examples.by["sex"]]
    return [*map(list, filter(None, fields)), [str(row) for row in examples.rows]]


def test_taking_rows_keeps_every_field_aligned() -> None:
    both = full(0, 3, target=False).followed_by(full(3, 3, target=True))
    taken = both.take(np.array([5, 0, 3]))
    assert rows_of(taken) == [["5", "0", "3"]] * 6
    assert taken.of_target is not None and taken.of_target.tolist() == [True, False, True]
    none = both.take(np.array([], dtype=np.int64))
    assert (len(none), none.labels, none.groups) == (0, [], [])


def test_examples_that_follow_others_keep_every_field_aligned() -> None:
    both = full(0, 2, target=False).followed_by(full(2, 3, target=True))
    assert rows_of(both) == [["0", "1", "2", "3", "4"]] * 6
    assert both.of_target is not None and both.of_target.tolist() == [False] * 2 + [True] * 3


def test_an_owner_that_only_some_rows_have_is_empty_in_the_others() -> None:
    bare = Examples(np.arange(2), {"text": ["a", "b"]}, ["x", "y"])
    both = bare.followed_by(full(2, 2, target=True))
    assert both.groups == both.sites == ["", "", "2", "3"]
    assert (both.by, both.of_target) == ({}, None)
    assert full(2, 2, target=True).followed_by(bare).groups == ["2", "3", "", ""]
    assert bare.followed_by(bare).groups is None
