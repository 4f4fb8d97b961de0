"""Written answers to new questions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from medplug.core.answers.questions import Pair
from medplug.core.evaluation.answers import estimate_answers
from medplug.core.frames.texts import answers_frame
from medplug.core.generation.model import TextModel
from medplug.core.generation.passages import Found
from medplug.core.generation.writing import Answered, write
from medplug.core.task import Examples
from medplug.core.training.compute import Report

if TYPE_CHECKING:
    import polars as pl

    from medplug.core.predictor import Predictor


def predicted(predictor: Predictor, examples: Examples, columns: Mapping[str, Any], report: Report) -> pl.DataFrame:
    """`columns`, the answers, their scores, and the ids of the passages that each was written from."""
    return answers_frame(columns, _written(predictor, examples.values, report)[0])


def scored(predictor: Predictor, examples: Examples, how: Mapping[str, Any], report: Report) -> dict[str, Any]:
    """The metrics of answers to labelled rows, each with its interval, as JSON data."""
    written, _ = _written(predictor, examples.values, report)
    truth = [[answer] for answer in examples.labels or []]
    names = predictor.task.metrics(predictor.target)
    found = estimate_answers([each.text for each in written], truth, names, **how)
    return {name: each.as_json() for name, each in found.items()}


def answered(predictor: Predictor, value: Pair, report: Report = lambda done, total: None) -> tuple[Answered, list[Found]]:
    """The answer to one question, and the passages that it was written from, best first."""
    (written,), (given,) = _written(predictor, [value], report)
    return written, [each for each in given if each.id in written.passages]


def _written(
    predictor: Predictor, values: Sequence[Pair], report: Report
) -> tuple[list[Answered], list[list[Found]]]:
    model = predictor.model
    assert isinstance(model, TextModel)
    given = model.reader.passages(values)
    return write(model, model.reader.prompts(values, given), predictor.compute, report), given
