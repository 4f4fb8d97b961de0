"""Whole runs that write answers, from a small task to the folder they leave, on a tiny generator."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import polars as pl
import pytest
import torch

import medplug
from medplug.core.answers.questions import Pair
from medplug.core.backbone import Backbone
from medplug.core.config import DataConfig, Section
from medplug.core.data.targets import Target
from medplug.core.errors import BackboneError, ConfigError
from medplug.core.evaluation.answers import token_f1
from medplug.core.evaluation.reported import reported
from medplug.core.fields import TableSource
from medplug.core.generation.passages import CorpusFinder
from medplug.core.generation.reader import PromptReader
from medplug.core.hooks import hookimpl
from medplug.core.retrieval.corpus import Corpus
from medplug.core.specs import TaskSpec
from medplug.core.task import Examples, Task
from medplug.core.training.seeds import seeded

pytestmark = pytest.mark.usefixtures("one_thread")

medplug_api = 1
Go = Callable[..., Any]
ORGANS = {"chest": "cough", "skin": "rash", "bone": "fracture", "head": "fever"}
CORPUS = pl.DataFrame({"id": list(ORGANS), "passage": [f"{organ} has {sign}" for organ, sign in ORGANS.items()]})
ASKED = ["what of the {}", "{} with pain", "acute {}", "the {} of a patient", "mild {}", "severe {}", "{} had", "no {}"]


class Asking(Section):
    """``task.*``."""

    form: str = "generative"
    passages: int = 1
    answer_tokens: int = 8


class AskingData(DataConfig):
    """``data.*``."""

    corpus: TableSource = None


class AskingTask(Task):
    """Questions and answers, as columns."""

    slots: ClassVar[dict[str, Any]] = {"text": "text"}

    def columns(self, *, labelled: bool) -> dict[str, str]:
        return {"data.question": "question", **({"data.answer": "answer"} if labelled else {})}

    def examples(self, table: pl.DataFrame, problems: Any, *, labelled: bool, folder: Path | None = None) -> Examples:
        values = [Pair(question, "") for question in table["question"]]
        labels = table["answer"].to_list() if labelled else None
        return Examples(np.arange(1, len(table) + 1), {"text": values}, labels)

    def target(self, labels: Sequence[Any]) -> Target:
        return Target("text", ("answer",))

    def drawn_by(self, labels: Sequence[Any]) -> list[Any]:
        return [""] * len(labels)

    def metrics(self, target: Target) -> tuple[str, ...]:
        return reported("text")

    def reader(self, backbone: Backbone, target: Target) -> Backbone:
        finder = None if self.data.corpus is None else CorpusFinder.of(Corpus.of(self.data.corpus.rows()))
        how = {"count": self.options.passages, "answer_tokens": self.options.answer_tokens}
        return PromptReader(backbone, finder=finder, **how)

    def question_row(self, question: str, context: str | None, options: tuple[str, ...]) -> dict[str, Any]:
        return {"question": question}

    @property
    def sure(self) -> float:
        return 0.8

    def plain_features(self) -> Any:
        raise AssertionError("texts have baselines of their own")

    def sample(self) -> pl.DataFrame:
        return table()


@hookimpl
def medplug_tasks() -> list[TaskSpec]:
    return [
        TaskSpec(
            name="asking",
            summary="made for a test",
            factory=f"{__name__}:AskingTask",
            config=f"{__name__}:Asking",
            data=f"{__name__}:AskingData",
            modalities=("text",),
            targets=("text",),
            writing=("task.form", ("generative",)),
        )
    ]


def table() -> pl.DataFrame:
    rows = [(asked.format(organ), sign) for asked in ASKED for organ, sign in ORGANS.items()]
    sites = ["north" if i % 3 else "south" for i in range(len(rows))]
    split = [{5: "validation", 6: "test", 7: "test"}.get(i // 4, "train") for i in range(len(rows))]
    frame = pl.DataFrame(rows, schema=["question", "answer"], orient="row")
    return frame.with_columns(site=pl.Series(sites), split=pl.Series(split))


@pytest.fixture(scope="module", autouse=True)
def _installed(installed: Callable[[str, str], AbstractContextManager[None]]) -> Iterator[None]:
    """This module is a plugin, as if its distribution were installed."""
    with installed("asking", f"from {__name__} import *"):
        yield


@pytest.fixture(scope="module")
def go(tiny_llama: Path) -> Go:
    def run(output: Path, **keys: Any) -> Any:
        train = {
            "epochs": 2,
            "learning_rate": 5e-3,
            "batch_size": 8,
            "patience": 40,
            "warmup": 0,
            **keys.pop("train", {}),
        }
        data = {"train": table(), "split_column": "split", "corpus": CORPUS, "site": "site", **keys.pop("data", {})}
        keys = {"backbone": str(tiny_llama), "adapter": "finetune", "device": "cpu", "task.form": "generative", **keys}
        return medplug.run(task="asking", data=data, train=train, output=output, report={"resamples": 100}, **keys)

    return run


@pytest.fixture(scope="module")
def finished(go: Go, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """One run, made once: everything is trained."""
    with seeded(0):
        torch.set_num_threads(1)
        return go(tmp_path_factory.mktemp("runs") / "finetune", train={"epochs": 10, "batch_size": 4})


def metrics(run: Any) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((run.folder / "metrics.json").read_text())
    return found


def predictions(run: Any, split: str) -> pl.DataFrame:
    return pl.read_parquet(run.folder / "predictions.parquet").filter(pl.col("split") == split)


def test_a_run_learns_to_answer_and_is_held_against_answers_of_training(finished: Any) -> None:
    found = metrics(finished)
    assert found["metrics"]["exact_match"]["value"] >= 0.75
    assert list(found["metrics"]) == ["token_f1", "exact_match", "rouge_l"]
    assert set(found["baseline"]) == {"majority", "nearest"}
    assert found["baseline"]["majority"]["exact_match"]["value"] == 0.25
    for name, each in found["difference"].items():
        low, high = each["ci95"]
        assert low <= each["value"] <= high
        nearest = found["baseline"]["nearest"][name]["value"]
        assert each["value"] == pytest.approx(found["metrics"][name]["value"] - nearest)
    assert set(found["by_group"]["site"]) == {"north", "south"}
    assert found["written"]["with_passages"] == found["written"]["held"] == 8
    assert found["certain"]["asked"] == 0.8


def test_the_folder_holds_the_corpus_and_what_each_answer_was_given(finished: Any) -> None:
    assert {file.name for file in (finished.folder / "passages").iterdir()} == {
        *("passages.parquet", "bm25.safetensors", "bm25.json")
    }
    test = predictions(finished, "test")
    assert test.columns == [
        *("split", "row", "prediction", "score", "passages", "token_f1", "exact_match", "rouge_l")
    ] or set(test.columns) >= {"prediction", "score", "passages"}
    organs = [question.split() for question in table().filter(pl.col("split") == "test")["question"]]
    for passages, words in zip(test["passages"], organs, strict=True):
        assert len(passages) == 1 and passages[0] in words
    assert (test["score"] <= 0).all()
    value = metrics(finished)["metrics"]["token_f1"]["value"]
    assert test["token_f1"].mean() == pytest.approx(value)


def test_a_loaded_run_answers_as_the_run_did_with_the_passages_it_kept(finished: Any) -> None:
    rows = table().filter(pl.col("split") == "test")
    loaded = medplug.load(finished.folder, device="cpu")
    frame = loaded.predict(rows.select("question"))
    left = predictions(finished, "test")
    assert frame.columns == ["row", "prediction", "score", "passages"]
    assert frame["prediction"].to_list() == left["prediction"].to_list()
    assert frame["passages"].to_list() == left["passages"].to_list()
    assert frame["score"].to_list() == pytest.approx(left["score"].to_list(), abs=1e-5)
    scores = loaded.evaluate(rows, resamples=20)["metrics"]
    assert scores["token_f1"]["value"] == pytest.approx(metrics(finished)["metrics"]["token_f1"]["value"])


def test_a_question_is_answered_with_its_passage(finished: Any) -> None:
    answer = medplug.load(finished.folder, device="cpu").ask("what of the skin")
    (passage,) = answer.passages
    assert (passage.id, passage.text) == ("skin", "skin has rash") and passage.score > 0
    assert answer.text is not None and answer.score <= 0
    assert answer.certain_from is not None


def test_the_report_warns_and_quotes_no_row(finished: Any) -> None:
    for name in ("report.html", "model_card.md"):
        page = " ".join((finished.folder / name).read_text().split())
        assert "can be wrong however fluent" in page, name
        assert "token F1" in page and "nearest question" in page
        for question in table()["question"]:
            assert question not in page
    page = (finished.folder / "report.html").read_text()
    for words in ("ROUGE-L", "exact match", "stand word for word", "Token F1 of each test row"):
        assert words in page, words
    for words in ("AUROC of each", "Confusion", "linear baseline", ">nan<"):
        assert words not in page, words


def test_the_kept_epoch_has_the_best_answers_and_then_the_likeliest(finished: Any) -> None:
    lines = [json.loads(line) for line in (finished.folder / "events.jsonl").read_text().splitlines()]
    epochs = [line for line in lines if line["event"] == "epoch"]
    assert {"token_f1", "exact_match", "rouge_l", "log_loss", "loss"} <= set(epochs[0])
    best = max(epochs, key=lambda each: (each["token_f1"], -each["log_loss"]))
    kept = predictions(finished, "validation")
    truth = table().filter(pl.col("split") == "validation")["answer"]
    scores = [token_f1(text, right) for text, right in zip(kept["prediction"], truth, strict=True)]
    assert np.mean(scores) == pytest.approx(best["token_f1"])


def test_frozen_trains_nothing_and_asks_the_model_as_it_is(go: Go, tmp_path: Path, tiny_llama: Path) -> None:
    from safetensors.torch import load_file

    run = go(tmp_path / "frozen", adapter="frozen")
    weights = load_file(run.folder / "model.safetensors")
    for name, tensor in load_file(tiny_llama / "model.safetensors").items():
        assert torch.equal(weights[f"backbone.text.model.{name}"], tensor)
    assert not (run.folder / "checkpoints").exists()
    assert "used as it is" in (run.folder / "report.html").read_text()


def test_lora_is_saved_and_loaded(go: Go, tmp_path: Path, tiny_t5: Path) -> None:
    run = go(tmp_path / "lora", adapter="lora", backbone=str(tiny_t5), selection={"metric": "rouge_l"})
    left = predictions(run, "test")
    frame = medplug.load(run.folder, device="cpu").predict(table().filter(pl.col("split") == "test").select("question"))
    assert frame["prediction"].to_list() == left["prediction"].to_list()
    assert metrics(run)["selection"]["metric"] == "rouge_l"


def test_without_a_corpus_nothing_is_given(go: Go, tmp_path: Path) -> None:
    run = go(tmp_path / "bare", data={"corpus": None}, adapter="frozen")
    assert not (run.folder / "passages").exists()
    assert predictions(run, "test")["passages"].list.len().to_list() == [0] * 8


def test_what_does_not_write_is_refused_with_the_next_step(go: Go, tmp_path: Path, tiny_bert: Path) -> None:
    with pytest.raises(BackboneError, match=r"bert reads text and writes none.*backbone=\./FOLDER"):
        go(tmp_path / "bert", backbone=str(tiny_bert))
    with pytest.raises(ConfigError, match=r"backbone=text_cnn reads text and writes none; task\.form=generative"):
        go(tmp_path / "cnn", backbone="text_cnn")
    with pytest.raises(ConfigError, match=r"adapter=linear_probe serves .* and this one is text; use adapter"):
        go(tmp_path / "probe", adapter="linear_probe")
    assert not list(tmp_path.iterdir())
