from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from medplug.core.judging.treatments import ASSUMPTIONS, WARNING, treatment_scores
from medplug.core.report.cautions import cautions
from medplug.core.report.label_tables import labels
from medplug.core.report.page import write_report
from medplug.core.report.plots import pictures
from medplug.core.report.tables import results
from medplug.core.report.treatments import assumptions, treatment_tables
from medplug.core.report.words import summary


def judged(make: Any, predicted: Any) -> Any:
    """Evidence with these predictions, and the scores of treatments by them."""
    evidence = make("treatment", probabilities=predicted)
    evidence.scores["treatment"] = treatment_scores(evidence.target, evidence.labels, predicted, resamples=50)
    return evidence


def test_the_warning_comes_first_and_the_simpler_rule_is_named_where_advice_gains_nothing(make: Any) -> None:
    evidence = make("treatment")
    told = cautions(evidence)
    assert told[0] == WARNING
    best = evidence.scores["treatment"]["best_single_arm"]
    assert f"The advice is not shown to be better than giving every row {best}; prefer the simpler rule." in told
    assert assumptions(evidence) == list(ASSUMPTIONS)
    assert assumptions(make("binary")) == [] and treatment_tables(make("binary")) == []


def test_poor_overlap_is_told_of_and_fine_overlap_is_not(make: Any) -> None:
    rows = len(make("treatment").labels)
    even = np.full((rows, 4), 0.5)
    sharp = np.column_stack(
        [even[:, :2], np.where(np.arange(rows) % 2, 0.01, 0.99), np.where(np.arange(rows) % 2, 0.99, 0.01)]
    )
    assert not any("Overlap is poor" in each for each in cautions(judged(make, even)))
    assert any("Overlap is poor" in each for each in cautions(judged(make, sharp)))


def test_the_tables_hold_every_policy_arm_and_effect(make: Any) -> None:
    evidence = make("treatment")
    policies, effects, overlap = treatment_tables(evidence)
    assert [row[0] for row in policies.rows][:4] == [
        *("each row as advised", "all placebo", "all drug", "as it was (mean outcome)")
    ]
    assert [row[0] for row in effects.rows] == ["drug"] and effects.header[0] == "against placebo"
    assert [row[0] for row in overlap.rows] == ["placebo", "drug"]
    given = (evidence.labels[:, 0] == 1).sum()
    assert overlap.rows[1][1] == str(given) and f"{given} (" in labels(evidence).rows[1][3]
    assert results(evidence).header[3] == "arms' means"
    assert "the chance of “recovered” under each of the treatments “placebo”, “drug”" in summary(evidence)[0]


def test_the_figures_are_drawn_and_the_page_is_whole(make: Any, tmp_path: Path) -> None:
    evidence = make("treatment")
    drawn = pictures(evidence)
    assert [each.name for each in drawn] == ["policies", "overlap"] and all(each.svg for each in drawn)
    write_report(tmp_path, evidence)
    page = (tmp_path / "report.html").read_text("utf-8")
    assert ">Treatments</h3>" in page and "speak of cause and effect only where" in page


def test_few_rows_of_an_arm_are_told_of(make: Any) -> None:
    evidence = make("treatment")
    evidence.splits["test"].arms.rows["drug"] = 4
    assert any("1 arm has fewer than 10 test rows (drug)" in each for each in cautions(evidence))
