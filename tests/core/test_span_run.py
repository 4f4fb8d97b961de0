"""A target that is a span of a context, whole: from a table to a report, a saved model and an evaluation."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from click.testing import CliRunner

import medplug
from medplug.cli import cli
from medplug.core.errors import ConfigError
from medplug.core.evaluation.answers import exact_match, token_f1
from medplug.core.training import span_learner

PLUGIN = """
from typing import ClassVar

import numpy as np

from medplug.core.answers.questions import Pair
from medplug.core.answers.spans import read_spans
from medplug.core.config import DataConfig
from medplug.core.data.targets import Target
from medplug.core.evaluation.reported import reported
from medplug.core.hooks import hookimpl
from medplug.core.specs import TaskSpec
from medplug.core.task import Examples, Task

medplug_api = 1


class LookupData(DataConfig):
    question: str = "question"
    context: str = "context"
    answer: str = "answer"
    answer_start: str = "start"


class Lookup(Task):
    slots: ClassVar[dict] = {"text": "text"}
    sure = 0.8

    def columns(self, *, labelled):
        columns = {"data.question": self.data.question, "data.context": self.data.context}
        return columns | ({"data.answer": self.data.answer, "data.answer_start": "start"} if labelled else {})

    def examples(self, table, problems, *, labelled, folder=None):
        pairs = [Pair(*texts) for texts in table.select(self.data.question, self.data.context).rows()]
        contexts = [pair.context for pair in pairs]
        labels = read_spans(contexts, table["answer"], table["start"], problems) if labelled else None
        return Examples(np.arange(1, table.height + 1), {"text": pairs}, labels)

    def target(self, labels):
        return Target("span", ("answer",))

    def drawn_by(self, labels):
        return [bool(label) for label in labels]

    def reader(self, backbone, target):
        from medplug.core.readers.span import SpanReader

        return SpanReader(backbone, overlap=8, longest=4)

    def metrics(self, target):
        return reported(target.kind)

    def plain_features(self):
        raise NotImplementedError

    def sample(self):
        raise NotImplementedError


@hookimpl
def medplug_tasks():
    return [
        TaskSpec(
            name="lookup",
            summary="finds a number",
            modalities=("text",),
            targets=("span",),
            factory="lookup_plugin:Lookup",
            config="medplug.core.config:Section",
            data="lookup_plugin:LookupData",
        )
    ]
"""
WORDS = ["the", "patient", "has", "had", "and", "with", "fever", "cough", "mild", "severe"]
PROMISED = {
    *("config.yaml", "manifest.json", "model.safetensors", "model.json", "metrics.json", "seen.safetensors"),
    *("predictions.parquet", "report.html", "model_card.md", "tripod_ai.csv", "events.jsonl"),
}
FOUND = ["row", "prediction", "start", "end", "score", "p_answer"]

Go = Callable[..., Any]

pytestmark = pytest.mark.usefixtures("one_thread")


def table(rows: int = 200, seed: int = 0) -> pl.DataFrame:
    """Contexts with a number or, of every fourth row, without; some are longer than the tiny model reads."""
    draw = random.Random(seed)
    made = []
    for row in range(rows):
        words = draw.choices(WORDS, k=90 if row % 10 == 0 else draw.randint(4, 20))
        answer = None
        if row % 4:
            answer = str(draw.randint(1, 9))
            words.insert(draw.randint(0, len(words)), answer)
        context = " ".join(words)
        start = None if answer is None else f" {context} ".index(f" {answer} ")
        made.append(("the number", context, answer, start, ["A", "B"][row % 2]))
    return pl.DataFrame(made, schema=["question", "context", "answer", "start", "site"], orient="row")


@pytest.fixture(scope="module", autouse=True)
def plugin(installed: Callable[..., Any]) -> Iterator[None]:
    """The task, installed as a distribution of its own."""
    with installed("lookup", PLUGIN):
        yield


@pytest.fixture(scope="module")
def go(on_tiny_bert: Callable[..., Go]) -> Go:
    """Run the task on the tiny BERT."""
    run = on_tiny_bert("lookup", table, batch_size=16, epochs=6, learning_rate=4e-3)

    def called(output: Path, data: Any = None, adapter: str = "finetune", **keys: Any) -> Any:
        return run(output, data, adapter, **keys)

    return called


@pytest.fixture(scope="module")
def finished(go: Go, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """One run, made once: everything is trained."""
    return go(tmp_path_factory.mktemp("runs") / "finetune", {"train": table(), "site": "site"})


def metrics(run: Any) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((run.folder / "metrics.json").read_text())
    return found


def left(run: Any, split: str = "test") -> pl.DataFrame:
    return pl.read_parquet(run.folder / "predictions.parquet").filter(pl.col("split") == split)


# ---- what a run leaves


def test_a_run_of_spans_leaves_what_every_run_leaves(finished: Any) -> None:
    assert {file.name for file in finished.folder.iterdir()} == PROMISED


def test_a_tiny_model_learns_to_find_the_number_and_to_say_that_there_is_none(finished: Any) -> None:
    found = metrics(finished)
    assert found["metrics"]["token_f1"]["value"] > 0.9
    assert found["spans"]["by_answer"]["without an answer"]["metrics"]["exact_match"]["value"] > 0.8
    assert found["spans"]["by_answer"]["with an answer"]["metrics"]["exact_match"]["value"] > 0.8
    assert found["difference"]["token_f1"]["ci95"][0] > 0


def test_the_metrics_have_intervals_beside_baselines_and_their_difference(finished: Any) -> None:
    found = metrics(finished)
    assert found == finished.metrics
    parts = [found["metrics"], found["baseline"]["sentence"], found["baseline"]["majority"], found["difference"]]
    for part in parts:
        assert tuple(part) == ("token_f1", "exact_match")
        for each in part.values():
            assert each["ci95"][0] <= each["value"] <= each["ci95"][1]
    for name in found["metrics"]:
        model, linear = found["metrics"][name]["value"], found["baseline"]["sentence"][name]["value"]
        assert found["difference"][name]["value"] == pytest.approx(model - linear)
    assert set(found["by_group"]["site"]) == {"A", "B"}
    assert sum(part["n"] for part in found["by_group"]["site"].values()) == found["n"]
    assert found["without_twins"]["same"]["n_left"] + found["without_twins"]["same"]["n_twins"] == found["n"]


def test_the_constant_answer_is_the_first_sentence_where_most_rows_have_an_answer(finished: Any) -> None:
    rows = table()[left(finished)["row"].to_numpy() - 1]
    pairs = rows.select("context", "answer").rows()  # contexts without a point are one sentence
    expected = np.mean([token_f1(context, answer or "") for context, answer in pairs])
    assert metrics(finished)["baseline"]["majority"]["token_f1"]["value"] == pytest.approx(expected)


def test_predictions_hold_places_and_scores_and_no_text(finished: Any) -> None:
    frame, rows = left(finished), table()
    assert frame.columns == [
        *("split", "row", "truth", "start", "end", "score", "p_answer", "token_f1", "exact_match"),
    ]
    assert pl.String not in frame.drop("split").dtypes
    for row in frame.iter_rows(named=True):
        context, answer = rows["context"][row["row"] - 1], rows["answer"][row["row"] - 1]
        told = "" if row["start"] is None else context[row["start"] : row["end"]]
        truth = "".join(context[each["start"] : each["end"]] for each in row["truth"])
        assert truth == (answer or "")
        assert row["token_f1"] == token_f1(told, answer or "")
        assert row["exact_match"] == exact_match(told, answer or "")
    for name in ("token_f1", "exact_match"):
        assert frame[name].mean() == pytest.approx(metrics(finished)["metrics"][name]["value"])


def test_the_epoch_that_is_kept_is_the_one_of_the_best_token_f1(finished: Any) -> None:
    lines = [json.loads(line) for line in (finished.folder / "events.jsonl").read_text().splitlines()]
    epochs = [line["token_f1"] for line in lines if line["event"] == "epoch"]
    assert max(epochs) == pytest.approx(left(finished, "validation")["token_f1"].mean())


def test_answers_are_counted_by_whether_one_is_given(finished: Any) -> None:
    frame, found = left(finished), metrics(finished)["spans"]
    has, given = frame["truth"].list.len() > 0, frame["start"].is_not_null()
    assert found["given"]["with an answer"] == int((has & given).sum())
    assert found["none_given"]["without an answer"] == int((~has & ~given).sum())
    above = frame["score"] > found["threshold"]
    assert (above == given).all()


def test_validation_rows_say_from_which_chance_on_an_answer_is_sure(finished: Any) -> None:
    told, frame = metrics(finished)["certain"], left(finished, "validation")
    chance = pl.when(pl.col("start").is_null()).then(1 - pl.col("p_answer")).otherwise(pl.col("p_answer"))
    sure = frame.filter(chance >= told["score"] - 1e-12)
    assert told["right"] == pytest.approx(sure["exact_match"].mean()) and told["right"] >= 0.8
    assert told["answered"] == pytest.approx(sure.height / frame.height)


def test_the_report_tells_of_answers_and_quotes_none(finished: Any) -> None:
    page, card = ((finished.folder / name).read_text() for name in ("report.html", "model_card.md"))
    for words in ("token F1", "exact match", "rows without an answer", "Answers given"):
        assert words in page and words in card, words
    for words in ("the answer to a question begins and ends", "highest TF-IDF cosine", "constant answer"):
        assert words in page, words
    assert ">nan<" not in page
    judged = page.partition('id="shift"')[0]  # a classifier tells there how far apart rows are
    for words in ("AUROC", "training majority", "logistic regression", "classes a row belongs to"):
        assert words not in judged, words
    assert not any(context in page or context in card for context in table()["context"])


# ---- prediction


@pytest.fixture(scope="module")
def loaded(finished: Any) -> Any:
    return medplug.load(finished.folder, device="cpu")


def test_a_saved_model_says_what_the_run_said(finished: Any, loaded: Any) -> None:
    rows = table().select("question", "context")
    found = loaded.predict(rows)
    assert found.columns == FOUND and found.equals(finished.predict(rows))
    for split in ("validation", "test"):
        told = left(finished, split)
        same = found[told["row"].to_numpy() - 1]
        assert same["start"].equals(told["start"]) and same["end"].equals(told["end"])
        np.testing.assert_allclose(same["score"], told["score"], atol=1e-4)


def test_a_prediction_is_a_text_of_its_own_context(loaded: Any) -> None:
    rows = table().select("question", "context")
    found = loaded.predict(rows)
    for context, told in zip(rows["context"], found.iter_rows(named=True), strict=True):
        nothing = [told[name] is None for name in ("prediction", "start", "end")]
        assert all(nothing) or not any(nothing)
        if told["prediction"] is not None:
            assert told["prediction"] == context[told["start"] : told["end"]]
        assert 0 <= told["p_answer"] <= 1


def test_numbers_of_any_window_are_found_at_their_own_place(loaded: Any) -> None:
    rows = table(seed=1).filter(pl.col("answer").is_not_null() & (pl.col("context").str.len_chars() > 300))
    found = loaded.predict(rows.select("question", "context"))
    assert rows.height > 5 and rows["start"].max() > 300
    assert (found["start"] == rows["start"]).fill_null(False).mean() > 0.6


def test_the_command_predicts_the_same(finished: Any, loaded: Any, tmp_path: Path) -> None:
    rows = table().head(20).select("question", "context")
    rows.write_csv(tmp_path / "rows.csv")
    words = ["predict", str(finished.folder), str(tmp_path / "rows.csv"), "-o", str(tmp_path / "found.csv")]
    done = CliRunner().invoke(cli, [*words, "--device", "cpu"])
    assert done.exit_code == 0, done.output
    found, expected = (
        pl.read_csv(tmp_path / "found.csv", schema_overrides={"prediction": pl.String}),
        loaded.predict(rows),
    )
    assert found.drop("score", "p_answer").equals(expected.drop("score", "p_answer"))
    np.testing.assert_allclose(found["score"], expected["score"], rtol=1e-6)


def test_labelled_rows_are_evaluated(finished: Any, loaded: Any) -> None:
    rows = table()[left(finished)["row"].to_numpy() - 1]
    found = loaded.evaluate(rows, resamples=100)
    for name, each in metrics(finished)["metrics"].items():
        assert found["metrics"][name]["value"] == pytest.approx(each["value"])
    assert found["spans"] == {key: each for key, each in metrics(finished)["spans"].items() if key != "by_answer"}


def test_a_blank_context_has_no_answer(loaded: Any) -> None:
    found = loaded.predict({"question": ["the number", "the number"], "context": ["  ", "the 5"]})
    assert found["prediction"].to_list() == [None, "5"]
    assert found["score"][0] is None and found["p_answer"][0] == 0


# ---- frozen backbones, and what is refused


def test_a_frozen_backbone_encodes_every_window_once(go: Go, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    encoded: list[int] = []
    real = span_learner.encode_items

    def counted(backbone: Any, items: Any, *rest: Any) -> Any:
        encoded.append(len(items))
        return real(backbone, items, *rest)

    monkeypatch.setattr(span_learner, "encode_items", counted)
    how: dict[str, Any] = {"train": {"epochs": 2}, "adapter.frozen.dropout": 0.0}
    kept = go(tmp_path / "kept", adapter="frozen", **how)
    monkeypatch.setattr(span_learner, "MOST_BYTES", 0)
    again = go(tmp_path / "again", adapter="frozen", **how)
    assert len(encoded) == 1 and encoded[0] > table().height
    for split in ("validation", "test"):
        one, other = left(kept, split), left(again, split)
        np.testing.assert_allclose(one["p_answer"], other["p_answer"], atol=1e-3)
    found = medplug.load(kept.folder, device="cpu").predict(table().select("question", "context"))
    told = left(kept)
    np.testing.assert_allclose(found["p_answer"].to_numpy()[told["row"].to_numpy() - 1], told["p_answer"], atol=1e-5)


def test_without_rows_that_lack_an_answer_one_is_always_given(go: Go, tmp_path: Path) -> None:
    run = go(tmp_path / "run", table().filter(pl.col("answer").is_not_null()), train={"epochs": 1})
    assert metrics(run)["spans"]["threshold"] is None
    assert left(run)["start"].null_count() == 0
    assert "An answer is always given" in (run.folder / "report.html").read_text()
    found = medplug.load(run.folder, device="cpu").predict({"question": ["the number"], "context": ["the fever"]})
    assert found["prediction"].null_count() == 0


@pytest.mark.parametrize("adapter", ["lora", "mmd"])
def test_adapters_serve_spans(adapter: str, go: Go, tmp_path: Path) -> None:
    rows = table(120)
    sites = {"site": "site", "source_sites": ["A"], "target_sites": ["B"]} if adapter == "mmd" else {}
    run = go(tmp_path / "run", {"train": rows, **sites}, adapter, train={"epochs": 1})
    found = medplug.load(run.folder, device="cpu").predict(rows.select("question", "context"))
    assert found.equals(run.predict(rows.select("question", "context")))


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        ({"adapter": "linear_probe"}, "adapter=frozen to train a head on tokens alone"),
        ({"train": {"class_weights": "balanced"}}, "train.class_weights=balanced"),
        ({"train": {"members": 2}}, "train.members=2"),
    ],
)
def test_what_does_not_serve_spans_is_refused(keys: dict[str, Any], told: str, go: Go, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=told):
        go(tmp_path / "run", **keys)
