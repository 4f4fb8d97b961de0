"""``medplug index``: the columns that are read, and what is told."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import polars as pl
import pytest

from medplug.core.errors import DataError, RowsError
from medplug.core.predicting import retrieval
from medplug.core.retrieval import command


@pytest.fixture
def indexed(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """What is handed on to be indexed, by a run whose passages stand in the column body."""
    given: list[tuple[str, str]] = []

    def build(predictor: Any, passages: Any, report: Any) -> Any:
        given.extend(passages)
        return SimpleNamespace(passages=len(passages) - 1), 1

    data = SimpleNamespace(passage="body", passage_id=None)
    run = SimpleNamespace(task=SimpleNamespace(data=data), folder=Path("run"))
    monkeypatch.setattr(command, "load", lambda folder, device: run)
    monkeypatch.setattr(retrieval, "ranking_model", lambda predictor: None)
    monkeypatch.setattr(retrieval, "build_index", build)
    return given


def table(tmp_path: Path, **columns: list[Any]) -> Path:
    file = tmp_path / "corpus.jsonl"
    pl.DataFrame(columns).write_ndjson(file)
    return file


def index(file: Path, passage: str | None = None, identifier: str | None = None) -> list[str]:
    return command.index_file(Path("run"), file, passage=passage, identifier=identifier, device="cpu")


def test_the_runs_own_columns_are_read_unless_others_are_named(tmp_path: Path, indexed: list[tuple[str, str]]) -> None:
    file = table(tmp_path, body=["one", "two"], text=["three", "four"], key=[1, 2])
    told = index(file)
    assert [text for _, text in indexed] == ["one", "two"] and all(len(name) == 16 for name, _ in indexed)
    assert told == ["1 passages in run/index", "left out, as they repeat another's text: 1"]
    indexed.clear()
    index(file, "text", "key")
    assert indexed == [("1", "three"), ("2", "four")]


def test_bad_rows_and_missing_columns_are_told(tmp_path: Path, indexed: list[tuple[str, str]]) -> None:
    with pytest.raises(RowsError, match="row 2, column body: the passage is empty"):
        index(table(tmp_path, body=["one", ""]))
    with pytest.raises(DataError, match=r"--passage=text: there is no column 'text'"):
        index(table(tmp_path, body=["one"]), "text")
    assert not indexed


def test_a_column_that_is_missing_is_named_by_the_options_of_the_command(tmp_path: Path, indexed: Any) -> None:
    file = table(tmp_path, text=["one"])
    with pytest.raises(DataError, match="name the column with --passage COLUMN"):
        index(file)
    with pytest.raises(DataError, match="name the column with --id COLUMN"):
        index(file, "text", "key")
