"""Times to an event as tables have them: one column of times, and one that says whether the event came."""

from __future__ import annotations

import polars as pl

from medplug.core.data import cells
from medplug.core.data.problems import Problems

EVENT = frozenset(("1", "1.0", "true", "yes", "dead", "event"))
CENSORED = frozenset(("0", "0.0", "false", "no", "alive", "censored"))


def survival_column(table: pl.DataFrame, time: str, event: str, problems: Problems) -> list[tuple[float, bool]]:
    """One pair a row: the time, in the column's own unit, and whether the event came then (else the row was censored).

    A time that is empty, no number or not above 0 is a problem, and so is an
    event that is neither of `EVENT` nor of `CENSORED`, whatever its case.
    """
    times = cells.number_column(table[time], problems, key="data.time", what="time")
    early = pl.Series([value <= 0 for value in times], dtype=pl.Boolean)
    cells.refuse(problems, early, time, "the time is not above 0")
    told = cells.texts(table[event], "data.event").str.to_lowercase()
    came, lasted = told.is_in(list(EVENT)), told.is_in(list(CENSORED))
    cells.refuse(problems, told.is_null(), event, "the event is empty; 0 or 1 is needed")
    unknown = told.is_not_null() & ~(came | lasted)
    cells.refuse(
        problems, unknown, event, "the event is neither 1 (true, yes, dead, event) nor 0 (false, no, alive, censored)"
    )
    return list(zip(times, came.fill_null(False).to_list(), strict=True))
