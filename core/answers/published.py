"""Published sets of questions, recognised and turned into tables with plain columns.

PubMedQA (Jin et al., 2019), HEAD-QA (Vilares and Gómez-Rodríguez, 2019) and
SQuAD (Rajpurkar et al., 2016), each as its authors give it or as JSON Lines with
their fields. What a model must not see (PubMedQA's long answer, which is the
abstract's conclusion, and its annotators' decisions) has no column.
"""

from __future__ import annotations

import codecs
import json
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl

from medplug.core.answers.nested import Faults, read_json
from medplug.core.answers.squad import is_squad, squad_table
from medplug.core.data.faults import Wanted, open_bytes
from medplug.core.data.tables import Tabular, read_table, table_name

PUBMEDQA = {"question", "contexts"}
_PUBMEDQA_OTHERS = {"final_decision", "long_answer", "pmid"}
HEAD_QA = {"question", "options", "exam", "qid"}
_BETWEEN = "\n"
"""What stands between the sections of an abstract."""


def published_table(source: Any, key: str) -> Tabular:
    """The table of a published set, or `source` itself where it is none.

    PubMedQA: ``question``, ``context`` (the sections, a line each), ``label`` (yes,
    no, maybe; only where the set tells it), ``id``. HEAD-QA: ``question``,
    ``options`` (lists), ``answer`` (index from 0), ``category``, ``group`` (the exam),
    ``id``. SQuAD: as `squad_table`. `key` is the configuration's key that `source`
    came from. A ``.json`` file must be one of them: `DataError` otherwise, and
    where it is broken, with the place.
    """
    if isinstance(source, str | Path) and Path(source).name.lower().removesuffix(".gz").endswith(".json"):
        return _of_json(Path(source), Wanted(key, table_name(source)))
    names = _names(source)
    if names >= PUBMEDQA and names & _PUBMEDQA_OTHERS:
        return _pubmedqa(read_table(source, key=key, columns=None))
    if names >= HEAD_QA:
        return _head_qa(read_table(source, key=key, columns=None))
    table: Tabular = source
    return table


def _names(source: Any) -> set[str]:
    """The columns of a table in memory, or the keys of a JSON Lines file's first object; none where it has none."""
    if isinstance(source, pl.DataFrame):
        return set(source.columns)
    if isinstance(source, Mapping):
        return {str(name) for name in source}
    if not isinstance(source, str | Path):
        return set()
    path = Path(source).expanduser()
    if not path.name.lower().removesuffix(".gz").endswith((".jsonl", ".ndjson")):
        return set()
    try:
        with open_bytes(path) as file:
            first = json.loads(next(filter(bytes.strip, file), b"null").removeprefix(codecs.BOM_UTF8))
    except (ValueError, OSError, EOFError, RecursionError, zlib.error):
        return set()  # the table's reader will say what is wrong
    return set(first) if isinstance(first, dict) else set()


def _pubmedqa(table: pl.DataFrame) -> pl.DataFrame:
    context = pl.col("contexts")
    if isinstance(table["contexts"].dtype, pl.List | pl.Array):
        context = context.cast(pl.List(pl.String)).list.join(_BETWEEN)
    chosen = [pl.col("question"), context.alias("context")]
    if "final_decision" in table.columns:
        chosen.append(pl.col("final_decision").alias("label"))
    if "pmid" in table.columns:
        chosen.append(pl.col("pmid").cast(pl.String).alias("id"))
    return table.select(chosen)


def _head_qa(table: pl.DataFrame) -> pl.DataFrame:
    exam, number = (pl.col(name).cast(pl.String) for name in ("exam", "qid"))
    chosen = [pl.col("question"), pl.col("options")]
    chosen += [pl.col("answer_index").alias("answer")] if "answer_index" in table.columns else []
    chosen += [pl.col("category")] if "category" in table.columns else []
    return table.select(*chosen, exam.alias("group"), (exam + "-" + number).alias("id"))


def _of_json(path: Path, wanted: Wanted) -> pl.DataFrame:
    value = read_json(path, wanted)
    if is_squad(value):
        return squad_table(value, wanted)
    if isinstance(value, dict) and isinstance(value.get("exams"), dict):
        return _official_head_qa(value["exams"], wanted)
    if isinstance(value, dict) and any(isinstance(each, dict) and "QUESTION" in each for each in value.values()):
        return _official_pubmedqa(value, wanted)
    raise wanted.error(
        "it is JSON, but of no published form that is known here: SQuAD, PubMedQA or HEAD-QA",
        "write one JSON object a line and call it .jsonl",
    )


def _official_pubmedqa(value: dict[str, Any], wanted: Wanted) -> pl.DataFrame:
    """Records by their PubMed id; the fields are in capitals, but for the decision."""
    faults = Faults(wanted, "PubMedQA")
    rows = []
    for number, (pmid, record) in enumerate(value.items(), start=1):
        place = f"record {number}"
        question = faults.text(record, "QUESTION", place)
        sections = faults.items(record, "CONTEXTS", place)
        if not all(isinstance(section, str) for section in sections):
            faults.add(place, "'CONTEXTS' holds what is no text")
            sections = []
        label = record.get("final_decision") if isinstance(record, dict) else None
        if label is not None and not isinstance(label, str):
            faults.add(place, "'final_decision' is no text")
        rows.append((question, _BETWEEN.join(sections), label, pmid))
    if error := faults.error():
        raise error
    table = pl.DataFrame(rows, schema=dict.fromkeys(("question", "context", "label", "id"), pl.String), orient="row")
    return table.drop("label") if table["label"].is_null().all() else table


def _official_head_qa(exams: dict[str, Any], wanted: Wanted) -> pl.DataFrame:
    """Exams by their names, each with questions (``data``) whose right answer (``ra``) is the ``aid`` of an answer."""
    faults = Faults(wanted, "HEAD-QA")
    rows = []
    for e, (name, exam) in enumerate(exams.items(), start=1):
        category = exam.get("category") if isinstance(exam, dict) else None
        for q, asked in enumerate(faults.items(exam, "data", f"exam {e}"), start=1):
            place = f"exam {e}, question {q}"
            question = faults.text(asked, "qtext", place)
            answers = faults.items(asked, "answers", place)
            options = [faults.text(each, "atext", f"{place}, answer {i}") for i, each in enumerate(answers, start=1)]
            if question is not None and None not in options:
                right = _right(asked, answers, place, faults)
                rows.append((question, options, right, category, name, f"{name}-{asked.get('qid', q)}"))
    if error := faults.error():
        raise error
    schema: dict[str, Any] = {
        **{"question": pl.String, "options": pl.List(pl.String), "answer": pl.Int64},
        **dict.fromkeys(("category", "group", "id"), pl.String),
    }
    table = pl.DataFrame(rows, schema=schema, orient="row")
    return table.drop("answer") if table["answer"].is_null().all() else table


def _right(asked: dict[str, Any], answers: list[dict[str, Any]], place: str, faults: Faults) -> int | None:
    """The place of the right answer among all, from 0; None where it is not told."""
    told = asked.get("ra")
    if told is None:
        return None
    ids = [str(each.get("aid")) for each in answers]
    if ids.count(str(told)) != 1:
        faults.add(place, "'ra' is the 'aid' of no answer, or of several")
        return None
    return ids.index(str(told))
