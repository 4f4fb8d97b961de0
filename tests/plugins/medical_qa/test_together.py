from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from medplug.core.answers.questions import Choice, Pair
from medplug.core.task import Examples
from medplug.plugins.medical_qa.options import MedicalQaData
from medplug.plugins.medical_qa.task import FORMS, MedicalQa
from medplug.plugins.medical_qa.together import joined

Make = Callable[..., MedicalQa]


def units(task: MedicalQa, values: list[Any], groups: list[str] | None = None) -> list[int]:
    """The rows' keys as numbers, by the order in which they come first."""
    rows = Examples(np.arange(1, len(values) + 1), {"text": values}, groups=groups)
    (keys,) = task.units(rows, "together").values()
    return [list(dict.fromkeys(keys)).index(key) for key in keys]


def test_rows_are_tied_by_what_they_share_and_by_chains_of_it() -> None:
    keys = joined([(b"a",), (b"a", b"b"), (b"b",), (b"c",), ()], None)
    assert keys[0] == keys[1] == keys[2] and len(set(keys)) == 3
    grouped = joined([(b"a",), (b"b",), (b"c",)], ["g", "", "g"])
    assert grouped[0] == grouped[2] != grouped[1]


def test_rows_of_one_context_stay_together_and_a_question_may_be_asked_of_many(task: Make) -> None:
    pairs = [Pair("a", "x"), Pair("b", "x"), Pair("a", "y")]
    for form in ("yes_no_maybe", "extractive"):
        assert units(task(form), pairs) == [0, 0, 1]
        assert units(task(form), pairs, ["g", "h", "g"]) == [0, 0, 0]


def test_the_first_of_two_texts_and_both_sides_of_a_ranking_tie_rows(task: Make) -> None:
    pairs = [Pair("a", "x"), Pair("b", "x"), Pair("a", "y"), Pair("c", "z"), Pair("x", "c")]
    assert units(task("entailment"), pairs) == [0, 1, 0, 2, 3]
    assert units(task("retrieval"), pairs) == [0, 0, 0, 1, 2]


def test_a_question_without_a_context_is_known_by_its_options_in_any_order(task: Make) -> None:
    rows = [Choice("q", ("a", "b")), Choice("q", ("b", "a")), Choice("q", ("a", "c")), Choice("p", ("a", "b"), "x")]
    assert units(task("multiple_choice"), [*rows, Choice("r", ("d", "e"), "x")]) == [0, 0, 1, 2, 2]


def test_answers_that_are_written_go_by_question_and_context(task: Make) -> None:
    assert units(task("generative"), [Pair("q", ""), Pair("q", ""), Pair("p", ""), Pair("p", "c")]) == [0, 0, 1, 1]


@pytest.mark.parametrize(
    ("given", "rule"),
    [
        ({}, "together"),
        ({"split": [0.6, 0.2, 0.2]}, "together"),
        ({"split": "together"}, "together"),
        ({"split": "random"}, None),
        ({"split": "group", "group": "exam"}, None),
    ],
)
def test_rows_stay_together_unless_another_rule_is_named(given: dict[str, Any], rule: str | None) -> None:
    data = MedicalQaData.model_validate(given)
    assert data.own_rule == rule and sum(data.fractions) == pytest.approx(1)


def test_every_form_names_what_it_keeps_together() -> None:
    assert all(form.shares for form in FORMS.values())
