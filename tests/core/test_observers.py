"""Who watches a run: what they are told and when, and that no run ends or comes out otherwise for their sake."""

from __future__ import annotations

import json
import re
import sys
import warnings
from collections.abc import Callable
from dataclasses import asdict
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from medplug.core.api import plan_for
from medplug.core.discovery.plugins import Plugins
from medplug.core.errors import ConfigError, DataError, PluginError, PluginWarning, UnknownNameError
from medplug.core.grammar import flatten
from medplug.core.observers import HOOKS, Observers
from medplug.core.run import Run, execute

Install = Callable[..., EntryPoint]
Go = Callable[..., Run]
Told = list[tuple[str, dict[str, Any]]]

pytestmark = pytest.mark.usefixtures("one_thread")

SECRET = "zyxwvut"
WATCHING = """
from pydantic import Field
from medplug.core.config import Section
from medplug.core.specs import ObserverSpec

told = []

class Options(Section):
    fails: str = Field("", description="the hook to fail at")
    leaves: bool = Field(False, description="fail by SystemExit")

class Watcher:
    def __init__(self, options):
        self.options = options

    def note(self, hook, run, facts=None):
        told.append((hook, run, facts))
        {meddling}
        if self.options.fails == hook:
            raise SystemExit(3) if self.options.leaves else OSError("the server is away")

    @hookimpl
    def medplug_run_started(self, run):
        self.note("medplug_run_started", run)

    @hookimpl
    def medplug_epoch_ended(self, epoch, run):
        self.note("medplug_epoch_ended", run, epoch)

    @hookimpl
    def medplug_run_finished(self, run, result):
        self.note("medplug_run_finished", run, result)

    @hookimpl
    def medplug_run_failed(self, run, failure):
        self.note("medplug_run_failed", run, failure)

@hookimpl
def medplug_observers():
    return [ObserverSpec(name="watcher", summary="made for a test", factory="alpha_plugin:{factory}",
                         config="alpha_plugin:Options")]
"""
MEDDLING = (
    "import random, numpy, torch; random.seed(1); numpy.random.seed(1); torch.manual_seed(1); run.keys.clear(); "
    "facts and getattr(facts, 'facts', getattr(facts, 'metrics', {})).clear()"
)
MODULE = """
told = []

@hookimpl
def medplug_adapters():
    return [AdapterSpec(name="ward_tune", summary="made for a test", family="model", answers=("prepare",),
                        factory="medplug.plugins.adapters.finetune:Finetune",
                        config="medplug.plugins.adapters.options:FinetuneOptions")]

@hookimpl
def medplug_epoch_ended(epoch):
    told.append(epoch.number)
"""


def table(rows: int = 60) -> pl.DataFrame:
    signs = ("cough", "fracture")
    texts = [f"the patient has {signs[i % 2]} {SECRET if i == 5 else i}" for i in range(rows)]
    return pl.DataFrame({"text": texts, "label": [("lung", "bone")[i % 2] for i in range(rows)]})


@pytest.fixture
def go(tmp_path: Path) -> Go:
    """Run two epochs of a small network, with the plugins that are found; the run's folder has this name."""

    def run(found: list[EntryPoint], name: str = "run", data: Any = None, **keys: Any) -> Run:
        plugins = Plugins(found=found)
        given = {"task": "text_diagnosis", "backbone": "text_cnn", "adapter": "finetune", "device": "cpu"}
        given |= {"data.train": table() if data is None else data, "output": tmp_path / name, "train.epochs": 2}
        given |= {"train.least_updates": 1, "report.resamples": 100, "report.explain": 0, "data.group": None}
        return execute(plan_for(plugins, flatten(given | keys)), plugins)

    return run


@pytest.fixture
def watcher(install: Install) -> Callable[..., EntryPoint]:
    """Install an observer called watcher, that notes what it is told, and may meddle."""

    def make(meddling: str = "pass", factory: str = "Watcher", more: str = "") -> EntryPoint:
        return install("alpha", WATCHING.format(meddling=meddling, factory=factory) + more, module="alpha_plugin")

    return make


def noted() -> Told:
    return [(hook, {"run": run, "facts": facts}) for hook, run, facts in sys.modules["alpha_plugin"].told]


def events(run: Run) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run.folder / "events.jsonl").read_text().splitlines()]


def read(run: Run, name: str) -> Any:
    return json.loads((run.folder / name).read_text())


def test_it_is_told_of_the_start_of_each_epoch_and_of_the_end(watcher: Any, go: Go) -> None:
    run = go([watcher()], observers="watcher")
    told = noted()
    assert [hook for hook, _ in told] == [HOOKS[0], HOOKS[1], HOOKS[1], HOOKS[2]]
    assert len({id(each["run"]) for _, each in told}) == 1
    begun, first, result = told[0][1]["run"], told[1][1]["facts"], told[-1][1]["facts"]
    assert (begun.task, begun.folder, begun.resumed) == ("text_diagnosis", run.folder.resolve(), False)
    assert begun.keys["train.epochs"] == 2 and begun.keys["observers"] == "watcher"
    assert begun.origins["train.epochs"] == "argument" and begun.versions == read(run, "manifest.json")["versions"]
    assert begun.data == {"train": read(run, "manifest.json")["data"]["train"]["sha256"]}
    (one, _) = [each for each in events(run) if each["event"] == "epoch"]
    assert {"epoch": first.number, **first.facts} == {name: one[name] for name in one if name not in ("time", "event")}
    assert first.number == 1 and first.member is None and {"loss", "f1"} <= set(first.facts)
    assert result.folder == run.folder.resolve() and result.metrics == read(run, "metrics.json") == run.metrics
    assert "training" in result.seconds
    assert read(run, "manifest.json")["observers"] == ["watcher"]


def test_members_of_an_ensemble_are_told_apart(watcher: Any, go: Go) -> None:
    go([watcher()], observers="watcher", **{"train.members": 2, "train.epochs": 1})
    told = [each["facts"] for hook, each in noted() if hook == "medplug_epoch_ended"]
    assert [(each.member, each.number) for each in told] == [(1, 1.0), (2, 1.0)]
    assert not any({"member", "epoch"} & set(each.facts) for each in told)


def test_one_that_draws_at_random_and_changes_what_it_is_given_changes_nothing_of_the_run(watcher: Any, go: Go) -> None:
    plain, watched = go([], "plain"), go([watcher(MEDDLING)], "watched", observers="watcher")
    for name in ("model.safetensors", "metrics.json", "predictions.parquet"):
        assert (plain.folder / name).read_bytes() == (watched.folder / name).read_bytes(), name
    assert watched.metrics == plain.metrics != {}
    assert read(watched, "manifest.json")["observers_dropped"] == {}


@pytest.mark.parametrize(("hook", "leaves"), [*((hook, False) for hook in HOOKS[:3]), (HOOKS[1], True)])
def test_one_that_fails_is_told_of_once_and_left_out_and_the_run_goes_on(
    watcher: Any, go: Go, hook: str, leaves: bool
) -> None:
    options = {"observers.watcher.fails": hook, "observers.watcher.leaves": leaves}
    why = rf"{hook}: {'SystemExit: 3' if leaves else 'OSError: the server is away'} \(at alpha_plugin:\d+\)"
    with pytest.warns(PluginWarning) as warned:
        run = go([watcher()], observers="watcher", **options)
    (told,) = [str(each.message) for each in warned]
    assert re.fullmatch(rf"observer watcher failed and is told nothing more; the run goes on \({why}\)", told)
    assert [told for told, _ in noted()][-1] == hook and [told for told, _ in noted()].count(hook) == 1
    (dropped,) = [each for each in events(run) if each["event"] == "observer dropped"]
    assert dropped["observer"] == "watcher" and re.fullmatch(why, dropped["reason"])
    if hook != HOOKS[2]:  # the folder was whole by then
        found = read(run, "manifest.json")
        assert (found["observers"], found["observers_dropped"]) == ([], {"watcher": dropped["reason"]})


def test_the_others_are_told_all_the_same(watcher: Any, install: Install, go: Go) -> None:
    alpha, beta = watcher(), install("beta", MODULE)
    keys = {"observers.watcher.fails": "medplug_epoch_ended", "adapter": "ward_tune"}
    with pytest.warns(PluginWarning, match="observer watcher failed"):
        run = go([alpha, beta], observers="watcher", **keys)
    assert sys.modules["beta_plugin"].told == [1.0, 2.0]
    assert read(run, "manifest.json")["observers"] == ["beta 1.0:beta"]


def test_where_warnings_are_errors_the_run_goes_on_too(watcher: Any, go: Go) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        run = go([watcher()], observers="watcher", **{"observers.watcher.fails": "medplug_run_started"})
    assert list(read(run, "manifest.json")["observers_dropped"]) == ["watcher"]


def test_a_plugin_with_hooks_of_a_run_is_told_where_it_is_imported_for_the_run(install: Install, go: Go) -> None:
    point = install("alpha", MODULE)
    run = go([point], "without")
    assert "alpha_plugin" not in sys.modules and read(run, "manifest.json")["observers"] == []
    run = go([point], "with", adapter="ward_tune")
    assert sys.modules["alpha_plugin"].told == [1.0, 2.0]
    assert read(run, "manifest.json")["observers"] == ["alpha 1.0:alpha"]


# ---- runs that fail


def test_a_run_that_fails_is_told_of_with_medplugs_own_words(watcher: Any, go: Go, tmp_path: Path) -> None:
    bad = pl.DataFrame({"text": [*table()["text"], None], "label": [*table()["label"], "lung"]})
    with pytest.raises(DataError):
        go([watcher()], data=bad, observers="watcher")
    (_, _), (hook, each) = noted()
    assert hook == "medplug_run_failed" and each["facts"].error == "RowsError" and not each["facts"].interrupted
    assert "row 61" in each["facts"].message and not (tmp_path / "run").exists()


@pytest.mark.parametrize("error", [ValueError(SECRET), KeyboardInterrupt()])
def test_of_what_others_raise_the_class_alone_is_told(
    watcher: Any, go: Go, error: BaseException, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise error

    monkeypatch.setattr("medplug.core.run.gathered", fail)
    with pytest.raises(type(error)):
        go([watcher()], observers="watcher")
    hook, each = noted()[-1]
    assert hook == "medplug_run_failed" and each["facts"].interrupted == isinstance(error, KeyboardInterrupt)
    assert (each["facts"].error, each["facts"].message) == (type(error).__name__, "")


def test_an_observer_that_fails_there_too_hides_nothing(watcher: Any, go: Go) -> None:
    bad = pl.DataFrame({"text": ["a", None], "label": ["x", "y"]})
    with pytest.warns(PluginWarning, match="medplug_run_failed"), pytest.raises(DataError):
        go([watcher()], data=bad, observers="watcher", **{"observers.watcher.fails": "medplug_run_failed"})


# ---- what is wrong with one is told before anything is read


@pytest.mark.parametrize(
    ("factory", "more", "told"),
    [
        ("Nothing", "", "observer watcher: cannot load 'alpha_plugin:Nothing'"),
        ("broken", "def broken(options): raise OSError('no such place')", "cannot be made: OSError: no such place"),
        ("deaf", "def deaf(options): return object()", "it has none of medplug_run_started, medplug_epoch_ended"),
        (
            "Misspelt",
            "class Misspelt(Watcher):\n    @hookimpl\n    def medplug_epoch_end(self, epoch): pass",
            "unknown hook 'medplug_epoch_end'",
        ),
        (
            "Wrong",
            "class Wrong(Watcher):\n    @hookimpl\n    def medplug_run_started(self, score): pass",
            "Argument(s) {'score'} are declared in the hookimpl but can not be found in the hookspec",
        ),
    ],
)
def test_one_that_cannot_be_made_ends_the_run_before_a_row_is_read(
    watcher: Any, go: Go, tmp_path: Path, factory: str, more: str, told: str
) -> None:
    point = watcher(factory=factory, more=f"\n{more}")
    with pytest.raises(PluginError) as raised:
        go([point], data=tmp_path / "absent.csv", observers="watcher")
    assert told in str(raised.value)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("keys", "error", "told"),
    [
        ({"observers": "tensorbord"}, UnknownNameError, "did you mean tensorboard"),
        ({"observers": "mlflow+mlflow"}, ConfigError, "name each once, joined by +"),
        ({"observers": ""}, ConfigError, "name each once"),
        ({"observers.mlflow.uri": "x"}, ConfigError, "no observer is chosen: add observers=NAME"),
        (
            {"observers": "tensorboard", "observers.mlflow.uri": "x"},
            ConfigError,
            "the observers chosen are tensorboard",
        ),
        ({"observers": "mlflow", "observers.mlflow.url": "x"}, ConfigError, "did you mean observers.mlflow.uri"),
    ],
)
def test_keys_that_are_wrong_are_told(keys: dict[str, Any], error: type[Exception], told: str) -> None:
    with pytest.raises(error) as raised:
        plan_for(Plugins(found=()), {"task": "text_diagnosis", **keys})
    assert told in str(raised.value)


def test_keys_may_be_nested_and_written_ones_are_read_again() -> None:
    given = flatten({"task": "text_diagnosis", "observers": {"name": "mlflow", "mlflow": {"experiment": "7"}}})
    assert given == {"task": "text_diagnosis", "observers": "mlflow", "observers.mlflow.experiment": "7"}
    plan = plan_for(Plugins(found=()), given)
    settings = {key: value for key, value, _ in plan.settings()}
    assert settings["observers"] == "mlflow" and settings["observers.mlflow.experiment"] == "7"
    written = {key: value for key, value in settings.items() if key.partition(".")[0] in ("task", "observers")}
    assert plan_for(Plugins(found=()), written).observers == plan.observers
    assert plan_for(Plugins(found=()), {"task": "text_diagnosis", "observers": None}).observers == ()


def test_without_any_nothing_is_told() -> None:
    observers = Observers()
    observers.failed(ValueError())
    assert observers.names == [] and observers.dropped == {}


def test_nothing_that_is_told_holds_what_a_row_says(watcher: Any, go: Go) -> None:
    go([watcher()], observers="watcher")
    told = [asdict(each["run"]) if each["facts"] is None else asdict(each["facts"]) for _, each in noted()]
    assert SECRET not in json.dumps(told, default=str)
