"""A target that is the time to an event, whole: from a table to a report, a saved model and an evaluation."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

import medplug
from medplug.core.errors import ConfigError, DataError, RowsError
from medplug.plugins.adapters import medplug_adapters

PLUGIN = """
from typing import ClassVar

import numpy as np
import polars as pl

from medplug.core.config import DataConfig
from medplug.core.task import Examples, Task
from medplug.core.data.survival import survival_column
from medplug.core.data.targets import Target
from medplug.core.evaluation.reported import reported
from medplug.core.hooks import hookimpl
from medplug.core.specs import TaskSpec

medplug_api = 1


class OutlookData(DataConfig):
    text: str = "text"
    time: str = "days"
    event: str = "died"


class Counts:
    def fit_transform(self, rows):
        return self.transform(rows)

    def transform(self, rows):
        return np.array([[len(row.split()), row.count("mild")] for row in rows], dtype=float)


class Outlook(Task):
    slots: ClassVar[dict] = {"text": "text"}

    def columns(self, *, labelled):
        columns = {"data.text": self.data.text}
        return columns | ({"data.time": self.data.time, "data.event": self.data.event} if labelled else {})

    def examples(self, table, problems, *, labelled, folder=None):
        rows = np.arange(1, table.height + 1)
        labels = survival_column(table, self.data.time, self.data.event, problems) if labelled else None
        return Examples(rows, {"text": table[self.data.text].to_list()}, labels)

    def target(self, labels):
        return Target.survival("death", labels)

    def metrics(self, target):
        return reported(target.kind)

    def plain_features(self):
        return Counts()

    def sample(self):
        raise NotImplementedError


@hookimpl
def medplug_tasks():
    return [
        TaskSpec(
            name="outlook",
            summary="how long they live",
            modalities=("text",),
            targets=("survival",),
            factory="outlook_plugin:Outlook",
            config="medplug.core.config:Section",
            data="outlook_plugin:OutlookData",
        )
    ]
"""
WORDS = ["the", "patient", "has", "had", "and", "with"]
SIGNS = {"mild": -1.0, "acute": 0.0, "severe": 1.0}
PROMISED = {
    *("config.yaml", "manifest.json", "model.safetensors", "model.json", "metrics.json", "seen.safetensors"),
    *("predictions.parquet", "report.html", "model_card.md", "tripod_ai.csv", "events.jsonl"),
}
SERVING = [spec.name for spec in medplug_adapters() if "survival" in spec.targets]
REFUSING = {
    *("prototypes", "jmmd", "cdan", "entropy", "label_graph"),
    *("svm", "tradaboost", "mapping", "distill"),
}
DOMAINS = {spec.name for spec in medplug_adapters() if "source_labels" in spec.needs}

Go = Callable[..., Any]

pytestmark = pytest.mark.usefixtures("one_thread")


def table(rows: int = 160, seed: int = 0) -> pl.DataFrame:
    """Notes whose words tell the hazard, and exponential times by it of which a good third is censored."""
    draw = random.Random(seed)
    texts, days, died = [], [], []
    for i in range(rows):
        signs = [draw.choice([*SIGNS]) for _ in range(3)]
        texts.append(f"{' '.join(draw.choices(WORDS, k=2))} {' '.join(signs)} {i % 10}")
        time, seen = draw.expovariate(math.exp(sum(SIGNS[sign] for sign in signs)) / 100), draw.expovariate(1 / 150)
        days.append(math.ceil(min(time, seen)))
        died.append("dead" if time <= seen else "alive")
    site = [["A", "B"][i % 2] for i in range(rows)]
    return pl.DataFrame({"text": texts, "days": days, "died": died, "site": site})


@pytest.fixture(scope="module", autouse=True)
def plugin(installed: Callable[..., Any]) -> Iterator[None]:
    """The task, installed as a distribution of its own."""
    with installed("outlook", PLUGIN):
        yield


@pytest.fixture(scope="module")
def go(on_tiny_bert: Callable[..., Go]) -> Go:
    """Run the task on the tiny BERT."""
    return on_tiny_bert("outlook", table, batch_size=32)


@pytest.fixture(scope="module")
def finished(go: Go, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Any]:
    """The run of an adapter, made once."""
    made: dict[str, Any] = {}

    def find(adapter: str) -> Any:
        if adapter not in made:
            keys = {"train": {"epochs": 8}} if adapter == "finetune" else {}
            made[adapter] = go(
                tmp_path_factory.mktemp("runs") / adapter, table(400), adapter=adapter, report={"by": ["site"]}, **keys
            )
        return made[adapter]

    return find


def metrics(run: Any) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((run.folder / "metrics.json").read_text())
    return found


# ---- a run, from a table to its folder and back


@pytest.mark.parametrize("adapter", ["linear_probe", "finetune"])
def test_a_run_leaves_what_is_promised_and_comes_back_from_it(adapter: str, finished: Any) -> None:
    run, rows = finished(adapter), table(400)
    assert {file.name for file in run.folder.iterdir()} == PROMISED
    here, loaded = run.predict(rows), medplug.load(run.folder, device="cpu").predict(rows)
    assert here.equals(loaded)
    written = pl.read_parquet(run.folder / "predictions.parquet")
    assert written.columns == ["split", "row", "truth", "event", *here.columns[1:]]
    at = (written["row"] - 1).to_list()
    np.testing.assert_allclose(written["prediction"], here[at]["prediction"], atol=1e-4)
    assert written["truth"].to_list() == rows["days"][at].to_list()
    assert written["event"].to_list() == [died == "dead" for died in rows["died"][at]]


@pytest.mark.parametrize("adapter", ["linear_probe", "finetune"])
def test_the_hazard_that_times_were_made_by_is_learned(adapter: str, finished: Any) -> None:
    run = finished(adapter)
    found = metrics(run)
    assert found["metrics"]["c_index"]["value"] > 0.68
    assert found["metrics"]["c_index"]["ci95"][0] > 0.55
    assert found["baseline"]["majority"]["c_index"]["value"] == 0.5
    assert found["baseline"]["linear"]["c_index"]["value"] > 0.6
    assert list(found["metrics"]) == ["c_index"] and found["by_class"] == {}
    assert found["by_group"]["site"].keys() == {"A", "B"} and found["verdict"]
    severe, mild = run.predict([{"text": "severe severe severe"}, {"text": "mild mild mild"}])["prediction"]
    assert severe > mild + 1


def test_chances_of_outliving_go_by_the_risk_and_their_times_are_no_patients(finished: Any) -> None:
    run = finished("linear_probe")
    frame = run.predict(table(100, seed=5)).sort("prediction")
    chances = frame.select(pl.col("^s_.*$")).to_numpy()
    assert chances.shape == (100, 3) and ((chances > 0) & (chances < 1)).all()
    assert (np.diff(chances, axis=0) <= 0).all() and (np.diff(chances, axis=1) < 0).all()
    medians = frame["median_time"].drop_nulls()
    assert (medians.diff().drop_nulls() <= 0).all() and len(medians) > 20
    assert frame["median_time"].null_count() < 80
    described = json.loads((run.folder / "model.json").read_text())["target"]
    assert described["kind"] == "survival" and described["classes"] == ["death"]
    assert 5 <= len(described["hazard"]) <= 100


def test_predicted_chances_are_near_the_share_that_outlives(finished: Any) -> None:
    fresh = table(1500, seed=8).with_columns(died=pl.lit("dead"))
    draw = random.Random(8)
    frame = finished("linear_probe").predict(fresh)
    name = frame.columns[-2]
    horizon = float(name.removeprefix("s_"))
    hazards = [math.exp(sum(SIGNS.get(word, 0.0) for word in text.split())) / 100 for text in fresh["text"]]
    outlived = np.mean([draw.expovariate(hazard) > horizon for hazard in hazards])
    assert frame[name].mean() == pytest.approx(outlived, abs=0.08)


def test_a_loaded_model_evaluates_rows_with_times(finished: Any) -> None:
    run = finished("linear_probe")
    found = medplug.load(run.folder, device="cpu").evaluate(table(100, seed=9), resamples=100)
    assert found["n"] == 100 and found["metrics"]["c_index"]["value"] > 0.65
    with pytest.raises(RowsError, match="column days: the time is not above 0"):
        run.predictor.evaluate({"text": ["mild"], "days": [0], "died": [1]})


def test_the_report_speaks_of_the_time_to_an_event(finished: Any) -> None:
    run = finished("finetune")
    report, card = ((run.folder / name).read_text("utf-8") for name in ("report.html", "model_card.md"))
    for page in (report, card):
        assert "The model predicts the time to “death”" in page and "concordance index" in page
        assert "same risk" in page and "majority" not in page and "logistic" not in page
        assert "median follow-up" in page and "event and the quantile of its time" in page
    for name in ("risk-groups", "history"):
        assert f'id="figure-{name}"' in report
    assert "highest third" in report and "By class" not in report and "By site" in report
    judged = report.partition('id="shift"')[0]  # a classifier tells there how far apart rows are
    assert not any(word in judged for word in ("ROC", "confusion", "Reliability", "measured and predicted numbers"))
    assert "text-classification" not in card


def test_few_events_are_cautioned_of(go: Go, tmp_path: Path) -> None:
    run = go(tmp_path / "run", table(60))
    report = (run.folder / "report.html").read_text("utf-8")
    assert "The test split has only" in report and "these alone tell of risk; intervals are wide" in report


# ---- every adapter that serves it, and those that do not


def tables() -> dict[str, pl.DataFrame]:
    return {"source": table(80), "unlabelled": table(40, seed=1).drop("days", "died"), "test": table(30, seed=2)}


@pytest.mark.parametrize("adapter", ["gradual", "lora", "kmm+linear_probe", "density_ratio", "frozen+dann+relation"])
def test_adapters_that_serve_it_train_and_come_back(adapter: str, go: Go, tmp_path: Path) -> None:
    data = tables() if {*adapter.split("+")} & DOMAINS else {"train": table(80)}
    run = go(tmp_path / "run", data, adapter=adapter, train={"epochs": 1})
    rows = table(20, seed=2)
    here = run.predict(rows)
    assert medplug.load(run.folder, device="cpu").predict(rows).equals(here)
    assert here["prediction"].is_finite().all() and here["prediction"].n_unique() > 1


def test_the_other_adapters_refuse_it_before_anything_is_trained(go: Go, tmp_path: Path) -> None:
    assert {spec.name for spec in medplug_adapters()} - {*SERVING} == REFUSING
    for adapter in sorted(REFUSING - {"tradaboost"}):
        keys = {"adapter.distill.teacher": "nowhere"} if adapter == "distill" else {}
        data = tables() if adapter in DOMAINS else {"train": table(60)}
        with pytest.raises(ConfigError, match=f"adapter={adapter} serves binary.*this one is survival"):
            go(tmp_path / adapter, data, adapter=adapter, **keys)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("keys", "word"),
    [
        (
            {"train": {"class_weights": "balanced"}},
            "balanced weighs classes, and the target death is a time to an event",
        ),
        ({"train": {"label_smoothing": 0.1}}, "label_smoothing spreads a label over classes"),
        ({"selection.criterion": "snd"}, "criterion=snd judges rows one by one"),
        ({"selection.criterion": "dev"}, "criterion=dev judges rows one by one.*leave it out"),
        ({"adapter.mmd.by_class": True}, "by_class=true compares rows by class, and this target has none"),
        ({"selection.metric": "mae"}, "a survival target has c_index"),
    ],
)
def test_what_has_no_meaning_for_it_is_refused(keys: dict[str, Any], word: str, go: Go, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=word):
        go(tmp_path / "run", tables(), adapter="frozen+mmd", **keys)


def test_rows_that_teach_nothing_stop_a_run(go: Go, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="none of the 60 training rows has the event death"):
        go(tmp_path / "run", table(60).with_columns(died=pl.lit("alive")))


def test_backbones_are_ranked_for_it(tiny_bert: Path, tiny_gpt2: Path) -> None:
    ranking = medplug.rank(
        task="outlook",
        data={"train": table()},
        backbones=[str(tiny_bert), str(tiny_gpt2)],
        adapter="linear_probe",
        device="cpu",
    )
    assert all(set(each.scores) == {"logme"} for each in ranking.candidates)
