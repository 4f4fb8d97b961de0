"""The task `medical_qa` on the command line: questions of every form, good and bad, and what is left behind."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from click.testing import CliRunner, Result

import medplug
from medplug.cli import cli
from medplug.plugins.medical_qa.samples.exams import exams
from medplug.plugins.medical_qa.samples.leaflets import leaflets
from medplug.plugins.medical_qa.samples.matches import matches
from medplug.plugins.medical_qa.samples.trials import trials

ROWS = 60
SMALL = ("backbone=text_cnn", "backbone.filters=4", "backbone.embedding=8", "adapter=finetune")
QUICK = (*SMALL, "train.epochs=1", "report.resamples=100", "device=cpu", "output=run")

pytestmark = pytest.mark.usefixtures("one_thread")
Command = Callable[..., Result]


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    """Run the command in an empty folder, as a user would."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    return lambda *words: CliRunner().invoke(cli, list(words))


def changed(table: pl.DataFrame, **cells: dict[int, Any]) -> pl.DataFrame:
    """A table's first rows with cells replaced by their row (first row = 1)."""
    table = table.head(ROWS)
    for name, of_rows in cells.items():
        values = [of_rows.get(row, value) for row, value in enumerate(table[name].to_list(), start=1)]
        table = table.with_columns(pl.Series(name, values, dtype=table[name].dtype))
    return table


def run(form: str, *words: str) -> tuple[str, ...]:
    return ("run", "task=medical_qa", f"task.form={form}", "data.train=rows.jsonl", *words, *QUICK)


def assert_told(result: Result, *words: str) -> None:
    """One screen that names the thing and the next step, exit code 2, no traceback, no content of cells."""
    assert result.exit_code == 2, result.output
    for word in words:
        assert word in result.output, result.output
    assert len(result.output.splitlines()) <= 24
    assert "Traceback" not in result.output and "secret" not in result.output


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


# ---- runs and what follows


@pytest.mark.parametrize(
    ("form", "table", "answer"),
    [("yes_no_maybe", trials, "label"), ("entailment", matches, "label"), ("multiple_choice", exams, "answer")],
)
def test_questions_are_run_predicted_and_evaluated(
    command: Command, tmp_path: Path, form: str, table: Callable[[], pl.DataFrame], answer: str
) -> None:
    table().head(ROWS).write_ndjson(tmp_path / "rows.jsonl")
    result = command(*run(form))
    assert result.exit_code == 0, result.output
    table().head(5).drop(answer).write_ndjson(tmp_path / "new.jsonl")
    found = command("predict", "run", "new.jsonl", "-o", "found.csv", "--device", "cpu")
    assert found.exit_code == 0, found.output
    assert pl.read_csv(tmp_path / "found.csv")["row"].to_list() == [1, 2, 3, 4, 5]
    judged = command("evaluate", "run", "rows.jsonl", "--device", "cpu")
    assert judged.exit_code == 0 and "accuracy" in judged.output


def test_a_question_is_asked_with_its_context_and_a_missing_one_is_told(command: Command, tmp_path: Path) -> None:
    trials().head(ROWS).write_ndjson(tmp_path / "rows.jsonl")
    assert command(*run("yes_no_maybe")).exit_code == 0
    (tmp_path / "abstract.txt").write_text(trials()["context"][0])
    found = command("ask", "run", trials()["question"][0], "--context", "abstract.txt", "--device", "cpu")
    assert found.exit_code == 0 and "score" in found.output, found.output
    assert_told(command("ask", "run", "Is it?", "--device", "cpu"), "--context FILE")
    options = ("--option", "yes", "--option", "no")
    words = ("ask", "run", "Is it?", "--context", "abstract.txt", *options, "--device", "cpu")
    assert_told(command(*words), "--option is for task.form=multiple_choice")


def test_an_option_is_chosen_and_fewer_than_two_are_told(command: Command, tmp_path: Path) -> None:
    exams().head(ROWS).write_ndjson(tmp_path / "rows.jsonl")
    assert command(*run("multiple_choice")).exit_code == 0
    found = command("ask", "run", "What is given for gout?", "--option", "iron", "--option", "insulin")
    assert found.exit_code == 0 and ("iron" in found.output or "A" in found.output), found.output
    assert_told(command("ask", "run", "What is given for gout?", "--option", "iron"), "2 to 8 options", "got 1")
    empty = command("ask", "run", " ", "--option", "iron", "--option", "insulin")
    assert_told(empty, "this question cannot be answered: the question is empty")
    assert "row" not in empty.output and "skip" not in empty.output  # of a table, which nobody gave
    words = ("ask", "run", "Which?", "--option", "a", "--option", "b", "--context", "rows.jsonl")
    assert_told(command(*words), "leave --context out")


def test_right_pairs_alone_are_learned_from_beside_wrong_ones_that_are_found(command: Command, tmp_path: Path) -> None:
    rows = matches().filter(pl.col("label") == "yes").drop("label")
    rows.head(ROWS).write_ndjson(tmp_path / "rows.jsonl")
    result = command(*run("entailment", "data.negatives=2"))
    assert result.exit_code == 0, result.output
    tables = json.loads((tmp_path / "run" / "manifest.json").read_text())
    assert "train" in str(tables)
    told = medplug.load(tmp_path / "run", device="cpu").predict(rows.head(3))
    assert told.height == 3 and set(told.columns) >= {"p_no", "p_yes"}
    assert_told(command(*run("entailment", "output=other")[:-1]), "label")


def test_a_right_pair_without_a_group_is_told_once_by_the_number_it_has(command: Command, tmp_path: Path) -> None:
    rows = matches().filter(pl.col("label") == "yes").drop("label").head(ROWS).with_row_index("disease")
    empty = pl.when(pl.col("disease") != 4).then(pl.col("disease").cast(pl.String))
    rows.with_columns(disease=empty).write_ndjson(tmp_path / "rows.jsonl")
    result = command(*run("entailment", "data.negatives=2", "data.group=disease"))
    assert_told(result, "1 bad row(s)", "row 5, column disease: the group is empty")


# ---- bad input: told by row and column, never by content, and nothing is left behind


@pytest.mark.parametrize(
    ("form", "rows", "words", "told"),
    [
        (
            "multiple_choice",
            changed(exams(), options={3: ["secret"], 5: ["secret", " "]}),
            (),
            ("row 3, column options: there is one option alone; a question needs 2 to 8", "row 5, column options"),
        ),
        (
            "multiple_choice",
            changed(exams(), answer={2: 9}),
            (),
            ("row 2, column answer: the answer is no index of the row's options; allowed: 0 to",),
        ),
        (
            "multiple_choice",
            changed(exams()).with_columns(answer=pl.col("options").list.len()),
            (),
            ("row 1, column answer", "counted from 0; the column seems to count from 1: take 1 from every index"),
        ),
        (
            "multiple_choice",
            changed(exams(), options={4: ["secret", "secret", "x"]}, answer={4: 1}),
            (),
            ("row 4, column answer: the right option stands there more than once (A and B are the same)",),
        ),
        (
            "extractive",
            changed(leaflets(), answer={2: "secret"}, answer_start={2: 4}),
            (),
            ("row 2, column answer: the answer is not in the context",),
        ),
        (
            "extractive",
            changed(leaflets(), context={1: "A secret  of it."}, answer={1: "of it"}, answer_start={1: 9}),
            (),
            ("row 1, column answer: the answer does not begin at character 9, but at 10: write 10",),
        ),
        ("extractive", changed(leaflets(), context={7: " "}), (), ("row 7, column context: the context is empty",)),
        ("yes_no_maybe", changed(trials(), context={7: None}), (), ("row 7, column context: the context is empty",)),
        ("yes_no_maybe", changed(trials(), question={2: ""}), (), ("row 2, column question: the question is empty",)),
        ("yes_no_maybe", changed(trials(), label={2: ""}), (), ("row 2, column label: the label is empty",)),
        ("entailment", changed(matches(), other={6: ""}), (), ("row 6, column other: the second text is empty",)),
        ("yes_no_maybe", trials().drop("context"), (), ("data.context", "'context'")),
        ("extractive", leaflets().drop("answer_start"), (), ("data.answer_start", "'answer_start'")),
        ("extractive", changed(leaflets()), ("data.split=cold_drug",), ("random, group, together",)),
        ("yes_or_no", changed(trials()), (), ("task.form", "yes_no_maybe")),
    ],
)
def test_bad_input_is_told_and_leaves_nothing(
    command: Command, tmp_path: Path, form: str, rows: pl.DataFrame, words: tuple[str, ...], told: tuple[str, ...]
) -> None:
    rows.write_ndjson(tmp_path / "rows.jsonl")
    assert_told(command(*run(form, *words)), *told)
    assert names(tmp_path) == {"rows.jsonl"}


def test_bad_rows_can_be_set_aside(command: Command, tmp_path: Path) -> None:
    changed(trials(), question={2: ""}, context={7: None}).write_ndjson(tmp_path / "rows.jsonl")
    result = command(*run("yes_no_maybe", "data.on_error=skip"))
    assert result.exit_code == 0, result.output
    assert pl.read_parquet(tmp_path / "run" / "rejected.parquet")["row"].to_list() == [2, 7]


def test_a_context_longer_than_the_model_is_read_in_part_and_counted(command: Command, tmp_path: Path) -> None:
    changed(trials(), context={1: "word " * 700}).write_ndjson(tmp_path / "rows.jsonl")
    result = command(*run("yes_no_maybe", "backbone.window=64", "data.split_column=part"))
    assert result.exit_code == 2, "a column that is not there"
    parts = ["train"] * 40 + ["validation"] * 10 + ["test"] * 10
    long = changed(trials(), context={1: "word " * 700}).with_columns(pl.Series("part", parts))
    long.write_ndjson(tmp_path / "rows.jsonl")
    result = command(*run("yes_no_maybe", "backbone.window=64", "data.split_column=part"))
    assert result.exit_code == 0, result.output
    assert "longer than the window of 64 tokens" in (tmp_path / "run" / "report.html").read_text()


def test_rows_of_one_context_are_never_in_two_splits(command: Command, tmp_path: Path) -> None:
    rows = trials().head(ROWS).with_columns(context=pl.Series([trials()["context"][i // 3] for i in range(ROWS)]))
    rows.write_ndjson(tmp_path / "rows.jsonl")
    assert command(*run("yes_no_maybe")).exit_code == 0
    left = pl.read_parquet(tmp_path / "run" / "predictions.parquet").select("split", "row")
    split = dict(left.select("row", "split").rows())
    seen: dict[str, set[str]] = {}
    for row, context in enumerate(rows["context"], start=1):
        if row in split:
            seen.setdefault(context, set()).add(split[row])
    assert seen and all(len(each) == 1 for each in seen.values())
