"""BM25 against its formula written out term by term, its order, its file and its errors."""

from __future__ import annotations

import math
import random
from pathlib import Path

import numpy as np
import pytest

from medplug.core.errors import DataError, RunError, UsageError
from medplug.core.retrieval.bm25 import BM25
from medplug.core.retrieval.terms import terms

WORDS = ("asthma", "insulin", "kidney", "the", "of", "pain", "血压", "fever")


def corpus(passages: int = 60, seed: int = 0) -> list[str]:
    draw = random.Random(seed)
    return [" ".join(draw.choices(WORDS, weights=range(1, 9), k=draw.randint(0, 12))) for _ in range(passages)]


def written_out(query: str, passages: list[str], k1: float, b: float) -> np.ndarray:
    """The score of every passage, term by term in float64."""
    texts = [terms(passage) for passage in passages]
    mean = sum(map(len, texts)) / len(texts)
    scores = np.zeros(len(texts))
    for term in terms(query):
        having = sum(term in text for text in texts)
        idf = math.log(1 + (len(texts) - having + 0.5) / (having + 0.5))
        for row, text in enumerate(texts):
            f = text.count(term)
            scores[row] += idf * f / (f + k1 * (1 - b + b * len(text) / mean)) if f else 0
    return scores


@pytest.mark.parametrize(("k1", "b"), [(1.2, 0.75), (0.9, 0.4), (2.0, 1.0), (1.5, 0.0)])
def test_scores_are_those_of_the_formula(k1: float, b: float) -> None:
    passages, query = corpus(), "Insulin the kidney kidney 血压 unheard"
    found = BM25.fit(passages, k1=k1, b=b).top([query], len(passages))
    wanted = written_out(query, passages, k1, b)
    hits = found.rows[0] >= 0
    assert hits.sum() == (wanted > 0).sum()
    np.testing.assert_allclose(found.scores[0, hits], wanted[found.rows[0, hits]], rtol=1e-5)
    assert (np.diff(found.scores[0, hits]) <= 0).all()


def test_equal_passages_come_in_the_order_of_their_rows() -> None:
    passages = ["fever", "asthma attack", "fever", "fever and more of it", "fever"]
    assert BM25.fit(passages).top(["fever"], 3).rows.tolist() == [[0, 2, 4]]


def test_passages_that_share_no_term_are_not_found() -> None:
    found = BM25.fit(["asthma", "", "pain"]).top(["asthma", "", "?!", "unheard"], 2)
    assert found.rows.tolist() == [[0, -1], [-1, -1], [-1, -1], [-1, -1]]
    assert np.isneginf(found.scores[found.rows < 0]).all()


def test_a_passage_is_the_best_for_itself() -> None:
    passages = list(dict.fromkeys(f"{text} {row}" for row, text in enumerate(corpus())))
    assert BM25.fit(passages).top(passages, 1).rows[:, 0].tolist() == list(range(len(passages)))


def test_queries_asked_together_or_one_by_one_find_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    passages = corpus()
    bm25, queries = BM25.fit(passages), passages[:20]
    whole = bm25.top(queries, 5)
    monkeypatch.setattr("medplug.core.retrieval.bm25._CELLS", 3 * len(passages))
    parts = bm25.top(queries, 5)
    np.testing.assert_array_equal(whole.rows, parts.rows)
    np.testing.assert_array_equal(whole.scores, parts.scores)
    assert bm25.top([], 5).rows.shape == (0, 5)


def test_a_saved_one_finds_the_same(tmp_path: Path) -> None:
    passages = corpus()
    bm25 = BM25.fit(iter(passages))
    bm25.save(tmp_path)
    loaded = BM25.load(tmp_path)
    assert len(loaded) == len(passages)
    for one, other in zip(bm25.top(passages[:9], 7), loaded.top(passages[:9], 7), strict=True):
        np.testing.assert_array_equal(one, other)


def test_passages_without_any_term_can_be_indexed_and_saved(tmp_path: Path) -> None:
    BM25.fit(["", "..."]).save(tmp_path)
    assert BM25.load(tmp_path).top(["fever"], 1).rows.tolist() == [[-1]]


@pytest.mark.parametrize("damage", ["vocabulary", "cut", "gone", "other"])
def test_a_damaged_file_is_named(tmp_path: Path, damage: str) -> None:
    BM25.fit(corpus()).save(tmp_path)
    arrays, vocabulary = tmp_path / "bm25.safetensors", tmp_path / "bm25.json"
    if damage == "vocabulary":
        vocabulary.write_text("[1]")
    elif damage == "cut":
        arrays.write_bytes(arrays.read_bytes()[:-40])
    elif damage == "gone":
        arrays.unlink()
    else:
        vocabulary.write_text(vocabulary.read_text().replace("]", ', "another"]'))
    with pytest.raises(RunError, match=r"bm25\.(json|safetensors): .*build the index anew"):
        BM25.load(tmp_path)


def test_what_cannot_be_indexed_is_refused() -> None:
    with pytest.raises(DataError, match="no passages"):
        BM25.fit([])
    for wrong in ({"k1": -1.0}, {"b": 1.5}, {"k1": math.nan}):
        with pytest.raises(UsageError, match="k1 must be 0 or more"):
            BM25.fit(["fever"], **wrong)
    with pytest.raises(UsageError, match="k is 0"):
        BM25.fit(["fever"]).top(["fever"], 0)
