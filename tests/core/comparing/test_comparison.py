"""Runs beside each other: the same rows, the same numbers as each run's own, and paired differences."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

import medplug
from medplug.core.comparing.comparison import Comparison, compare_runs
from medplug.core.data.arms import Treated
from medplug.core.data.targets import Target
from medplug.core.errors import ConfigError, MedplugError, RunError, UsageError
from medplug.core.evaluation.masks import estimate_overlaps
from medplug.core.evaluation.scores import estimate, paired_difference
from medplug.core.frames.predictions import prediction_frame, truth_of
from medplug.core.segmentation.overlap import MEASURES
from medplug.core.task import Examples

Left = Callable[..., Path]
ROWS = 60
DRAWS = np.random.default_rng(4)
NUMBERS = np.arange(1, ROWS + 1)
GROUPS = [int(number) // 3 for number in NUMBERS]
BINARY = Target("binary", ("well", "ill"))


def classes(*names: str, some: bool = False) -> list[Any]:
    picks = [DRAWS.integers(0, 2, len(names)) if some else DRAWS.integers(0, len(names)) for _ in NUMBERS]
    return [tuple(n for n, on in zip(names, each, strict=True) if on) if some else names[each] for each in picks]


def arms() -> list[Treated]:
    arms = [("none", "drug")[number % 2] for number in NUMBERS]
    return [Treated(arm, float(DRAWS.normal())) for arm in arms]


KINDS: dict[str, tuple[Target, list[Any]]] = {
    "binary": (BINARY, classes("well", "ill")),
    "multiclass": (Target("multiclass", ("a", "b", "c")), classes("a", "b", "c")),
    "multilabel": (Target("multilabel", ("a", "b", "c")), classes("a", "b", "c", some=True)),
    "choice": (Target("choice", ("A", "B", "C")), classes("A", "B", "C")),
    "regression": (Target("regression", ("age",), 50.0, 9.0), list(DRAWS.normal(50, 9, ROWS))),
    "survival": (Target("survival", ("died",)), [(float(t), bool(t > 1)) for t in DRAWS.exponential(2, ROWS)]),
    "treatment": (Target("treatment", ("none", "drug"), 0.0, 2.0, outcomes=("score",)), arms()),
}


def logits(target: Target, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(ROWS, target.outputs))


def rows(
    target: Target, labels: list[Any], seed: int = 0, groups: Sequence[int | None] | None = GROUPS
) -> pl.DataFrame:
    examples = Examples(NUMBERS, {}, labels)
    found = prediction_frame(
        target, {"row": NUMBERS, **truth_of(target, examples)}, target.probabilities(logits(target, seed))
    )
    return found if groups is None else found.insert_column(1, pl.Series("group", groups))


def binary(seed: int = 0, target: Target = BINARY, groups: Sequence[int | None] | None = GROUPS) -> pl.DataFrame:
    return rows(target, KINDS["binary"][1], seed, groups)


@pytest.mark.parametrize("kind", KINDS)
def test_scores_are_those_of_each_run_and_differences_those_of_paired_rows(kind: str, left: Left) -> None:
    target, labels = KINDS[kind]
    folders = [left(name, target, rows(target, labels, seed)) for name, seed in (("one", 1), ("two", 2))]
    found = compare_runs(folders, resamples=100)
    encoded, names = target.encode(labels), [name for name in found.metrics if name != "cox_loss"]
    one, two = (target.probabilities(logits(target, seed)) for seed in (1, 2))
    how: dict[str, Any] = {"groups": GROUPS, "resamples": 100}
    assert len(found.shared) == ROWS and len(names) >= 1
    for scores, predicted in zip(found.scores, (one, two), strict=True):
        own = estimate(target, encoded, predicted, names, **how)
        for name in names:
            np.testing.assert_allclose(_numbers(scores.metrics[name]), _numbers(own[name]), rtol=1e-9, err_msg=name)
    differences = paired_difference(target, encoded, two, one, names, **how)
    for name in names:
        np.testing.assert_allclose(_numbers(found.scores[1].difference[name]), _numbers(differences[name]), atol=1e-12)
    assert found.scores[0].difference == {} and repr(found.scores[1].wide) == repr(found.scores[1].difference)


def _numbers(each: Any) -> list[float]:
    return [each.value, each.low, each.high]


def test_masks_are_compared_by_their_overlaps(left: Left) -> None:
    target = Target("mask", ("nerve", "vessel"))
    tables = [np.random.default_rng(seed).uniform(size=(ROWS, 2, len(MEASURES))) for seed in (1, 2)]
    tables[0][5, 0] = np.nan
    frames = [
        pl.DataFrame({"row": NUMBERS, "truth": [["nerve"]] * ROWS}).with_columns(
            pl.Series(f"{measure}_{name}", table[:, place, column], nan_to_null=True)
            for place, name in enumerate(target.classes)
            for column, measure in enumerate(MEASURES)
        )
        for table in tables
    ]
    metrics = {name: {"value": 0.5, "ci95": [0.4, 0.6]} for name in MEASURES}
    found = compare_runs([left(f"run{i}", target, frame, metrics=metrics) for i, frame in enumerate(frames)])
    for scores, table in zip(found.scores, tables, strict=True):
        for name, own in estimate_overlaps(table).items():
            np.testing.assert_allclose(_numbers(scores.metrics[name]), _numbers(own), rtol=1e-9)


def test_answers_are_compared_by_the_scores_of_each_row(left: Left) -> None:
    target = Target("span", ("answer",))
    truth = [[{"start": 1, "end": 4}]] * ROWS
    frames = [
        pl.DataFrame({"row": NUMBERS, "truth": truth, "token_f1": np.random.default_rng(seed).uniform(size=ROWS)})
        for seed in (1, 2)
    ]
    metrics = {"token_f1": {"value": 0.5, "ci95": [0.4, 0.6]}}
    found = compare_runs([left(f"run{i}", target, frame, metrics=metrics) for i, frame in enumerate(frames)])
    difference = (frames[1]["token_f1"] - frames[0]["token_f1"]).mean()
    assert found.scores[1].difference["token_f1"].value == pytest.approx(difference)


def test_rankings_stand_beside_each_other_as_each_was_judged(left: Left) -> None:
    target = Target("ranking", ("passage",))
    frame = pl.DataFrame({"row": NUMBERS, "truth": ["p1"] * ROWS, "prediction": ["p2"] * ROWS})
    metrics = [{"mrr": {"value": value, "ci95": [value - 0.1, value + 0.1]}} for value in (0.5, 0.7)]
    found = compare_runs([left(f"run{i}", target, frame, metrics=each) for i, each in enumerate(metrics)])
    assert not found.paired and found.sign(1) == "undefined" and found.scores[1].difference == {}
    assert [scores.metrics["mrr"].value for scores in found.scores] == [0.5, 0.7]
    assert any("no paired differences" in note for note in found.notes())
    json.dumps(found.as_json())


def test_a_run_decides_by_its_own_threshold(left: Left) -> None:
    if not hasattr(BINARY, "threshold"):
        pytest.skip("targets have no threshold of their own")
    low: Any = replace(BINARY, threshold=0.2)
    found = compare_runs([left("half", BINARY, binary(1)), left("low", low, binary(1, low))])
    half, less = (scores.metrics for scores in found.scores)
    assert half["auroc"] == less["auroc"] and half["recall"].value < less["recall"].value


# ---- which rows


def test_only_rows_that_all_were_tested_on_count_and_their_order_does_not(left: Left) -> None:
    whole = left("whole", BINARY, binary(1))
    part = left("part", BINARY, binary(2).filter(pl.col("row") > 20).sample(fraction=1.0, shuffle=True, seed=3))
    same = left("same", BINARY, binary(1).filter(pl.col("row") > 20))
    found, plain = compare_runs([whole, part]), compare_runs([same, part])
    assert len(found.shared) == 40 and found.scores == plain.scores
    assert any("whole (60); 40 test rows are left" in note for note in found.notes())
    assert not any("are left" in note for note in plain.notes())


def test_rows_of_one_number_are_told_apart(left: Left) -> None:
    frame = binary(1).with_columns((pl.col("row") + 1) // 2)
    found = compare_runs([left("one", BINARY, frame), left("two", BINARY, frame)])
    assert len(found.shared) == ROWS and found.scores[1].difference["auroc"].value == 0.0


def test_patients_may_be_numbered_otherwise_in_each_run_and_one_may_not_know_them(left: Left) -> None:
    other = [7 * (20 - group) for group in GROUPS]
    first = left("first", BINARY, binary(1))
    second, unknown = (left(f"{groups is None}", BINARY, binary(2, groups=groups)) for groups in (other, None))
    found, told = compare_runs([first, second]), compare_runs([first, unknown])
    assert found.scores == told.scores
    assert any("as first knows it" in note for note in told.notes())
    assert found.shared.groups is not None and found.shared.groups.n_unique() == 21


def test_without_patients_rows_are_resampled_and_that_is_said(left: Left) -> None:
    grouped = compare_runs([left("a", BINARY, binary(1)), left("b", BINARY, binary(2))])
    alone = compare_runs([left("c", BINARY, binary(1, groups=None)), left("d", BINARY, binary(2, groups=None))])
    assert alone.scores[1].difference["auroc"].value == grouped.scores[1].difference["auroc"].value
    assert alone.scores != grouped.scores
    assert any("single rows were resampled" in note for note in alone.notes())
    assert not any("single rows" in note for note in grouped.notes())


def test_a_run_of_before_that_had_patients_is_told(left: Left) -> None:
    old = left("old", BINARY, binary(1, groups=None), keys={"data.group": "patient"})
    found = compare_runs([old, left("new", BINARY, binary(2), keys={"data.group": "patient"})])
    assert any("old: made before runs kept which rows belong together" in note for note in found.notes())


def test_tables_in_memory_of_other_columns_are_matched_by_number_and_that_is_said(left: Left) -> None:
    memory = {"name": "table in memory"}
    one = left("one", BINARY, binary(1), table=memory)
    found = compare_runs([one, left("two", BINARY, binary(2), table={**memory, "sha256": "b" * 64})])
    assert any("matched by their numbers" in note for note in found.notes())


# ---- how they stand


def better(seed: int = 0) -> pl.DataFrame:
    """Predictions that are nearly always right."""
    chance = np.where([label == "ill" for label in KINDS["binary"][1]], 0.9, 0.1)
    chance[:4] = 0.5
    return binary(seed).with_columns(p_ill=chance, p_well=1 - chance)


def test_a_run_that_is_clearly_better_is_called_so_and_the_other_way_round(left: Left) -> None:
    weak, strong = (
        left("weak", BINARY, binary(1), metric="log_loss"),
        left("strong", BINARY, better(), metric="log_loss"),
    )
    found, turned = compare_runs([weak, strong]), compare_runs([strong, weak])
    assert (found.metric, found.sign(1), turned.sign(1)) == ("log_loss", "better", "worse")
    gained = found.scores[1].difference["log_loss"]
    assert gained.high < 0, "lower is better: the difference keeps its own sign"


def test_the_more_runs_the_wider_the_intervals_that_words_go_by(left: Left) -> None:
    folders = [left(f"run{seed}", BINARY, binary(seed)) for seed in range(4)]
    few, many = compare_runs(folders[:2]), compare_runs(folders)
    two, four = few.scores[1], many.scores[1]
    assert two.wide["auroc"] == two.difference["auroc"] == four.difference["auroc"]
    assert (
        four.wide["auroc"].low < four.difference["auroc"].low < four.difference["auroc"].high < four.wide["auroc"].high
    )


# ---- cost and config


def test_keys_that_differ_are_told_and_an_option_that_a_run_lacks_is_not_the_same_as_null(left: Left) -> None:
    one = left("one", BINARY, binary(1), keys={"backbone.hidden": None, "report.title": "First"})
    two = left("two", BINARY, binary(2), keys={"train.epochs": 9, "output": "elsewhere", "observers": "mlflow"})
    assert compare_runs([one, two]).keys == {"train.epochs": [3, 9], "backbone.hidden": [None, "\N{EM DASH}"]}


def test_costs_are_told_and_what_an_older_run_did_not_keep_is_left_open(left: Left) -> None:
    old = left("old", BINARY, binary(2), manifest={"parameters": None, "peak_memory_mib": None})
    found = compare_runs([left("new", BINARY, binary(1)), old])
    new, before = found.costs
    assert new["seconds"] == {"all": 5.5, "learning": 4.0} and new["parameters"] == {"trained": 6, "total": 10}
    assert before["parameters"] == {"trained": None, "total": 10}, "counted in the weights' file"
    assert new["bytes"] == (found.runs[0].folder / "model.safetensors").stat().st_size
    found.as_json()


def test_other_hardware_is_told(left: Left) -> None:
    gpu = left("gpu", BINARY, binary(2), manifest={"hardware": {"device": "NVIDIA", "processes": 1}})
    found = compare_runs([left("cpu", BINARY, binary(1)), gpu])
    assert found.means == {"device": ["cpu", "NVIDIA"]}
    assert any("seconds do not compare" in note for note in found.notes())


# ---- what cannot be compared


def refused(error: type[MedplugError], *words: str, folders: Sequence[Any]) -> None:
    with pytest.raises(error) as told:
        compare_runs(folders)
    for word in words:
        assert word in str(told.value)


def test_one_run_alone_is_refused(left: Left) -> None:
    one = left("one", BINARY, binary(1))
    refused(UsageError, "two runs or more", "medplug compare RUN RUN", folders=[one])
    refused(UsageError, "got none", folders=[])


def test_the_same_run_twice_is_refused_however_it_is_written(left: Left) -> None:
    one, two = left("one", BINARY, binary(1)), left("two", BINARY, binary(2))
    refused(UsageError, "given twice", folders=[one, two, two / ".." / "one"])


def test_folders_that_are_no_runs_are_refused(left: Left, tmp_path: Path) -> None:
    one = left("one", BINARY, binary(1))
    (tmp_path / "empty").mkdir()
    (tmp_path / "run.partial").mkdir()
    refused(ConfigError, "does not exist", "medplug run", folders=[one, tmp_path / "nowhere"])
    refused(ConfigError, "is a file", folders=[one, one / "model.json"])
    refused(ConfigError, "no model.json", folders=[one, tmp_path / "empty"])
    refused(ConfigError, "unfinished", "--resume", folders=[one, tmp_path / "run.partial"])


@pytest.mark.parametrize(
    "name", ["predictions.parquet", "metrics.json", "manifest.json", "config.yaml", "model.safetensors"]
)
def test_a_folder_that_is_not_whole_is_refused_by_file(name: str, left: Left) -> None:
    one, two = left("one", BINARY, binary(1)), left("two", BINARY, binary(2))
    (two / name).write_bytes(b"\xff\xff{: [")
    refused(RunError, name, "damaged", folders=[one, two])
    (two / name).unlink()
    refused(RunError, name, "missing", folders=[one, two])


def test_other_targets_are_refused(left: Left) -> None:
    one = left("one", BINARY, binary(1))
    number = left("number", *(KINDS["regression"][0], rows(*KINDS["regression"])))
    third = Target("binary", ("ill", "well"))
    refused(UsageError, "one (task text_diagnosis): a binary target of well, ill", "regression", folders=[one, number])
    refused(UsageError, "of ill, well", folders=[one, left("turned", third, binary(1, third))])


def test_other_tables_are_refused(left: Left) -> None:
    other = left("other", BINARY, binary(2), table={"sha256": "b" * 64, "name": "others.csv"})
    words = ("data.train=notes.csv", "others.csv", "medplug evaluate")
    refused(UsageError, *words, folders=[left("one", BINARY, binary(1)), other])


def test_other_labels_of_the_same_rows_are_refused(left: Left) -> None:
    other = pl.when(pl.col("truth") == "ill").then(pl.lit("well")).otherwise(pl.lit("ill"))
    turned = binary(2).with_columns(truth=pl.when(pl.col("row") <= 7).then(other).otherwise("truth"))
    refused(UsageError, "7 of the 60", folders=[left("a", BINARY, binary(1)), left("b", BINARY, turned)])


def test_labels_of_several_classes_are_the_same_in_any_order(left: Left) -> None:
    target, labels = KINDS["multilabel"]
    turned = rows(target, [label[::-1] for label in labels], 2)
    assert len(compare_runs([left("a", target, rows(target, labels, 1)), left("b", target, turned)]).shared) == ROWS


def test_runs_without_a_common_test_row_are_refused(left: Left) -> None:
    halves = [left(f"half{i}", BINARY, binary(i).filter((pl.col("row") > 30) == bool(i))) for i in range(2)]
    refused(UsageError, "no test row in common", "half0 30", "seed", folders=halves)


def test_predictions_that_do_not_fit_the_model_are_refused(left: Left) -> None:
    bare = left("bare", BINARY, binary(2).drop("p_ill"))
    refused(RunError, "bare", "does not fit model.json", folders=[left("one", BINARY, binary(1)), bare])


# ---- names, page


def test_runs_are_named_by_what_tells_them_apart(left: Left) -> None:
    folders = [left("a/run", BINARY, binary(1)), left("b/run", BINARY, binary(2))]
    assert [run.name for run in compare_runs(folders).runs] == ["a/run", "b/run"]


@pytest.mark.parametrize("runs", [2, 5])
def test_the_page_tells_every_run_and_needs_nothing_from_elsewhere(runs: int, left: Left, tmp_path: Path) -> None:
    names = ["<b>first", *(f"run{i}" for i in range(1, runs))]
    found = compare_runs([left(name, BINARY, binary(i)) for i, name in enumerate(names)], resamples=100)
    found.write_page(tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text()
    assert "&lt;b&gt;first" in page and "<b>first" not in page
    assert all(name in page for name in names[1:]) and "AUROC" in page
    assert page.count("<svg") == 2 and "src=" not in page and 'href="http' not in page
    assert all(estimate_told in page for estimate_told in ("Before you believe", "What the runs cost"))


def test_the_page_speaks_the_language_of_the_first_runs_report(left: Left, tmp_path: Path) -> None:
    folders = [left(f"run{i}", BINARY, binary(i), keys={"report.language": "zh"}) for i in range(3)]
    found = compare_runs(folders, resamples=100)
    found.write_page(tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text()
    assert "各次运行的成本" in page and 'lang="zh' in page and "What the runs cost" not in page
    assert any("seed" in note for note in found.notes()), "notes outside the page stay English"


def test_a_page_that_cannot_be_written_is_told(left: Left, tmp_path: Path) -> None:
    found = compare_runs([left("a", BINARY, binary(1)), left("b", BINARY, binary(2))], resamples=100)
    with pytest.raises(RunError, match=r"page\.html"):
        found.write_page(tmp_path / "nowhere" / "page.html")


def test_it_is_there_in_python_and_as_json(left: Left) -> None:
    folders = [left("a", BINARY, binary(1)), left("b", BINARY, binary(2))]
    found = medplug.compare(*map(os.fspath, folders))
    assert isinstance(found, Comparison)
    told = json.loads(json.dumps(found.as_json()))
    assert told["reference"] == "a" and told["rows"] == ROWS and told["groups"] == 21
    assert told["runs"]["a"]["stands"] == "reference" and told["runs"]["a"]["difference"] == {}
    assert told["runs"]["b"]["difference"]["auroc"] == found.scores[1].difference["auroc"].as_json()
