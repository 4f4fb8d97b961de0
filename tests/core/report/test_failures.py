"""The rows that a model fails on worst, by their numbers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from medplug.core.data.targets import Target
from medplug.core.report.evidence import Evidence
from medplug.core.report.failures import MOST, failures
from medplug.core.report.page import write_report

Make = Callable[..., Evidence]


def scored(kind: str, scores: list[list[float]], **more: Any) -> Any:
    target, facts = Target(kind, ("a", "b")[: len(scores[0])]), SimpleNamespace(tables={})  # type: ignore[arg-type]
    told = {"target": target, "facts": facts, "metric": "token_f1", "labels": np.full(len(scores), 20), **more}
    return SimpleNamespace(row_numbers=1 + np.arange(len(scores)), probabilities=np.array(scores), **told)


def test_wrong_decisions_are_listed_the_surest_first(make: Make) -> None:
    evidence = make("multiclass")
    told, table = failures(evidence) or ("", None)
    decided = evidence.probabilities.argmax(axis=1)
    wrong = decided != evidence.labels
    assert told.startswith(f"{wrong.sum()} of 240 test rows were decided wrongly")
    assert table is not None and len(table.rows) == MOST
    sure = [float(row[3]) for row in table.rows]
    assert sure == sorted(sure, reverse=True)
    assert sure[0] == pytest.approx(evidence.probabilities[wrong].max(), abs=1e-3)
    for row in table.rows:
        at = int(row[0]) - 1000
        assert wrong[at] and row[1] == evidence.target.classes[evidence.labels[at]]
        assert row[2] == evidence.target.classes[decided[at]]


def test_labels_are_listed_by_how_far_off_their_probability_is(make: Make) -> None:
    evidence = make("multilabel")
    _, table = failures(evidence) or ("", None)
    assert table is not None
    gaps = [abs((row[2] == "present") - float(row[3])) for row in table.rows]
    assert gaps == sorted(gaps, reverse=True) and gaps[0] == pytest.approx(
        np.abs(evidence.labels - evidence.probabilities).max(), abs=1e-3
    )


def test_numbers_are_listed_by_their_error_without_the_measured_one(make: Make) -> None:
    evidence = make("regression")
    told, table = failures(evidence) or ("", None)
    error = evidence.probabilities[:, 0] - evidence.labels
    assert table is not None and int(table.rows[0][0]) == 1000 + np.abs(error).argmax()
    assert "nine in ten to within" in told and len(table.header) == 3


def test_early_events_of_low_risk_are_listed_without_times(make: Make) -> None:
    evidence = make("survival", skill=0.0)
    _, table = failures(evidence) or ("", None)
    assert table is not None and len(table.rows) == MOST
    at = [int(row[0]) - 1000 for row in table.rows]
    assert (evidence.labels[at, 1] == 1).all() and (np.diff(evidence.labels[at, 0]) >= 0).all()
    assert (evidence.probabilities[at, 0] < np.quantile(evidence.probabilities[:, 0], 1 / 3)).all()
    assert table.header == ["row", "test rows of a lower predicted risk"]


def test_kinds_that_are_scored_by_row_list_the_lowest_scores() -> None:
    told, table = failures(scored("text", [[0.5], [0.0], [1.0]])) or ("", None)
    assert told == "1 of 3 test rows have a token F1 of 0."
    assert table is not None and [row[:2] for row in table.rows] == [["2", "0.000"], ["1", "0.500"], ["3", "1.000"]]
    told, table = failures(scored("mask", [[0.5, np.nan], [0.0, 0.9]])) or ("", None)
    assert table is not None and [row[:2] for row in table.rows] == [["2", "a"], ["1", "a"], ["2", "b"]]
    told, table = failures(scored("ranking", [[1.0], [0.0], [7.0]])) or ("", None)
    assert table is not None and [row[:2] for row in table.rows] == [["2", "not found"], ["3", "7"]]


def test_nothing_is_said_where_no_row_tells_whether_it_was_right(make: Make, tmp_path: Path) -> None:
    assert failures(make("treatment")) is None and failures(make("binary", row_numbers=None)) is None
    write_report(tmp_path, make("binary", row_numbers=None))
    assert "Where it fails" not in (tmp_path / "report.html").read_text()


def test_a_model_without_fault_has_no_list(make: Make) -> None:
    evidence = make("binary")
    right = make("binary", probabilities=np.eye(2)[evidence.labels])
    told, table = failures(right) or ("", None)
    assert told.startswith("0 of 240 test rows") and table is not None and not table.rows
