"""An index as the command line asks for it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from medplug.core.api import load
from medplug.core.retrieval.corpus import read_passages
from medplug.core.terminal import counting


def index_file(folder: Path, corpus: Path, *, passage: str | None, identifier: str | None, device: str) -> list[str]:
    """Index a table of passages in a run's folder, in place of the index it has; gives what there is to say of it.

    The columns are the run's own, unless others are named. Raises `UsageError` for a run that finds no
    passages, `DataError` and `RowsError` for a table that cannot be used.
    """
    predictor = load(folder, device=device)
    from medplug.core.predicting.retrieval import build_index, index_folder, ranking_model

    ranking_model(predictor)
    data: Any = predictor.task.data
    column = ("--passage", passage) if passage else ("data.passage", data.passage)
    ids = ("--id", identifier) if identifier else ("data.passage_id", data.passage_id) if data.passage_id else None
    passages = read_passages(corpus, key="CORPUS", passage=column, identifier=ids)
    with counting(sys.stderr, "indexing") as report:
        manifest, repeated = build_index(predictor, passages, report)
    told = [f"{manifest.passages:,} passages in {index_folder(predictor)}"]
    if repeated:
        told.append(f"left out, as they repeat another's text: {repeated:,}")
    return told
