"""What is kept of a stream is what sorting all of it would put first."""

from __future__ import annotations

import numpy as np
import pytest

from medplug.core.screening.best import Best, Entry


def fed(scores: np.ndarray, most: int, chunk: int, *, lowest: bool) -> Best:
    best = Best(most, lowest=lowest)
    for start in range(0, len(scores), chunk):
        rows = range(start, min(start + chunk, len(scores)))
        best.add(scores[list(rows)], -scores[list(rows)], [Entry(row, "", row) for row in rows])
    return best


@pytest.mark.parametrize("lowest", [False, True])
@pytest.mark.parametrize(("most", "chunk"), [(1, 1), (5, 3), (5, 100), (200, 7)])
def test_the_kept_ones_are_the_first_of_all_sorted_ties_by_row(most: int, chunk: int, lowest: bool) -> None:
    scores = np.random.default_rng(0).integers(0, 12, size=90).astype(float)
    best = fed(scores, most, chunk, lowest=lowest)
    wanted = np.argsort(scores if lowest else -scores, kind="stable")[:most].tolist()
    assert [entry.row for entry in best.entries] == wanted
    assert best.scores.tolist() == scores[wanted].tolist() and best.stds.tolist() == (-scores[wanted]).tolist()
