"""The example of a service, installed into a fresh environment and asked over HTTP, many at once."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import statistics
import subprocess
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest
import torch

import medplug

EXAMPLE = Path(__file__).parents[2] / "examples/service"
UNWANTED = shutil.ignore_patterns("build", "*.egg-info", "__pycache__", ".*_cache")
AT_ONCE = 50
JSON = {"content-type": "application/json"}
SECRET = "Mrs Aldous of Bed 9"
SMALL = {"train.epochs": 1, "report.resamples": 100, "report.explain": 0}


class Service(NamedTuple):
    client: httpx.Client
    run: Any
    notes: list[str]
    log: Path


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """Sums that are shared among threads round by how many these are; here and in the server it is one."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("runs") / "notes"
    keys = {"report.intended_use": "triage of notes, in this test", **SMALL}
    return medplug.run(task="text_diagnosis", backbone="text_cnn", output=folder, **keys)


@pytest.fixture(scope="module")
def service(environment: Any, run: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A server of its own process, as the example's page starts it."""
    shutil.copytree(EXAMPLE, environment.empty / "service", ignore=UNWANTED)
    environment.run("pip", "install", "./service")
    told = {"MEDPLUG_SERVICE_RUN": str(run.folder), "MEDPLUG_SERVICE_BYTES": "200000", "MEDPLUG_SERVICE_ROWS": "300"}
    known = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", **told}
    log = tmp_path_factory.mktemp("log") / "log"
    words = [f"{environment.bin}/python", "-m", "uvicorn", "--factory", "medplug_service.app:create_app", "--port", "0"]
    with log.open("w") as file:
        process = subprocess.Popen(words, cwd=environment.empty, env=known, stdout=file, stderr=subprocess.STDOUT)
    try:
        address = _address(process, log)
        limits = httpx.Limits(max_connections=2 * AT_ONCE, max_keepalive_connections=2 * AT_ONCE)
        with httpx.Client(base_url=address, limits=limits, timeout=120, trust_env=False) as client:
            yield Service(client, run, run.predictor.task.sample()["text"].to_list(), log)
    finally:
        process.terminate()
        process.wait(30)


def _address(process: subprocess.Popen[bytes], log: Path) -> str:
    until = time.monotonic() + 120
    while time.monotonic() < until:
        if found := re.search(r"running on (http://\S+)", log.read_text()):
            return found[1]
        assert process.poll() is None, log.read_text()
        time.sleep(0.05)
    raise AssertionError(log.read_text())


def _rows(notes: list[str], number: int) -> list[dict[str, Any]]:
    """One to five notes, others for each request."""
    return [{"text": notes[(7 * number + i) % len(notes)]} for i in range(1 + number % 5)]


def test_fifty_requests_at_once_are_answered_as_the_run_predicts(service: Service) -> None:
    start, seconds = threading.Barrier(AT_ONCE, timeout=60), []

    def ask(number: int) -> httpx.Response:
        start.wait()
        since = time.perf_counter()
        answer = service.client.post("/predict", json={"rows": _rows(service.notes, number)})
        seconds.append(time.perf_counter() - since)
        return answer

    with ThreadPoolExecutor(AT_ONCE) as threads:
        answers = list(threads.map(ask, range(AT_ONCE)))
    assert [answer.status_code for answer in answers] == [200] * AT_ONCE
    for number, answer in enumerate(answers):
        assert answer.json()["predictions"] == service.run.predict(_rows(service.notes, number)).to_dicts()
    cuts = statistics.quantiles(seconds, n=20)
    print(f"{AT_ONCE} at once: median {1000 * cuts[9]:.0f} ms, 95th percentile {1000 * cuts[18]:.0f} ms")


def test_the_service_answers_while_predictions_are_computed(service: Service) -> None:
    many = {"rows": [{"text": f"{note} {i}"} for i, note in enumerate(service.notes[:150])]}
    with ThreadPoolExecutor(8) as threads:
        asked = [threads.submit(service.client.post, "/predict", json=many) for _ in range(8)]
        seen = []
        while not all(each.done() for each in asked):
            seen.append(service.client.get("/health").json()["requests"])
    assert max(seen) > 1, "no answer came while requests were worked on"
    assert len({each.result().text for each in asked}) == 1


@pytest.mark.parametrize(
    ("rows", "faults"),
    [
        (
            [{"text": "cough"}, {"text": "  "}, {"text": None}],
            [(2, "text", "the text is empty"), (3, "text", "the text is empty")],
        ),
        ([{"text": SECRET}, {"text": 7}], [(2, "text", "Input should be a valid string")]),
        ([{"text": f"{SECRET} \ud800"}], [(1, "text", "Value error, half a surrogate pair")]),
        ([{"note": SECRET}], [(1, "text", "Field required"), (1, "note", "Extra inputs are not permitted")]),
        (
            [{"text": "cough", SECRET * 3: 1}],
            [(1, "(a name of 57 characters)", "Extra inputs are not permitted")],
        ),
        ([SECRET], [(1, None, "Input should be a valid dictionary or object to extract fields from")]),
        (SECRET, [(None, None, "Input should be a valid list")]),
        ([], [(None, None, "List should have at least 1 item after validation, not 0")]),
        ([{"text": ""}] * 25, [(row, "text", "the text is empty") for row in range(1, 21)]),
    ],
)
def test_bad_rows_are_named_and_not_quoted(service: Service, rows: Any, faults: list[Any]) -> None:
    body = json.dumps({"rows": rows})  # as ASCII, which alone can write half a surrogate pair
    answer = service.client.post("/predict", content=body, headers=JSON)
    assert answer.status_code == 422
    found = [(each["row"], each["column"], each["reason"]) for each in answer.json()["faults"]]
    assert found == faults
    assert answer.json()["total"] >= len(faults)
    assert SECRET not in answer.text
    assert SECRET not in service.log.read_text()


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b'{"rows": [{"text": "Mrs', 422),
        (b'{"rows": [{"text": "Mrs \xff"}]}', 400),
        (b"[" * 100_000, 400),
        (b'{"rows": [{"text": "' + b"Mrs " * 60_000 + b'"}]}', 413),
        (b'{"rows": [' + b",".join([b'{"text": "Mrs"}'] * 301) + b"]}", 422),
    ],
)
def test_bodies_that_are_no_request_or_too_large_are_refused(service: Service, body: bytes, status: int) -> None:
    answer = service.client.post("/predict", content=body, headers=JSON)
    assert answer.status_code == status
    assert "Mrs" not in answer.text
    assert answer.json()["faults"][0]["reason"]


def test_a_body_in_parts_that_tells_no_length_is_counted_too(service: Service) -> None:
    parts = (b"x" * 10_000 for _ in range(30))
    answer = service.client.post("/predict", content=parts, headers=JSON)
    assert answer.status_code == 413


def test_the_model_is_told_and_so_is_the_form_of_requests(service: Service) -> None:
    told, answer = (
        service.client.get("/model").json(),
        service.client.post("/predict", json={"rows": [{"text": "a"}]}),
    )
    assert told["model"] == answer.json()["model"]
    assert told["classes"] == list(service.run.predictor.target.classes)
    assert told["columns"] == [{"name": "text", "holds": "text", "required": True}]
    assert (told["intended_use"], told["tested_on"]) == ("triage of notes, in this test", service.run.metrics["n"])
    assert told["metrics"] == service.run.metrics["metrics"]
    assert service.client.get("/card").text == (service.run.folder / "model_card.md").read_text()
    forms = service.client.get("/openapi.json").json()["components"]["schemas"]
    assert forms["Row"]["required"] == ["text"]
    assert list(forms["Prediction"]["properties"]) == list(service.run.predictor.columns_given)


def test_the_tests_of_the_example_pass(service: Service, environment: Any) -> None:
    environment.run("python", "-m", "pytest", "-q", "-p", "no:cacheprovider", "service/tests")


def _app(monkeypatch: pytest.MonkeyPatch, folder: Path, **settings: Any) -> Any:
    """The application in this process."""
    monkeypatch.syspath_prepend(EXAMPLE / "src")
    from medplug_service.app import create_app  # type: ignore[import-not-found]
    from medplug_service.settings import Settings  # type: ignore[import-not-found]

    return create_app(Settings(run=folder, **settings))


def _posted(app: Any, *bodies: Any) -> list[httpx.Response]:
    """What the application answers to all of these at once."""

    async def ask() -> list[httpx.Response]:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://service", timeout=60) as client:
            return await asyncio.gather(*(client.post("/predict", json=body) for body in bodies))

    return asyncio.run(ask())


def test_requests_beyond_the_queue_are_told_to_come_back_and_the_others_are_right(
    run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [{"text": f"cough, day {day}"} for day in range(200)]
    answers = _posted(_app(monkeypatch, run.folder, workers=1, waiting=1), *[{"rows": rows}] * 10)
    wanted = run.predict(rows).to_dicts()
    assert all(each.json()["predictions"] == wanted for each in answers if each.status_code == 200)
    refused = [each for each in answers if each.status_code == 503]
    assert 0 < len(refused) < 10
    assert {each.headers["retry-after"] for each in refused} == {"1"}


def test_a_folder_that_is_not_whole_is_refused_at_the_start(
    run: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    folder = shutil.copytree(run.folder, tmp_path / "run")
    (folder / "model_card.md").unlink()
    with pytest.raises(SystemExit, match=r"model_card.md: No such file or directory; a run is served from its whole"):
        _app(monkeypatch, folder)


def test_an_error_within_the_model_is_answered_and_logged_without_the_rows(
    run: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from medplug.core.predictor import Predictor

    def fails(self: Predictor, rows: Any, *, on_error: str) -> Any:
        raise RuntimeError(f"cannot read {rows}")

    app = _app(monkeypatch, run.folder)
    monkeypatch.setattr(Predictor, "unlabelled", fails)
    (answer,) = _posted(app, {"rows": [{"text": SECRET}]})
    assert answer.status_code == 500
    assert SECRET not in answer.text
    assert "RuntimeError" in caplog.text and SECRET not in caplog.text


def test_a_model_of_values_and_notes_asks_for_numbers_and_texts_and_may_lack_one_of_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, few_trees: None
) -> None:
    count = 80
    table = {
        "age": [20 + i % 50 for i in range(count)],
        "ward sex": ["F" if i % 3 else "M" for i in range(count)],
        "note": [f"{'cough' if i % 2 else 'fall'} on day {i}" for i in range(count)],
        "label": ["chest" if i % 2 else "limb" for i in range(count)],
    }
    data = {"train": table, "tabular": ["age", "ward sex"], "text": "note"}
    small = {"backbone.text": "text_cnn", "adapter.text": "finetune", **SMALL}
    run = medplug.run(task="multimodal_diagnosis", data=data, output=tmp_path / "run", **small)
    app = _app(monkeypatch, run.folder)
    row = app.openapi()["components"]["schemas"]["Row"]["properties"]
    assert {name: field["anyOf"][0]["type"] for name, field in row.items()} == {
        "age": "number", "ward sex": "string", "note": "string",
    }  # fmt: skip
    good = [{"age": 41, "ward sex": "F", "note": "cough"}, {"age": None, "ward sex": "M", "note": "a fall"}]
    alone, both, neither, wrong = _posted(
        app, {"rows": [{"note": "cough"}]}, {"rows": good}, {"rows": [{}]}, {"rows": [{**good[0], "age": "41"}]}
    )
    assert both.json()["predictions"] == run.predict(good).to_dicts()
    assert alone.json()["predictions"] == run.predict([{"note": "cough"}]).to_dicts()
    assert (neither.status_code, wrong.status_code) == (422, 422)
    assert wrong.json()["faults"] == [{"row": 1, "column": "age", "reason": "Input should be a valid number"}]
