"""Hard negatives: near the query, and never what answers it."""

from __future__ import annotations

import numpy as np
import pytest

from medplug.core.errors import DataError, UsageError
from medplug.core.retrieval.bm25 import BM25
from medplug.core.retrieval.negatives import hard_negatives

PASSAGES = [
    "asthma is treated with inhalers",
    "Asthma is  treated with INHALERS",
    "asthma is treated with steroids",
    "asthma is a disease",
    "fever goes by itself",
    "asthma is a disease",
]


def test_a_negative_is_the_nearest_that_is_neither_the_positive_nor_an_equal_text() -> None:
    found = hard_negatives(BM25.fit(PASSAGES), ["asthma inhalers treated"], [[0]], PASSAGES, 3)
    assert found.tolist() == [[2, 3, -1]]


def test_no_positive_of_several_is_a_negative() -> None:
    found = hard_negatives(BM25.fit(PASSAGES), ["asthma", "fever"], [[0, 2], [4]], PASSAGES, 2)
    assert found.tolist() == [[3, -1], [-1, -1]]


def test_a_query_without_known_positives_takes_the_best() -> None:
    assert hard_negatives(BM25.fit(PASSAGES), ["fever"], [[]], PASSAGES, 1).tolist() == [[4]]
    assert hard_negatives(BM25.fit(PASSAGES), [], [], PASSAGES, 1).shape == (0, 1)


def test_equal_texts_that_fill_the_ranking_are_looked_past() -> None:
    passages = ["asthma inhalers"] * 300 + [f"asthma {row}" for row in range(3)] + ["fever"] * 50
    found = hard_negatives(BM25.fit(passages), ["asthma inhalers", "fever"], [[7], [304]], passages, 3)
    assert found.tolist() == [[300, 301, 302], [-1, -1, -1]]


def test_negatives_are_those_of_the_whole_ranking_filtered() -> None:
    draw = np.random.default_rng(0)
    passages = [" ".join(draw.choice(list("abcdefg"), size=4)) for _ in range(200)]
    queries, positives = passages[:30], [[row, row + 100] for row in range(30)]
    bm25 = BM25.fit(passages)
    found = hard_negatives(bm25, queries, positives, passages, 4)
    for query, ranking in enumerate(bm25.top(queries, 200).rows):
        seen, wanted = {passages[row] for row in positives[query]}, []
        for row in ranking[ranking >= 0]:
            if passages[row] not in seen:
                seen.add(passages[row])
                wanted.append(row)
        assert found[query].tolist() == wanted[:4]


def test_what_does_not_fit_is_refused() -> None:
    bm25 = BM25.fit(PASSAGES)
    with pytest.raises(UsageError, match="number is 0"):
        hard_negatives(bm25, ["a"], [[0]], PASSAGES, 0)
    with pytest.raises(DataError, match="2 passages, but BM25 holds 6"):
        hard_negatives(bm25, ["a"], [[0]], PASSAGES[:2], 1)
    with pytest.raises(DataError, match="positives of 2 queries for 1"):
        hard_negatives(bm25, ["a"], [[0], [1]], PASSAGES, 1)
    with pytest.raises(DataError, match="2 positives are no rows"):
        hard_negatives(bm25, ["a"], [[6, -1]], PASSAGES, 1)
