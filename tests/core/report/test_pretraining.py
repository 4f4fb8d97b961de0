"""What the report says of pretraining, held against the same network with random weights."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from medplug.core.report.comparisons import pretraining
from medplug.core.report.evidence import Evidence
from medplug.core.report.page import write_report
from medplug.core.report.verdicts import pretraining_verdict

Make = Callable[..., Evidence]


def beside(make: Make, interval: list[float | None]) -> Evidence:
    plain = make("multiclass", metric="macro_f1")
    value = None if None in interval else sum(each for each in interval if each is not None) / 2
    difference = {name: {"value": value, "ci95": interval} for name in plain.scores["metrics"]}
    random = {"backbone": "frozen", "metrics": plain.scores["baseline"]["linear"], "difference": difference}
    return make("multiclass", metric="macro_f1", scores={**plain.scores, "random_weights": random})


@pytest.mark.parametrize(
    ("interval", "kind", "word"),
    [([0.01, 0.1], "better", "helped"), ([-0.1, -0.01], "worse", "hurt"), ([-0.1, 0.1], "unclear", "no clear")],
)
def test_the_interval_says_what_pretraining_is_worth(
    make: Make, tmp_path: Path, interval: list[float | None], kind: str, word: str
) -> None:
    evidence = beside(make, interval)
    found = pretraining_verdict(evidence)
    assert found is not None and found.kind == kind and word in found.headline
    write_report(tmp_path, evidence)
    for page in ("report.html", "model_card.md"):
        assert found.headline in (tmp_path / page).read_text()
    assert len(pretraining(evidence).rows) == len(evidence.scores["metrics"])


def test_without_the_comparison_nothing_is_said(make: Make, tmp_path: Path) -> None:
    for evidence in (make("multiclass"), beside(make, [None, None])):
        assert pretraining_verdict(evidence) is None
    write_report(tmp_path, make("multiclass"))
    assert "What pretraining added" not in (tmp_path / "report.html").read_text()
