from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from medplug.core.data.leakage import NEAR_SLOT
from medplug.core.data.revealing import Revealing
from medplug.core.report.cautions import cautions
from medplug.core.report.evidence import Evidence
from medplug.core.report.names import leak_name
from medplug.core.report.sections import characteristics, leakage, shift

Make = Callable[..., Evidence]
AUROC = {"value": 0.8, "ci95": [0.7, 0.9]}


@pytest.fixture
def evidence(make: Make) -> Evidence:
    return make()


def revealed(evidence: Evidence, *found: Revealing) -> Evidence:
    return replace(evidence, facts=replace(evidence.facts, revealing=list(found)))


def test_a_column_and_a_word_that_tell_the_label_are_cautions_and_stand_in_a_table(evidence: Evidence) -> None:
    column = Revealing("tabular", "column", "discharge", None, 0.998, 120)
    word = Revealing("notes", "word", "code", "sepsis", 0.97, 120)
    told = [each for each in cautions(revealed(evidence, column, word)) if "almost perfectly" in each]
    assert ["discharge 0.998" in told[0], "code 0.970" in told[1]] == [True, True]
    table = leakage.section(revealed(evidence, column, word)).tables[-1]
    assert [row[:3] for row in table.rows] == [["discharge", "column", "tabular"], ["code", "word", "notes"]]
    assert "balanced accuracy" in table.header


def test_a_clean_run_has_no_such_caution(evidence: Evidence) -> None:
    assert not [each for each in cautions(evidence) if "almost perfectly" in each or "told from training" in each]


@pytest.mark.parametrize(("low", "told"), [(0.7, True), (0.55, False), (None, False)])
def test_rows_of_another_kind_are_a_caution_where_the_interval_says_so(
    evidence: Evidence, low: float | None, told: bool
) -> None:
    auroc = {"value": 0.8, "ci95": [low, None if low is None else 0.9]}
    evidence.scores["shift"] = {"train and test": {"rows": [200, 100], "auroc": auroc, "features": []}}
    assert any("told from training rows" in each for each in cautions(evidence)) == told


def test_the_shift_of_features_and_words_stands_in_tables(evidence: Evidence) -> None:
    age = {"name": "age", "missing": [0.0, 0.25], "smd": -1.5, "ks": 0.6}
    words = [{"word": "fever", "shares": [0.5, 0.1]}]
    evidence.scores["shift"] = {
        "train and test": {"rows": [200, 100], "auroc": AUROC, "features": [age], "words": words},
        "source and target": {"rows": [30, 10], "auroc": None, "features": []},
    }
    found = shift.section(evidence)
    assert found is not None
    first, second = found.parts
    assert "0.800 [0.700, 0.900]" in first.paragraphs[0] and "too few rows" in second.paragraphs[0]
    assert first.folded[0].rows == [["age", "\N{MINUS SIGN}1.500", "0.600", "", "0.0 %", "25.0 %"]]
    assert first.folded[1].rows == [["fever", "50.0 %", "10.0 %"]]


def test_characteristics_stand_by_split_with_what_is_missing(evidence: Evidence) -> None:
    number = {"missing": 2, "rows": 10, "mean": 50.0, "deviation": 4.0, "median": 50.0}
    names = {"missing": 0, "rows": 10, "names": {"f": 6}, "other": 4}
    evidence.scores["characteristics"] = {
        "rows": {"train": 10, "test": 10},
        "features": [
            {"name": "age", "splits": {"train": number, "test": {**number, "mean": None}}},
            {"name": "sex", "splits": {"train": names}},
        ],
    }
    found = characteristics.section(evidence)
    assert found is not None
    rows = {row[0]: row[1:] for row in found.tables[0].rows}
    assert rows["age"] == ["50 (4)", "not defined"]
    assert rows["age: missing"] == ["2 (20.0 %)", "2 (20.0 %)"]
    assert rows["sex: f"] == ["6 (60.0 %)", "not defined"]
    assert "sex: another" in rows and "sex: missing" not in rows


def test_nothing_measured_has_no_section(evidence: Evidence) -> None:
    assert characteristics.section(evidence) is None
    assert shift.section(evidence) is None


def test_a_leak_of_one_slot_is_named() -> None:
    assert leak_name(f"{NEAR_SLOT}image") == "nearly the same image"
