"""The report's section on single drugs and proteins."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from medplug.core.evaluation.entities import EntityScores, score_entities, told_of
from medplug.core.judging.entities import summary
from medplug.core.report import entities
from medplug.core.report.evidence import Evidence
from medplug.core.report.names import greater_is_better
from medplug.core.report.page import write_report

Make = Callable[..., Evidence]


def paired(make: Make, kind: str = "regression", metric: str = "mse", drugs: int = 30) -> Evidence:
    """Evidence of 600 pairs of so many drugs, most of which are not scored where there are many, and of 3 proteins."""
    evidence = make(kind, metric=metric, rows=600)
    draw, found = np.random.default_rng(1), []
    for slot, number in (("drug", drugs), ("protein", 3)):
        at = np.unique(draw.integers(0, number, 600), return_inverse=True)[1]
        scored = score_entities(evidence.target, evidence.labels, evidence.probabilities, at, (metric, "mae", "r2")
                                if kind == "regression" else (metric, "auprc", "ef1"))  # fmt: skip
        told = told_of(evidence.target, evidence.labels, at)
        names = [f"{slot} {i}" for i in range(at.max() + 1)]
        found.append(EntityScores(slot, names, np.arange(at.max() + 1), np.bincount(at), told, scored))
    scores = {**evidence.scores, "by_entity": summary(found)}
    return replace(evidence, scores=scores, entities=tuple(found))


@pytest.mark.parametrize(("kind", "metric"), [("regression", "mse"), ("regression", "pearson"), ("binary", "auroc")])
def test_the_ten_best_and_the_ten_worst_are_listed_best_first(make: Make, kind: str, metric: str) -> None:
    evidence = paired(make, kind, metric)
    table = entities.entity_tables(evidence)[1]
    each = evidence.entities[0]
    values = [each.values[metric][each.names.index(row[0])] for row in table.rows]
    assert len(values) == 20 and values == sorted(values, reverse=greater_is_better(metric))
    assert [row[1] for row in table.rows] == [
        f"{i}" for i in [*range(1, 11), *range(len(each.names) - 9, len(each.names) + 1)]
    ]
    assert all(int(row[3]) == each.rows[each.names.index(row[0])] for row in table.rows)
    assert table.caption.startswith("The best 10 and the worst 10 of 30 drugs")


def test_few_entities_are_all_listed_once(make: Make) -> None:
    table = entities.entity_tables(paired(make))[3]
    assert sorted(row[0] for row in table.rows) == ["protein 0", "protein 1", "protein 2"]
    assert table.caption == "All 3 proteins by mean squared error"


def test_the_spread_stands_beside_the_score_of_all_rows(make: Make) -> None:
    evidence = paired(make)
    (row, *_) = entities.entity_spreads(evidence)[0].rows
    assert row[0] == "mean squared error ↓" and row[1] == "30"
    assert float(row[-1]) == pytest.approx(evidence.scores["metrics"]["mse"]["value"], rel=1e-3)
    assert float(row[3]) <= float(row[4]) <= float(row[5])


def test_where_no_entity_has_rows_enough_the_page_says_so(make: Make, tmp_path: Path) -> None:
    evidence = paired(make, drugs=300)
    evidence = replace(evidence, entities=evidence.entities[:1])
    assert [table.rows for table in entities.entity_tables(evidence)] == [[]]
    assert entities.entity_pictures(evidence) == []
    write_report(tmp_path, evidence)
    assert "has 10 test rows, the fewest that are scored" in (tmp_path / "report.html").read_text()


def test_both_pages_tell_of_entities_and_of_none_where_there_are_none(make: Make, tmp_path: Path) -> None:
    write_report(tmp_path, paired(make))
    page, card = ((tmp_path / name).read_text() for name in ("report.html", "model_card.md"))
    assert "By drug and protein" in page and 'id="figure-entities"' in page and "Scores by protein" in card
    write_report(tmp_path, make("regression"))
    page, card = ((tmp_path / name).read_text() for name in ("report.html", "model_card.md"))
    assert "by_entity" not in page and 'id="figure-entities"' not in page and "Scores by" not in card


def test_an_enrichment_is_told_with_the_most_that_it_can_be(make: Make, tmp_path: Path) -> None:
    write_report(tmp_path, make("binary"))
    assert "is 1 by chance and can be 2.000 at most on these rows" in (tmp_path / "report.html").read_text()
