"""The report's tables of what each modality added."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from medplug.core.report import modalities
from medplug.core.report.evidence import Evidence
from medplug.core.report.page import write_report

Make = Callable[..., Evidence]


def entry(value: float) -> dict[str, Any]:
    return {"value": value, "ci95": [value - 0.1, value + 0.1]}


def joint(make: Make, kind: str = "binary", metric: str = "auroc", *, weights: bool = True) -> Evidence:
    evidence = make(kind, metric=metric)
    found = {
        "metric": metric,
        "subsets": [
            {"modalities": ["text"], "rows": 200, metric: entry(0.7)},
            {"modalities": ["genes"], "rows": 1100, metric: entry(0.6)},
            {"modalities": ["text", "genes"], "rows": 1240, metric: entry(0.8)},
        ],
        "shapley": {"text": entry(0.2), "genes": entry(-0.05)},
        "weights": {"text": {"mean": 0.25, "p5": 0.1, "p95": 0.415}, "genes": None} if weights else {},
    }
    return replace(evidence, scores={**evidence.scores, "by_modality": found})


def test_every_choice_of_modalities_is_a_row_with_its_rows_and_score(make: Make) -> None:
    table = modalities.subsets(joint(make))
    assert [row[0] for row in table.rows] == ["text", "genes", "text + genes"]
    assert table.rows[1][1:] == ["1,100", "0.600 [0.500, 0.700]"]
    assert table.notes == ["A row that has nothing of what is given counts with the training majority."]


@pytest.mark.parametrize(("metric", "header", "shown"), [
    ("auroc", "adds to AUROC", ["+0.200 [+0.100, +0.300]", "−0.050 [−0.150, +0.050]"]),
    ("log_loss", "takes off log loss", ["−0.200 [−0.300, −0.100]", "+0.050 [−0.050, +0.150]"]),
])  # fmt: skip
def test_what_a_modality_adds_is_greater_where_it_helps_whichever_way_the_metric_goes(
    make: Make, metric: str, header: str, shown: list[str]
) -> None:
    table = modalities.shapley(joint(make, metric=metric))
    assert table.header == ["modality", header, "weight where present: mean (5 % and 95 % of rows)"]
    assert [row[1] for row in table.rows] == shown


def test_weights_are_told_in_per_cent_where_the_fusion_has_them(make: Make) -> None:
    assert [row[2] for row in modalities.shapley(joint(make)).rows] == ["25.0 % (10.0 to 41.5 %)", ""]
    bare = modalities.shapley(joint(make, weights=False))
    assert all(len(row) == len(bare.header) == 2 for row in bare.rows)


@pytest.mark.parametrize(("kind", "constant"), [("regression", "training mean"), ("survival", "same risk")])
def test_what_stands_for_nothing_is_named_for_the_kind_of_target(make: Make, kind: str, constant: str) -> None:
    evidence = joint(make, kind, {"regression": "mae", "survival": "c_index"}[kind])
    assert constant in modalities.subsets(evidence).notes[0]


def test_the_section_is_in_the_report_of_several_modalities_alone(make: Make, tmp_path: Path) -> None:
    heading = "What each modality added"
    write_report(tmp_path, joint(make))
    page = (tmp_path / "report.html").read_text()
    assert page.count(heading) == 1 and "text + genes" in page
    write_report(tmp_path, make())
    assert heading not in (tmp_path / "report.html").read_text()
    assert not modalities.subsets(make()).rows and not modalities.shapley(make()).rows
