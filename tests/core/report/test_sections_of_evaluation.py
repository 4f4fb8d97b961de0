"""What the sections on calibration, usefulness, thresholds, sets and sites say of made-up evidence."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from medplug.core.data.targets import Target
from medplug.core.evaluation.conformal import fit_conformal
from medplug.core.explaining.attribution import Attribution
from medplug.core.judging.soundness import (
    calibration_scores,
    conformal_scores,
    heterogeneity_scores,
    operating_scores,
    utility_scores,
)
from medplug.core.report.cautions import cautions
from medplug.core.report.evidence import Evidence
from medplug.core.report.section import Section
from medplug.core.report.sections import calibration, conformal, operating, sites, utility
from medplug.core.report.sections.explanations import rows_explained

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


def test_two_parts_have_no_row_for_a_further_one_and_say_why(make: Make) -> None:
    evidence = judged(make("binary"))
    part = evidence.scores["by_group"]["site"]
    two = {name: part[name] for name in [*part][:2]}
    few = heterogeneity_scores({"site": two}, evidence.metric)
    told = words(
        sites.section(replace(evidence, scores={**evidence.scores, "by_group": {"site": two}, "heterogeneity": few}))
    )
    assert "Two parts say next to nothing" in told and "of 3 parts or more" in told
    assert "not defined – not defined" not in told and "dashed" not in told


def test_probabilities_and_sets_that_do_not_keep_their_promise_are_cautioned_against(make: Make) -> None:
    evidence = make("binary")
    sure = {"slope": {"value": 1.7, "ci95": [1.4, 2.5]}, "intercept": {"value": -0.1, "ci95": [-0.4, 0.2]}}
    sets = {"coverage": 0.9, "covered": {"value": 0.78, "ci95": [0.7, 0.87]}}
    worse = {"before": {"log_loss": {"value": 0.3}}, "after": {"log_loss": {"value": 0.4}}}
    kept = {"calibration": sure, "conformal": sets, "recalibration": {"test": worse}}
    told = " ".join(cautions(replace(evidence, scores={**evidence.scores, **kept})))
    assert "too timid: calibration slope 1.700 [1.400, 2.500]" in told and "on the whole" not in told
    assert "fewer test rows than promised: 0.780 [0.700, 0.870] in place of 0.9" in told
    assert "did not help: log loss on test rows is 0.400 with it and 0.300 without" in told
    fine = {"slope": {"value": 0.7, "ci95": [0.5, 0.9]}, "intercept": {"value": 0.5, "ci95": [0.1, 0.9]}}
    sets, better = (
        {"coverage": 0.9, "covered": {"value": 0.88, "ci95": [0.8, 0.95]}},
        {**worse, "after": worse["before"]},
    )
    kept = {"calibration": fine, "conformal": sets, "recalibration": {"test": better}}
    told = " ".join(cautions(replace(evidence, scores={**evidence.scores, **kept})))
    assert not any(each in told for each in ("too extreme", "too low", "promised", "did not help"))


def test_explained_rows_have_a_column_of_the_check_only_where_it_was_made() -> None:
    found = Attribution(1, "tabular", "tabular", "shapley_values", "1", "column", np.ones(2), ("age", "sex"))
    tables = [rows_explained([each], numeric=False) for each in (found, replace(found, sanity=0.1))]
    headers = [each.tables[0].header for each in tables if each is not None]
    assert ["like random weights" in header for header in headers] == [False, True]
    assert all(len(each.tables[0].rows[0]) == len(each.tables[0].header) for each in tables if each is not None)


def test_a_correction_that_was_asked_for_and_not_had_is_told(make: Make) -> None:
    evidence = make("binary")
    for asked, told in (("isotonic", True), ("auto", False), ("none", False)):
        found = {"recalibration": {"asked": asked, "chosen": "none", "rows": 60}}
        said = " ".join(cautions(replace(evidence, scores={**evidence.scores, **found})))
        assert (
            "selection.calibration=isotonic was asked for and could not be had from 60 validation rows" in said
        ) == told
