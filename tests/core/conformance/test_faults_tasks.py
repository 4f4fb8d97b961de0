"""A sound task passes every check; each broken one fails the check that is about it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, ClassVar

import numpy as np
import polars as pl
import pytest
from pydantic import Field

from medplug.core.config import DataConfig, Section
from medplug.core.conformance import Outcome, outcomes, plugin_checks
from medplug.core.data import cells
from medplug.core.data.classes import target_of
from medplug.core.data.problems import Problems
from medplug.core.data.targets import Target
from medplug.core.errors import DataError
from medplug.core.hooks import hookimpl
from medplug.core.plain.text import PlainText
from medplug.core.specs import Modality, TaskSpec
from medplug.core.task import Examples, Task


class Options(Section):
    """None."""


class Data(DataConfig):
    note: str = Field("note", description="the column of the text")
    label: str = Field("label", description="the column of the class")
    rules: ClassVar[tuple[str, ...]] = (*DataConfig.rules, "by_word")


class Sound(Task):
    """Two classes of short notes."""

    slots: ClassVar[Mapping[str, Modality]] = {"note": "text"}

    def columns(self, *, labelled: bool) -> dict[str, str]:
        return {"data.note": self.data.note, **({"data.label": self.data.label} if labelled else {})}

    def examples(
        self, table: pl.DataFrame, problems: Problems, *, labelled: bool, folder: Path | None = None
    ) -> Examples:
        notes = cells.texts(table[self.data.note], "data.note")
        cells.refuse(problems, notes.is_null(), self.data.note, "the note is empty")
        labels = None
        if labelled:
            given = cells.texts(table[self.data.label], "data.label")
            cells.refuse(problems, given.is_null(), self.data.label, "the label is empty")
            labels = given.fill_null("").to_list()
        return Examples(np.arange(1, table.height + 1), {"note": notes.fill_null("").to_list()}, labels)

    def target(self, labels: Sequence[Any]) -> Target:
        return target_of(labels, "auto", None, None)

    def metrics(self, target: Target) -> tuple[str, ...]:
        return ("f1", "auroc")

    def plain_features(self) -> PlainText:
        return PlainText()

    def sample(self) -> pl.DataFrame:
        notes = [f"{('cough', 'rash')[i % 2]} for {i} days" for i in range(90)]
        return pl.DataFrame({"note": notes, "label": [("lung", "skin")[i % 2] for i in range(90)]})

    def units(self, examples: Examples, rule: str) -> dict[str, list[str]]:
        return {"word": [note.split()[2][-1:] for note in examples.inputs["note"]]}


class Lacking(Sound):
    def sample(self) -> pl.DataFrame:
        return super().sample().rename({"label": "diagnosis"})


class Refusing(Sound):
    """Calls good rows bad."""

    def examples(self, table: pl.DataFrame, problems: Problems, **how: Any) -> Examples:  # type: ignore[override]
        problems.add([1], "note", "it is the first")
        return super().examples(table, problems, **how)


class Renamed(Sound):
    slots: ClassVar[Mapping[str, Modality]] = {"text": "text"}


class Pictured(Sound):
    slots: ClassVar[Mapping[str, Modality]] = {"note": "image"}


class Shifted(Sound):
    """Numbers rows from 0."""

    def examples(self, table: pl.DataFrame, problems: Problems, **how: Any) -> Examples:  # type: ignore[override]
        found = super().examples(table, problems, **how)
        found.rows = found.rows - 1
        return found


class Numeric(Sound):
    def target(self, labels: Sequence[Any]) -> Target:
        return Target("multiclass", tuple(sorted(set(labels))))


class Measured(Sound):
    def metrics(self, target: Target) -> tuple[str, ...]:
        return ("f1", "auuroc")


class Sorted(Sound):
    """Hands rows on in an order of its own."""

    def examples(self, table: pl.DataFrame, problems: Problems, **how: Any) -> Examples:  # type: ignore[override]
        return super().examples(table.sort(self.data.note), problems, **how)


class Peeking(Sound):
    """Writes the label into the text."""

    def examples(self, table: pl.DataFrame, problems: Problems, **how: Any) -> Examples:  # type: ignore[override]
        found = super().examples(table, problems, **how)
        if found.labels is not None:
            found.inputs["note"] = [f"{a} {b}" for a, b in zip(found.inputs["note"], found.labels, strict=True)]
        return found


class Unwritten(Sound):
    def learned(self) -> dict[str, Any]:
        return {"type": object()}


class Forgetful(Sound):
    """Reads by what the first table settled, and does not tell it."""

    words: frozenset[str] = frozenset()

    def examples(self, table: pl.DataFrame, problems: Problems, *, labelled: bool, **how: Any) -> Examples:  # type: ignore[override]
        found = super().examples(table, problems, labelled=labelled, **how)
        if labelled:
            self.words = frozenset(" ".join(found.inputs["note"]).split())
        found.inputs["note"] = [" ".join(w for w in each.split() if w in self.words) for each in found.inputs["note"]]
        return found

    def recall(self, learned: Mapping[str, Any]) -> None:
        self.words = frozenset(learned.get("words", ()))


class Careless(Sound):
    """Takes empty cells for texts and labels."""

    def examples(self, table: pl.DataFrame, problems: Problems, **how: Any) -> Examples:  # type: ignore[override]
        return super().examples(table.fill_null("x"), problems, **how)


class Blank(Sound):
    """Hands an empty cell on as a text of no letters."""

    def examples(self, table: pl.DataFrame, problems: Problems, **how: Any) -> Examples:  # type: ignore[override]
        own = Problems("own")
        found = super().examples(table, own, **how)
        problems.found += [each for each in own.found if each.column != self.data.note]
        return found


class Changing(Sound):
    """Draws its sample anew each time."""

    def sample(self) -> pl.DataFrame:
        return super().sample().sample(fraction=1.0, shuffle=True)


class Stopping(Sound):
    """Refuses the whole table for one bad row."""

    def examples(self, table: pl.DataFrame, problems: Problems, **how: Any) -> Examples:  # type: ignore[override]
        if table[self.data.note].null_count():
            raise DataError("a note is empty")
        return super().examples(table, problems, **how)


class Quoting(Sound):
    """Tells the cell's content."""

    def examples(self, table: pl.DataFrame, problems: Problems, **how: Any) -> Examples:  # type: ignore[override]
        found = super().examples(table, problems, **how)
        for row, note in enumerate(found.inputs["note"], 1):
            if note and not note.startswith(("cough", "rash")):
                problems.add([row], self.data.note, f"{note} is no sign")
        return found


class OffByOne(Sound):
    def examples(self, table: pl.DataFrame, problems: Problems, **how: Any) -> Examples:  # type: ignore[override]
        own = Problems("own")
        found = super().examples(table, own, **how)
        problems.found += [type(each)(each.row - 1, each.column, each.reason) for each in own.found]
        return found


class Nameless(Sound):
    def examples(self, table: pl.DataFrame, problems: Problems, **how: Any) -> Examples:  # type: ignore[override]
        own = Problems("own")
        found = super().examples(table, own, **how)
        problems.found += [type(each)(each.row, "the text", each.reason) for each in own.found]
        return found


class Dice(Sound):
    """Draws which rows are there to learn from."""

    def tidy(self, train: Examples) -> tuple[Examples, dict[str, int]]:
        kept = np.random.default_rng().permutation(len(train))[: len(train) // 2]
        return train.take(np.sort(kept)), {}


class Wandering(Sound):
    """Keys of units that change from call to call."""

    def units(self, examples: Examples, rule: str) -> dict[str, list[str]]:
        return {"word": [str(each) for each in np.random.default_rng().integers(0, 9, len(examples))]}


class Grouping(Sound):
    """Rows whose groups are no longer their own."""

    def tidy(self, train: Examples) -> tuple[Examples, dict[str, int]]:
        if train.groups is not None:
            train.groups = [f"g{i}" for i in range(len(train))]
        return train, {}


@pytest.fixture
def found(monkeypatch: pytest.MonkeyPatch) -> Callable[..., dict[str, Outcome]]:
    """The outcome of each check of a task, by the check's last name."""

    def check(made: type[Task], **changes: Any) -> dict[str, Outcome]:
        module = ModuleType("ward_plugin")
        module.__dict__.update(Made=made, Options=Options, Data=Data)
        monkeypatch.setitem(sys.modules, "ward_plugin", module)
        given: dict[str, Any] = {"name": "ward", "summary": "a test", "modalities": ("text",), "targets": ("binary",)}
        paths = {"factory": "ward_plugin:Made", "config": "ward_plugin:Options", "data": "ward_plugin:Data"}
        plugin = SimpleNamespace(
            medplug_api=1, medplug_tasks=hookimpl(lambda: [TaskSpec(**{**given, **paths, **changes})])
        )
        return {each.name.split(":")[-1]: each for each in outcomes(plugin_checks(plugin))}

    return check


def test_a_sound_one_passes(found: Callable[..., dict[str, Outcome]]) -> None:
    states = [each for each in found(Sound).values() if not each.name.startswith("plugin:")]
    assert {each.state for each in states} == {"passed"}, states


@pytest.mark.parametrize(
    ("made", "check", "told"),
    [
        (Lacking, "sample", "the sample lacks the columns of label (data.label)"),
        (Refusing, "sample", "1 rows of the sample are bad: row 1, column note: it is the first"),
        (Renamed, "sample", "inputs are ['note'], and slots ['text']"),
        (Pictured, "sample", "slots of image, which the spec does not name"),
        (Shifted, "sample", "rows are not numbered 1, 2, 3"),
        (Numeric, "target", "target() gives a multiclass target, and the spec names binary"),
        (Measured, "target", "metrics() gives auuroc for a binary target"),
        (Sorted, "order", "a table read backwards gives other inputs"),
        (Peeking, "unlabelled", "without labels the inputs are others"),
        (Unwritten, "learned", "learned() is no JSON data"),
        (Forgetful, "learned", "after recall() inputs are others"),
        (Careless, "bad_rows", "no empty cell in note, label is noticed"),
        (Blank, "bad_rows", "with an empty cell in row 3, column note a blank text is handed on"),
        (Changing, "sample", "the sample is another each time"),
        (Stopping, "bad_rows", "with an empty cell in row 3, column note reading stops"),
        (Quoting, "bad_rows", "with nonsense in row 3, column note the reason quotes the cell"),
        (OffByOne, "bad_rows", "the rows [2] are called bad"),
        (Nameless, "bad_rows", "the column ['the text'] is named"),
        (Dice, "determinism", "the same seed gives other splits"),
        (Wandering, "groups", "data.split=by_word"),
        (Grouping, "groups", "groups stand in train and in"),
    ],
    ids=lambda value: getattr(value, "__name__", str(value)),
)
def test_a_broken_one_fails_the_check_that_is_about_it(
    made: type[Task], check: str, told: str, found: Callable[..., dict[str, Outcome]]
) -> None:
    outcome = found(made)[check]
    assert outcome.state == "failed" and told in outcome.reason, outcome
    assert outcome.fix


def test_option_models_of_data_are_checked_too(found: Callable[..., dict[str, Outcome]]) -> None:
    outcome = found(Sound, data="ward_plugin:Options")["data"]
    assert "is no subclass of medplug.core.config:DataConfig" in outcome.reason
