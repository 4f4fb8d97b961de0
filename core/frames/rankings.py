"""What was found for the rows of a split, as a table: no question and no passage, but their numbers and ids."""

from __future__ import annotations

import numpy as np
import polars as pl

from medplug.core.evaluation.retrieval import Relevance
from medplug.core.retrieval.best import Ranked
from medplug.core.retrieval.corpus import Corpus, Questions
from medplug.core.retrieval.retrieved import first_hits
from medplug.core.task import Examples


def ranking_frame(
    split: str, examples: Examples, questions: Questions, ranked: Ranked, right: Relevance, corpus: Corpus
) -> pl.DataFrame:
    """A line a row: `truth` and `prediction` are ids, `score` is the best passage's cosine.

    `rank` is that of the first passage that is right for the row's question, null beyond what was ranked.
    """
    hits = first_hits(ranked.rows, right)
    best = [corpus.ids[row] for row in ranked.rows[:, 0].tolist()]
    of = questions.of
    return pl.DataFrame(
        {
            "split": [split] * len(examples),
            "row": examples.rows,
            "truth": [str(label) for label in examples.labels or []],
            "prediction": [best[question] for question in of.tolist()],
            "score": ranked.scores[of, 0].astype(np.float64),
            "rank": pl.Series(hits[of], dtype=pl.Int64).replace(0, None),
        }
    )
