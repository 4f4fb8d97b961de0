"""A sound observer passes every check; each broken one fails the check that is about it."""

from __future__ import annotations

import socket
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import torch

from medplug.core.config import Section
from medplug.core.conformance import Outcome, outcomes, plugin_checks
from medplug.core.hooks import hookimpl
from medplug.core.observing import Epoch, FailedRun, FinishedRun, StartedRun
from medplug.core.specs import ObserverSpec

pytestmark = pytest.mark.usefixtures("one_thread")


class Options(Section):
    """None."""


class Diary:
    """A line for each thing that it is told."""

    def __init__(self, options: Options) -> None:
        self.file: Path | None = None

    def note(self, line: str) -> None:
        assert self.file is not None
        with self.file.open("a") as stream:
            stream.write(line + "\n")

    @hookimpl
    def medplug_run_started(self, run: StartedRun) -> None:
        self.file = Path(f"diary of {run.folder.name}")
        self.note(run.task)

    @hookimpl
    def medplug_epoch_ended(self, epoch: Epoch) -> None:
        self.note(f"{epoch.number}: {epoch.facts}")

    @hookimpl
    def medplug_run_finished(self, result: FinishedRun) -> None:
        self.note(f"{result.metrics['metrics']}")

    @hookimpl
    def medplug_run_failed(self, failure: FailedRun) -> None:
        self.note(failure.error)


class Deaf:
    def __init__(self, options: Options) -> None: ...


class Misspelt(Diary):
    @hookimpl
    def medplug_run_ended(self) -> None: ...


class Wishing(Diary):
    @hookimpl
    def medplug_epoch_ended(self, epoch: Epoch, model: Any) -> None: ...


class Trusting(Diary):
    """Takes every score for defined."""

    @hookimpl
    def medplug_run_finished(self, result: FinishedRun) -> None:
        self.note(str([round(each["value"], 3) for each in result.metrics["metrics"].values()]))


class Hasty(Diary):
    """Thinks that a run which failed had an epoch."""

    last: Epoch | None = None

    @hookimpl
    def medplug_epoch_ended(self, epoch: Epoch) -> None:
        self.last = epoch

    @hookimpl
    def medplug_run_failed(self, failure: FailedRun) -> None:
        assert self.last is not None, "no epoch"


class Alone(Diary):
    """One file for all."""

    @hookimpl
    def medplug_run_started(self, run: StartedRun) -> None:
        self.file = Path("diary")
        self.file.touch(exist_ok=False)


class Greedy(Diary):
    @hookimpl
    def medplug_run_started(self, run: StartedRun) -> None:
        super().medplug_run_started(run)
        run.keys.pop("task")


class Masterful(Diary):
    @hookimpl
    def medplug_run_started(self, run: StartedRun) -> None:
        super().medplug_run_started(run)
        torch.set_default_dtype(torch.float64)


class Distant(Diary):
    """Writes to a server."""

    def note(self, line: str) -> None:
        try:
            with socket.create_connection(("tracking.invalid", 80)):
                pass
        except OSError as error:
            raise RuntimeError("the server does not answer") from error


@pytest.fixture
def found(monkeypatch: pytest.MonkeyPatch) -> Callable[..., dict[str, Outcome]]:
    """The outcome of each check of an observer, by the check's last name."""

    def check(made: Callable[[Options], Any]) -> dict[str, Outcome]:
        module = ModuleType("ward_plugin")
        module.__dict__.update(made=made, Options=Options)
        monkeypatch.setitem(sys.modules, "ward_plugin", module)
        spec = ObserverSpec(name="ward", summary="a test", factory="ward_plugin:made", config="ward_plugin:Options")
        plugin = SimpleNamespace(medplug_api=1, medplug_observers=hookimpl(lambda: [spec]))
        return {each.name.split(":")[-1]: each for each in outcomes(plugin_checks(plugin))}

    return check


def test_a_sound_one_passes(found: Callable[..., dict[str, Outcome]]) -> None:
    states = {name: each for name, each in found(Diary).items() if not each.name.startswith("plugin:")}
    assert {each.state for each in states.values()} == {"passed"}, states
    assert {"hooks", "finishes", "fails", "several", "harmless"} <= set(states)


@pytest.mark.parametrize(
    ("made", "check", "told"),
    [
        (Deaf, "hooks", "it has none of medplug_run_started"),
        (Misspelt, "hooks", "unknown hook 'medplug_run_ended'"),
        (Wishing, "hooks", "Argument(s) {'model'}"),
        (Trusting, "finishes", "TypeError"),
        (Hasty, "fails", "no epoch"),
        (Alone, "several", "FileExistsError"),
        (Greedy, "harmless", "it changes what it is given"),
        (Masterful, "harmless", "it changes, for the whole process: torch's default number type"),
    ],
    ids=lambda value: getattr(value, "__name__", str(value)),
)
def test_a_broken_one_fails_the_check_that_is_about_it(
    made: type, check: str, told: str, found: Callable[..., dict[str, Outcome]]
) -> None:
    outcome = found(made)[check]
    assert outcome.state == "failed" and told in outcome.reason, outcome


def test_one_that_wants_the_network_is_told_of_nothing(found: Callable[..., dict[str, Outcome]]) -> None:
    outcome = found(Distant)["finishes"]
    assert outcome.state == "skipped" and "it wants the network: give plugin_checks options" in outcome.reason
