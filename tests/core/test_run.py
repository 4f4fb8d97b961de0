"""Whole runs, from a small table in memory to the folder they leave."""

from __future__ import annotations

import hashlib
import json
import os
import random
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch

import medplug
from medplug import Progress
from medplug.core.errors import BackboneError, DataError, MedplugError, RowsError
from medplug.core.training import frozen, trainer
from medplug.core.training import train as training

PROMISED = {
    *("config.yaml", "manifest.json", "model.safetensors", "model.json", "metrics.json", "seen.safetensors"),
    *("predictions.parquet", "report.html", "model_card.md", "tripod_ai.csv", "events.jsonl"),
}
SIGNS = {"lung": "cough", "bone": "fracture", "skin": "rash"}
KINDS = ("binary", "multiclass", "multilabel")
ADAPTERS = ("linear_probe", "finetune")
DECODED = {"binary": str, "multiclass": str, "multilabel": list}

Go = Callable[..., Any]


pytestmark = pytest.mark.usefixtures("one_thread")


def table(kind: str = "multiclass", rows: int = 90, seed: int = 0) -> pl.DataFrame:
    """Short notes whose words tell their labels, most of the time; of three classes, every fifth text stands twice."""
    draw = random.Random(seed)
    names = list(SIGNS)[: 2 if kind == "binary" else 3]
    words = ["the", "patient", "has", "had", "mild", "severe", "acute", "pain"]
    texts: list[str] = []
    labels: list[Any] = []
    for i in range(rows):
        several = [name for name in sorted(names) if draw.random() < 0.5]
        chosen = several if kind == "multilabel" else [names[i % len(names)]]
        signs = [SIGNS[name] if draw.random() < 0.9 else draw.choice([*SIGNS.values()]) for name in chosen]
        again = texts[-6] if i % 5 == 4 and i > 5 and kind == "multiclass" else None
        filler = " ".join(draw.choices(words, k=draw.randint(1, 9)))
        texts.append(again or f"{filler} {' and '.join(signs)} {draw.randint(1, 99)}")
        labels.append(chosen if kind == "multilabel" else chosen[0])
    return pl.DataFrame({"text": texts, "label": labels})


@pytest.fixture(scope="module")
def go(tiny_bert: Path) -> Go:
    """Run text diagnosis on the tiny BERT."""

    def run(output: Path | None, data: Any = None, **keys: Any) -> Any:
        data = data if isinstance(data, dict) else {"train": table() if data is None else data}
        keys = {"backbone": str(tiny_bert), "adapter": "linear_probe", "device": "cpu", **keys}
        keys["report"] = {"resamples": 100, **keys.get("report", {})}
        if keys["adapter"] == "finetune":
            keys["train"] = {"epochs": 2, "learning_rate": 1e-3, "batch_size": 16, **keys.get("train", {})}
        place = {} if output is None else {"output": output}
        return medplug.run(task="text_diagnosis", data=data, **place, **keys)

    return run


@pytest.fixture(scope="module")
def finished(go: Go, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, str], Any]:
    """The run of a kind of target with an adapter, made once."""
    made: dict[tuple[str, str], Any] = {}

    def find(kind: str, adapter: str) -> Any:
        if (kind, adapter) not in made:
            folder = tmp_path_factory.mktemp("runs") / f"{kind}-{adapter}"
            made[kind, adapter] = go(folder, table(kind), adapter=adapter)
        return made[kind, adapter]

    return find


def content(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def metrics(run: Any) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((run.folder / "metrics.json").read_text())
    return found


every_run = pytest.mark.parametrize(("kind", "adapter"), [(k, a) for k in KINDS for a in ADAPTERS])


# ---- what a run leaves


@every_run
def test_the_folder_holds_exactly_what_is_promised(kind: str, adapter: str, finished: Any) -> None:
    run = finished(kind, adapter)
    assert {file.name for file in run.folder.iterdir()} == PROMISED
    assert not list(run.folder.parent.glob("*.partial"))
    assert run.metrics == metrics(run) and run.metrics["split"] == "test" and run.metrics["n"] == 18


@every_run
def test_the_saved_model_predicts_what_the_run_predicted(kind: str, adapter: str, finished: Any) -> None:
    run = finished(kind, adapter)
    rows = table(kind)
    here, loaded = run.predict(rows), medplug.load(run.folder, device="cpu").predict(rows)
    assert here.equals(loaded) and here["row"].to_list() == list(range(1, 91))
    written = pl.read_parquet(run.folder / "predictions.parquet")
    assert written["split"].value_counts().sort("split").rows() == [("test", 18), ("validation", 9)]
    seen = here[(written["row"] - 1).to_list()]
    shares = [name for name in here.columns if name.startswith("p_")]
    np.testing.assert_allclose(written[shares].to_numpy(), seen[shares].to_numpy(), atol=1e-5)
    assert written["prediction"].to_list() == seen["prediction"].to_list()
    truth = rows["label"].to_list()
    assert written["truth"].to_list() == [truth[row - 1] for row in written["row"].to_list()]
    assert all(isinstance(each, DECODED[kind]) for each in written["prediction"].to_list())
    assert "text" not in written.columns


@every_run
def test_metrics_can_be_computed_again_from_the_predictions(kind: str, adapter: str, finished: Any) -> None:
    run = finished(kind, adapter)
    test = pl.read_parquet(run.folder / "predictions.parquet").filter(pl.col("split") == "test")
    if kind == "multilabel":
        same = [sorted(a) == sorted(b) for a, b in zip(test["truth"], test["prediction"], strict=True)]
    else:
        same = (test["truth"] == test["prediction"]).to_list()
    assert metrics(run)["metrics"]["accuracy"]["value"] == pytest.approx(np.mean(same))


@pytest.mark.parametrize("adapter", ADAPTERS)
def test_a_clear_signal_is_learned(adapter: str, go: Go, tmp_path: Path) -> None:
    rows = 150
    data = pl.DataFrame({"text": ["cough", "rash", "pain"] * (rows // 3), "label": ["a", "b", "c"] * (rows // 3)})
    data = data.with_columns(pl.col("text") + pl.Series([f" {i}" for i in range(rows)]))
    run = go(tmp_path / "run", data, adapter=adapter, **({"train": {"epochs": 6}} if adapter == "finetune" else {}))
    assert metrics(run)["metrics"]["accuracy"]["value"] > 0.9
    assert run.predict([{"text": "rash"}, {"text": "cough"}])["prediction"].to_list() == ["b", "a"]


def test_what_pretraining_is_worth_is_measured_where_it_is_asked_for(go: Go, finished: Any, tmp_path: Path) -> None:
    run = go(tmp_path / "run", report={"pretraining": True})
    beside, own = metrics(run)["random_weights"], metrics(run)["metrics"]
    assert beside["backbone"] == "frozen" and beside["metrics"]["log_loss"] != own["log_loss"]
    gap = own["macro_f1"]["value"] - beside["metrics"]["macro_f1"]["value"]
    assert beside["difference"]["macro_f1"]["value"] == pytest.approx(gap)
    assert "What pretraining added" in (run.folder / "report.html").read_text()
    assert own == metrics(finished("multiclass", "linear_probe"))["metrics"], "the comparison changed the model"


@pytest.mark.parametrize("adapter", ADAPTERS)
def test_the_backbone_stays_frozen_for_a_probe_and_moves_in_fine_tuning(
    adapter: str, finished: Any, tiny_bert: Path
) -> None:
    from safetensors.torch import load_file

    before = load_file(tiny_bert / "model.safetensors")
    after = load_file(finished("multiclass", adapter).folder / "model.safetensors")
    name = "encoder.layer.0.attention.self.query.weight"
    assert torch.equal(before[name], after[f"backbone.model.{name}"]) is (adapter == "linear_probe")


def test_checkpoints_are_kept_when_asked_for(go: Go, tmp_path: Path) -> None:
    run = go(tmp_path / "run", adapter="finetune", train={"keep_checkpoints": True})
    assert {file.name for file in run.folder.iterdir()} == PROMISED | {"checkpoints"}
    assert any((run.folder / "checkpoints").glob("checkpoint-*"))


def test_progress_tells_every_stage_in_order(go: Go, tmp_path: Path) -> None:
    stages: dict[str, list[str]] = {}
    epochs = []
    for adapter in ADAPTERS:
        signs: list[Progress] = []
        go(tmp_path / adapter, adapter=adapter, progress=signs.append)
        stages[adapter] = list(dict.fromkeys(sign.stage for sign in signs))
        assert all(0 <= sign.done <= sign.total for sign in signs if sign.total)
        epochs += [sign.facts["epoch"] for sign in signs if sign.stage == "epoch"]
    begin, end = ["reading", "loading the backbone"], ["baseline and intervals", "explaining", "writing"]
    assert stages["linear_probe"] == [*begin, "encoding", "fitting the head", *end]
    predicting = ["predicting validation", "predicting test"]
    assert stages["finetune"] == [*begin, "preparing", "training", "epoch", *predicting, *end]
    assert epochs == [1.0, 2.0]


def test_nothing_is_printed_and_nothing_of_the_caller_is_changed(
    go: Go, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    def surroundings() -> list[Any]:
        state = np.random.get_state(legacy=False)
        drawn = [random.getstate(), str(state), torch.get_rng_state().tolist()]
        return [*drawn, dict(os.environ), torch.is_grad_enabled(), torch.get_num_threads(), torch.get_default_dtype()]

    before = surroundings()
    for adapter in ADAPTERS:
        run = go(tmp_path / adapter, adapter=adapter)
        medplug.load(run.folder, device="cpu").predict(table())
    assert surroundings() == before
    assert capfd.readouterr() == ("", "")


# ---- the same run again


@pytest.mark.parametrize("adapter", ADAPTERS)
def test_runs_in_one_process_do_not_disturb_each_other(adapter: str, go: Go, finished: Any, tmp_path: Path) -> None:
    first = finished("multiclass", adapter)
    go(tmp_path / "other", table("binary"), adapter="finetune", seed=5, precision="bfloat16")
    torch.rand(7), random.random(), np.random.rand()
    again = go(tmp_path / "again", adapter=adapter)
    for name in ("metrics.json", "model.safetensors", "predictions.parquet"):
        assert content(again.folder / name) == content(first.folder / name), name
    other = go(tmp_path / "seed", adapter=adapter, seed=1)
    assert content(other.folder / "predictions.parquet") != content(first.folder / "predictions.parquet")


def test_runs_in_two_threads_do_not_disturb_each_other(go: Go, finished: Any, tmp_path: Path) -> None:
    failures: list[BaseException] = []

    def work(name: str, kind: str) -> None:
        try:
            run = go(tmp_path / name, table(kind), adapter="finetune")
            medplug.load(run.folder, device="cpu").predict(table(kind))
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(kind, kind)) for kind in ("multiclass", "multilabel")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    for kind in ("multiclass", "multilabel"):
        alone = finished(kind, "finetune").folder
        for name in ("metrics.json", "model.safetensors"):
            assert content(tmp_path / kind / name) == content(alone / name)


def test_half_precision_leaves_a_model_that_predicts_the_same(go: Go, tmp_path: Path) -> None:
    for adapter in ADAPTERS:
        run = go(tmp_path / adapter, adapter=adapter, precision="bfloat16")
        written = pl.read_parquet(run.folder / "predictions.parquet")
        shares = [name for name in written.columns if name.startswith("p_")]
        here = run.predict(table())[(written["row"] - 1).to_list()]
        np.testing.assert_allclose(written[shares].to_numpy(), here[shares].to_numpy(), atol=1e-5)
        loaded = medplug.load(run.folder, device="cpu").predict(table())[(written["row"] - 1).to_list()]
        np.testing.assert_allclose(written[shares].to_numpy(), loaded[shares].to_numpy(), atol=0.05)


def test_a_killed_run_is_gone_on_with_to_the_same_end(go: Go, finished: Any, tmp_path: Path) -> None:
    class Killed(BaseException):
        pass

    def kill(sign: Progress) -> None:
        if sign.stage == "epoch" and sign.facts["epoch"] == 2:
            raise Killed

    with pytest.raises(Killed):
        go(tmp_path / "run", adapter="finetune", progress=kill)
    assert [file.name for file in tmp_path.iterdir()] == ["run.partial"]
    with pytest.raises(MedplugError, match="--resume"):
        go(tmp_path / "run", adapter="finetune")
    with pytest.raises(MedplugError, match="other keys or other data"):
        go(tmp_path / "run", table(seed=3), adapter="finetune", resume=True)
    run = go(tmp_path / "run", adapter="finetune", resume=True)
    for name in ("metrics.json", "model.safetensors"):
        assert content(run.folder / name) == content(finished("multiclass", "finetune").folder / name)
    assert {file.name for file in run.folder.iterdir()} == PROMISED


# ---- runs that fail


@pytest.mark.parametrize(
    ("adapter", "stage", "output"),
    [
        ("linear_probe", "reading", None),
        ("linear_probe", "loading the backbone", "runs/mine"),
        ("linear_probe", "encoding", None),
        ("linear_probe", "writing", None),
        ("linear_probe", "writing", "mine"),
        ("finetune", "preparing", "runs/mine"),
        ("finetune", "training", None),  # later there is a checkpoint, which is kept to go on from
    ],
)
def test_a_failing_run_leaves_nothing_behind(
    adapter: str, stage: str, output: str | None, go: Go, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Fault(Exception):
        pass

    def fail(sign: Progress) -> None:
        if sign.stage == stage:
            raise Fault

    monkeypatch.chdir(tmp_path)
    with pytest.raises(Fault):
        go(None if output is None else Path(output), adapter=adapter, progress=fail)
    assert list(tmp_path.iterdir()) == []


def test_wrong_data_or_weights_leave_nothing_behind(
    go: Go, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tiny_bert: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(BackboneError, match="does not exist"):
        go(None, backbone="./nowhere")
    with pytest.raises(DataError, match="two to tell apart"):
        go(None, pl.DataFrame({"text": ["fever", "cough"] * 20, "label": ["a"] * 40}))
    with pytest.raises(RowsError, match="row 2"):
        go(None, pl.DataFrame({"text": ["fever", None] + ["cough"] * 40, "label": ["a", "b"] * 21}))
    assert list(tmp_path.iterdir()) == []


def test_an_output_that_is_there_already_is_left_alone(go: Go, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "theirs").write_text("kept")
    with pytest.raises(MedplugError, match="exists already"):
        go(tmp_path / "run")
    assert [file.name for file in tmp_path.rglob("*")] == ["run", "theirs"]


# ---- which rows teach, choose and judge


def split_tables(shuffled: str = "") -> dict[str, pl.DataFrame]:
    """Three tables; the labels of the one named `shuffled` are permuted."""
    found = {"train": table(rows=60), "validation": table(rows=30, seed=1), "test": table(rows=30, seed=2)}
    if shuffled:
        found[shuffled] = found[shuffled].with_columns(pl.col("label").reverse().shift(1).fill_null("lung"))
    return found


@pytest.mark.parametrize("adapter", ADAPTERS)
def test_the_labels_of_the_test_rows_never_touch_the_model(adapter: str, go: Go, tmp_path: Path) -> None:
    plain = go(tmp_path / "plain", split_tables(), adapter=adapter)
    permuted = go(tmp_path / "permuted", split_tables("test"), adapter=adapter)
    assert content(plain.folder / "model.safetensors") == content(permuted.folder / "model.safetensors")
    assert metrics(plain)["metrics"] != metrics(permuted)["metrics"]
    taught = go(tmp_path / "taught", split_tables("train"), adapter=adapter)
    assert content(plain.folder / "model.safetensors") != content(taught.folder / "model.safetensors")


def test_a_split_column_says_which_row_goes_where(go: Go, tmp_path: Path) -> None:
    names = ["train", "train", "dev", "test", "train"] * 18
    data = table().with_columns(pl.Series("part", names))
    run = go(tmp_path / "run", {"train": data, "split_column": "part"})
    written = pl.read_parquet(run.folder / "predictions.parquet")
    for split, name in (("validation", "dev"), ("test", "test")):
        expected = [i for i, each in enumerate(names, 1) if each == name]
        assert written.filter(pl.col("split") == split)["row"].to_list() == expected


def test_a_limit_bounds_the_rows_to_learn_from_and_leaves_the_test_rows(
    go: Go, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[dict[str, list[str]]] = []
    whole = training.train

    def watched(model: Any, adapters: Any, job: training.Job) -> Any:
        seen.append({split: list(examples.labels or []) for split, examples in job.dataset.splits.items()})
        return whole(model, adapters, job)

    monkeypatch.setattr("medplug.core.training.members.train", watched)
    run = go(tmp_path / "run", {"train": table(), "limit": 2})
    (splits,) = seen
    for split in ("train", "validation"):
        assert sorted(splits[split]) == sorted([*SIGNS] * 2)
    assert len(splits["test"]) == metrics(run)["n"] == 18


def test_bad_rows_are_set_aside_written_down_and_counted(go: Go, tmp_path: Path) -> None:
    data = table()
    data[3, "text"], data[7, "label"], data[8, "text"] = "  ", None, None
    with pytest.raises(RowsError, match="row 4"):
        go(tmp_path / "stopped", data)
    run = go(tmp_path / "run", {"train": data, "on_error": "skip"})
    rejected = pl.read_parquet(run.folder / "rejected.parquet")
    assert rejected.select("split", "row", "column").rows() == [
        ("train", 4, "text"),
        ("train", 8, "label"),
        ("train", 9, "text"),
    ]
    assert {file.name for file in run.folder.iterdir()} == PROMISED | {"rejected.parquet"}
    manifest = json.loads((run.folder / "manifest.json").read_text())
    assert manifest["data"]["train"]["rejected"] == 3
    kept, problems = medplug.load(run.folder, device="cpu").predict_with_problems(data, on_error="skip")
    assert set(kept["row"]) == {*range(1, 91)} - {4, 9} and [p.row for p in problems] == [4, 9]


# ---- nothing is computed twice


@pytest.fixture
def encoded(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many items each encoding pass computed."""
    counts: list[int] = []
    infer = frozen.infer

    def counted(function: Any, backbone: Any, items: Any, *rest: Any) -> Any:
        counts.append(len(items))
        return infer(function, backbone, items, *rest)

    monkeypatch.setattr(frozen, "infer", counted)
    return counts


def test_features_in_a_folder_of_ones_own_serve_the_next_run(go: Go, tmp_path: Path, encoded: list[int]) -> None:
    cache = {"train": {"cache": tmp_path / "cache"}}
    first = go(tmp_path / "first", **cache)
    (file,) = (tmp_path / "cache").iterdir()
    stamp = file.stat().st_mtime_ns
    distinct = table()["text"].n_unique()
    assert encoded == [distinct] and distinct < 90
    second = go(tmp_path / "second", **cache)
    assert encoded == [distinct] and file.stat().st_mtime_ns == stamp
    assert content(first.folder / "model.safetensors") == content(second.folder / "model.safetensors")
    go(tmp_path / "more", pl.concat([table(), table(seed=9)]), **cache)
    assert encoded == [distinct, pl.concat([table(), table(seed=9)])["text"].n_unique() - distinct]


def test_features_are_not_shared_between_unlike_backbones(
    go: Go, tmp_path: Path, encoded: list[int], tiny_gpt2: Path
) -> None:
    cache = {"train": {"cache": tmp_path / "cache"}}
    go(tmp_path / "first", **cache)
    go(tmp_path / "second", backbone=str(tiny_gpt2), **cache)
    go(tmp_path / "third", **{"backbone.pooling": "cls"}, **cache)
    assert len(encoded) == 3 and len(set(encoded)) == 1 and len(list((tmp_path / "cache").iterdir())) == 3


def test_equal_texts_are_predicted_once(finished: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    run = finished("multiclass", "linear_probe")
    backbone, prepared = run.predictor.model.backbone, list[str]()
    prepare = backbone.prepare
    monkeypatch.setattr(backbone, "prepare", lambda values: prepared.extend(values) or prepare(values))
    frame = run.predict({"text": ["fever", "cough", "fever", "fever"]})
    assert prepared == ["fever", "cough"] and frame["row"].to_list() == [1, 2, 3, 4]
    shares = frame.drop("row").rows()
    assert shares[0] == shares[2] == shares[3] != shares[1]


def test_rows_that_cannot_be_read_are_told_without_their_content(finished: Any) -> None:
    run = finished("multiclass", "linear_probe")
    late = [{"text": None}] * 150 + [{"text": "Jane-Roe-1962 fever"}]
    with pytest.raises(RowsError, match="row 1, column text: the text is empty") as caught:
        run.predict(late)
    assert "Roe" not in str(caught.value)
    assert run.predictor.predict(late, on_error="skip")["row"].to_list() == [151]
    with pytest.raises(DataError, match="mappings") as caught:
        run.predict(["Jane-Roe-1962 fever"])
    assert "Roe" not in str(caught.value)


def test_a_loaded_model_predicts_alone_whatever_was_started_beside_it(
    finished: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = finished("multiclass", "linear_probe")
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", "1")
    found = medplug.load(run.folder).predict([{"text": "fever"}, {"text": "cough"}, {"text": "rash"}])
    assert found["row"].to_list() == [1, 2, 3]
    assert not torch.distributed.is_initialized()


def test_a_device_that_does_not_exist_is_told(finished: Any) -> None:
    with pytest.raises(MedplugError, match="device=gpu"):
        medplug.load(finished("multiclass", "linear_probe").folder, device="gpu")


def test_a_column_of_many_values_is_refused_as_a_subgroup_before_training(go: Go, tmp_path: Path) -> None:
    rows = pl.concat([table()] * 20).with_row_index("patient")
    with pytest.raises(DataError, match=r"report.by \(patient\): .* more than 50"):
        go(tmp_path / "run", {"train": rows}, report={"by": ["patient"]})


def test_a_probe_trains_without_the_trainer(go: Go, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trainer, "train_by_gradient", lambda *rest, **named: pytest.fail("trained by gradient"))
    go(tmp_path / "run")
