from __future__ import annotations

import json

import numpy as np

from medplug.core.data.showing import SHOWN_BY, of_many, owners
from medplug.core.judging.shift import rows_told
from medplug.core.task import Examples


def notes(texts: list[str], groups: list[str] | None = None) -> Examples:
    return Examples(np.arange(1, len(texts) + 1), {"text": texts}, groups=groups)


def test_rows_without_a_group_are_each_their_own() -> None:
    parts = notes(["a", "b"], ["p", ""]), notes(["c", "d"])
    assert len(set(owners(*parts))) == 4
    assert owners(notes(["a", "b"], ["p", "p"]))[0] == owners(notes(["a", "b"], ["p", "p"]))[1]


def test_a_name_counts_once_a_patient() -> None:
    assert of_many([("x", "y")] * SHOWN_BY, [str(i) for i in range(SHOWN_BY)]) == {"x", "y"}
    assert of_many([("x",)] * 50, ["one"] * 50) == set()
    assert of_many([(None,)] * 50, [str(i) for i in range(50)]) == set()


def test_a_word_of_one_patients_many_notes_is_not_named() -> None:
    texts = [f"fever {'zanzibar' if i < 20 else 'cough'}" for i in range(60)]
    groups = ["traveller" if i < 20 else f"p{i}" for i in range(60)]
    splits = {"train": notes(texts, groups), "test": notes(texts[20:], groups[20:])}
    told = json.dumps(rows_told(splits, {"text": "text"}, 0))
    assert "cough" in told and "zanzibar" not in told
    assert "zanzibar" in json.dumps(rows_told({"train": notes(texts), "test": notes(texts[20:])}, {"text": "text"}, 0))
