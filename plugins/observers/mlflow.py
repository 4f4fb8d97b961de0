"""MLflow: the run as one of an experiment, through `mlflow.MlflowClient` alone.

The client records what it is given and nothing else: neither the user's name, nor the command line, nor a commit.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from medplug.core.errors import ConfigError
from medplug.core.grammar import written
from medplug.core.hooks import hookimpl
from medplug.core.observing import Epoch, FailedRun, FinishedRun, StartedRun
from medplug.plugins.observers.numbers import epoch_numbers, final_numbers
from medplug.plugins.observers.options import MLflowOptions

if TYPE_CHECKING:
    from mlflow import MlflowClient

_SETTINGS = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ALLOW_FILE_STORE": "true",  # MLflow 3 refuses folders else, as new features of its own need a database
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",  # with MLflow's own a run would stand still for minutes at a dead server
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "20",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",  # inside other programs nothing is printed
}
"""Settings of MLflow that hold while it is called from here, where the user has not set them."""
_AT_ONCE = 100
"""The most parameters or metrics that a server takes in one request."""
_DATABASES = ("sqlite", "postgresql", "mysql", "mssql")
_LONGEST = 500
"""The most characters of a value that servers of every version since 1.28 take."""
_REPORT = ("report.html", "model_card.md", "tripod_ai.csv", "metrics.json", "manifest.json", "config.yaml")


class MLflow:
    """Makes a run of an experiment: keys as parameters, each epoch's and the final scores as metrics, data as tags.

    Files are copied only where `artifacts` asks for them. Raises `ConfigError` where mlflow, or what it needs for
    this kind of address, is not installed.
    """

    def __init__(self, options: MLflowOptions) -> None:
        self._options = options
        self._uri = options.uri or os.environ.get("MLFLOW_TRACKING_URI") or "mlruns"
        self._run = ""
        with _settings():
            try:
                from mlflow import MlflowClient
            except ImportError:
                raise ConfigError(
                    "observers=mlflow needs mlflow: pip install 'medplug[mlflow]', or leave it out"
                ) from None
            self._client = _client(MlflowClient, self._uri)

    @hookimpl
    def medplug_run_started(self, run: StartedRun) -> None:
        """Begin a run of the experiment, with the keys."""
        told = {"task": run.task, "version": run.versions["medplug"] or "", "resumed": str(run.resumed).lower()}
        told |= {f"data.{table}": digest for table, digest in run.data.items()}
        tags = {f"medplug.{name}": value for name, value in told.items()}
        with _settings():
            experiment = self._experiment(self._options.experiment or run.task)
            made = self._client.create_run(experiment, run_name=run.folder.name, tags=tags)
            self._run = made.info.run_id
            self._params({key: written(value) for key, value in run.keys.items() if value not in (None, "")})

    @hookimpl
    def medplug_epoch_ended(self, epoch: Epoch) -> None:
        """Add the epoch's scores."""
        self._metrics(epoch_numbers(epoch.facts, epoch.member), round(epoch.number))

    @hookimpl
    def medplug_run_finished(self, result: FinishedRun) -> None:
        """Add the final scores and, if asked, files; the run is then FINISHED."""
        seconds = {"seconds": sum(result.seconds.values())}
        self._metrics(final_numbers(result.metrics) | seconds, 0)
        with _settings():
            self._client.set_tag(self._run, "medplug.folder", str(result.folder))
            self._client.set_terminated(self._run, "FINISHED")
            if self._options.artifacts == "run":
                self._client.log_artifacts(self._run, str(result.folder))
            elif self._options.artifacts == "report":
                for file in (result.folder / name for name in _REPORT):
                    self._client.log_artifact(self._run, str(file))

    @hookimpl
    def medplug_run_failed(self, failure: FailedRun) -> None:
        """End it as FAILED, or as KILLED where somebody stopped it."""
        with _settings():
            told = ": ".join(filter(None, (failure.error, failure.message)))
            self._client.set_tag(self._run, "medplug.error", told)
            self._client.set_terminated(self._run, "KILLED" if failure.interrupted else "FAILED")

    def _experiment(self, name: str) -> str:
        """The id of the experiment, which is made where there is none."""
        from mlflow.exceptions import MlflowException

        found = self._client.get_experiment_by_name(name)
        if found is None:
            try:
                return str(self._client.create_experiment(name))
            except MlflowException:  # another run has made it meanwhile
                found = self._client.get_experiment_by_name(name)
                if found is None:
                    raise
        return str(found.experiment_id)

    def _params(self, values: Mapping[str, str]) -> None:
        from mlflow.entities import Param

        made = [Param(key, _cut(value)) for key, value in values.items()]
        for start in range(0, len(made), _AT_ONCE):
            self._client.log_batch(self._run, params=made[start : start + _AT_ONCE])

    def _metrics(self, numbers: Mapping[str, float], step: int) -> None:
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        made = [Metric(name, value, now, step) for name, value in numbers.items() if math.isfinite(value)]
        with _settings():
            for start in range(0, len(made), _AT_ONCE):
                self._client.log_batch(self._run, metrics=made[start : start + _AT_ONCE])


def _client(make: type[MlflowClient], uri: str) -> MlflowClient:
    """The client of a folder, which need not exist, or of an address."""
    if uri.startswith(_DATABASES) and find_spec("sqlalchemy") is None:
        kind = uri.partition(":")[0]
        raise ConfigError(
            f"observers.mlflow.uri: {kind} needs the whole of mlflow: pip install mlflow, or give a folder"
        )
    return make(tracking_uri=uri if ":" in uri else Path(uri).expanduser().resolve().as_uri())


@contextmanager
def _settings() -> Iterator[None]:
    """MLflow's settings as they should be, and as they were after."""
    ours = {name: value for name, value in _SETTINGS.items() if name not in os.environ}
    os.environ.update(ours)
    try:
        yield
    finally:
        for name in ours:
            os.environ.pop(name, None)


def _cut(value: str) -> str:
    return value if len(value) <= _LONGEST else f"{value[: _LONGEST - 1]}…"
