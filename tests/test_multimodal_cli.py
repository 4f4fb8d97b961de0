"""The task `multimodal_diagnosis` as its users run it: several modalities, any of which a row or a table may lack."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from click.testing import CliRunner, Result

import medplug
from medplug.cli import cli
from medplug.core.discovery.plugins import Plugins
from medplug.core.errors import MedplugError

ROWS = 72
PATIENT = "Roe"
FUSIONS = tuple(spec.name for spec in Plugins(found=()).all("fusion"))
SMALL: dict[str, dict[str, Any]] = {
    "cross_attention": {"hidden": 8, "heads": 2},
    "bottleneck": {"hidden": 8, "heads": 2, "layers": 1, "latents": 2},
    "feed_forward": {"hidden": [8]},
    **{name: {"hidden": 8} for name in ("gated", "lowrank", "film", "hybrid", "bilinear_attention")},
}
TINY: dict[str, Any] = {
    "backbone": {"text": {"name": "text_cnn"}, "tabular": {"hidden": 8, "blocks": 1}, "signal": {"width": 16}},
    "train": {"epochs": 1, "batch_size": 16},
    "report": {"resamples": 100},
    "device": "cpu",
}
COLUMNS: dict[str, Any] = {"text": "note", "tabular": ["age", "sex"], "signal": "ecg"}

pytestmark = pytest.mark.usefixtures("one_thread")
Medplug = Callable[..., Result]


def cases(rows: int = ROWS, seed: int = 0) -> pl.DataFrame:
    """Patients of whom a note, values and a signal each say something; each fourth of these is missing."""
    draw = random.Random(seed)
    found: list[dict[str, Any]] = []
    for number in range(rows):
        ill = number % 2 == 1
        row: dict[str, Any] = {
            "note": f"{PATIENT} has {'fever' if ill else 'no pain'} and {draw.choice(['cough', 'rash', 'a fall'])}",
            "age": draw.gauss(60 if ill else 50, 10),
            "sex": draw.choice(["f", "m"]),
            "ecg": [draw.gauss(0.5 * ill, 1) + np.sin(i / (2 + ill)) for i in range(40)],
        }
        lost = [("note",), ("age", "sex"), ("ecg",), ()][number // 2 % 4]
        row |= dict.fromkeys(lost)
        found.append({**row, "label": "ill" if ill else "well", "site": "north" if number % 4 < 2 else "south"})
    return pl.DataFrame(found)


def run(output: Path, frame: pl.DataFrame | None = None, columns: dict[str, Any] = COLUMNS, **keys: Any) -> Any:
    """A run in memory of small networks."""
    data = {"train": cases() if frame is None else frame, **columns, **keys.pop("data", {})}
    backbone = {slot: options for slot, options in TINY["backbone"].items() if slot in columns}
    merged = {**TINY, "backbone": {**backbone, **keys.pop("backbone", {})}, **keys}
    return medplug.run(task="multimodal_diagnosis", data=data, output=output, **merged)


def shares(frame: pl.DataFrame) -> np.ndarray[Any, Any]:
    return frame.select("p_ill", "p_well").to_numpy()


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Medplug:
    """Run the command in an empty folder, as a user would."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    return lambda *words: CliRunner().invoke(cli, list(words))


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A run with the gated fusion, made once."""
    return run(tmp_path_factory.mktemp("runs") / "gated", fusion={"name": "gated", "hidden": 8})


# ---- what a run leaves


@pytest.mark.parametrize("name", FUSIONS)
def test_a_loaded_model_predicts_what_its_run_predicted_with_every_fusion(name: str, tmp_path: Path) -> None:
    frame = cases()
    done = run(tmp_path / "run", frame, fusion={"name": name, **SMALL.get(name, {})})
    told = pl.read_parquet(tmp_path / "run" / "predictions.parquet").filter(pl.col("split") == "test")
    rows = frame[[row - 1 for row in told["row"]]]
    loaded = medplug.load(tmp_path / "run", device="cpu")
    for predictor in (done.predictor, loaded):
        found = predictor.predict(rows)
        assert found["prediction"].to_list() == told["prediction"].to_list()
        np.testing.assert_allclose(shares(found), shares(told), atol=1e-5)
    alone = loaded.predict(rows.drop("label", "site")[0])
    np.testing.assert_allclose(shares(alone), shares(told[0]), atol=1e-5)
    by = done.metrics["by_modality"]
    assert len(by["subsets"]) == 7 and list(by["shapley"]) == ["text", "tabular", "signal"]
    weighed = [name for name in told.columns if name.startswith("weight_")]
    assert bool(by["weights"]) is bool(weighed)
    if weighed:
        assert weighed == ["weight_text", "weight_tabular", "weight_signal"]
        np.testing.assert_allclose(told.select(weighed).to_numpy().sum(1), 1, atol=1e-4)
        for slot, weight in by["weights"].items():
            own = told[f"weight_{slot}"].filter(told[f"weight_{slot}"] > 0).to_numpy()
            expected = {"mean": own.mean(), "p5": np.quantile(own, 0.05), "p95": np.quantile(own, 0.95)}
            assert weight == pytest.approx(expected, abs=1e-6)


def test_metrics_tell_what_each_choice_of_modalities_scores_and_what_each_adds(finished: Any) -> None:
    found = finished.metrics["by_modality"]
    metric, n = found["metric"], finished.metrics["n"]
    assert [each["modalities"] for each in found["subsets"]][-1] == ["text", "tabular", "signal"]
    whole = found["subsets"][-1]
    assert whole["rows"] == n and whole[metric]["value"] == pytest.approx(finished.metrics["metrics"][metric]["value"])
    for each in found["subsets"][:3]:
        assert 0 < each["rows"] < n
    nothing = finished.metrics["baseline"]["majority"][metric]["value"]
    added = sum(each["value"] for each in found["shapley"].values())
    assert added == pytest.approx(whole[metric]["value"] - nothing)


def test_the_weights_of_test_rows_stand_beside_their_predictions_and_are_zero_where_a_modality_is_missing(
    finished: Any,
) -> None:
    told = pl.read_parquet(finished.folder / "predictions.parquet")
    assert (
        told.filter(pl.col("split") == "validation").select(pl.col("^weight_.*$").is_null().all()).row(0) == (True,) * 3
    )
    test, frame = told.filter(pl.col("split") == "test"), cases()
    for slot, column in (("text", "note"), ("tabular", "age"), ("signal", "ecg")):
        has = frame[[row - 1 for row in test["row"]]][column].is_not_null()
        assert ((test[f"weight_{slot}"] > 0) == has).all()


def test_the_report_tells_what_each_modality_added_and_nothing_of_what_rows_say(finished: Any) -> None:
    page = (finished.folder / "report.html").read_text()
    assert "What each modality added" in page and "text + tabular + signal" in page
    for file in finished.folder.iterdir():
        if file.suffix not in (".safetensors", ".parquet"):
            assert PATIENT not in file.read_text(), file.name


def test_a_configuration_given_back_makes_the_same_run(finished: Any, tmp_path: Path) -> None:
    again = medplug.run(config=finished.folder / "config.yaml", data={"train": cases()}, output=tmp_path / "again")
    assert again.metrics["metrics"] == finished.metrics["metrics"]
    one, two = (pl.read_parquet(each.folder / "predictions.parquet") for each in (finished, again))
    assert one.equals(two)


# ---- tables to predict on that lack a modality


def test_a_table_without_the_columns_of_some_modalities_is_predicted_as_if_every_row_lacked_them(
    finished: Any, tmp_path: Path
) -> None:
    frame = cases(12, seed=1)
    for kept in (["note"], ["age", "sex"], ["ecg"], ["note", "ecg"]):
        lost = [name for name in ("note", "age", "sex", "ecg") if name not in kept]
        whole = frame.with_columns(pl.lit(None).alias(name).cast(frame.schema[name]) for name in lost)
        for predictor in (finished.predictor, medplug.load(finished.folder, device="cpu")):
            found, problems = predictor.predict_with_problems(frame.select(kept), on_error="skip")
            expected, others = predictor.predict_with_problems(whole, on_error="skip")
            assert found.equals(expected)
            assert [p.row for p in problems] == [p.row for p in others]
    scores = finished.predictor.evaluate(frame.filter(pl.col("note").is_not_null()).select("note", "label"))
    assert scores["n"] == 8


def test_a_table_with_a_part_of_a_modalitys_columns_or_none_at_all_is_refused(finished: Any) -> None:
    frame = cases(12)
    with pytest.raises(MedplugError, match="there is no column 'sex'"):
        finished.predictor.predict(frame.select("age", "note"))
    with pytest.raises(MedplugError, match="no column of any modality") as caught:
        finished.predictor.predict(frame.select("site"))
    assert PATIENT not in str(caught.value)


def test_rows_that_lack_every_modality_are_bad_rows(finished: Any) -> None:
    frame = cases(12)
    frame = frame.with_columns(
        pl.when(pl.int_range(12) == 4).then(None).otherwise(pl.col(name)).alias(name) for name in ("note", "age", "sex")
    )
    frame = frame.with_columns(pl.Series("ecg", [None if i == 4 else v for i, v in enumerate(frame["ecg"].to_list())]))
    with pytest.raises(MedplugError, match="row 5.*every modality is missing"):
        finished.predictor.predict(frame)
    found, problems = finished.predictor.predict_with_problems(frame, on_error="skip")
    assert found.height == 11 and [problem.row for problem in problems] == [5]
    with pytest.raises(MedplugError, match="row 5"):
        finished.predictor.predict(frame.drop("note"))


# ---- frozen parts


def test_a_fitted_head_reads_at_prediction_what_it_was_fitted_on(tiny_bert: Path, tmp_path: Path) -> None:
    from medplug.core.training import frozen

    fitted: dict[str, Any] = {}
    before = frozen.head_logits

    def keep(head: Any, features: Any) -> Any:
        fitted[str(len(fitted))] = features
        return before(head, features)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(frozen, "head_logits", keep)
        done = run(
            tmp_path / "run",
            columns={"text": "note", "tabular": ["age", "sex"]},
            frame=cases().filter(pl.col("note").is_not_null() | pl.col("age").is_not_null()),
            backbone={"text": str(tiny_bert), "tabular": "columns"},
            adapter="linear_probe",
            fusion="concat",
        )
    told = pl.read_parquet(tmp_path / "run" / "predictions.parquet").filter(pl.col("split") == "test")
    rows = cases().filter(pl.col("note").is_not_null() | pl.col("age").is_not_null())[[r - 1 for r in told["row"]]]
    test = next(each for each in fitted.values() if len(each) == told.height)
    for predictor in (done.predictor, medplug.load(tmp_path / "run", device="cpu")):
        task, model = predictor.task, predictor.model
        values = predictor.read(rows, task.data, labelled=True, on_error="stop")[0].values
        backbone = model.backbone
        import torch

        with torch.inference_mode():
            outputs = model.eval().outputs(backbone.collate(backbone.prepare(values)))
        np.testing.assert_allclose(outputs.features.numpy(), test, atol=1e-4)
        np.testing.assert_allclose(shares(predictor.predict(rows)), shares(told), atol=1e-5)
    lacks = rows["note"].is_null().to_numpy()
    assert lacks.any() and not lacks.all()
    width = 32
    assert np.ptp(test[lacks][:, :width], axis=0).max() == 0 and np.abs(test[lacks][:, :width]).max() > 0


# ---- on the command line


QUICK = (
    *("backbone.text=text_cnn", "backbone.tabular.hidden=8", "backbone.tabular.blocks=1", "backbone.signal.width=16"),
    *("train.epochs=1", "report.resamples=100", "device=cpu"),
)
MODALITIES = ("data.text=note", 'data.tabular=["age","sex"]', 'data.signal=["t_*"]')


def written(file: Path, frame: pl.DataFrame) -> Path:
    """A table with the samples of the signal side by side."""
    cells = frame["ecg"].to_list()
    samples = [pl.Series(f"t_{i}", [None if each is None else each[i] for each in cells]) for i in range(40)]
    frame.drop("ecg").with_columns(samples).write_csv(file)
    return file


def assert_told(result: Result, *words: str) -> None:
    """One screen that names the thing and the next step, exit code 2, no traceback, no patient."""
    assert result.exit_code == 2, result.output
    for word in words:
        assert word in result.output, result.output
    assert len(result.output.splitlines()) <= 24
    assert "Traceback" not in result.output and PATIENT not in result.output


def test_a_table_on_the_command_line_is_run_predicted_without_a_modality_and_evaluated(
    command: Medplug, tmp_path: Path
) -> None:
    table = written(tmp_path / "cases.csv", cases())
    result = command("run", "task=multimodal_diagnosis", f"data.train={table}", *MODALITIES, *QUICK, "output=run")
    assert result.exit_code == 0, result.output
    assert "what each modality adds to auroc: text " in result.output and "medplug predict run" in result.output
    pl.read_csv(table).select("note", "label").write_csv("notes.csv")
    pl.read_csv(table).select("label").write_csv("labels.csv")
    found = command("predict", "run", "notes.csv", "--on-error", "skip", "-o", "found.csv", "--device", "cpu")
    assert found.exit_code == 0, found.output
    assert pl.read_csv("found.csv").height == cases()["note"].drop_nulls().len()
    told = command("predict", "run", "notes.csv", "--device", "cpu")
    assert_told(told, "bad row(s)", "every modality is missing; a row needs one of them", "--on-error skip")
    told = command("predict", "run", "labels.csv", "--device", "cpu")
    assert_told(told, "no column of any modality (data.text, data.tabular, data.signal)", "begin with 'note', 'age'")
    assert_told(command("evaluate", "run", "notes.csv", "--device", "cpu"), "every modality is missing")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("data.text=nte",), ("data.text=nte: there is no column 'nte'; did you mean note?", "data.text=COLUMN")),
        (('data.tabular=["age","sx"]',), ("did you mean sex?", 'data.tabular=["COLUMN","COLUMN"]')),
        (("data.text=note", 'data.tabular=["label"]'), ("data.tabular names 'label', which is what is predicted",)),
        (("data.text=note", 'data.tabular=["zz_*"]'), ("there is no column 'zz_*'",)),
        (("data.categorical=[\"sex\"]", "data.text=note"), ("data.categorical", "data.tabular, which is not given")),
        ((*MODALITIES[:2], "fusion=film", "fusion.base=txt"), ("fusion.base=txt is no modality", "did you mean text?")),
        ((*MODALITIES[:2], "task.target=regression"), ("column label: the cell is not a number",)),
        ((*MODALITIES[:2], "task.positive=sick"), ("task.positive=sick is not among the classes",)),
        ((*MODALITIES[:2], "data.image=note"), ("is this the column of the images' paths?",)),
        ((*MODALITIES[:2], "data.signal=note"), ("is this the column of the signals' paths?",)),
        ((*MODALITIES[:2], "fusion.modality_dropout=2"), ("fusion.modality_dropout=2",)),
        ((*MODALITIES[:2], "adapter=prototypes"), ("text_cnn and backbone.tabular=tabular_resnet start from random",)),
        ((*MODALITIES[:2], "augment.flip=both"), ("augment.flip is not a key",)),
    ],
)  # fmt: skip
def test_a_wrong_input_is_told_with_what_would_be_right(
    command: Medplug, tmp_path: Path, words: tuple[str, ...], told: tuple[str, ...]
) -> None:
    table = written(tmp_path / "cases.csv", cases())
    small = ("backbone.text=text_cnn",) if len(words) > 2 else ()
    result = command("run", "task=multimodal_diagnosis", f"data.train={table}", *words, *small)
    assert_told(result, *told)
    assert {path.name for path in tmp_path.iterdir()} == {"cases.csv"}


def test_a_dry_run_tells_each_modalitys_backbone_what_is_trained_and_how_they_are_joined(command: Medplug) -> None:
    words = ("task=multimodal_diagnosis", "data.train=cases.csv", *MODALITIES, "backbone.tabular=columns", "--dry-run")
    result = command("run", *words)
    assert result.exit_code == 0, result.output
    assert (
        "would train: train text: minilm (frozen), tabular: columns (no weights), signal: signal_cnn (finetune), "
        "joined by gated, by gradient for at most 40 epochs\n"
    ) in result.output
    fitted = command("run", *words[:2], *MODALITIES[:2], *words[-2:], "adapter=linear_probe", "fusion=concat")
    assert "encode each distinct input once with minilm + columns, then fit a head (linear_probe)" in fitted.output


def test_what_is_shown_of_the_task_has_the_keys_of_every_modality(command: Medplug) -> None:
    shown = command("show", "multimodal_diagnosis").output
    for slot in ("text", "image", "tabular", "signal", "genes"):
        assert f"  data.{slot} (default " in shown
    assert "  task.target (default auto)" in shown
