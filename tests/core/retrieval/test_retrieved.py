"""Rankings: one for all, read again, and where the first right passage stands."""

from __future__ import annotations

import numpy as np

from medplug.core.retrieval.best import Ranked
from medplug.core.retrieval.retrieved import first_hits, reordered, same_for_all


def ranked(rows: list[list[int]]) -> Ranked:
    found = np.array(rows)
    return Ranked(found, np.where(found < 0, -np.inf, 1 / (1 + np.arange(found.shape[1]))).astype(np.float32))


def test_one_order_serves_every_question() -> None:
    found = same_for_all([2, 0, 1], questions=2, depth=5)
    assert found.rows.tolist() == [[2, 0, 1, -1, -1]] * 2 and found.scores[0].tolist() == [0, -1, -2, -np.inf, -np.inf]
    assert same_for_all([2, 0, 1], questions=1, depth=2).rows.tolist() == [[2, 0]]


def test_the_first_ranks_take_the_new_order_and_the_others_stay() -> None:
    before = ranked([[5, 6, 7, 8], [1, -1, -1, -1]])
    after, shares = reordered(before, np.array([[0.2, 0.9, 0.2], [0.4, 0.0, 0.0]]))
    assert after.rows.tolist() == [[6, 5, 7, 8], [1, -1, -1, -1]]
    assert shares[0].tolist() == [0.9, 0.2, 0.2]
    own = dict(zip(before.rows[0].tolist(), before.scores[0].tolist(), strict=True))
    assert after.scores[0].tolist() == [own[row] for row in after.rows[0].tolist()]


def test_what_was_not_found_stays_last_whatever_its_score() -> None:
    after, _ = reordered(ranked([[3, 4, -1]]), np.array([[0.0, 0.1, 0.9]]))
    assert after.rows.tolist() == [[4, 3, -1]]


def test_the_first_right_passage_has_a_rank_or_none() -> None:
    rows = np.array([[4, 5, 6], [4, 5, 6], [4, 5, 6]])
    assert first_hits(rows, [{6: 1.0, 5: 1.0}, {9: 1.0}, {}]).tolist() == [2, 0, 0]
