"""Prompts: what stands in them, and what is cut."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import pytest

from medplug.core.errors import DataError
from medplug.core.generation.generator import Frame, Generator
from medplug.core.generation.prompt import LEAST, Prompt, Prompter, shared_room

BEFORE, AFTER = 901, 902


class Letters:
    """A tokenizer whose tokens are characters."""

    frame, cue = Frame((BEFORE,), (AFTER,)), "\nAnswer:"

    def tokens(self, texts: Sequence[str]) -> list[list[int]]:
        return [[ord(letter) for letter in text] for text in texts]


def prompts(questions: list[str], passages: list[list[tuple[str, str]]], room: int = 400) -> list[Prompt]:
    return Prompter(cast("Generator", Letters()), room).prompts(questions, passages)


def prompt(question: str, *passages: str, room: int = 400) -> Prompt:
    (found,) = prompts([question], [[(f"p{i}", text) for i, text in enumerate(passages, 1)]], room)
    return found


def text(found: Prompt) -> str:
    assert (found.ids[0], found.ids[-1]) == (BEFORE, AFTER)
    return "".join(map(chr, found.ids[1:-1]))


def test_a_prompt_is_its_passages_and_then_the_question() -> None:
    found = prompt("What helps?", "Rest.", "Tea.")
    assert text(found) == (
        "Answer the question from the passages.\n\nPassage 1: Rest.\n\nPassage 2: Tea.\n\n"
        "Question: What helps?\nAnswer:"
    )
    assert found.passages == ("p1", "p2") and not found.cut


def test_a_question_without_passages_stands_alone() -> None:
    found = prompt("What helps?")
    assert text(found) == "Answer the question.\n\nQuestion: What helps?\nAnswer:"
    assert found.passages == () and not found.cut


@pytest.mark.parametrize("room", [72, 83, 91, 100, 120, 150, 199, 260, 400])
def test_no_prompt_is_longer_than_its_room_and_every_one_has_its_whole_question(room: int) -> None:
    question = "Which of these is it?"
    found = prompt(question, "a" * 90, "b" * 30, "c" * 200, room=room)
    assert len(found.ids) <= room
    assert text(found).endswith(f"Question: {question}\nAnswer:")
    assert found.cut
    for number, letter in enumerate("abc", 1):  # those that are told of are in it, in some length, and no others
        assert (f"p{number}" in found.passages) == (letter * LEAST in text(found))


def test_the_room_is_used_to_the_last_token() -> None:
    found = prompt("What?", "a" * 500, "b" * 500, room=300)
    assert len(found.ids) == 300 and found.passages == ("p1", "p2")


def test_empty_passages_are_left_out() -> None:
    assert prompt("What?", "", "Tea.").passages == ("p2",)


def test_a_question_longer_than_the_room_is_refused_without_its_words() -> None:
    with pytest.raises(DataError, match=r"1 question\(s\) are longer than the model reads") as error:
        prompts(["short", "secret" * 30], [[], []], room=100)
    assert "secret" not in str(error.value) and "task.answer_tokens" in str(error.value)


@pytest.mark.parametrize(
    ("lengths", "room", "expected"),
    [
        ([5, 5], 20, [5, 5]),
        ([30, 5], 20, [15, 5]),
        ([30, 30], 21, [11, 10]),
        ([30, 2, 30], 22, [10, 2, 10]),
        ([9, 9], -3, [0, 0]),
        ([], 9, []),
    ],
)
def test_short_passages_stay_whole_and_long_ones_share_what_is_left(
    lengths: list[int], room: int, expected: list[int]
) -> None:
    assert shared_room(lengths, room) == expected


def test_what_a_model_writes_from_has_no_answer() -> None:
    learned: Any = Prompt((1, 2), ("p",), answer=(3, 4), answer_cut=True)
    assert learned.asked() == Prompt((1, 2), ("p",))
