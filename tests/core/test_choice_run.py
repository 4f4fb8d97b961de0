"""Multiple choice and pairs of texts, whole: from a table to a report, a saved model and an evaluation."""

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
from medplug.core.errors import ConfigError
from medplug.plugins.adapters import medplug_adapters

PLUGIN = """
from typing import ClassVar

import numpy as np

from medplug.core.answers.options import LETTERS, read_answers, read_options
from medplug.core.answers.questions import Choice, Pair
from medplug.core.config import DataConfig, Section
from medplug.core.data.targets import Target
from medplug.core.hooks import hookimpl
from medplug.core.plain.choice import PlainChoice
from medplug.core.plain.pair import PlainPair
from medplug.core.readers.choice import ChoiceReader
from medplug.core.readers.pair import PairReader
from medplug.core.specs import TaskSpec
from medplug.core.task import Examples, Task

medplug_api = 1


class QuizData(DataConfig):
    question: str = "question"
    options: str = "options"
    answer: str = "answer"


class QuizOptions(Section):
    reading: str = "apart"


class Quiz(Task):
    slots: ClassVar[dict] = {"text": "text"}

    def columns(self, *, labelled):
        columns = {"data.question": self.data.question, "data.options": self.data.options}
        return columns | ({"data.answer": self.data.answer} if labelled else {})

    def examples(self, table, problems, *, labelled, folder=None):
        options = read_options(table, self.data.options, problems)
        questions = table[self.data.question].to_list()
        values = [Choice(question, each) for question, each in zip(questions, options)]
        labels = None
        if labelled:
            places = read_answers(table[self.data.answer], options, problems)
            labels = [None if place is None else LETTERS[place] for place in places]
        return Examples(np.arange(1, table.height + 1), {"text": values}, labels)

    def target(self, labels):
        return Target("choice", tuple(LETTERS))

    def metrics(self, target):
        return ("accuracy", "log_loss", "brier", "ece")

    def reader(self, backbone, target):
        return ChoiceReader(PairReader(backbone, self.options.reading))

    def question_row(self, question, context, options):
        return {"question": question, "options": list(options)}

    def plain_features(self):
        return PlainChoice()

    def sample(self):
        raise NotImplementedError


class MatchData(DataConfig):
    question: str = "question"
    context: str = "context"
    label: str = "label"


class Match(Quiz):
    def columns(self, *, labelled):
        columns = {"data.question": self.data.question, "data.context": self.data.context}
        return columns | ({"data.label": self.data.label} if labelled else {})

    def examples(self, table, problems, *, labelled, folder=None):
        both = zip(table[self.data.question].to_list(), table[self.data.context].to_list())
        labels = table[self.data.label].to_list() if labelled else None
        return Examples(np.arange(1, table.height + 1), {"text": [Pair(q, c) for q, c in both]}, labels)

    def target(self, labels):
        return Target("binary", ("no", "yes"))

    def metrics(self, target):
        return ("auroc", "accuracy", "log_loss")

    def reader(self, backbone, target):
        return PairReader(backbone, self.options.reading)

    def plain_features(self):
        return PlainPair()


def spec(name, kind):
    return TaskSpec(
        name=name.lower(),
        summary="questions",
        modalities=("text",),
        targets=(kind,),
        factory=f"quiz_plugin:{name}",
        config="quiz_plugin:QuizOptions",
        data=f"quiz_plugin:{name}Data",
    )


@hookimpl
def medplug_tasks():
    return [spec("Quiz", "choice"), spec("Match", "binary")]
"""
GOOD, BAD = ["fever", "cough", "rash"], ["pain", "fracture", "chest"]
PROMISED = {
    *("config.yaml", "manifest.json", "model.safetensors", "model.json", "metrics.json", "seen.safetensors"),
    *("predictions.parquet", "report.html", "model_card.md", "tripod_ai.csv", "events.jsonl"),
}
SERVING = [spec.name for spec in medplug_adapters() if "choice" in spec.targets]

Go = Callable[..., Any]

pytestmark = pytest.mark.usefixtures("one_thread")


def table(rows: int = 160, seed: int = 0) -> pl.DataFrame:
    """Questions of two to five options, the right one of other words than the rest, wherever it stands."""
    draw = random.Random(seed)
    found = []
    for i in range(rows):
        count = draw.randint(2, 5)
        place = draw.randrange(count)
        words = [draw.choice(BAD) for _ in range(count)]
        words[place] = draw.choice(GOOD)
        options = [f"{word} {draw.choice(['acute', 'severe'])} {j}" for j, word in enumerate(words)]
        found.append({"question": f"what has the patient {i % 7}", "options": options, "answer": "ABCDE"[place]})
    return pl.DataFrame(found)


def matches(rows: int = 160, seed: int = 0) -> pl.DataFrame:
    """Pairs, of which those that name the same finding match."""
    draw = random.Random(seed)
    found = []
    for i in range(rows):
        one = draw.choice(GOOD)
        other = one if i % 2 else draw.choice(BAD)
        found.append(
            {"question": f"is it {one}", "context": f"the patient has {other} {i % 5}", "label": ["no", "yes"][i % 2]}
        )
    return pl.DataFrame(found)


@pytest.fixture(scope="module", autouse=True)
def plugin(installed: Callable[..., Any]) -> Iterator[None]:
    """The tasks, installed as a distribution of their own."""
    with installed("quiz", PLUGIN):
        yield


@pytest.fixture(scope="module")
def go(on_tiny_bert: Callable[..., Go]) -> Go:
    """Run multiple choice on the tiny BERT."""
    return on_tiny_bert("quiz", table, batch_size=16)


@pytest.fixture(scope="module")
def finished(go: Go, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Any]:
    """The run of an adapter and a way of reading, made once."""
    made: dict[tuple[str, str], Any] = {}

    def find(adapter: str, reading: str = "apart") -> Any:
        if (adapter, reading) not in made:
            folder = tmp_path_factory.mktemp("runs") / adapter
            keys = {"train": {"epochs": 3}} if adapter == "finetune" else {}
            made[adapter, reading] = go(folder, table(240), adapter=adapter, **{"task.reading": reading}, **keys)
        return made[adapter, reading]

    return find


def scores(run: Any) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((run.folder / "metrics.json").read_text())
    return found


RUNS = [("linear_probe", "apart"), ("finetune", "together")]


@pytest.mark.parametrize(("adapter", "reading"), RUNS)
def test_a_run_leaves_what_is_promised_and_comes_back_from_it(adapter: str, reading: str, finished: Any) -> None:
    run, rows = finished(adapter, reading), table(240)
    assert {file.name for file in run.folder.iterdir()} == PROMISED
    here, loaded = run.predict(rows), medplug.load(run.folder, device="cpu").predict(rows)
    assert here.equals(loaded)
    written = pl.read_parquet(run.folder / "predictions.parquet")
    at = (written["row"] - 1).to_list()
    np.testing.assert_allclose(written["p_A"], here[at]["p_A"], atol=1e-3)
    assert written["truth"].to_list() == rows["answer"][at].to_list()
    counts = rows["options"].list.len().to_list()
    shares = here.select(pl.col("^p_.$")).to_numpy()
    for row, count in zip(shares, counts, strict=True):
        assert (row[count:] == 0).all() and abs(row.sum() - 1) < 1e-6 and (row[:count] > 0).all()


@pytest.mark.parametrize(("adapter", "reading"), RUNS)
def test_what_makes_an_option_right_is_learned_and_held_against_four_simple_rules(
    adapter: str, reading: str, finished: Any
) -> None:
    found = scores(finished(adapter, reading))
    assert found["metrics"]["accuracy"]["value"] > 0.8
    assert list(found["metrics"]) == ["accuracy", "log_loss", "brier", "ece"]
    assert found["baseline"].keys() == {"majority", "linear", "longest", "overlap"}
    assert all(each.keys() == found["metrics"].keys() for each in found["baseline"].values())
    assert set(found["by_class"]) == set("ABCDE")
    report = (finished(adapter, reading).folder / "report.html").read_text()
    assert "which of its options answers a question" in report and "longest option" in report


def test_the_order_of_options_permutes_the_prediction_and_nothing_else(finished: Any) -> None:
    run = finished("linear_probe")
    options = ["pain acute", "fever severe", "rash acute"]
    rows = [{"question": "what", "options": options}, {"question": "what", "options": options[::-1]}]
    one, two = run.predict(rows).select("p_A", "p_B", "p_C").to_numpy()
    np.testing.assert_allclose(two[::-1], one, rtol=1e-4)


def test_a_question_is_answered_by_the_text_of_an_option(finished: Any) -> None:
    answer = medplug.load(finished("linear_probe").folder, device="cpu").ask(
        "what has the patient 1", options=["pain acute 1", "fever acute 2"]
    )
    assert answer.text == "fever acute 2" and answer.shares.keys() == {"A", "B"}
    assert answer.score == max(answer.shares.values())


def test_two_runs_are_equal(go: Go, tmp_path: Path) -> None:
    one, two = (go(tmp_path / name, table(60), adapter="frozen", train={"epochs": 1}) for name in "ab")
    assert one.predict(table(20)).equals(two.predict(table(20)))


@pytest.mark.parametrize("adapter", ["svm", "tradaboost", "relation"])
def test_what_does_not_serve_options_is_refused_and_says_what_does(adapter: str, go: Go, tmp_path: Path) -> None:
    rows = table(80).with_columns(pl.Series("site", ["a", "b"] * 40))
    data = {"train": rows, "site": "site", "source_sites": ["a"], "target_sites": ["b"], "target_labels": 8}
    with pytest.raises(ConfigError, match=r"and this one is choice; (use adapter=|leave it out)"):
        go(tmp_path / "run", data, adapter=adapter)


@pytest.mark.parametrize("adapter", ["lora", "frozen+dann"])
def test_adapters_that_serve_options_train(adapter: str, go: Go, tmp_path: Path) -> None:
    assert set(adapter.split("+")) <= set(SERVING)
    rows = table(60).with_columns(pl.Series("site", ["a", "b"] * 30))
    domains = {"site": "site", "source_sites": ["a"], "target_sites": ["b"]} if "dann" in adapter else {}
    run = go(tmp_path / "run", {"train": rows, **domains}, adapter=adapter, train={"epochs": 1})
    assert 0 <= scores(run)["metrics"]["accuracy"]["value"] <= 1


def test_weights_by_letter_are_refused(go: Go, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="the letter of an option says nothing of what it is"):
        go(tmp_path / "run", adapter="finetune", train={"class_weights": "balanced"})


# ---- pairs


@pytest.mark.parametrize(("adapter", "reading"), [("linear_probe", "apart"), ("finetune", "together")])
def test_pairs_are_learned_and_come_back(
    adapter: str, reading: str, on_tiny_bert: Callable[..., Go], tmp_path: Path
) -> None:
    run = on_tiny_bert("match", matches, batch_size=16)(tmp_path / "run", adapter=adapter, **{"task.reading": reading})
    here, loaded = run.predict(matches(20)), medplug.load(run.folder, device="cpu").predict(matches(20))
    assert here.equals(loaded)
    assert scores(run)["baseline"]["linear"]["auroc"]["value"] > 0.9  # the cosine tells
    assert scores(run)["metrics"]["auroc"]["value"] > 0.7
