"""Labels of pairs: units, bounds, classes, and what a column is taken for."""

from __future__ import annotations

import math

import polars as pl
import pytest

from medplug.core.data.problems import Problems
from medplug.core.errors import ConfigError, DataError
from medplug.plugins.drug_target.labels import affinities, check_two, kind_of, named


def told(column: pl.Series, unit: str | None) -> dict[int, str]:
    problems = Problems("t.csv")
    values = affinities(column, unit, problems)  # type: ignore[arg-type]
    found = {problem.row: problem.reason for problem in problems.found}
    assert all(math.isnan(values[row - 1]) for row in found if unit)
    return found


@pytest.mark.parametrize(
    ("unit", "value", "expected"),
    [("pM", 10.0, 11), ("nM", 10.0, 8), ("uM", 10.0, 5), ("mM", 10.0, 2), ("M", 10.0, -1), ("nM", 43.0, 7.366531544)],
)
def test_a_concentration_becomes_its_negative_logarithm_in_mol_per_litre(
    unit: str, value: float, expected: float
) -> None:
    for column in (pl.Series("Kd", [value]), pl.Series("Kd", [str(value)])):
        problems = Problems("t.csv")
        assert affinities(column, unit, problems) == pytest.approx([expected])  # type: ignore[arg-type]
        assert not problems.found


def test_without_a_unit_a_number_stays_what_it_is() -> None:
    column = pl.Series("pKd", ["7.25", "-1", "0"])
    assert affinities(column, None, Problems("t.csv")) == [7.25, -1, 0]


@pytest.mark.parametrize("value", ["0", "-3", "-0.5", "0.0"])
def test_a_concentration_that_is_not_above_zero_is_a_bad_row(value: str) -> None:
    found = told(pl.Series("Kd", ["5", value]), "nM")
    assert list(found) == [2] and "not above 0" in found[2] and "nM" in found[2]


@pytest.mark.parametrize("bound", [">10000", "<0.5", " > 10000", "≥5", "~7", "<= 3"])
@pytest.mark.parametrize("unit", ["nM", None])
def test_a_bound_is_no_number_and_its_reason_says_what_to_do(bound: str, unit: str | None) -> None:
    found = told(pl.Series("Kd", ["5", bound, "7"]), unit)
    assert list(found) == [2]
    assert "bound" in found[2] and "task.target=binary" in found[2]


def test_words_empty_cells_and_infinities_are_told_apart() -> None:
    found = told(pl.Series("Kd", ["n/a?", None, "inf", "1,5", "4"]), "nM")
    assert set(found) == {1, 2, 3, 4}
    assert "not a number" in found[1] and "empty" in found[2] and "finite" in found[3] and "comma" in found[4]


def test_two_different_labels_are_classes_and_more_are_numbers() -> None:
    assert kind_of(pl.Series("y", [0, 1, 1, None])) == "binary"
    assert kind_of(pl.Series("y", ["active", "inactive"])) == "binary"
    assert kind_of(pl.Series("y", [5.0, 6.1, 7.2])) == "regression"
    assert kind_of(pl.Series("y", [">10000", ">5000", "30"])) == "regression"


def test_several_words_are_neither() -> None:
    with pytest.raises(DataError, match="3 different values, most of which are no numbers"):
        kind_of(pl.Series("y", ["active", "inactive", "unclear"]))


def test_what_is_predicted_is_called_by_its_meaning() -> None:
    assert named("Kd", "nM") == "-log10 Kd (mol/l)" and named("pKd", None) == "pKd"


def test_classes_that_are_not_two_are_refused_with_what_this_task_can_do() -> None:
    with pytest.raises(DataError, match="the same label in all 3 training rows"):
        check_two(["5"] * 3, "affinity")
    with pytest.raises(ConfigError, match="3 different labels in training; use task.target=regression"):
        check_two(["1", "2", "3"], "affinity")
    check_two(["0", "1", "0"], "affinity")
