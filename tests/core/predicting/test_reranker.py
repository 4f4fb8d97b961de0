"""The reranker: each question's first passages are read with it, and nothing else is."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from medplug.core import api
from medplug.core.data.targets import Target
from medplug.core.errors import ConfigError
from medplug.core.predicting import reranker
from medplug.core.predicting.reranker import Reranker
from medplug.core.retrieval.best import Ranked

PASSAGES = ["a", "bbb", "cc", "dddd"]


def entailing(read: list[tuple[str, str]], **changed: Any) -> Any:
    """A predictor by which longer passages are more probable."""

    def logits(pairs: Any) -> Any:
        read.extend((pair.question, pair.context) for pair in pairs)
        return np.array([[len(pair.context)] for pair in pairs], dtype=np.float32)

    target = Target("binary", ("no", "yes"))
    options = SimpleNamespace(form="entailment")
    told = {"target": target, "logits": logits, "task_name": "medical_qa", "task": SimpleNamespace(options=options)}
    return SimpleNamespace(**{**told, **changed})


def texts(rows: list[int]) -> list[str]:
    return [PASSAGES[row] for row in rows]


@pytest.mark.parametrize("at_once", [1, 3, 4096])
def test_the_first_passages_are_read_and_ordered(monkeypatch: pytest.MonkeyPatch, at_once: int) -> None:
    monkeypatch.setattr(reranker, "_AT_ONCE", at_once)
    read: list[tuple[str, str]] = []
    ranked = Ranked(np.array([[0, 1, 3], [2, -1, -1]]), np.array([[3, 2, 1], [1, -np.inf, -np.inf]], dtype=np.float32))
    after, shares = Reranker(entailing(read), 2, "cross").order(["q", "r"], texts, ranked)
    assert after.rows.tolist() == [[1, 0, 3], [2, -1, -1]]
    assert read == [("q", "a"), ("q", "bbb"), ("r", "cc")]
    np.testing.assert_allclose(shares, [[1 / (1 + np.exp(-3)), 1 / (1 + np.exp(-1))], [1 / (1 + np.exp(-2)), 0]])


def test_none_is_asked_for_and_one_that_does_not_fit_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Reranker.of(SimpleNamespace(reranker=None, rerank=5)) is None
    given = SimpleNamespace(reranker="runs/other", rerank=5)
    monkeypatch.setattr(api, "load", lambda folder, device: entailing([]))
    found = Reranker.of(given)
    assert found is not None and (found.first, found.name) == (5, "other")
    wrong = entailing([], target=Target("multiclass", ("a", "b", "c")))
    monkeypatch.setattr(api, "load", lambda folder, device: wrong)
    with pytest.raises(ConfigError, match=r"task.reranker=runs/other: must be a run of form=entailment"):
        Reranker.of(given)
