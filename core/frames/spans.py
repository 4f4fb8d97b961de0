"""Answers in contexts as tables: those of rows to predict, and without a text those that a run leaves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from medplug.core.answers.found import FoundSpans
from medplug.core.answers.windows import NONE, Integers
from medplug.core.evaluation.answers import RowScores
from medplug.core.task import Examples


def answer_frame(columns: Mapping[str, Any], contexts: Sequence[str], found: FoundSpans) -> pl.DataFrame:
    """`columns`, then `prediction`, `start`, `end`, `score` and `p_answer`.

    The prediction is a text of the context, its characters `start` to before `end`; all
    three are null where no answer is given. `score` is the log odds of the likeliest
    span against no answer, null where the context has nothing to answer with, and `p_answer` the same as a chance.
    """
    texts = [text or None for text in found.texts(contexts)]
    frame = pl.DataFrame(dict(columns)).with_columns(pl.Series("prediction", texts, dtype=pl.String))
    return frame.with_columns(_places(found))


def scored_frame(split: str, examples: Examples, found: FoundSpans, by_row: RowScores) -> pl.DataFrame:
    """Of each row of a split, by number: where its right answers and the predicted one stand, and its scores."""
    labels = examples.labels or []
    truth = [[{"start": start, "end": start + len(text)} for text, start in answers] for answers in labels]
    kind = pl.List(pl.Struct({"start": pl.Int64, "end": pl.Int64}))
    frame = pl.DataFrame(
        {"split": [split] * len(examples), "row": examples.rows, "truth": truth}, schema_overrides={"truth": kind}
    )
    scores = [pl.Series(name, values) for name, values in by_row.items()]
    return frame.with_columns([*_places(found), *scores])


def _places(found: FoundSpans) -> list[pl.Series]:
    given = found.given
    score = pl.Series("score", np.where(np.isfinite(found.score), found.score, np.nan).astype(np.float64))
    return [
        _or_null("start", found.start, given),
        _or_null("end", found.end, given),
        score.fill_nan(None),
        pl.Series("p_answer", found.chance),
    ]


def _or_null(name: str, places: Integers, given: NDArray[np.bool_]) -> pl.Series:
    told = [place if shown and place != NONE else None for place, shown in zip(places.tolist(), given, strict=True)]
    return pl.Series(name, told, dtype=pl.Int64)
