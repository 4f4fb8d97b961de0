"""What every observer keeps: it has hooks of a run, bears any run that it is told of, and harms none."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator, Mapping
from contextlib import chdir, contextmanager
from copy import deepcopy
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NoReturn
from unittest.mock import patch

import numpy as np
import torch

from medplug.core.conformance.checks import Named, Skipped, name_of, require
from medplug.core.conformance.subject import Subject
from medplug.core.observers import admit, made, new_manager
from medplug.core.observing import Epoch, FailedRun, FinishedRun, StartedRun
from medplug.core.specs import ObserverSpec

_KEYS: dict[str, Any] = {
    "task": "text_diagnosis",
    "adapter": "finetune",
    "observers": None,
    "train.epochs": "3",
    "train.learning_rate": 1e-3,
    "data.also": {"ward|bed": "binary"},
    "report.by": ["sex", "age"],
    "report.intended_use": "triage " * 200,
}
_UNDEFINED = {"value": None, "ci95": [None, None]}
_SCORES: dict[str, Any] = {"macro_f1": {"value": 0.5, "ci95": [0.4, 0.6]}, "auroc": _UNDEFINED}

_FILES = ("config.yaml", "manifest.json", "metrics.json", "report.html", "model_card.md", "tripod_ai.csv")


class _Offline(OSError):
    """Somebody wants the network."""


class ObserverChecks:
    """The checks of one observer, told of made-up runs in a folder that is thrown away."""

    def __init__(self, subject: Subject, spec: ObserverSpec) -> None:
        self.subject, self.spec = subject, spec

    def checks(self) -> Iterator[Named]:
        """All of them."""
        for check in (self.hooks, self.finishes, self.fails, self.several, self.harmless):
            yield f"observer:{self.spec.name}:{name_of(check)}", check

    def hooks(self) -> None:
        """The core takes it: hooks of a run, with the names and arguments that they have."""
        with self._elsewhere():
            _Told(self._made())

    def finishes(self) -> None:
        """It bears a run that is finished: scores that are not defined, epochs without a loss, an ensemble."""
        with self._elsewhere() as folder:
            _Told(self._made()).finished(_run(folder))

    def fails(self) -> None:
        """It bears a run that ends early, by an error or by hand, before and after the first epoch."""
        for interrupted in (False, True):
            for epochs in (0, 2):
                with self._elsewhere() as folder:
                    _Told(self._made()).failed(_run(folder), epochs, interrupted)

    def several(self) -> None:
        """Two made from the same options watch two runs at once, and again one that is resumed."""
        with self._elsewhere() as folder:
            one, other = _Told(self._made()), _Told(self._made())
            first, second = _run(folder, "first"), _run(folder, "second")
            one.tell("medplug_run_started", first)
            other.finished(second)
            one.failed(first, 1, False, begin=False)
            _Told(self._made()).finished(_run(folder, "first", resumed=True))

    def harmless(self) -> None:
        """What it is given is as before, and so is the process: the working folder, torch's threads and number type."""
        with self._elsewhere() as folder:
            run, before = _run(folder), _process()
            keys = deepcopy(run.keys)
            _Told(self._made()).finished(run)
            require(run.keys == keys, "it changes what it is given", "copy what you change: others are told after it")
            changed = [name for name, value in _process().items() if value != before[name]]
            require(
                not changed,
                f"it changes, for the whole process: {', '.join(changed)}",
                "put back what you set: a run goes on around it",
            )

    def _made(self) -> Any:
        return made(self.spec, self.subject.made_options(self.spec))

    @contextmanager
    def _elsewhere(self) -> Iterator[Path]:
        """A working folder of its own, and no network: runs that are made up belong on nobody's server."""
        refused = (patch.object(socket.socket, "connect", _refuse), patch.object(socket, "getaddrinfo", _refuse))
        with TemporaryDirectory() as folder, chdir(folder), _process_kept(), refused[0], refused[1]:
            try:
                yield Path(folder)
            except Exception as error:
                if _wants_network(error):
                    told = (
                        f"it wants the network: give plugin_checks options={{{self.spec.name!r}: ...}} of a local place"
                    )
                    raise Skipped(told) from None
                raise


class _Told:
    """An observer as a run tells it, but that what it raises is raised."""

    def __init__(self, observer: Any) -> None:
        self.manager = new_manager()
        admit(self.manager, "under check", observer)

    def tell(self, hook: str, run: StartedRun, **facts: Any) -> None:
        getattr(self.manager.hook, hook)(run=run, **facts)

    def finished(self, run: StartedRun) -> None:
        self._begin(run, 2)
        run.folder.mkdir(exist_ok=True)
        for name in _FILES:
            (run.folder / name).write_text("{}\n", encoding="utf-8")
        told = {"task": run.task, "split": "test", "n": 9, "metrics": _SCORES, "baseline": {"linear": _SCORES}}
        result = FinishedRun(run.folder, deepcopy(told), {"reading": 0.1, "weighing the source rows (kmm)": 1.0})
        self.tell("medplug_run_finished", run, result=result)

    def failed(self, run: StartedRun, epochs: int, interrupted: bool, *, begin: bool = True) -> None:
        if begin:
            self._begin(run, epochs)
        error, message = ("KeyboardInterrupt", "") if interrupted else ("DataError", "row 3, age: not a number")
        self.tell("medplug_run_failed", run, failure=FailedRun(error, message, interrupted))

    def _begin(self, run: StartedRun, epochs: int) -> None:
        self.tell("medplug_run_started", run)
        for number in range(1, epochs + 1):
            facts = {"macro_f1": 0.1 * number, "log_loss": float("nan")} | ({"loss": 1.0} if number > 1 else {})
            self.tell("medplug_epoch_ended", run, epoch=Epoch(float(number), facts, None if number == 1 else 2))


def _run(folder: Path, name: str = "run", *, resumed: bool = False) -> StartedRun:
    data = {"train": "0" * 64, "corpus": "f" * 64}
    versions = {"python": "3.11.7", "medplug": "0.1.0", "peft": None}
    origins = {"task": "command line", "adapter": "recipe text"}
    return StartedRun("text_diagnosis", deepcopy(_KEYS), origins, folder / name, data, versions, resumed)


def _process() -> Mapping[str, object]:
    """What one observer could change for everyone."""
    return {
        "the working folder": os.getcwd(),
        "torch's threads": torch.get_num_threads(),
        "torch's default number type": torch.get_default_dtype(),
        "numpy's answer to faults": np.geterr(),
    }


@contextmanager
def _process_kept() -> Iterator[None]:
    """Put back what one observer changed for everyone, so that the next check begins as this one did."""
    threads, numbers, faults = torch.get_num_threads(), torch.get_default_dtype(), np.geterr()
    try:
        yield
    finally:
        torch.set_num_threads(threads)
        torch.set_default_dtype(numbers)
        np.seterr(**faults)


def _refuse(*_: Any, **__: Any) -> NoReturn:
    raise _Offline("the kit lets nothing out")


def _wants_network(error: BaseException | None) -> bool:
    """Whether the network that was refused is behind an error."""
    while error is not None:
        if isinstance(error, _Offline):
            return True
        error = error.__cause__ or error.__context__
    return False
