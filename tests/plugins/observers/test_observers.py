"""What TensorBoard and MLflow are given, read back by their own packages."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import polars as pl
import pytest

import medplug
from medplug.core.errors import ConfigError, DataError, PluginWarning
from medplug.plugins.observers import mlflow as observer

Go = Callable[..., Any]

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("MLFLOW_TRACKING_URI", *observer._SETTINGS):
        monkeypatch.delenv(name, raising=False)


def table(rows: int = 60) -> pl.DataFrame:
    texts = [f"the patient has {('cough', 'fracture')[i % 2]} {i}" for i in range(rows)]
    return pl.DataFrame({"text": texts, "label": [("lung", "bone")[i % 2] for i in range(rows)]})


@pytest.fixture
def go() -> Go:
    """Run two epochs of a small network, watched; the run's folder has this name."""

    def run(name: str = "run", data: Any = None, **keys: Any) -> Any:
        given = {"backbone": "text_cnn", "adapter": "finetune", "device": "cpu", "train.epochs": 2}
        given |= {"train.least_updates": 1, "report.resamples": 100, "report.explain": 0}
        data = table() if data is None else data
        return medplug.run(**{"task": "text_diagnosis", "output": name, "data.train": data, **given, **keys})

    return run


def epochs(run: Any) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in (run.folder / "events.jsonl").read_text().splitlines()]
    return [line for line in lines if line["event"] == "epoch"]


def final(run: Any) -> dict[str, float]:
    """The final scores with the ends of their intervals, by the names that trackers have them under."""
    ends = {"": lambda each: each["value"], "_low95": lambda each: each["ci95"][0], "_high95": lambda e: e["ci95"][1]}
    told = {f"test/{name}{end}": take(m) for name, m in run.metrics["metrics"].items() for end, take in ends.items()}
    for model, found in run.metrics["baseline"].items():
        told |= {f"baseline/{model}/{name}": each["value"] for name, each in found.items()}
    return {name: value for name, value in told.items() if value is not None}


# ---- TensorBoard


def accumulated(folder: Path) -> Any:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    return EventAccumulator(str(folder)).Reload()


def scalars(found: Any) -> dict[str, list[tuple[int, float]]]:
    return {tag: [(each.step, each.value) for each in found.Scalars(tag)] for tag in found.Tags()["scalars"]}


def text(found: Any, tag: str) -> str:
    (event,) = found.Tensors(f"{tag}/text_summary")
    return str(event.tensor_proto.string_val[0].decode())


def test_tensorboard_has_each_epochs_scores_the_final_ones_and_the_keys(go: Go) -> None:
    run = go(observers="tensorboard", **{"train.learning_rate": 2e-3})
    found = accumulated(Path("tensorboard/run"))
    numbers = scalars(found)
    for name, tag in (("loss", "train/loss"), ("f1", "validation/f1"), ("log_loss", "validation/log_loss")):
        assert numbers[tag] == [(i + 1, pytest.approx(each[name])) for i, each in enumerate(epochs(run))]
    for tag, value in final(run).items():
        assert numbers[tag][-1] == (0, pytest.approx(value)), tag
    keys = text(found, "keys")
    assert "| train.learning_rate | 0.002 | argument |" in keys and "| train.patience |" in keys
    train = json.loads((run.folder / "manifest.json").read_text())["data"]["train"]["sha256"]
    assert f"| train | {train} |" in text(found, "data")
    assert "| medplug | 0.1.0 |" in text(found, "versions")
    assert text(found, "folder") == str(run.folder.resolve())


def test_its_table_of_hyperparameters_holds_what_was_asked_for_and_the_models_scores(go: Go) -> None:
    from tensorboard.plugins.hparams import plugin_data_pb2

    run = go(observers="tensorboard", **{"observers.tensorboard.folder": "kept/events"})
    content = accumulated(Path("kept/events/run")).summary_metadata
    start = plugin_data_pb2.HParamsPluginData.FromString(
        content["_hparams_/session_start_info"].plugin_data.content
    ).session_start_info
    assert start.hparams["train.epochs"].string_value == "2" and "train.patience" in start.hparams  # of a recipe
    assert "train.clip" not in start.hparams
    experiment = plugin_data_pb2.HParamsPluginData.FromString(
        content["_hparams_/experiment"].plugin_data.content
    ).experiment
    shown = {each.name.tag for each in experiment.metric_infos}
    assert shown == {f"test/{name}" for name, each in run.metrics["metrics"].items() if each["value"] is not None}


def test_members_of_an_ensemble_have_curves_of_their_own(go: Go) -> None:
    go(observers="tensorboard", **{"train.members": 2})
    numbers = scalars(accumulated(Path("tensorboard/run")))
    assert [step for step, _ in numbers["member-2/validation/f1"]] == [1, 2] and "validation/f1" not in numbers


# ---- MLflow


def recorded(uri: str = "mlruns", experiment: str = "text_diagnosis") -> list[Any]:
    from mlflow import MlflowClient

    with observer._settings():
        client = observer._client(MlflowClient, uri)
        found = client.get_experiment_by_name(experiment)
        return list(client.search_runs([found.experiment_id], order_by=["attributes.start_time ASC"]))


def history(run: Any, name: str, uri: str = "mlruns") -> list[tuple[int, float]]:
    from mlflow import MlflowClient

    with observer._settings():
        found = observer._client(MlflowClient, uri).get_metric_history(run.info.run_id, name)
    return sorted((each.step, each.value) for each in found)


def files(run: Any) -> set[str]:
    folder = Path(run.info.artifact_uri.removeprefix("file://"))
    return {file.name for file in folder.rglob("*")} if folder.exists() else set()


def test_mlflow_has_the_keys_each_epochs_scores_the_final_ones_and_no_file(go: Go) -> None:
    run = go(observers="mlflow", **{"train.learning_rate": 2e-3})
    (found,) = recorded()
    assert (found.info.status, found.info.run_name) == ("FINISHED", "run")
    settings = dict(line.partition("  #")[0].split(": ", 1) for line in config(run) if ": " in line)
    assert found.data.params["train.learning_rate"] == "0.002" == settings["train.learning_rate"]
    assert set(found.data.params) == {key for key, value in settings.items() if value not in ("null", '""')}
    for name, tag in (("loss", "train/loss"), ("f1", "validation/f1")):
        assert history(found, tag) == [(i + 1, pytest.approx(each[name])) for i, each in enumerate(epochs(run))]
    told = {name: value for name, value in found.data.metrics.items() if name.startswith(("test/", "baseline/"))}
    assert told == pytest.approx(final(run))
    train = json.loads((run.folder / "manifest.json").read_text())["data"]["train"]["sha256"]
    tags = {name: value for name, value in found.data.tags.items() if name.startswith("medplug.")}
    assert tags == {
        "medplug.task": "text_diagnosis",
        "medplug.version": medplug.__version__,
        "medplug.resumed": "false",
        "medplug.data.train": train,
        "medplug.folder": str(run.folder.resolve()),
    }
    assert set(found.data.tags) - set(tags) == {"mlflow.runName"}, "neither the user's name nor the command line"
    assert files(found) == set()


def config(run: Any) -> list[str]:
    return (run.folder / "config.yaml").read_text().splitlines()[1:]


def test_it_copies_files_only_where_that_is_asked_for(go: Go) -> None:
    where = {"observers.mlflow.uri": "kept", "observers.mlflow.experiment": "triage", "adapter": "finetune"}
    go("one", observers="mlflow", **where, **{"observers.mlflow.artifacts": "report"})
    run = go("two", observers="mlflow", **where, **{"observers.mlflow.artifacts": "run"})
    one, two = recorded("kept", "triage")
    assert files(one) == {*observer._REPORT}
    assert files(two) == {file.name for file in run.folder.iterdir()} > files(one)
    assert not Path("mlruns").exists()


def test_a_run_that_fails_does_not_stay_running(go: Go, monkeypatch: pytest.MonkeyPatch) -> None:
    bad = pl.concat([table(), pl.DataFrame({"text": [None], "label": ["lung"]}, schema=table().schema)])
    with pytest.raises(DataError):
        go(data=bad, observers="mlflow+tensorboard")

    def stop(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("medplug.core.run.gathered", stop)
    with pytest.raises(KeyboardInterrupt):
        go("stopped", observers="mlflow+tensorboard")
    failed, killed = recorded()
    assert (failed.info.status, killed.info.status) == ("FAILED", "KILLED")
    assert failed.data.tags["medplug.error"].startswith("RowsError: ") and "row 61" in failed.data.tags["medplug.error"]
    assert killed.data.tags["medplug.error"] == "KeyboardInterrupt"
    assert len(history(killed, "validation/f1")) == 2
    assert "validation/f1" in scalars(accumulated(Path("tensorboard/stopped")))


def test_a_server_that_is_away_costs_the_run_neither_its_end_nor_minutes(
    go: Go, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with pytest.warns(PluginWarning, match="observer mlflow failed and is told nothing more") as warned:
        run = go(observers="mlflow", **{"observers.mlflow.uri": "http://127.0.0.1:9"})
    assert len([each for each in warned if issubclass(each.category, PluginWarning)]) == 1
    assert (
        "medplug_run_started" in json.loads((run.folder / "manifest.json").read_text())["observers_dropped"]["mlflow"]
    )


class Server(BaseHTTPRequestHandler):
    """A tracking server as far as a run needs one; keeps what it is asked."""

    asked: list[tuple[str, str]] = []

    def answer(self) -> None:
        path = self.path.removeprefix("/api/2.0/mlflow/").partition("?")[0]
        self.asked.append((path, self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()))
        missing = path == "experiments/get-by-name"
        run = {"info": {"run_id": "abc", "experiment_id": "7", "status": "RUNNING"}, "data": {}}
        told = {"error_code": "RESOURCE_DOES_NOT_EXIST"} if missing else {"experiment_id": "7", "run": run}
        content = json.dumps(told).encode()
        self.send_response(404 if missing else 200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = answer

    def log_message(self, *_: Any) -> None: ...


def test_a_server_is_asked_for_no_more_than_a_run_needs_and_nothing_is_printed(
    go: Go, capfd: pytest.CaptureFixture[str]
) -> None:
    Server.asked = []
    with ThreadingHTTPServer(("127.0.0.1", 0), Server) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        go(observers="mlflow", **{"observers.mlflow.uri": f"http://127.0.0.1:{server.server_port}"})
        server.shutdown()
    asked = [path for path, _ in Server.asked]
    assert asked[:3] == ["experiments/get-by-name", "experiments/create", "runs/create"]
    assert set(asked[3:]) == {"runs/log-batch", "runs/set-tag", "runs/update"}
    assert '"FINISHED"' in Server.asked[-1][1] and any('"test/f1_low95"' in body for _, body in Server.asked)
    assert not any("the patient has" in body for _, body in Server.asked)
    assert capfd.readouterr().out == ""


def test_its_telemetry_is_off_while_it_is_called_and_the_users_settings_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    from mlflow.telemetry import utils

    monkeypatch.setattr(utils, "_IS_IN_CI_ENV_OR_TESTING", False)  # under pytest it is off by itself
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "7")
    before = dict(os.environ)
    with observer._settings():
        assert utils.is_telemetry_disabled() and os.environ["MLFLOW_HTTP_REQUEST_TIMEOUT"] == "7"
    assert not utils.is_telemetry_disabled() and dict(os.environ) == before


@pytest.mark.parametrize("uri", ["https://me:secret@tracking", "https://me@tracking", "postgresql://me:secret@db/runs"])
def test_a_password_has_no_place_in_a_key_and_the_error_does_not_quote_it(uri: str, go: Go) -> None:
    with pytest.raises(ConfigError, match="MLFLOW_TRACKING_PASSWORD") as raised:
        go(observers="mlflow", **{"observers.mlflow.uri": uri})
    assert "me@" not in str(raised.value) and "secret" not in str(raised.value)


def test_a_password_in_the_environment_is_not_written_down(go: Go, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://me:secret@127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with pytest.warns(PluginWarning, match=r"http://\*\*\*@127\.0\.0\.1:9"):
        go(observers="mlflow", adapter="finetune", **{"train.epochs": 1})
    written = [file for file in Path("run").iterdir() if b"secret" in file.read_bytes()]
    assert written == []


def test_the_environment_may_name_the_address(go: Go, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", Path("elsewhere").resolve().as_uri())
    go(observers="mlflow", adapter="finetune", **{"train.epochs": 1})
    assert len(recorded("elsewhere")) == 1 and not Path("mlruns").exists()


# ---- what is missing is told before anything is read


@pytest.mark.parametrize(
    ("name", "module", "extra"),
    [("mlflow", "mlflow", "medplug[mlflow]"), ("tensorboard", "torch.utils.tensorboard", "medplug[tensorboard]")],
)
def test_a_missing_extra_is_named_before_anything_is_computed(
    name: str, module: str, extra: str, go: Go, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    monkeypatch.delattr("torch.utils.tensorboard", raising=False)
    with pytest.raises(ConfigError, match="pip install") as raised:
        go(data="absent.csv", observers=name)
    assert f"observers={name} needs {name}" in str(raised.value) and extra in str(raised.value)
    assert not Path("run").exists()


def test_a_database_is_refused_where_mlflow_cannot_speak_to_it(go: Go, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(observer, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match="sqlite needs the whole of mlflow: pip install mlflow"):
        go(observers="mlflow", **{"observers.mlflow.uri": "sqlite:///runs.db"})
