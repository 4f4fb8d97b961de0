from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from medplug.core.data.bins import binned, stratified_by
from medplug.core.data.problems import Problems
from medplug.core.data.splits import limit_rows, split_rows
from medplug.core.data.survival import survival_column
from medplug.core.data.targets import Target
from medplug.core.errors import DataError

FRACTIONS = (0.6, 0.2, 0.2)


def patients(rows: int, share: float = 0.3, seed: int = 0) -> list[tuple[float, bool]]:
    draw = np.random.default_rng(seed)
    return [(float(t), bool(e)) for t, e in zip(draw.exponential(10, rows), draw.random(rows) < share, strict=True)]


# ---- reading


def test_a_row_is_a_time_and_whether_the_event_came() -> None:
    events = ["1", "0", " Yes ", "NO", "dead", "Alive", "event", "Censored", "true", "false"]
    table = pl.DataFrame({"days": list(range(1, 11)), "died": events})
    problems = Problems("table")
    found = survival_column(table, "days", "died", problems)
    assert found == [(float(day), day % 2 == 1) for day in range(1, 11)] and not problems.found


@pytest.mark.parametrize("died", [[1, 0], [1.0, 0.0], [True, False]])
def test_events_may_be_numbers_or_truth_values(died: list[object]) -> None:
    table = pl.DataFrame({"days": ["1.5", "2"], "died": died})
    assert survival_column(table, "days", "died", Problems("table")) == [(1.5, True), (2.0, False)]


def test_unusable_cells_are_told_by_row_and_column_and_not_quoted() -> None:
    times = ["3", "", "soon", "0", "-2", "inf", "1,5", "4", "5"]
    table = pl.DataFrame({"days": times, "died": ["1"] * 7 + [None, "perhaps"]})
    problems = Problems("table")
    survival_column(table, "days", "died", problems)
    told = {(each.row, each.column): each.reason for each in problems.found}
    assert {row for row, _ in told} == set(range(2, 10))
    assert told[2, "days"] == "the time is empty" and told[3, "days"] == "the cell is not a number"
    assert told[4, "days"] == told[5, "days"] == "the time is not above 0"
    assert told[6, "days"] == "the number is not finite" and "point" in told[7, "days"]
    assert "empty" in told[8, "died"] and "neither" in told[9, "died"]
    assert not any(cell in reason for reason in told.values() for cell in ("soon", "perhaps"))


# ---- the target


def test_a_target_encodes_times_and_events_and_takes_logits_for_what_they_are() -> None:
    labels = [(2.5, True), (3.0, False)]
    target = Target.survival("death", labels)
    assert (target.kind, target.classes, target.outputs, target.has_classes) == ("survival", ("death",), 1, False)
    encoded = target.encode(labels)
    assert encoded.dtype == np.float64 and encoded.tolist() == [[2.5, 1], [3, 0]]
    risks = target.probabilities(np.array([[1.5], [-2.0]], dtype=np.float32))
    assert risks.tolist() == [[1.5], [-2.0]] and target.decode(target.decide(risks)) == [1.5, -2.0]
    assert target.unknown(labels) == []


def test_training_rows_that_teach_nothing_are_refused() -> None:
    with pytest.raises(DataError, match="none of the 2 training rows has the event death"):
        Target.survival("death", [(1.0, False), (2.0, False)])
    with pytest.raises(DataError, match="all have the same time to death"):
        Target.survival("death", [(1.0, True), (1.0, False)])
    assert not Target.numeric("age", [1.0, 2.0]).has_classes and Target("binary", ("no", "yes")).has_classes


# ---- splits


@pytest.mark.parametrize("grouped", [False, True])
def test_splits_have_their_share_of_events_and_of_times(grouped: bool) -> None:
    labels = patients(600)
    groups = [str(row // 2) for row in range(600)] if grouped else None
    events, times = np.array([event for _, event in labels]), np.array([time for time, _ in labels])
    more, later = [], []
    for seed in range(6):
        test = split_rows(labels, groups=groups, fractions=FRACTIONS, seed=seed) == "test"
        assert abs(test.mean() - 0.2) < 0.02
        more.append(events[test].sum() - events.mean() * test.sum())
        later.append(np.median(times[test & events]) - np.median(times[events]))
    assert np.sqrt(np.mean(np.square(more))) < 2.6  # of 36; drawn without heed it is 4.3
    assert grouped or np.sqrt(np.mean(np.square(later))) < 0.8  # 1.5


def test_few_events_are_still_in_training() -> None:
    labels = patients(60, share=0.0)
    labels[7] = (labels[7][0], True)
    assert split_rows(labels, groups=None, fractions=FRACTIONS, seed=0)[7] == "train"


def test_strata_are_of_events_or_censored_rows_alone_in_order_of_time() -> None:
    labels = patients(400)
    strata = binned(labels)
    by_stratum: dict[int, list[tuple[float, bool]]] = {}
    for label, stratum in zip(labels, strata, strict=True):
        by_stratum.setdefault(stratum, []).append(label)
    assert all(len({event for _, event in rows}) == 1 and len(rows) >= 10 for rows in by_stratum.values())
    ordered = [by_stratum[key] for key in sorted(by_stratum)]
    for before, after in zip(ordered, ordered[1:], strict=False):
        assert before[0][1] != after[0][1] or max(before)[0] <= min(after)[0]
    assert stratified_by(labels) == "event and the quantile of its time"


def test_a_limit_counts_rows_in_all_and_keeps_the_share_of_events() -> None:
    labels = patients(500)
    taken = limit_rows(labels, 60, seed=0)
    assert len(taken) == 60
    share = np.mean([event for _, event in labels])
    assert abs(np.mean([labels[row][1] for row in taken]) - share) < 0.05
