"""What the report says of rankings."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np

from medplug.core.report.formats import plain_baseline
from medplug.core.report.own import own_words
from medplug.core.report.rankings import RankingWords, found_within
from medplug.core.report.svg import drawing


def evidence(**scores: Any) -> Any:
    one = {"value": 0.5, "ci95": [0.4, 0.6]}
    ranks = np.array([[1.0], [3.0], [0.0], [2.0]])
    told = {"passages": 1200, "metrics": {"mrr": one}, "difference": {"mrr": one}, **scores}
    return SimpleNamespace(
        scores=told, labels=np.full(4, 20), probabilities=ranks, baseline=np.zeros((4, 1)), target=None
    )


def test_the_kind_has_words_of_its_own() -> None:
    words = own_words("ranking")
    assert isinstance(words, RankingWords)
    assert words.predicted(evidence()).startswith("which of 1,200 passages answer a question")
    assert "BM25" in words.baselines(evidence()) and not words.labels(evidence()).rows


def test_the_untrained_encoder_and_the_reranker_have_a_table_each_where_they_are_there() -> None:
    one = {"value": 0.3, "ci95": [0.2, 0.4]}
    beside = {"metrics": {"mrr": one}, "difference": {"mrr": {"value": 0.2, "ci95": [0.1, 0.3]}}}
    assert RankingWords().tables(evidence()) == []
    before, again = RankingWords().tables(evidence(untrained=beside, reranked={**beside, "first": 5, "by": "cross"}))
    row = ["mean reciprocal rank", "0.500 [0.400, 0.600]", "0.300 [0.200, 0.400]", "+0.200 [+0.100, +0.300]"]
    assert before.rows == again.rows == [row]
    assert again.caption == "With the first 5 passages of each question read again by the run cross"


def test_the_figure_tells_the_share_of_questions_within_the_first_ranks() -> None:
    with drawing():
        picture = found_within(evidence())
    assert picture.caption.endswith("Of the first 10: BM25 0%, model 75%.") and picture.svg is not None


def test_ranks_are_written_as_plain_numbers() -> None:
    with drawing():
        picture = found_within(evidence())
    assert "math" not in picture.svg and all(f">{rank}</text>" in picture.svg for rank in (1, 2, 5, 10, 20))


def test_bm25_is_the_baseline_where_there_is_one() -> None:
    assert plain_baseline({"majority": {}, "bm25": {}}) == ("bm25", "BM25")
    assert plain_baseline({"majority": {}, "linear": {}}) == ("linear", "linear baseline")
