"""Which columns each modality reads: settled on the first table, and kept for every later one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import polars as pl

from medplug.core.data.patterns import Pattern, meant
from medplug.core.data.tabular import TableColumns, choose_columns
from medplug.core.errors import DataError
from medplug.core.images.references import columns_named

if TYPE_CHECKING:
    from medplug.plugins.multimodal.options import MultimodalData

TABLES = ("tabular", "genes")
"""The slots whose values are rows of a table."""
EVERY = "*"


@dataclass(frozen=True, slots=True)
class Schema:
    """The columns of each table of values, and those of a signal's samples (empty where one column holds it)."""

    tables: Mapping[str, TableColumns]
    samples: tuple[str, ...] = ()

    @classmethod
    def of(cls, data: MultimodalData, table: pl.DataFrame) -> Self:
        """What the keys ``data.*`` mean in this table; `DataError` where they mean nothing in it."""
        tables = {}
        for slot in TABLES:
            if slot in data.in_use:
                names = _meant(data, slot, table.columns)
                categorical = [str(name) for name in data.categorical] if slot == "tabular" else []
                tables[slot] = choose_columns(table, names, categorical, f"data.{slot}")
        return cls(tables, _meant(data, "signal", table.columns) if isinstance(data.signal, tuple) else ())

    @classmethod
    def from_json(cls, told: Mapping[str, Any]) -> Self:
        """Build it again from what `to_json` gave."""
        tables = {slot: TableColumns(tuple(numeric), tuple(named)) for slot, (numeric, named) in told["tables"].items()}
        return cls(tables, tuple(told["samples"]))

    def to_json(self) -> dict[str, Any]:
        """All of it, as JSON data."""
        tables = {slot: [list(each.numeric), list(each.categorical)] for slot, each in self.tables.items()}
        return {"tables": tables, "samples": list(self.samples)}

    def names(self, slot: str) -> tuple[str, ...]:
        """The columns of a slot's values, or of a signal's samples."""
        if slot == "signal":
            return self.samples
        return (*self.tables[slot].numeric, *self.tables[slot].categorical)


def named(data: MultimodalData, slot: str) -> tuple[str, ...]:
    """What the key ``data.<slot>`` names, an image's pattern by the columns in its braces."""
    given = getattr(data, slot) or ()
    if slot == "image":
        return columns_named(given) if given else ()
    return (given,) if isinstance(given, str) else given


def _meant(data: MultimodalData, slot: str, names: list[str]) -> tuple[str, ...]:
    """The columns of a slot; none that another key names is among those that its patterns match.

    ``*`` leaves out what the patterns of other slots match, too.
    """
    known, own = frozenset(names), named(data, slot)
    others = [name for other in (*TABLES, "signal", "text", "image") if other != slot for name in named(data, other)]
    owners = [name for name in (data.group, data.site, data.split_column) if name]
    labels = (data.label,) if isinstance(data.label, str) else data.label  # no input beside times to an event either
    taken = {*data.labelled_by, *labels, *data.also, *owners, *others}
    by_pattern = {each for other in others for each in meant(Pattern(other), names, known)}
    found: dict[str, None] = {}
    for name in own:
        without = taken | by_pattern if name == EVERY else taken
        columns = (
            [name] if name in known else [each for each in meant(Pattern(name), names, known) if each not in without]
        )
        if not columns:
            raise DataError(
                f"data.{slot}: {name!r} matches no column that is not named by another key; name its columns"
            )
        found |= dict.fromkeys(columns)
    return tuple(found)
