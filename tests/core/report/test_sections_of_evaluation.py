"""What the sections on calibration, usefulness, thresholds, sets and sites say of made-up evidence."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from medplug.core.data.targets import Target
from medplug.core.evaluation.conformal import fit_conformal
from medplug.core.judging.soundness import (
    calibration_scores,
    conformal_scores,
    heterogeneity_scores,
    operating_scores,
    utility_scores,
)
from medplug.core.report.evidence import Evidence
from medplug.core.report.section import Section
from medplug.core.report.sections import calibration, conformal, operating, sites, utility

HOW: dict[str, Any] = {"groups": None, "resamples": 100, "seed": 0}
Make = Callable[..., Evidence]


def judged(evidence: Evidence, **more: Any) -> Evidence:
    """The same evidence with the scores that these sections tell."""
    target, labels, chances = evidence.target, evidence.labels, evidence.probabilities
    fitted = fit_conformal(target, labels, chances, 0.9)
    target, columns = replace(target, conformal=fitted), {"site": ["north", "south"] * (len(labels) // 2)}
    found = {
        "calibration": calibration_scores(target, labels, chances, HOW),
        "utility": utility_scores(target, labels, chances, evidence.baseline, HOW),
        "operating": operating_scores(target, (labels, chances), (labels, chances), "half", HOW),
        "heterogeneity": heterogeneity_scores(evidence.scores["by_group"], evidence.metric),
    }
    if fitted is not None:
        held = conformal_scores(target, labels, chances, columns, HOW)
        found["conformal"] = {"coverage": 0.9, "rows": len(labels), "fewest": 9, "quantile": fitted.quantile, **held}
    kept = {name: each for name, each in {**found, **more}.items() if each}
    return replace(evidence, target=target, scores={**evidence.scores, **kept})


def words(section: Section | None) -> str:
    assert section is not None
    cells = [
        cell for table in (*section.tables, *section.folded) for row in [table.header, *table.rows] for cell in row
    ]
    return " ".join([*section.paragraphs, *(each.caption for each in section.pictures), *cells])


def test_a_binary_target_has_every_section(make: Make) -> None:
    evidence = judged(make("binary"))
    told = words(calibration.section(evidence))
    assert "too extreme" in told and "15 bins of equal width" in told and "15 bins of equal count" in told
    points = operating.section(evidence)
    assert points is not None and len(points.tables[0].rows) == 5
    assert all(len(row) == len(points.tables[0].header) for row in points.tables[0].rows)
    curve = utility.section(evidence)
    assert curve is not None and curve.pictures[0].svg and "acting on all" in words(curve)
    assert "abstains" in words(conformal.section(evidence))
    assert "prediction interval" in words(sites.section(evidence))


@pytest.mark.parametrize("kind", ["multiclass", "multilabel"])
def test_several_classes_have_a_slope_and_a_curve_each(make: Make, kind: str) -> None:
    evidence = judged(make(kind))
    slopes, curves = calibration.section(evidence), utility.section(evidence)
    assert slopes is not None and [row[0] for row in slopes.tables[1].rows] == [*evidence.target.classes]
    assert curves is not None and len(curves.folded) == len(evidence.target.classes)
    assert operating.section(evidence) is None


def test_numbers_have_a_line_and_intervals(make: Make) -> None:
    evidence = judged(make("regression"))
    found = calibration.section(evidence)
    assert found is not None and found.pictures[0].svg and "least squares" in words(found)
    assert "low and high" in words(conformal.section(evidence))
    assert utility.section(evidence) is None and operating.section(evidence) is None


def test_kinds_without_probabilities_say_nothing(make: Make) -> None:
    evidence = make("survival")
    assert not any(each.section(evidence) for each in (calibration, conformal, operating, sites, utility))


@pytest.mark.parametrize(
    ("asked", "chosen", "said"),
    [
        ("none", "none", "as the model gives them"),
        ("auto", "none", "settled no correction"),
        ("auto", "platt", "corrected by slope and intercept (Platt)"),
    ],
)
def test_it_is_said_which_correction_the_model_has(make: Make, asked: str, chosen: str, said: str) -> None:
    losses = {"none": 0.5, "temperature": 0.45, "platt": 0.4}
    evidence = judged(make("binary"), recalibration={"asked": asked, "chosen": chosen, "rows": 80, "log_loss": losses})
    found = calibration.section(evidence)
    assert found is not None and said in words(found)
    assert found.tables[-1].best == {(2, 1)}  # the least loss


def test_too_few_validation_rows_for_sets_are_told(make: Make) -> None:
    few = {"coverage": 0.9, "rows": 8, "fewest": 9, "quantile": None}
    evidence = replace(make("binary"), scores={**make("binary").scores, "conformal": few})
    assert "90 % needs 9 validation rows or more, and there are 8" in words(conformal.section(evidence))


def test_a_rule_that_validation_does_not_reach_is_told_so(make: Make) -> None:
    evidence = make("binary")
    labels, chances = evidence.labels, evidence.probabilities
    found = operating_scores(evidence.target, (np.zeros(9, int), chances[:9]), (labels, chances), "f1", HOW)
    told = words(operating.section(replace(evidence, scores={**evidence.scores, "operating": found})))
    assert "not reached" in told and "decides for the likelier class" in told and "decides by the rule" not in told


def test_classes_may_be_called_as_a_way_to_bin_is() -> None:
    draw = np.random.default_rng(0)
    labels, chances = draw.integers(0, 2, (60, 2)), draw.random((60, 2))
    found, same = (
        calibration_scores(Target("multilabel", names), labels, chances, HOW)
        for names in (("width", "count"), ("cough", "fever"))
    )
    assert found["ece"] == same["ece"]
    assert [*found["by_class"].values()] == [*same["by_class"].values()]
