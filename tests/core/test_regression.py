"""A target that is a number, whole: from a table to a report, a saved model, an evaluation and a ranking."""

from __future__ import annotations

import json
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
from typing import Any, ClassVar

import numpy as np
import polars as pl

from medplug.core.config import DataConfig, Section
from medplug.core.task import Examples, Task
from medplug.core.data import cells
from medplug.core.data.targets import Target
from medplug.core.evaluation.reported import reported
from medplug.core.hooks import hookimpl
from medplug.core.specs import TaskSpec

medplug_api = 1


class SeverityData(DataConfig):
    text: str = "text"
    label: str = "severity"


class Counts:
    def fit_transform(self, rows):
        return self.transform(rows)

    def transform(self, rows):
        return np.array([[len(row.split()), row.count("mild")] for row in rows], dtype=float)


class Severity(Task):
    slots: ClassVar[dict] = {"text": "text"}

    def columns(self, *, labelled):
        return {"data.text": self.data.text, **({"data.label": self.data.label} if labelled else {})}

    def examples(self, table, problems, *, labelled, folder=None):
        rows = np.arange(1, table.height + 1)
        labels = cells.number_column(table[self.data.label], problems) if labelled else None
        return Examples(rows, {"text": table[self.data.text].to_list()}, labels)

    def target(self, labels):
        return Target.numeric("severity", labels)

    def metrics(self, target):
        return reported(target.kind)

    def plain_features(self):
        return Counts()

    def sample(self):
        return table()


@hookimpl
def medplug_tasks():
    return [
        TaskSpec(
            name="severity",
            summary="how bad it is",
            modalities=("text",),
            targets=("regression",),
            factory="severity_plugin:Severity",
            config="medplug.core.config:Section",
            data="severity_plugin:SeverityData",
        )
    ]
"""
WORDS = ["the", "patient", "has", "had", "and", "with"]
SIGNS = {"mild": 1.0, "acute": 4.0, "severe": 9.0}
PROMISED = {
    *("config.yaml", "manifest.json", "model.safetensors", "model.json", "metrics.json"),
    *("predictions.parquet", "report.html", "model_card.md", "tripod_ai.csv", "events.jsonl", "seen.safetensors"),
}
SERVING = [spec.name for spec in medplug_adapters() if "regression" in spec.targets]
REFUSING = {"prototypes", "jmmd", "cdan", "entropy", "label_graph"}
DOMAINS = {spec.name for spec in medplug_adapters() if "source_labels" in spec.needs}
FEW = {"tradaboost"}
TOGETHER = ["lora+mmd", "kmm+svm"]

Go = Callable[..., Any]

pytestmark = pytest.mark.usefixtures("one_thread")


def table(rows: int = 120, seed: int = 0, unit: float = 100.0, shift: float = 0.0) -> pl.DataFrame:
    """Notes whose words tell how bad it is, in hundreds, with a little noise."""
    draw = random.Random(seed)
    texts, numbers = [], []
    for i in range(rows):
        signs = [draw.choice([*SIGNS]) for _ in range(3)]
        texts.append(f"{' '.join(draw.choices(WORDS, k=2))} {' '.join(signs)} {i % 10}")
        numbers.append(unit * (shift + sum(SIGNS[sign] for sign in signs) + draw.gauss(0, 0.5)))
    return pl.DataFrame({"text": texts, "severity": numbers, "site": [["A", "B"][i % 2] for i in range(rows)]})


@pytest.fixture(scope="module", autouse=True)
def plugin(installed: Callable[..., Any]) -> Iterator[None]:
    """The task, installed as a distribution of its own."""
    with installed("severity", PLUGIN):
        yield


@pytest.fixture(scope="module")
def go(on_tiny_bert: Callable[..., Go]) -> Go:
    """Run the task on the tiny BERT."""
    return on_tiny_bert("severity", table, batch_size=16)


@pytest.fixture(scope="module")
def finished(go: Go, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Any]:
    """The run of an adapter, made once."""
    made: dict[str, Any] = {}

    def find(adapter: str) -> Any:
        if adapter not in made:
            made[adapter] = go(tmp_path_factory.mktemp("runs") / adapter, adapter=adapter, report={"by": ["site"]})
        return made[adapter]

    return find


def metrics(run: Any) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((run.folder / "metrics.json").read_text())
    return found


# ---- a run, from a table to its folder and back


@pytest.mark.parametrize("adapter", ["linear_probe", "finetune"])
def test_a_run_leaves_what_is_promised_and_comes_back_from_it(adapter: str, finished: Any) -> None:
    run = finished(adapter)
    assert {file.name for file in run.folder.iterdir()} == PROMISED
    rows = table()
    here, loaded = run.predict(rows), medplug.load(run.folder, device="cpu").predict(rows)
    assert here.equals(loaded)
    assert here.schema == {"row": pl.Int64, **dict.fromkeys(("prediction", "low", "high"), pl.Float64)}
    written = pl.read_parquet(run.folder / "predictions.parquet")
    assert written.columns == ["split", "row", "truth", "prediction", "low", "high"]
    seen = here[(written["row"] - 1).to_list()]["prediction"]
    np.testing.assert_allclose(written["prediction"], seen, rtol=1e-4)
    assert written["truth"].to_list() == rows["severity"][(written["row"] - 1).to_list()].to_list()
    bounds = run.predictor.target.conformal
    np.testing.assert_allclose(here["high"] - here["low"], 2 * bounds.quantile, rtol=1e-9)
    chosen_on = written.filter(pl.col("split") == "validation")
    assert chosen_on["truth"].is_between(chosen_on["low"], chosen_on["high"]).mean() >= 0.9
    described = json.loads((run.folder / "model.json").read_text())["target"]
    assert described["kind"] == "regression" and described["classes"] == ["severity"]
    assert 800 < described["centre"] < 2000 and 300 < described["scale"] < 900


@pytest.mark.parametrize("adapter", ["linear_probe", "finetune"])
def test_metrics_keep_their_shape_and_can_be_computed_again(adapter: str, finished: Any) -> None:
    run = finished(adapter)
    found = metrics(run)
    test = pl.read_parquet(run.folder / "predictions.parquet").filter(pl.col("split") == "test")
    truth, prediction = test["truth"].to_numpy(), test["prediction"].to_numpy()
    assert found["calibration"].keys() == {"slope", "intercept", "curve"}
    inside = test["truth"].is_between(test["low"], test["high"])
    assert found["conformal"]["covered"]["value"] == pytest.approx(inside.mean())
    assert found["n"] == len(test) == 24 and found["by_class"] == {} and found["selection"]["metric"] == "mae"
    assert found["metrics"]["mae"]["value"] == pytest.approx(np.abs(truth - prediction).mean())
    assert found["metrics"]["r2"]["value"] == pytest.approx(1 - ((truth - prediction) ** 2).mean() / truth.var())
    assert found["metrics"]["pearson"]["value"] == pytest.approx(np.corrcoef(truth, prediction)[0, 1])
    for part in (found["metrics"], *found["baseline"].values(), found["difference"]):
        assert list(part) == ["mae", "r2", "mse", "pearson", "spearman", "c_index"]
        assert all({"value", "ci95"} == set(each) for each in part.values())
    low, high = found["metrics"]["mae"]["ci95"]
    assert low < found["metrics"]["mae"]["value"] < high
    assert found["baseline"]["majority"]["pearson"]["value"] is None
    assert {part: each["n"] for part, each in found["by_group"]["site"].items()}.keys() == {"A", "B"}
    assert found["verdict"]


@pytest.mark.parametrize(("adapter", "keys"), [("linear_probe", {}), ("svm", {}), ("finetune", {"epochs": 12})])
def test_a_clear_signal_is_learned(adapter: str, keys: dict[str, Any], go: Go, tmp_path: Path) -> None:
    run = go(tmp_path / "run", table(300), adapter=adapter, train=keys)
    found = metrics(run)
    assert found["metrics"]["r2"]["value"] > 0.8
    assert found["metrics"]["mae"]["value"] < 0.6 * found["baseline"]["majority"]["mae"]["value"]
    worse, mild = run.predict([{"text": "severe severe severe"}, {"text": "mild mild mild"}])["prediction"]
    assert worse > 1500 and mild < 1000


@pytest.mark.parametrize("adapter", ["linear_probe", "finetune"])
def test_the_unit_of_a_number_changes_the_unit_of_its_prediction_alone(
    adapter: str, go: Go, finished: Any, tmp_path: Path
) -> None:
    data = table().with_columns(pl.col("severity") / 100 + 5000)
    run = go(tmp_path / "run", data, adapter=adapter)
    plain, moved = (each.predict(table())["prediction"] for each in (finished(adapter), run))
    np.testing.assert_allclose((moved - 5000) * 100, plain, rtol=0.01)


def test_a_loaded_model_evaluates_rows_with_a_number(finished: Any) -> None:
    run = finished("linear_probe")
    found = medplug.load(run.folder, device="cpu").evaluate(table(40, seed=9), resamples=100)
    assert found["n"] == 40 and found["metrics"]["r2"]["value"] > 0.5
    with pytest.raises(RowsError, match=r"column severity: the cell is not a number"):
        run.predictor.evaluate({"text": ["mild"], "severity": ["very"], "site": ["A"]})


def test_an_older_model_json_without_centre_and_scale_still_loads(go: Go, finished: Any, tmp_path: Path) -> None:
    import shutil

    folder = tmp_path / "older"
    shutil.copytree(finished("linear_probe").folder, folder)
    described = json.loads((folder / "model.json").read_text())
    scale, centre = described["target"].pop("scale"), described["target"].pop("centre")
    (folder / "model.json").write_text(json.dumps(described))
    old, new = (medplug.load(each, device="cpu").predict(table()) for each in (folder, finished("linear_probe").folder))
    np.testing.assert_allclose(centre + scale * old["prediction"], new["prediction"])


def test_the_report_speaks_of_a_number(finished: Any) -> None:
    run = finished("finetune")
    report, card = ((run.folder / name).read_text("utf-8") for name in ("report.html", "model_card.md"))
    for page in (report, card):
        assert "The model predicts severity, a number" in page and "mean absolute error" in page
        assert "training mean" in page and "majority" not in page and "logistic" not in page
        assert "standard deviation" in page
    for name in ("predicted", "agreement", "history"):
        assert f'id="figure-{name}"' in report
    assert "limits of agreement" in report and "By class" not in report and "By site" in report
    assert "measured and predicted numbers" in report
    assert not any(word in report for word in ("ROC curve", "confusion", "Reliability"))


# ---- every adapter that serves it, and those that do not


def tables(few: bool) -> dict[str, pl.DataFrame]:
    source, target = table(60), table(40, seed=1, shift=0.5)
    beside = {"train": target} if few else {"unlabelled": target.drop("severity")}
    return {"source": source, **beside, "test": table(20, seed=2, shift=0.5)}


@pytest.mark.parametrize("adapter", [*SERVING, *TOGETHER])
def test_an_adapter_that_serves_a_number_trains_and_comes_back(
    adapter: str, go: Go, finished: Any, tmp_path: Path
) -> None:
    keys: dict[str, Any] = {"train": {"epochs": 1}}
    if adapter == "distill":
        keys["adapter.distill.teacher"] = str(finished("linear_probe").folder)
    if adapter == "prefix":
        keys |= {"adapter.prefix.tokens": 8, "backbone.window": 56, "backbone.overlap": 16}
    if adapter == "tradaboost":
        keys["adapter.tradaboost.rounds"] = 2
    data = tables(adapter in FEW) if {*adapter.split("+")} & DOMAINS else {"train": table(60)}
    run = go(tmp_path / "run", data, adapter=adapter, **keys)
    rows = table(20, seed=2)
    here = run.predict(rows)
    assert medplug.load(run.folder, device="cpu").predict(rows).equals(here)
    assert here["prediction"].is_finite().all() and here["prediction"].n_unique() > 1


def test_the_other_adapters_refuse_a_number_before_anything_is_trained(go: Go, tmp_path: Path) -> None:
    assert {spec.name for spec in medplug_adapters()} - {*SERVING} == REFUSING
    for adapter in sorted(REFUSING):
        stages: list[str] = []
        data = tables(few=False) if adapter in DOMAINS else {"train": table(60)}
        with pytest.raises(ConfigError, match=f"adapter={adapter} serves binary.*this one is regression; use adapter="):
            go(tmp_path / adapter, data, adapter=adapter, progress=lambda sign, s=stages: s.append(sign.stage))
        assert stages == ["reading"]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("keys", "word"),
    [
        ({"train": {"class_weights": "balanced"}}, "class_weights=balanced weighs classes, and the target severity is"),
        ({"train": {"label_smoothing": 0.1}}, "label_smoothing spreads a label over classes"),
        ({"selection.criterion": "snd"}, "criterion=snd looks at class probabilities.*use iwv or dev"),
        ({"selection.criterion": "infomax"}, "criterion=infomax looks at class probabilities"),
        ({"adapter.mmd.by_class": True}, "by_class=true compares rows by class, and this target has none"),
        ({"selection.metric": "f1"}, "a regression target has mae, r2"),
    ],
)
def test_what_has_no_meaning_for_a_number_is_refused(keys: dict[str, Any], word: str, go: Go, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=word):
        go(tmp_path / "run", tables(few=False), adapter="frozen+mmd", **keys)


def test_epochs_can_be_chosen_without_target_labels(go: Go, tmp_path: Path) -> None:
    run = go(tmp_path / "run", tables(few=False), adapter="frozen+coral", **{"selection.criterion": "dev"})
    found = metrics(run)
    assert set(found["selection"]["without_target_labels"]) == {"iwv", "dev"}
    assert "ridge head" in (run.folder / "report.html").read_text("utf-8")
    assert "squared error in standard deviations" in (run.folder / "report.html").read_text("utf-8")
    assert "transfer_verdict" in found


def test_classes_are_weighed_neither_by_default_nor_when_told_not_to(go: Go, finished: Any, tmp_path: Path) -> None:
    run = go(tmp_path / "run", train={"class_weights": "none"}, report={"by": ["site"]})
    assert metrics(run)["metrics"] == metrics(finished("linear_probe"))["metrics"]


# ---- data


def test_a_limit_counts_rows_in_all_and_spreads_them_over_the_numbers(go: Go, tmp_path: Path) -> None:
    rows = 200
    data = pl.DataFrame({"text": [f"mild {i}" for i in range(rows)], "severity": [float(i) for i in range(rows)]})
    run = go(tmp_path / "run", {"train": data, "limit": 20})
    written = pl.read_parquet(run.folder / "predictions.parquet")
    assert written["split"].value_counts().sort("split").rows() == [("test", 40), ("validation", 20)]
    card = (run.folder / "model_card.md").read_text("utf-8")
    assert "| train | 20 |" in card and "label's quantile" in card
    test = written.filter(pl.col("split") == "test")["truth"].to_numpy()
    assert (np.histogram(test, bins=10, range=(0, 200))[0] >= 2).all()  # all tenths are judged


def test_sites_divide_a_table_of_numbers(go: Go, tmp_path: Path) -> None:
    sites = {"site": "site", "source_sites": "A", "target_sites": "B", "target_labels": 10}
    run = go(tmp_path / "run", {"train": table(200), **sites}, adapter="kmm+linear_probe")
    assert 18 <= metrics(run)["n"] <= 22  # of a hundred rows of the target
    assert "10 target" in (run.folder / "model_card.md").read_text("utf-8")


def test_labels_that_do_not_vary_or_are_no_numbers_stop_a_run(go: Go, tmp_path: Path) -> None:
    data = table(60)
    with pytest.raises(DataError, match=r"1 different value\(s\) of severity; a model needs two"):
        go(tmp_path / "same", data.with_columns(severity=pl.lit(3.0)))
    texts = data["severity"].cast(pl.String).to_list()
    texts[4], texts[6] = "3,5", ""
    wrong = data.with_columns(severity=pl.Series(texts))
    with pytest.raises(RowsError, match=r"row 5, column severity: the number has a comma.*\n.*row 7"):
        go(tmp_path / "wrong", wrong)
    run = go(tmp_path / "skipped", {"train": wrong, "on_error": "skip"})
    assert pl.read_parquet(run.folder / "rejected.parquet")["row"].to_list() == [5, 7]


# ---- ranking


def test_backbones_are_ranked_for_a_number(tiny_bert: Path, tiny_gpt2: Path) -> None:
    ranking = medplug.rank(
        task="severity",
        data={"train": table()},
        backbones=[str(tiny_bert), str(tiny_gpt2)],
        adapter="linear_probe",
        device="cpu",
    )
    assert {each.name for each in ranking.candidates} == {str(tiny_bert), str(tiny_gpt2)}
    assert all(set(each.scores) == {"logme"} for each in ranking.candidates)


def test_sources_are_ranked_for_a_number_by_distance(tiny_bert: Path) -> None:
    far = table(40, seed=3).with_columns(text=pl.lit("fracture chest ") + pl.col("severity").cast(pl.String))
    ranking = medplug.rank(
        task="severity",
        data={"train": table()},
        sources=[far, table(40, seed=4)],
        backbone=str(tiny_bert),
        adapter="linear_probe",
        device="cpu",
    )
    assert ranking.by == "mmd" and ranking.candidates[0].name == "source 2"
    assert any("sources of a number are ranked by distance alone" in note for note in ranking.notes)
