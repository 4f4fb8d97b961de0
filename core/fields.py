"""Types of options: what a key takes, how it is read, and what is refused before anything is opened."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, PlainSerializer


def _named(table: Any) -> str | None:
    """Name a table that lives in memory, so that a configuration can always be written down."""
    return table if table is None else str(table) if isinstance(table, str | Path) else "<table in memory>"


def _existing_kind(value: Any) -> Any:
    """Refuse what cannot be a table before anything is read."""
    if isinstance(value, bool | int | float | bytes):
        raise ValueError("give a file (CSV, TSV, JSONL, Parquet) or a table in memory")
    return value


TableSource = Annotated[Any, BeforeValidator(_existing_kind), PlainSerializer(_named)]
"""A file's path or a table in memory (a polars or pandas frame, a mapping of columns)."""


Column = Annotated[str, Field(min_length=1)]
"""A column's name; an empty one is a shell variable that was not set."""


def _different(label: str | tuple[str, ...]) -> str | tuple[str, ...]:
    if isinstance(label, tuple) and len(set(label)) < max(len(label), 1):
        raise ValueError("give at least one column, and none twice")
    return label


LabelColumns = Annotated[Column | tuple[Column, ...], AfterValidator(_different)]
"""The column of the label, or several different 0/1 columns, one a label."""


AlsoKind = Literal["auto", "binary", "multiclass", "multilabel", "regression"]


def _kinds(value: Any) -> Any:
    """Columns without their kinds: one name, or a list of names."""
    names = [value] if isinstance(value, str) else value
    listed = isinstance(names, list | tuple) and all(isinstance(name, str) for name in names)
    return dict.fromkeys(names, "auto") if listed else value


def _in_order(kinds: dict[str, Any]) -> dict[str, Any]:
    """Sorted, so that the order in which columns are named changes nothing."""
    return dict(sorted(kinds.items()))


AlsoColumns = Annotated[dict[Column, AlsoKind], BeforeValidator(_kinds), AfterValidator(_in_order)]
"""Further label columns and the kind of each; a list of names stands for kinds that the labels tell."""


def _columns(value: Any) -> Any:
    """Columns may be written without brackets, joined by commas; one whose name has a comma is given in a list."""
    return tuple(name.strip() for name in value.split(",")) if isinstance(value, str) else value


Columns = Annotated[tuple[Column, ...], BeforeValidator(_columns)]


def _joined(value: Any) -> Any:
    """Several names may be written as one word, joined by +; null stands for none."""
    names = () if value is None else tuple(value.split("+")) if isinstance(value, str) else value
    if isinstance(names, list | tuple) and (not all(names) or len(set(map(str, names))) < len(names)):
        raise ValueError("name each once, joined by +, as in NAME+NAME")
    return names


Names = Annotated[
    tuple[str, ...], BeforeValidator(_joined), PlainSerializer(lambda names: "+".join(names) or None, str | None)
]
"""Names of things that are used together."""


def _sites(value: Any) -> Any:
    """One site may be written without brackets."""
    return (value,) if isinstance(value, str) else value


Sites = Annotated[tuple[Column, ...], BeforeValidator(_sites)]


def _folds(value: Any) -> Any:
    """Folds are often numbers, and one may be written without brackets; a column's cells are compared as texts."""
    listed = value if isinstance(value, list | tuple) else (value,)
    return tuple(str(each) if type(each) is int else each for each in listed)


Folds = Annotated[tuple[Column, ...], BeforeValidator(_folds)]
"""Values of ``data.split_column``, as texts."""


def _rule(value: str) -> str:
    name, colon, share = value.partition(":")
    if name in ("half", "youden", "f1") and not colon:
        return value
    try:
        stated = name in ("sensitivity", "specificity") and 0 < float(share) < 1
    except ValueError:
        stated = False
    if not stated:
        raise ValueError("give half, youden, f1, sensitivity:SHARE or specificity:SHARE, as sensitivity:0.9")
    return value


Rule = Annotated[str, AfterValidator(_rule)]
"""How a threshold is chosen (`medplug.core.evaluation.operating.threshold_by`)."""
Shares = tuple[float, float, float]
DEFAULT_SHARES: Shares = (0.7, 0.1, 0.2)
