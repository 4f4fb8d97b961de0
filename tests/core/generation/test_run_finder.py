"""Passages that a run of retrieval finds, in place of BM25."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from medplug.core import api
from medplug.core.asking.answer import Passage
from medplug.core.data.targets import Target
from medplug.core.errors import ConfigError
from medplug.core.generation.passages import Found
from medplug.core.generation.run_finder import RunFinder
from medplug.core.predicting import retrieval


def test_the_passages_are_those_that_the_run_finds_and_equal_questions_are_asked_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[Any] = []

    def passages_for(predictor: Any, questions: list[str], top: int) -> list[tuple[Passage, ...]]:
        asked.append((predictor, questions))
        return [tuple(Passage(f"{each}{i}", f"text {i}", 1.0 - i / 10) for i in range(top)) for each in questions]

    monkeypatch.setattr(retrieval, "passages_for", passages_for)
    found = RunFinder(cast("Any", "predictor"), "run").find(["b", "a", "b"], 2)
    assert found[0] == found[2] == [Found("b0", "text 0", 1.0), Found("b1", "text 1", 0.9)]
    assert [each.id for each in found[1]] == ["a0", "a1"]
    assert asked == [("predictor", ["b", "a"])]  # and all at once


def test_a_run_of_another_kind_is_refused_with_the_next_step(monkeypatch: pytest.MonkeyPatch) -> None:
    binary = Target("binary", ("no", "yes"))
    monkeypatch.setattr(api, "load", lambda folder: SimpleNamespace(target=binary, task_name="medical_qa"))
    with pytest.raises(ConfigError, match=r"task\.retriever=old: .* binary target.*task\.form=retrieval"):
        RunFinder.of("old")


def test_nothing_of_another_run_is_copied(tmp_path: Path) -> None:
    RunFinder(cast("Any", SimpleNamespace()), "run").keep(tmp_path)
    assert not list(tmp_path.iterdir())
