"""Tables of questions: published files under the columns' own names, and texts of cells."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import polars as pl

from medplug.core.answers.published import published_table
from medplug.core.data import cells
from medplug.core.data.cleaning import Cleaning
from medplug.core.data.tables import table_name
from medplug.core.errors import DataError

if TYPE_CHECKING:
    from medplug.core.data.problems import Problems
    from medplug.core.data.tables import Tabular
    from medplug.plugins.medical_qa.options import FormName, MedicalQaData

_UNIFORM = Cleaning()


def tabulated(source: Any, key: str, data: MedicalQaData, *, form: str, needed: Iterable[str]) -> Tabular:
    """A published file with its columns called as ``data.*`` says; anything else as it is.

    So one run may learn from SQuAD's file and be tested on a table of the user's own. `DataError`
    for a set of another form than the run's, which lacks columns that are `needed`.
    """
    table = published_table(source, key)
    if table is source or not isinstance(table, pl.DataFrame):
        return table
    name, suits = made_for(table)
    table = _renamed(table, data)
    lacking = set(needed) - set(table.columns)
    if lacking and suits != form:
        raise DataError(
            f"{key} ({table_name(source)}): it is a file of {name}, and task.form={form} needs columns that it lacks: "
            f"{', '.join(sorted(lacking))}\nread it with task.form={suits}, or give a table with these columns"
        )
    return table


def _renamed(table: pl.DataFrame, data: MedicalQaData) -> pl.DataFrame:
    options = data.options if isinstance(data.options, str) else "options"
    called = {
        **{"question": data.question, "context": data.context or "context", "options": options},
        **{"label": data.label, "answer": data.answer, "answers": data.answer},
        "starts": data.answer_start or "answer_start",
    }
    return table.rename({name: called[name] for name in table.columns if name in called})


def made_for(published: pl.DataFrame) -> tuple[str, FormName]:
    """Which published set a table of `published_table` is of, and the form that its questions have."""
    if "answers" in published.columns:
        return "SQuAD", "extractive"
    return ("HEAD-QA", "multiple_choice") if "options" in published.columns else ("PubMedQA", "yes_no_maybe")


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
