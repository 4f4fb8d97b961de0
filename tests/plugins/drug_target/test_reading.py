"""From tables of pairs to examples: structures, labels, names, and the reason for each bad row."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from medplug.core.data.reading import fingerprints
from medplug.core.errors import ConfigError, DataError, RowsError

Chem = pytest.importorskip("rdkit.Chem", reason="rdkit is an extra: pip install 'medplug[chem]'")
KINASE, OTHER = "MKKFFDSRREQGG", "MWCHEYYQAAAK"
GOOD: dict[str, list[Any]] = {
    "smiles": ["OCC", "C(O)C", "c1ccccc1", "CC(=O)[O-].[Na+]"],
    "sequence": [KINASE, f"{KINASE.lower()}*", OTHER, OTHER],
    "label": [5.0, 6.0, 7.5, 8.0],
}


def frame(**columns: list[Any]) -> pl.DataFrame:
    return pl.DataFrame({**GOOD, **columns}, strict=False)


def sdf(path: Path, *records: tuple[str, str], broken: str = "") -> Path:
    """Records of a SMILES and a title; `broken` stands before the last one."""
    written = []
    for smiles, title in records:
        molecule = Chem.MolFromSmiles(smiles)
        molecule.SetProp("_Name", title)
        written.append(Chem.MolToMolBlock(molecule) + f"> <code>\nX-{title}\n\n$$$$\n")
    path.write_text("".join(written[:-1]) + broken + written[-1])
    return path


# ---- one table


def test_equal_molecules_and_sequences_become_equal_texts(task, read) -> None:
    found, problems = read(task(), frame())
    assert problems == []
    assert found.inputs == {"drug": ["CCO", "CCO", "c1ccccc1", "CC(=O)O"], "protein": [KINASE] * 2 + [OTHER] * 2}
    assert (found.labels, found.names) == ([5.0, 6.0, 7.5, 8.0], None)


def test_two_labels_are_classes_and_the_first_table_settles_it_for_later_ones(task, read) -> None:
    made = task()
    assert read(made, frame(label=[0, 1, 1, 0]))[0].labels == ["0", "1", "1", "0"]
    assert read(made, frame(label=[0, 1, 2, 0]))[0].labels == ["0", "1", "2", "0"]
    again = task()
    again.recall(made.learned())
    assert read(again, frame(label=[1, 1, 1, 1]))[0].labels == ["1"] * 4
    assert made.target(["0", "1"]).classes == ("0", "1")
    assert made.target(["inactive", "active"]).classes == ("inactive", "active")


def test_numbers_stay_numbers_in_a_later_table_of_two(task, read) -> None:
    made = task()
    read(made, frame())
    assert read(made, frame(label=[5, 5, 6, 6]))[0].labels == [5.0, 5.0, 6.0, 6.0]


def test_with_a_unit_labels_are_affinities_and_their_target_says_so(task, read) -> None:
    made = task({"unit": "nM"})
    found, _ = read(made, frame(label=[1.0, 1.0, 1000.0, 1000.0]))
    assert found.labels == pytest.approx([9, 9, 6, 6])
    target = made.target(found.labels)
    assert (target.kind, target.classes) == ("regression", ("-log10 label (mol/l)",))
    assert made.metrics(target)[0] == "mse" and made.metrics(task().target(["0", "1"]))[0] == "auroc"


def test_a_positive_class_is_for_classes(task, read) -> None:
    made = task(positive="yes")
    found, _ = read(made, frame())
    with pytest.raises(ConfigError, match="task.positive is for a binary target"):
        made.target(found.labels)
    with pytest.raises(ConfigError, match="4 different labels in training; use task.target=regression"):
        task(target="binary").target(["a", "b", "c", "d"])


def test_each_bad_cell_is_told_by_row_column_and_reason_and_its_content_is_not(task, read) -> None:
    bad = frame(
        smiles=["C1CC(secret", "CCO", "", "C(C)(C)(C)(C)C"],
        sequence=[KINASE, None, "MK7F", KINASE],
        label=["5", ">10000", "-3", ""],
    )
    found, problems = read(task({"unit": "nM"}), bad)
    assert len(found) == 0
    told = {(row, column): reason for row, column, reason in problems}
    assert sorted(told) == [
        *((1, "smiles"), (2, "label"), (2, "sequence"), (3, "label"), (3, "sequence"), (3, "smiles")),
        *((4, "label"), (4, "smiles")),
    ]
    assert "cannot be parsed" in told[1, "smiles"] and "secret" not in str(problems)
    assert told[3, "smiles"] == "the SMILES is empty" and "more bonds" in told[4, "smiles"]
    assert told[2, "sequence"] == "the sequence is empty" and "position 3" in told[3, "sequence"]
    assert "bound" in told[2, "label"] and "not above 0" in told[3, "label"] and "empty" in told[4, "label"]


def test_a_sequence_as_long_as_titin_is_read_whole_and_one_beyond_all_proteins_is_not(task, read) -> None:
    titin = "MKKFFDSRRE" * 3_500
    found, problems = read(task(), frame(sequence=[titin, titin + titin, KINASE, OTHER]))
    assert found.inputs["protein"][0] == titin
    ((row, column, reason),) = problems
    assert (row, column) == (2, "sequence") and "70000 residues" in reason and "40000" in reason


def test_ids_name_the_rows_where_the_table_has_them(task, read) -> None:
    made = task({"drug": "compound", "target": "uniprot"})
    table = frame(compound=["a", "b", None, "d"], uniprot=["P1", "P2", "P3", "P4"])
    assert read(made, table)[0].names == ["a / P1", "b / P2", "? / P3", "d / P4"]
    later = table.drop("label", "compound")
    assert read(made, later, labelled=False, key="INPUT")[0].names == ["P1", "P2", "P3", "P4"]
    assert read(made, later.drop("uniprot"), labelled=False, key="INPUT")[0].names is None
    with pytest.raises(DataError, match="no column 'smiles'.*no data.drugs to look up ids in"):
        read(made, later.drop("smiles", "sequence"), labelled=False, key="INPUT")
    with pytest.raises(DataError, match="data.drug=compound: there is no column"):
        read(made, frame())


@pytest.mark.parametrize(("duplicates", "bad"), [("average", []), ("keep", []), ("refuse", [1, 2])])
def test_a_pair_with_two_labels_is_treated_as_asked(task, read, duplicates: str, bad: list[int]) -> None:
    made = task({"duplicates": duplicates})
    found, problems = read(made, frame())  # rows 1 and 2 are one pair
    assert [row for row, _, _ in problems] == bad
    tidy, counts = made.tidy(found)
    expected = {"average": [5.5, 7.5, 8.0], "keep": [5.0, 6.0, 7.5, 8.0], "refuse": [7.5, 8.0]}
    assert tidy.labels == expected[duplicates] and bool(counts) is (duplicates != "keep")


# ---- pairs of ids


PAIRS: dict[str, list[Any]] = {"drug": ["d1", "d2", "d1"], "target": ["t1", "t1", "t2"], "label": [5.0, 6.0, 7.0]}
DRUGS = {"drug": ["d1", "d2", "d3"], "smiles": ["OCC", "c1ccccc1", "not used("]}
TARGETS = {"target": ["t1", "t2"], "sequence": [KINASE, OTHER]}


def test_pairs_of_ids_are_looked_up_in_their_tables(task, read) -> None:
    found, problems = read(task({"drugs": DRUGS, "targets": TARGETS}), PAIRS)
    assert problems == []  # a molecule that no pair names is never read
    assert found.inputs == {"drug": ["CCO", "c1ccccc1", "CCO"], "protein": [KINASE, KINASE, OTHER]}
    assert found.names == ["d1 / t1", "d2 / t1", "d1 / t2"]


def test_one_side_may_be_a_column_and_ids_may_have_other_names(task, read) -> None:
    made = task({"drugs": {"id": ["7", "8"], "smiles": ["C", "CC"]}, "drug": "compound"})
    found, _ = read(made, {"compound": [7, 8], "sequence": [KINASE, OTHER], "label": [1.0, 2.0]})
    assert found.inputs == {"drug": ["C", "CC"], "protein": [KINASE, OTHER]} and found.names == ["7", "8"]


def test_an_sdf_file_and_a_fasta_file_are_such_tables(task, read, tmp_path: Path) -> None:
    drugs = sdf(tmp_path / "drugs.sdf", ("OCC", "d1"), ("c1ccccc1", "d2"))
    fasta = tmp_path / "targets.fasta"
    fasta.write_text(f">t1 kinase\n{KINASE[:5]}\n{KINASE[5:]}\n>t2\n{OTHER}\n")
    found, problems = read(task({"drugs": drugs, "targets": fasta}), PAIRS)
    assert (found.inputs["drug"], problems) == (["CCO", "c1ccccc1", "CCO"], [])
    assert found.inputs["protein"] == [KINASE, KINASE, OTHER]
    by_field = task({"drugs": drugs, "targets": fasta, "drug": "code"})
    pairs = {"code": ["X-d2"], "target": ["t2"], "label": [1.0]}
    assert read(by_field, pairs)[0].inputs["drug"] == ["c1ccccc1"]


def test_what_cannot_be_looked_up_is_told_by_the_pairs_row_and_the_entitys(task, read) -> None:
    drugs = {"drug": ["d1", "d2", "d3"], "smiles": ["OCC", "C1CC(", None]}
    pairs = {"drug": ["d1", "d2", "d3", "d9", None], "target": ["t1", "t1", "t1", "t9", "t1"], "label": [1.0] * 5}
    _, problems = read(task({"drugs": drugs, "targets": TARGETS, "target": "target"}), pairs)
    assert [(row, column) for row, column, _ in problems] == [
        *((2, "drug"), (3, "drug"), (4, "drug"), (4, "target"), (5, "drug")),
    ]
    reasons = [reason for _, _, reason in problems]
    assert reasons[0].startswith("row 2 of data.drugs (table in memory): it cannot be parsed")
    assert reasons[1] == "row 3 of data.drugs (table in memory): the SMILES is empty"
    assert reasons[2].endswith("has no drug of this id") and reasons[3].endswith("has no target of this id")
    assert reasons[4] == "the id of the drug is empty"


def test_one_id_may_be_written_twice_but_not_be_two_structures(task, read) -> None:
    same = {"drug": ["d1", "d1", "d2"], "smiles": ["OCC", "CCO", "C"]}
    assert read(task({"drugs": same, "targets": TARGETS}), PAIRS)[1] == []
    two = {"drug": ["d1", "d2", "d1", None], "smiles": ["OCC", "C", "CCC", "N"]}
    with pytest.raises(RowsError) as told:
        read(task({"drugs": two, "targets": TARGETS}), PAIRS)
    assert "row 3, column drug: the id is that of row 1, with another SMILES" in str(told.value)
    assert "row 4, column drug: the id is empty" in str(told.value)
    skipped, problems = read(task({"drugs": two, "targets": TARGETS, "on_error": "skip"}), PAIRS)
    assert skipped.rows.tolist() == [2] and [row for row, _, _ in problems] == [1, 3]
    assert "the id is that of row 1, with another SMILES" in problems[0][2]


def test_a_broken_record_of_an_sdf_file_is_told_by_its_number(task, read, tmp_path: Path) -> None:
    drugs = sdf(tmp_path / "d.sdf", ("OCC", "d1"), ("C", "d2"), broken="d5\nprogram\n\n  1  0\n$$$$\n")
    with pytest.raises(RowsError, match="row 2, column smiles: this record of the SDF file is cut off"):
        read(task({"drugs": drugs, "targets": TARGETS}), PAIRS)
    made = task({"drugs": drugs, "targets": TARGETS, "on_error": "skip"})
    pairs = {**PAIRS, "drug": ["d1", "d5", "d2"]}
    ((row, column, reason),) = read(made, pairs)[1]
    assert (row, column) == (2, "drug") and "row 2 of data.drugs" in reason and "cut off" in reason


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        ({"drugs": "nowhere.csv"}, r"data\.drugs \(nowhere\.csv\): there is no such file"),
        ({"targets": "nowhere.fasta"}, r"data\.targets may also be a FASTA file: \.fasta"),
        ({"drugs": "nowhere.xlsx"}, r"data\.drugs may also be an SDF file: \.sdf"),
        ({"targets": "nowhere.fasta"}, r"data\.targets \(nowhere\.fasta\): there is no such file"),
        ({"drugs": {"drug": ["d1"], "SMILES": ["C"]}}, r"data\.smiles=smiles: there is no column"),
        ({"drugs": {"name": ["d1"], "smiles": ["C"]}}, r"data\.drug=drug: there is no column"),
        ({"targets": TARGETS, "target": "uniprot"}, r"data\.train \(table in memory\): data\.target=uniprot"),
    ],
)
def test_tables_of_entities_that_cannot_be_used_are_refused_with_their_key(task, read, keys, told: str) -> None:
    with pytest.raises(DataError, match=told):
        read(task({"drugs": DRUGS, "targets": TARGETS, **keys}), PAIRS)


def test_two_equal_ids_of_a_fasta_file_are_told_by_their_lines(task, read, tmp_path: Path) -> None:
    fasta = tmp_path / "t.fasta"
    fasta.write_text(f">t1\n{KINASE}\n>t1\n{OTHER}\n")
    with pytest.raises(DataError, match="line 3: the id is that of line 1"):
        read(task({"drugs": DRUGS, "targets": fasta}), PAIRS)


def test_a_later_table_may_have_structures_and_needs_no_table_of_entities_then(task, read, tmp_path: Path) -> None:
    (tmp_path / "drugs.csv").write_text("drug,smiles\nd1,OCC\nd2,C\n")
    made = task({"drugs": tmp_path / "drugs.csv", "targets": TARGETS})
    plain = {"smiles": ["CC", "CCC"], "sequence": [KINASE, OTHER]}
    (tmp_path / "drugs.csv").unlink()
    found, problems = read(made, plain, labelled=False, key="INPUT")
    assert (found.inputs["drug"], found.names, problems) == (["CC", "CCC"], None, [])
    named = {**plain, "drug": ["x", "y"]}
    assert read(made, named, labelled=False, key="INPUT")[0].names == ["x", "y"]
    with pytest.raises(DataError, match="INPUT names drugs by ids.*is not there\ngive INPUT the column 'smiles'"):
        read(made, {"drug": ["d1"], "sequence": [KINASE]}, labelled=False, key="INPUT")
    with pytest.raises(DataError, match="data.drug=drug: there is no column"):
        read(made, {"sequence": [KINASE]}, labelled=False, key="INPUT")


def test_a_later_table_of_ids_is_looked_up_where_its_own_cell_is_empty(task, read) -> None:
    made = task({"drugs": DRUGS, "targets": TARGETS})
    later = {"drug": ["d1", "d1", "d9"], "smiles": ["CC", None, None], "target": ["t1"] * 3}
    found, problems = read(made, later, labelled=False, key="INPUT")
    assert found.inputs["drug"] == ["CC", "CCO"]
    assert [(row, column) for row, column, _ in problems] == [(3, "drug")]


def test_tables_of_entities_that_were_in_memory_are_gone_when_a_model_is_loaded(task, read) -> None:
    told = task({"drugs": DRUGS, "targets": TARGETS}).data.model_dump(mode="json")
    loaded = task({**told, "train": None})
    plain = {"smiles": ["CC"], "sequence": [KINASE]}
    assert read(loaded, plain, labelled=False, key="INPUT")[0].inputs["drug"] == ["CC"]
    with pytest.raises(DataError, match="INPUT names drugs by ids, and data.drugs .<table in memory>."):
        read(loaded, {"drug": ["d1"], "target": ["t1"]}, labelled=False, key="INPUT")


def test_unlabelled_pairs_are_looked_up_as_well(task, read) -> None:
    made = task({"drugs": DRUGS, "targets": TARGETS})
    unlabelled = {name: values for name, values in PAIRS.items() if name != "label"}
    found, problems = read(made, unlabelled, labelled=False, key="data.unlabelled")
    assert (found.inputs["drug"], found.labels, problems) == (["CCO", "c1ccccc1", "CCO"], None, [])


def test_the_fingerprint_of_a_run_covers_the_tables_of_entities(task) -> None:
    def mark(drugs: dict[str, Any]) -> dict[str, str]:
        made = task({"train": PAIRS, "drugs": drugs, "targets": TARGETS})
        return fingerprints(made, made.data, ())

    assert mark(DRUGS) == mark({**DRUGS})
    assert mark(DRUGS) != mark({**DRUGS, "smiles": ["OCC", "c1ccccc1O", "not used("]})
