"""What the report says of test rows that were seen before."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from medplug.core.data.leakage import Leak
from medplug.core.data.reading import Facts
from medplug.core.report.cautions import cautions
from medplug.core.report.evidence import Evidence
from medplug.core.report.page import write_report
from medplug.core.report.twins import twins_told, without_twins

Make = Callable[..., Evidence]
MEANS = "drugs that differ in nothing but protons"


def with_twins(make: Make, found: dict[str, Any], **fields: Any) -> Evidence:
    evidence = make("regression", **fields)
    evidence.scores["without_twins"] = found
    return evidence


def left(evidence: Evidence, rows: int, change: float) -> dict[str, Any]:
    """Scores on so many rows, each value changed."""
    metrics = {
        name: {"value": each["value"] + change, "ci95": each["ci95"]}
        for name, each in evidence.scores["metrics"].items()
    }
    return {"n_left": rows, "n_twins": evidence.scores["n"] - rows, "metrics": metrics}


@pytest.fixture
def evidence(make: Make) -> Evidence:
    whole = make("regression")
    near = {**left(whole, 100, 2.0), "means": MEANS}
    return with_twins(make, {"same": left(whole, 200, 1.0), "near": near})


def test_metrics_stand_side_by_side_with_and_without_twins(evidence: Evidence) -> None:
    found = without_twins(evidence)
    assert found.header == [
        "metric",
        "all 240 rows",
        "without the same (200 rows)",
        "without nearly the same (100 rows)",
    ]
    assert [row[0].split()[0] for row in found.rows][:2] == ["mean", "mean"] or len(found.rows) == len(
        evidence.scores["metrics"]
    )
    assert all(len(row) == 4 and len(set(row[1:])) == 3 for row in found.rows)


def test_counts_and_meaning_are_told_in_words(evidence: Evidence) -> None:
    same, near, means = twins_told(evidence)
    assert same.startswith("40 of 240 test rows (16.7 %) have the same inputs as a training or validation row")
    assert near.startswith("140 of 240 test rows (58.3 %) have nearly the same inputs")
    assert MEANS in means


def test_a_caution_gives_the_metric_on_the_rows_not_seen_before(evidence: Evidence) -> None:
    (told,) = [each for each in cautions(evidence) if "was not shown before" in each]
    assert told.startswith("On the 100 test rows") and "; on all of them it is " in told


def test_without_twins_or_rows_left_words_stand_in_place_of_a_table(make: Make) -> None:
    evidence = with_twins(
        make, {"same": {"n_left": 240, "n_twins": 0}, "near": {"n_left": 0, "n_twins": 240, "means": MEANS}}
    )
    assert without_twins(evidence).rows == []
    assert twins_told(evidence)[0] == "No test row has the same inputs as a training or validation row."
    assert twins_told(evidence)[1].endswith("none is left to score without them.")
    assert not [each for each in cautions(evidence) if "was not shown before" in each]


def test_page_and_card_hold_table_and_words(evidence: Evidence, make: Make, tmp_path: Path) -> None:
    write_report(tmp_path, evidence)
    page, card = ((tmp_path / name).read_text("utf-8") for name in ("report.html", "model_card.md"))
    for text in (page, card):
        assert "without the same (200 rows)" in text and MEANS in text and "were looked for" in text
    write_report(tmp_path, make("binary"))
    page, card = ((tmp_path / name).read_text("utf-8") for name in ("report.html", "model_card.md"))
    for text in (page, card):
        assert "without the same" not in text and "not looked for" in " ".join(text.split())


def test_a_near_leak_is_called_what_it_is(make: Make) -> None:
    facts = Facts(leaks=[Leak("near-identical inputs", "train", "test", 3, None, 0.01)])
    assert any(
        "Leakage: nearly the same set of inputs is on both sides" in each for each in cautions(make(facts=facts))
    )
