"""Permutation importance: how values change places, and what a run tells of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from sklearn.metrics import roc_auc_score

import medplug
from medplug.core.data.tabular import TableColumns, TableRow
from medplug.core.explaining.permutation import REPEATS, Unit, permuted, units_of
from medplug.core.task import Examples

pytestmark = pytest.mark.usefixtures("one_thread")
COLUMNS = TableColumns(("age", "dose"), ("sex",))


def examples(rows: int = 9) -> Examples:
    """Every third row lacks the table; of the others all values differ."""
    tables = [
        None if i % 3 == 2 else TableRow(COLUMNS, np.array([float(i), 100.0 + i]), (f"sex {i}",)) for i in range(rows)
    ]
    return Examples(np.arange(1, rows + 1), {"text": [f"note {i}" for i in range(rows)], "tabular": tables})


def told(values: list[Any]) -> np.ndarray[Any, Any]:
    """What stands in each row, as numbers, -1 where nothing does."""
    tables = [value["tabular"] for value in values]
    parts = [(-1, -1, -1) if t is None else (*t.numbers, int(t.names[0].split()[1])) for t in tables]
    return np.array([(int(v["text"].split()[1]), *part) for v, part in zip(values, parts, strict=True)], float)


def test_the_units_are_the_slots_and_the_columns_of_those_that_are_tables() -> None:
    found = units_of(examples(), {"text": "text", "tabular": "tabular"})
    assert found == [
        *(Unit("text", "text"), Unit("tabular", "tabular")),
        *(Unit("tabular", "age", 0), Unit("tabular", "dose", 1), Unit("tabular", "sex", 2)),
    ]
    alone = Examples(np.arange(2), {"text": ["a", "b"]})
    assert units_of(alone, {"text": "text"}) == []


@pytest.mark.parametrize(
    ("unit", "moved"),
    [
        (Unit("text", "text"), [0]),
        (Unit("tabular", "tabular"), [1, 2, 3]),
        (Unit("tabular", "age", 0), [1]),
        (Unit("tabular", "sex", 2), [3]),
    ],
)
def test_one_units_values_change_places_and_nothing_else_does(unit: Unit, moved: list[int]) -> None:
    whole = told(examples().values)
    (found,) = permuted(told, examples(), [unit], np.random.default_rng(0))  # type: ignore[arg-type]
    assert len(found) == REPEATS
    lacks = np.arange(9) % 3 == 2
    for each in found:
        stays = [column for column in range(4) if column not in moved]
        np.testing.assert_array_equal(each[:, stays], whole[:, stays])
        for column in moved:
            there = slice(None) if column == 0 else ~lacks
            assert (each[there, column] != whole[there, column]).all(), "none keeps its own"
            assert sorted(each[:, column]) == sorted(whole[:, column])
    assert len({each.tobytes() for each in found}) == REPEATS


def test_where_one_row_alone_has_a_slot_it_keeps_its_own() -> None:
    one = examples().take(np.array([0, 2, 5]))
    (found,) = permuted(told, one, [Unit("tabular", "tabular")], np.random.default_rng(0))  # type: ignore[arg-type]
    for each in found:
        np.testing.assert_array_equal(each, told(one.values))


def run(output: Path, rows: int = 300, **data: Any) -> Any:
    draw = np.random.default_rng(0)
    said, idle = draw.normal(size=rows), draw.normal(size=rows)
    frame = pl.DataFrame(
        {
            "said": said,
            "idle": idle,
            "label": np.where(said + 0.3 * draw.normal(size=rows) > 0, "ill", "well"),
            "number": 2 * said + 0.1 * draw.normal(size=rows),
            "who": [f"p{i // 2}" for i in range(rows)],
        }
    )
    columns = {"tabular": ["said", "idle"], "group": "who"}
    kept = {"epochs": 8, "batch_size": 16}
    return medplug.run(
        task=data.pop("task", "multimodal_diagnosis"),
        data={"train": frame, **columns, **data},
        output=output,
        train=kept,
        report={"resamples": 200},
        device="cpu",
    )


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return run(tmp_path_factory.mktemp("runs") / "run")


def test_a_run_tells_of_the_column_that_its_model_reads_and_not_of_the_other(finished: Any) -> None:
    found = finished.metrics["importance"]
    assert (found["metric"], found["rows"], found["slots"]) == ("auroc", finished.metrics["n"], {})
    columns = found["columns"]["tabular"]
    assert list(columns) == ["said", "idle"]
    assert columns["said"]["ci95"][0] > 0.2
    low, high = columns["idle"]["ci95"]
    assert -0.1 < low <= columns["idle"]["value"] <= high < 0.1
    whole = finished.metrics["metrics"]["auroc"]["value"]
    assert columns["said"]["value"] == pytest.approx(whole - 0.5, abs=0.15), "what is left is chance"


def test_what_a_run_tells_is_the_mean_loss_of_the_metric_over_the_changes_of_places(finished: Any) -> None:
    predictor = finished.predictor
    told_rows = pl.read_parquet(finished.folder / "predictions.parquet").filter(pl.col("split") == "test")
    truth = (told_rows["truth"] == "ill").to_numpy()
    draw = np.random.default_rng(0)
    rows = run_rows(told_rows["row"].to_list())
    test = predictor.read(rows, predictor.task.data, labelled=False, on_error="stop")[0]
    draw.permutation(len(test))  # which rows: all of them
    place = predictor.target.classes.index("ill")

    def ask(values: list[Any]) -> Any:
        return predictor.target.probabilities(predictor.logits(values))

    units = units_of(test, predictor.task.slots)
    whole = roc_auc_score(truth, ask(test.values)[:, place])
    for unit, found in zip(units, permuted(ask, test, units, draw), strict=True):  # type: ignore[arg-type]
        lost = whole - np.mean([roc_auc_score(truth, each[:, place]) for each in found])
        assert finished.metrics["importance"]["columns"]["tabular"][unit.name]["value"] == pytest.approx(lost, abs=1e-6)


def run_rows(numbers: list[int]) -> pl.DataFrame:
    """Those rows of the table that `run` makes."""
    draw = np.random.default_rng(0)
    frame = pl.DataFrame({"said": draw.normal(size=300), "idle": draw.normal(size=300)})
    return frame[[number - 1 for number in numbers]]


def test_of_a_metric_that_is_to_be_small_a_loss_is_above_zero_too(tmp_path: Path) -> None:
    task = {"name": "multimodal_diagnosis", "target": "regression"}
    found = run(tmp_path / "run", task=task, label="number").metrics["importance"]
    assert found["metric"] == "mae"
    assert found["columns"]["tabular"]["said"]["ci95"][0] > 0.5


def test_a_run_of_notes_alone_has_nothing_to_change(tmp_path: Path) -> None:
    frame = pl.DataFrame({"text": ["fever", "no pain"] * 20, "label": ["ill", "well"] * 20})
    small = {"train": {"epochs": 1}, "report": {"resamples": 100}, "device": "cpu"}
    done = medplug.run(
        task="text_diagnosis", backbone="text_cnn", data={"train": frame}, output=tmp_path / "run", **small
    )
    assert "importance" not in done.metrics
