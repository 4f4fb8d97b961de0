"""Tables of questions: published files under the columns' own names, and texts of cells."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl

from medplug.core.answers.published import published_table
from medplug.core.data import cells
from medplug.core.data.cleaning import Cleaning

if TYPE_CHECKING:
    from medplug.core.data.problems import Problems
    from medplug.core.data.tables import Tabular
    from medplug.plugins.medical_qa.options import MedicalQaData

_UNIFORM = Cleaning()


def tabulated(source: Any, key: str, data: MedicalQaData) -> Tabular:
    """A published file with its columns called as ``data.*`` says; anything else as it is.

    So one run may learn from SQuAD's file and be tested on a table of the user's own.
    """
    table = published_table(source, key)
    if table is source or not isinstance(table, pl.DataFrame):
        return table
    options = data.options if isinstance(data.options, str) else "options"
    called = {
        **{"question": data.question, "context": data.context or "context", "options": options},
        **{"label": data.label, "answer": data.answer, "answers": data.answer},
        "starts": data.answer_start or "answer_start",
    }
    return table.rename({name: called[name] for name in table.columns if name in called})


def asked(table: pl.DataFrame, name: str, key: str, what: str, problems: Problems) -> list[str]:
    """Short texts ``[rows]``, as questions are, in one spelling (NFKC, single spaces); an empty one is a problem."""
    found = [_UNIFORM(text or "") for text in cells.texts(table[name], key).to_list()]
    empty = pl.Series([not text for text in found], dtype=pl.Boolean)
    cells.refuse(problems, empty, name, f"the {what} is empty")
    return found


def read(table: pl.DataFrame, name: str, key: str, what: str, problems: Problems) -> list[str]:
    """Long texts ``[rows]``, as contexts are, letter by letter: offsets count in them, and they are shown.

    An empty one is a problem.
    """
    trimmed = cells.texts(table[name], key)
    cells.refuse(problems, trimmed.is_null(), name, f"the {what} is empty")
    whole = table[name] if table[name].dtype == pl.String else trimmed
    return whole.fill_null("").to_list()


def beside(table: pl.DataFrame, name: str | None, key: str) -> list[str | None]:
    """Texts that a row may lack ``[rows]``; None where it does."""
    return [None] * table.height if name is None else cells.texts(table[name], key).to_list()
