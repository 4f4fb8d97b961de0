"""Drugs and targets in tables of their own, which pairs name by their ids."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import polars as pl

from medplug.core.data import cells
from medplug.core.data.faults import Wanted
from medplug.core.data.files import ALLOWED
from medplug.core.data.problems import Problem, Problems
from medplug.core.data.tables import read_table, table_name
from medplug.core.errors import DataError
from medplug.core.molecules.reading import BROKEN
from medplug.core.molecules.reading import standardise as standard_molecule
from medplug.core.molecules.sdf import SMILES, TITLE, table_of_sdf
from medplug.core.proteins.fasta import table_of_fasta
from medplug.core.proteins.reading import standardise as standard_sequence

if TYPE_CHECKING:
    from medplug.plugins.drug_target.options import DrugTargetData

Which = Literal["drug", "target"]
_FILES: dict[Which, tuple[str, ...]] = {
    "drug": (".sdf", ".sd", ".mol"),
    "target": (".fasta", ".fa", ".faa", ".fas"),
}
_STANDARD: dict[Which, Callable[[str], str]] = {"drug": standard_molecule, "target": standard_sequence}
WHAT: dict[Which, str] = {"drug": "SMILES", "target": "sequence"}


@dataclass(slots=True)
class Entities:
    """The drugs, or the targets, by their ids: what each one's row says, unread, and where it stands.

    `table` is what messages call the table and `column` its column. An id with a
    fault (two structures) has it in `faults`.
    """

    which: Which
    table: str
    texts: dict[str, str | None] = field(default_factory=dict)
    rows: dict[str, int] = field(default_factory=dict)
    faults: dict[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, data: DrugTargetData, which: Which) -> Entities:
        """All of ``data.drugs`` or ``data.targets``.

        Raises `DataError` for a table that cannot be read or lacks a column, and
        `RowsError` for rows without an id, broken records and ids with two
        structures, where ``data.on_error`` is ``stop``.
        """
        source, column = getattr(data, f"{which}s"), of_structure(data, which)
        try:
            frame, name, column = _table(source, which, of_id(data, which), column)
        except DataError as error:
            raise _allowing(error, which) from None
        found, problems = cls(which, table_name(source)), Problems(f"data.{which}s ({table_name(source)})")
        found._add(cells.texts(frame[name], f"data.{which}"), cells.texts(frame[column], column), problems)
        if data.on_error == "stop":
            problems.stop()
        return found

    def _add(self, ids: pl.Series, texts: pl.Series, problems: Problems) -> None:
        for row, (id_, text) in enumerate(zip(ids.to_list(), texts.to_list(), strict=True), 1):
            if text in BROKEN:
                problems.add([row], texts.name, BROKEN[text])
            elif id_ is None:
                problems.add([row], ids.name, "the id is empty")
            elif self._differs(id_, text):
                self.faults[id_] = f"the id is that of row {self.rows[id_]}, with another {WHAT[self.which]}"
                problems.add([row], ids.name, self.faults[id_])
            if id_ is not None and id_ not in self.rows:
                self.texts[id_], self.rows[id_] = text, row

    def _differs(self, id_: str, text: str | None) -> bool:
        """Whether an id stood before with another structure, not only written in another way."""
        if id_ not in self.texts or self.texts[id_] == text:
            return False
        first, second = (_standard(each, self.which) for each in (self.texts[id_], text))
        return first != second

    def look_up(self, ids: Sequence[str | None]) -> list[str | None]:
        """What is known of each id; None where nothing is, or two things are."""
        return [None if id_ is None or id_ in self.faults else self.texts.get(id_) for id_ in ids]

    def told(self, problem: Problem, column: str, id_: str | None, text: str | None) -> Problem:
        """A problem of a pair's structure `text` that was looked up by its id in `column`, told where it arose."""
        if text is not None and (id_ is None or self.texts.get(id_) != text):
            return problem  # the pair's own cell
        if id_ is None:
            return Problem(problem.row, column, f"the id of the {self.which} is empty")
        if id_ not in self.rows:
            return Problem(problem.row, column, f"data.{self.which}s ({self.table}) has no {self.which} of this id")
        reason = self.faults.get(id_, problem.reason)
        return Problem(problem.row, column, f"row {self.rows[id_]} of data.{self.which}s ({self.table}): {reason}")


def of_structure(data: DrugTargetData, which: Which) -> str:
    """The column of what a drug, or a target, is made of."""
    return data.smiles if which == "drug" else data.sequence


def of_id(data: DrugTargetData, which: Which) -> str:
    """The column of ids."""
    given: str | None = getattr(data, which)
    return given or which


def _table(source: Any, which: Which, name: str, column: str) -> tuple[pl.DataFrame, str, str]:
    """The table with the names of its columns of ids and structures; `DataError` where it has none of them."""
    key = f"data.{which}s"
    wanted = Wanted(key, table_name(source))
    if isinstance(source, str | Path) and str(source).lower().removesuffix(".gz").endswith(_FILES[which]):
        if which == "target":
            return table_of_fasta(source, key=key), "id", "sequence"
        frame = table_of_sdf(source, key=key)
        return frame, _id_column(frame, (name, TITLE), which, wanted), SMILES
    frame = read_table(source, key=key, columns=None)
    structure = {f"data.{'smiles' if which == 'drug' else 'sequence'}": column}
    Wanted(key, table_name(source), structure).pick(frame.columns)
    return frame, _id_column(frame, (name, "id"), which, wanted), column


def _allowing(error: DataError, which: Which) -> DataError:
    """The error, which tells of tables' formats, also with the files of entities that are none."""
    if ALLOWED not in str(error):
        return error
    kind = "an SDF" if which == "drug" else "a FASTA"
    return DataError(f"{error}\ndata.{which}s may also be {kind} file: {', '.join(_FILES[which])} (also with .gz)")


def _id_column(frame: pl.DataFrame, names: Sequence[str], which: Which, wanted: Wanted) -> str:
    found = next((name for name in names if name in frame.columns), None)
    if found is None:
        Wanted(wanted.key, wanted.table, {f"data.{which}": names[0]}).pick(frame.columns)
    assert found is not None
    return found


def _standard(text: str | None, which: Which) -> str | None:
    try:
        return text and _STANDARD[which](text)
    except DataError:  # what cannot be read is compared as it is written
        return text
