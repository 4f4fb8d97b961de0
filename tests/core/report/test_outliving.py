from __future__ import annotations

import re
from typing import Any

import numpy as np

from medplug.core.report.cautions import cautions
from medplug.core.report.evidence import SplitFacts
from medplug.core.report.label_tables import labels
from medplug.core.report.outliving import STEPS, risk_groups
from medplug.core.report.plots import pictures
from medplug.core.report.svg import drawing
from medplug.core.report.tables import results


def drawn(evidence: Any) -> Any:
    with drawing():
        return risk_groups(evidence)


def test_rows_are_drawn_in_thirds_of_risk(make: Any) -> None:
    evidence = make("survival")
    picture = drawn(evidence)
    counts = re.findall(r"(\w+) third: (\d+) events in (\d+) rows", picture.caption)
    assert [(name, int(rows)) for name, _, rows in counts] == [("highest", 80), ("middle", 80), ("lowest", 80)]
    assert sum(int(events) for _, events, _ in counts) == evidence.labels[:, 1].sum()
    assert picture.svg is not None and "concordance index is 0." in picture.caption
    assert [each.name for each in pictures(evidence)] == ["risk-groups"]


def test_curves_step_at_even_times_and_not_at_a_patients_own(make: Any) -> None:
    svg = str(drawn(make("survival")).svg)
    paths = re.findall(r'<path d="([^"]*)" clip-path[^>]*var\(--(?:model|baseline)\)', svg)
    curves = [np.array(re.findall(r"[ML] ([\d.]+) [\d.]+", path), dtype=float) for path in paths]
    curves = [curve for curve in curves if len(curve) > 20]
    assert len(curves) == 2
    xs = np.unique(np.concatenate(curves))
    places = (xs - xs.min()) / (xs.max() - xs.min()) * STEPS
    np.testing.assert_allclose(places, np.round(places), atol=1e-3)


def test_no_curves_are_drawn_of_few_events_or_one_risk(make: Any) -> None:
    few = make("survival", rows=6)
    few.labels[3:, 1] = 0
    assert "have 3 events" in drawn(few).caption or few.labels[:, 1].sum() < 3
    assert drawn(few).svg is None
    same = make("survival", probabilities=np.zeros((240, 1)))
    assert drawn(same).svg is None and "risks are the same" in drawn(same).caption


def test_the_tables_speak_of_events_and_of_one_risk_for_all(make: Any) -> None:
    evidence = make("survival")
    table = labels(evidence)
    assert table.header == ["split", "rows with the event", "median follow-up", "median time to the event"]
    assert [row[0] for row in table.rows] == ["train", "validation", "test"]
    assert results(evidence).header[3] == "same risk"


def test_few_events_are_told_of_where_rows_are_many(make: Any) -> None:
    evidence = make("survival")
    few = evidence.splits["test"].follow_up.__class__(7, 12.0, None)
    splits = {**evidence.splits, "test": SplitFacts(240, 80, {}, follow_up=few)}
    told = cautions(make("survival", splits=splits))
    assert any("The test split has only 7 events" in each for each in told)
    assert not any("events" in each for each in cautions(evidence))
    assert "not reached" in labels(make("survival", splits=splits)).rows[2]
