"""Tables of pairs: what they name by ids is looked up, so that every later step sees structures."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from medplug.core.data import cells
from medplug.core.data.faults import Wanted
from medplug.core.data.problems import Problems
from medplug.core.data.tables import read_table, table_name
from medplug.core.errors import DataError
from medplug.plugins.drug_target.entities import Entities, Which, of_id, of_structure

if TYPE_CHECKING:
    from medplug.plugins.drug_target.options import DrugTargetData

_LATER = ("INPUT", "DATA")
"""Keys of tables for a finished model, whose drugs and targets may be gone."""
_SIDES: tuple[Which, ...] = ("drug", "target")


class Lookup:
    """The drugs and targets of a run, each table read once and only where something is looked up in it."""

    def __init__(self, data: DrugTargetData) -> None:
        self._data = data
        self._known: dict[Which, Entities] = {}

    def filled(self, source: Any, key: str) -> Any:
        """A table of pairs with a structure for each id; `source` itself where nothing is named by ids.

        What a pair's own cell says counts before what its id says. Rows whose ids
        lead nowhere have an empty cell, which `told` explains. Raises `DataError`
        where the table, or one of those of drugs and targets, cannot be used.
        """
        sides = [which for which in _SIDES if getattr(self._data, f"{which}s") is not None]
        if not sides:
            return source
        frame = read_table(source, key=key, columns=None)
        self._check(frame, Wanted(key, table_name(source)), sides)
        for which in sides:
            frame = self._with_structures(frame, which, key)
        return frame

    def told(self, table: pl.DataFrame, which: Which, found: Problems, problems: Problems) -> None:
        """Add the problems `found` in the structures of a table that `filled` gave, those of ids by their ids."""
        known, name = self._known.get(which), of_id(self._data, which)
        if known is None or name not in table.columns or not found.found:
            problems.found += found.found
            return
        ids = cells.texts(table[name], f"data.{which}").to_list()
        texts = table[of_structure(self._data, which)].to_list()
        problems.found += [
            known.told(problem, name, ids[problem.row - 1], texts[problem.row - 1]) for problem in found.found
        ]

    def _check(self, frame: pl.DataFrame, wanted: Wanted, sides: list[Which]) -> None:
        """Refuse a table of pairs without the columns of ids, or a later one that has neither these nor structures."""
        later = wanted.key in _LATER
        names = {
            f"data.{which}": of_id(self._data, which)
            for which in sides
            if not (later and of_structure(self._data, which) in frame.columns)
        }
        if wanted.key not in ("data.unlabelled", "INPUT"):
            names["data.label"] = self._data.label
        Wanted(wanted.key, wanted.table, names).pick(frame.columns)

    def _with_structures(self, frame: pl.DataFrame, which: Which, key: str) -> pl.DataFrame:
        name, column = of_id(self._data, which), of_structure(self._data, which)
        own = cells.texts(frame[column], key) if column in frame.columns else None
        if name not in frame.columns or (key in _LATER and own is not None and not own.has_nulls()):
            return frame
        looked_up = self._entities(which, key).look_up(cells.texts(frame[name], f"data.{which}").to_list())
        filled = pl.Series(column, looked_up, dtype=pl.String)
        return frame.with_columns(filled if own is None else own.zip_with(own.is_not_null(), filled))

    def _entities(self, which: Which, key: str) -> Entities:
        if which not in self._known:
            source = getattr(self._data, f"{which}s")
            if key in _LATER and isinstance(source, str | Path) and not Path(source).expanduser().exists():
                raise DataError(
                    f"{key} names {which}s by ids, and data.{which}s ({source}), where the model's run found them, is "
                    f"not there\ngive {key} the column {of_structure(self._data, which)!r}, or put the file back"
                )
            self._known[which] = Entities.read(self._data, which)
        return self._known[which]
