"""Written answers as tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import polars as pl

from medplug.core.evaluation.answers import METRICS, score_answers
from medplug.core.task import Examples

if TYPE_CHECKING:
    from medplug.core.generation.writing import Answered


def answers_frame(columns: Mapping[str, Any], written: Sequence[Answered]) -> pl.DataFrame:
    """`columns`, then `prediction` (the answer), `score` and `passages` (the ids of those it was written from).

    A score is the mean log-probability of the answer's tokens: 0 at most, and nearer to it where
    the model was surer of its wording.
    """
    return pl.DataFrame(dict(columns)).with_columns(
        pl.Series("prediction", [each.text for each in written], dtype=pl.String),
        pl.Series("score", [each.score for each in written], dtype=pl.Float64),
        pl.Series("passages", [list(each.passages) for each in written], dtype=pl.List(pl.String)),
    )


def judged_answers_frame(split: str, examples: Examples, written: Sequence[Answered]) -> pl.DataFrame:
    """Of each row of a split, by number: the answer and how it scores against the right one, which is not told."""
    frame = answers_frame({"split": [split] * len(examples), "row": examples.rows}, written)
    truth = [[answer] for answer in examples.labels or []]
    scores = score_answers([each.text for each in written], truth, list(METRICS))
    return frame.with_columns(pl.Series(name, values, dtype=pl.Float64) for name, values in scores.items())
