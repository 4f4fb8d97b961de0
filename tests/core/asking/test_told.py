"""The lines of an answer."""

from __future__ import annotations

from medplug.core.asking.answer import Answer, Passage
from medplug.core.asking.command import told


def test_a_passage_that_is_the_answer_is_written_once() -> None:
    passages = (Passage("a", "Rest in bed.", 0.9), Passage("b", "Drink water.", 0.4))
    lines = told(Answer("Rest in bed.", 0.9, 0.5, passages))
    assert lines[0] == "Rest in bed." and lines.count("Rest in bed.") == 1
    assert lines[2:] == ["", "[1] a (0.900)", "", "[2] b (0.400)", "Drink water."]


def test_a_passage_that_an_answer_is_taken_from_is_shown() -> None:
    lines = told(Answer("in bed", 0.9, 0.95, (Passage("a", "Rest in bed."),)))
    assert lines[0] == "not sure; the likeliest answer is: in bed" and lines[-2:] == ["[1] a", "Rest in bed."]
