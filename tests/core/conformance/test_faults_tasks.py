"""A sound task passes every check; each broken one fails the check that is about it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, ClassVar, get_args

import numpy as np
import polars as pl
import pytest
from pydantic import Field

from medplug.core.backbone import Backbone
from medplug.core.config import DataConfig, Section
from medplug.core.conformance import Outcome, outcomes, plugin_checks
from medplug.core.conformance.task_run import CHEAPEST
from medplug.core.data import cells
from medplug.core.data.classes import target_of
from medplug.core.data.problems import Problems
from medplug.core.data.targets import Target
from medplug.core.discovery.plugins import Plugins
from medplug.core.errors import BackboneError, ConfigError, DataError
from medplug.core.hooks import hookimpl
from medplug.core.plain.text import PlainText
from medplug.core.specs import BackboneSpec, Modality, TaskSpec
from medplug.core.task import Examples, Task

pytestmark = pytest.mark.usefixtures("one_thread")


class Options(Section):
    """One that the core reads in some tasks."""

    form: str = Field("written", description="the kind of answer")


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


class Plainless(Sound):
    """Nothing that a plain baseline could read."""

    def plain_features(self) -> Any:
        return object()


class Untidy(Sound):
    """Refuses the rows that a run learns from."""

    def tidy(self, train: Examples) -> tuple[Examples, dict[str, int]]:
        if len(train) < 50:
            raise DataError("no note is left")
        return train, {}


class Remembering(Sound):
    """Reads through its backbone otherwise where it has read no labels before."""

    labelled = False

    def examples(self, table: pl.DataFrame, problems: Problems, *, labelled: bool, **how: Any) -> Examples:  # type: ignore[override]
        self.labelled |= labelled
        return super().examples(table, problems, labelled=labelled, **how)

    def reader(self, backbone: Backbone, target: Target) -> Backbone:
        if not self.labelled:
            backbone.register_forward_hook(lambda module, given, found: replace(found, pooled=-found.pooled))
        return backbone


class Demanding(Sound):
    """Wants a label of rows to predict, once a run has read all its tables."""

    tables = 0

    def examples(self, table: pl.DataFrame, problems: Problems, *, labelled: bool, **how: Any) -> Examples:  # type: ignore[override]
        if not labelled and self.tables:
            cells.refuse(problems, pl.Series([True] * table.height), self.data.note, "the label is empty")
        self.tables += labelled
        return super().examples(table, problems, labelled=labelled, **how)


class Equipped(Sound):
    """Needs a package that is not here."""

    def tidy(self, train: Examples) -> tuple[Examples, dict[str, int]]:
        try:
            import no_such_module_anywhere  # noqa: F401
        except ImportError:
            raise ConfigError("reading wards needs no_such_module_anywhere: pip install it") from None
        return train, {}


class Choosy(Sound):
    """Reads through a backbone of its own alone."""

    def reader(self, backbone: Backbone, target: Target) -> Backbone:
        raise BackboneError("it reads through ward_net alone")


@pytest.fixture
def found(monkeypatch: pytest.MonkeyPatch) -> Callable[..., dict[str, Outcome]]:
    """The outcome of each check of a task, or of the one named, by the check's last name."""

    def check(made: type[Task], only: str = "", **changes: Any) -> dict[str, Outcome]:
        module = ModuleType("ward_plugin")
        module.__dict__.update(Made=made, Options=Options, Data=Data)
        monkeypatch.setitem(sys.modules, "ward_plugin", module)
        given: dict[str, Any] = {"name": "ward", "summary": "a test", "modalities": ("text",), "targets": ("binary",)}
        paths = {"factory": "ward_plugin:Made", "config": "ward_plugin:Options", "data": "ward_plugin:Data"}
        plugin = SimpleNamespace(
            medplug_api=1, medplug_tasks=hookimpl(lambda: [TaskSpec(**{**given, **paths, **changes})])
        )
        asked = ((name, each) for name, each in plugin_checks(plugin) if only in ("", name.split(":")[-1]))
        return {each.name.split(":")[-1]: each for each in outcomes(asked)}

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
        (Plainless, "runs", "object has no attribute 'fit_transform'"),
        (Untidy, "runs", "a run on the sample stops: DataError: no note is left"),
        (Remembering, "runs", "a model that was saved and read predicts otherwise"),
        (Demanding, "runs", "the trained model does not predict the sample's rows"),
    ],
    ids=lambda value: getattr(value, "__name__", str(value)),
)
def test_a_broken_one_fails_the_check_that_is_about_it(
    made: type[Task], check: str, told: str, found: Callable[..., dict[str, Outcome]]
) -> None:
    outcome = found(made, check)[check]
    assert outcome.state == "failed" and told in outcome.reason, outcome
    assert outcome.fix


def test_option_models_of_data_are_checked_too(found: Callable[..., dict[str, Outcome]]) -> None:
    outcome = found(Sound, "data", data="ward_plugin:Options")["data"]
    assert "is no subclass of medplug.core.config:DataConfig" in outcome.reason


@pytest.mark.parametrize(
    ("made", "changes", "told"),
    [
        (Equipped, {}, "needs no_such_module_anywhere"),
        (Choosy, {}, "it reads through ward_net alone"),
        (Sound, {"writing": ("task.form", ("written",))}, "task.form=written writes answers"),
    ],
)
def test_a_run_that_needs_what_is_not_there_is_skipped_with_the_reason(
    made: type[Task], changes: dict[str, Any], told: str, found: Callable[..., dict[str, Outcome]]
) -> None:
    outcome = found(made, "runs", **changes)["runs"]
    assert outcome.state == "skipped" and told in outcome.reason, outcome


def test_a_run_that_stops_is_told_with_the_command_that_shows_it(found: Callable[..., dict[str, Outcome]]) -> None:
    assert "medplug run task=ward backbone=text_cnn adapter=finetune" in found(Untidy, "runs")["runs"].fix


def test_there_is_a_backbone_to_run_with_for_each_modality() -> None:
    known = {spec.name: spec for spec in Plugins(found=()).all("backbone") if isinstance(spec, BackboneSpec)}
    assert set(CHEAPEST) == set(get_args(Modality))
    assert all(known[name].modality == each and not known[name].pretrained for each, name in CHEAPEST.items())
