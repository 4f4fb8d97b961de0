"""Bad rows: found one by one, told up to twenty at once, never quoted."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from medplug.core.errors import RowsError

SHOWN = 20


@dataclass(frozen=True, slots=True)
class Problem:
    """One bad row: where it is (`row`: first data row = 1) and why, without its content."""

    row: int
    column: str
    reason: str


@dataclass(slots=True)
class Problems:
    """The bad rows of one table. `table` is how the table is named to the user."""

    table: str
    found: list[Problem] = field(default_factory=list)

    def add(self, rows: Iterable[int], column: str, reason: str) -> None:
        """Note that these rows are bad."""
        self.found += [Problem(int(row), column, reason) for row in rows]

    @property
    def rows(self) -> set[int]:
        """The numbers of the bad rows."""
        return {problem.row for problem in self.found}

    def in_order(self) -> list[Problem]:
        """The problems by row: they are found column by column, and cells before files."""
        return sorted(self.found, key=lambda p: (p.row, p.column))

    def stop(self, setting: str = "data.on_error=skip") -> None:
        """Raise `RowsError` naming up to twenty of the problems, if there are any.

        `setting` is what sets bad rows aside; empty where nothing does.
        """
        if not self.found:
            return
        shown = self.in_order()[:SHOWN]
        lines = [f"{self.table}: {len(self.rows)} bad row(s) (the first data row is row 1)"]
        lines += [f"  row {p.row}, column {p.column}: {p.reason}" for p in shown]
        if len(self.found) > SHOWN:
            lines.append(f"  ... and {len(self.found) - SHOWN} more")
        lines.append(f"mend them, or {f'set them aside with: {setting}' if setting else 'take them out'}")
        raise RowsError("\n".join(lines))
