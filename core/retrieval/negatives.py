"""Hard negatives: passages that share a query's words and do not answer it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from medplug.core.errors import DataError, UsageError
from medplug.core.retrieval.bm25 import BM25
from medplug.core.retrieval.corpus import numbered


def hard_negatives(
    bm25: BM25, queries: Sequence[str], positives: Sequence[Sequence[int]], passages: Sequence[str], number: int
) -> NDArray[np.int64]:
    """Rows of the passages that BM25 ranks highest without being a positive, ``[queries, number]``, best first.

    Negatives from BM25 train better encoders than those of the batch alone (Karpukhin et al., Dense passage
    retrieval, 2020). `positives` are the rows of the right passages of each query. A passage whose text equals
    a positive's (but for case and spaces) is none either, and of equal negatives
    the first stands for all. -1 where no further passage shares a term with the query. A
    passage that answers the query too, unknown to `positives`, cannot be told from a negative.

    Raises DataError where the lengths do not fit or a row is not in the corpus.
    """
    _check(bm25, queries, positives, passages, number)
    text = numbered(passages)
    found = np.full((len(queries), number), -1, dtype=np.int64)
    pending, depth = list(range(len(queries))), 2 * number + max(map(len, positives), default=0)
    while pending:
        rows = bm25.top([queries[query] for query in pending], min(depth, len(bm25))).rows
        taken = [_negatives(each, text, positives[query])[:number] for each, query in zip(rows, pending, strict=True)]
        for query, negatives in zip(pending, taken, strict=True):
            found[query, : len(negatives)] = negatives
        # equal texts may fill the ranking: those queries look deeper, as long as there is more to find
        deeper = [len(negatives) < number for negatives in taken] & (rows[:, -1] >= 0) & (depth < len(bm25))
        pending = [query for query, more in zip(pending, deeper, strict=True) if more]
        depth *= 4
    return found


def _negatives(rows: NDArray[np.int64], text: NDArray[np.int64], positives: Sequence[int]) -> NDArray[np.int64]:
    """Of found `rows` those whose text is no positive's, the first of each text."""
    rows = rows[rows >= 0]
    rows = rows[~np.isin(text[rows], text[np.asarray(positives, dtype=np.int64)])]
    return rows[np.sort(np.unique(text[rows], return_index=True)[1])]


def _check(
    bm25: BM25, queries: Sequence[str], positives: Sequence[Sequence[int]], passages: Sequence[str], number: int
) -> None:
    if number < 1:
        raise UsageError(f"number is {number}; ask for at least one negative a query")
    if len(passages) != len(bm25):
        raise DataError(f"{len(passages)} passages, but BM25 holds {len(bm25)}; give the ones it was fitted on")
    if len(positives) != len(queries):
        raise DataError(f"positives of {len(positives)} queries for {len(queries)}; give a list of rows a query")
    outside = sum(not 0 <= row < len(passages) for rows in positives for row in rows)
    if outside:
        raise DataError(f"{outside} positives are no rows of the corpus, which has {len(passages)}")
