"""Rankings of backbones and sources: who comes first, whether that is borne out, and what is looked at."""

from __future__ import annotations

import json
import re
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import medplug
from medplug.core.api import rank_request
from medplug.core.data.dataset import Dataset
from medplug.core.discovery.plugins import Plugins
from medplug.core.errors import BackboneError, ConfigError, DataError, UnknownNameError, UsageError
from medplug.core.ranking import features
from medplug.core.ranking.distances import mmd_on
from medplug.core.ranking.request import parse_words
from medplug.core.ranking.row_evidence import evidence_shares
from medplug.core.training.compute import infer
from medplug.core.transfer import logme, mmd

ROOT = Path(__file__).parents[3]
SIGNS = {"chest": "cough fever chest severe", "limb": "fracture pain rash mild", "well": "patient had acute chronic"}


def notes(rows: int = 120, seed: int = 0, *, signs: dict[str, str] = SIGNS, told: float = 1.0) -> dict[str, list[Any]]:
    """Notes whose words go with their label in a share `told` of the rows."""
    generator = np.random.default_rng(seed)
    labels = [list(signs)[i % len(signs)] for i in range(rows)]
    spoken = [label if generator.random() < told else generator.choice(list(signs)) for label in labels]
    texts = [" ".join(generator.choice(signs[name].split(), 6)) + f" {i}" for i, name in enumerate(spoken)]
    return {"text": texts, "label": labels, "patient": [f"p{i // 3}" for i in range(rows)]}


@pytest.fixture(scope="session")
def destroyed(tiny_bert: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny BERT with word embeddings of zeros: it knows how long a text is, and nothing else."""
    from safetensors.torch import load_file, save_file

    folder = tmp_path_factory.mktemp("destroyed") / "bert"
    shutil.copytree(tiny_bert, folder)
    weights = load_file(folder / "model.safetensors")
    weights["embeddings.word_embeddings.weight"].zero_()
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


def rank(**keys: Any) -> medplug.Ranking:
    return medplug.rank(task="text_diagnosis", device="cpu", **keys)


def test_a_backbone_that_reads_comes_before_one_that_cannot(tiny_bert: Path, destroyed: Path) -> None:
    ranking = rank(data={"train": notes(told=0.9)}, backbones=[destroyed, tiny_bert])
    assert [each.name for each in ranking.candidates] == [str(tiny_bert), str(destroyed)]
    assert "well supported" in ranking.support and str(tiny_bert) in ranking.support
    best, worst = ranking.candidates
    assert best.scores["h_score"] > worst.scores["h_score"]
    assert best.ci95[0] < best.scores["logme"] < best.ci95[1]
    assert best.facts == {"width": 32}


def test_the_same_backbone_under_two_names_is_not_supported(tiny_bert: Path, tmp_path: Path) -> None:
    shutil.copytree(tiny_bert, tmp_path / "twin")
    ranking = rank(data={"train": notes()}, backbones=[tiny_bert, tmp_path / "twin"])
    assert ranking.support.startswith("not supported")
    assert [each.first_share for each in ranking.candidates] == [0.5, 0.5]
    assert [each.mean_rank for each in ranking.candidates] == [1.5, 1.5]


def test_a_ranking_is_the_same_again_and_in_any_order(tiny_bert: Path, destroyed: Path) -> None:
    one = rank(data={"train": notes()}, backbones=[tiny_bert, destroyed])
    other = rank(data={"train": notes()}, backbones=f"{destroyed},{tiny_bert}")
    assert one.as_json() == other.as_json()
    assert json.loads(json.dumps(one.as_json()))["candidates"][0]["name"] == str(tiny_bert)


@pytest.mark.parametrize("labels", [["chest", "limb"], ["chest", "limb", "well"], ["chest;limb", "limb", "chest"]])
def test_every_kind_of_target_is_ranked(tiny_bert: Path, destroyed: Path, labels: list[str]) -> None:
    table = notes(90)
    table["label"] = [labels[i % len(labels)] for i in range(90)]
    table["text"] = [f"{SIGNS[label.partition(';')[0]]} {i}" for i, label in enumerate(table["label"])]
    task = {"target": "multilabel"} if ";" in labels[0] else {}
    ranking = medplug.rank(
        task={"name": "text_diagnosis", **task}, data={"train": table}, backbones=[tiny_bert, destroyed], device="cpu"
    )
    assert ranking.candidates[0].name == str(tiny_bert)


def test_only_distinct_training_rows_are_encoded_and_never_a_test_row(
    tiny_bert: Path, destroyed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = notes()
    table["split"] = ["test" if i % 4 == 0 else "validation" if i % 4 == 1 else "train" for i in range(120)]
    table["text"][6] = table["text"][2]  # two training rows of one text
    table["label"][6], table["label"][2] = "chest", "limb"
    encoded: list[int] = []

    def counted(function: Any, backbone: Any, items: Any, *rest: Any) -> Any:
        encoded.append(len(items))
        return infer(function, backbone, items, *rest)

    monkeypatch.setattr(features, "infer", counted)
    ranking = rank(data={"train": table, "split_column": "split"}, backbones=[tiny_bert, destroyed])
    assert ranking.rows == 60
    assert encoded == [59, 59]


def test_the_rows_are_those_that_a_run_with_the_same_keys_learns_from(
    tiny_bert: Path, destroyed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[np.ndarray[Any, Any]] = []
    load = features.load_dataset

    def kept(*args: Any, **keys: Any) -> Dataset:
        dataset = load(*args, **keys)
        seen.append(dataset.splits["train"].rows)
        return dataset

    for module in ("medplug.core.ranking.features", "medplug.core.run"):
        monkeypatch.setattr(f"{module}.load_dataset", kept)
    keys: dict[str, Any] = {"data": {"train": notes(), "group": "patient"}, "seed": 3}
    ranking = rank(backbones=[tiny_bert, destroyed], **keys)
    with pytest.raises(BackboneError):  # stopped once it has cut its rows
        medplug.run(task="text_diagnosis", backbone=f"{tiny_bert}/none", device="cpu", **keys)
    assert seen[0].tolist() == seen[1].tolist()
    assert ranking.groups == len({f"p{(row - 1) // 3}" for row in seen[0]})


def test_features_in_the_users_cache_are_not_encoded_again(
    tiny_bert: Path, destroyed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys: dict[str, Any] = {"data": {"train": notes()}, "train": {"cache": tmp_path / "cache"}}
    first = rank(backbones=[tiny_bert, destroyed], **keys)
    assert len([*(tmp_path / "cache").iterdir()]) == 2
    monkeypatch.setattr(features, "infer", None)
    assert rank(backbones=[tiny_bert, destroyed], **keys).as_json() == first.as_json()


def test_a_patients_rows_stand_or_fall_together(tiny_bert: Path, destroyed: Path) -> None:
    few = notes(24, told=0.7)
    table = {name: [value for value in column for _ in range(10)] for name, column in few.items()}
    table["text"] = [f"{text.rpartition(' ')[0]} {i}" for i, text in enumerate(table["text"])]
    table["patient"] = [f"p{i // 10}" for i in range(240)]
    rankings = [
        rank(data={"train": table, "split": "random", **group}, backbones=[tiny_bert, destroyed])
        for group in ({}, {"group": "patient"})
    ]
    assert [ranking.groups for ranking in rankings] == [None, 24]
    (alone, *_), (together, *_) = (ranking.candidates for ranking in rankings)
    assert alone.scores == together.scores
    assert together.ci95[1] - together.ci95[0] > 1.5 * (alone.ci95[1] - alone.ci95[0])


def test_many_rows_are_sampled_and_the_reader_is_told(
    tiny_bert: Path, destroyed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(features, "ROWS", 50)
    ranking = rank(data={"train": notes()}, backbones=[tiny_bert, destroyed])
    assert ranking.rows == 50
    assert any("50 of the 84 training rows" in note for note in ranking.notes)


@pytest.mark.parametrize(("rows", "most"), [(100, 30), (101, 100), (10, 10)])
def test_a_sample_has_of_each_label_its_share_whatever_the_order(rows: int, most: int) -> None:
    labels = ["ab"[i % 2] if i < rows // 2 else "c" for i in range(rows)]
    drawn = features.even_rows(labels, rows, most, seed=0)
    assert len(set(drawn.tolist())) == most and (np.diff(drawn) > 0).all()
    for label in "abc":
        share = sum(labels[i] == label for i in drawn)
        assert abs(share - most * labels.count(label) / rows) <= 1


def one_hot(labels: torch.Tensor) -> torch.Tensor:
    return torch.nn.functional.one_hot(labels).double()


@pytest.mark.parametrize(("n", "width", "alike"), [(60, 5, 0.99), (40, 60, 0.9)])
def test_a_rows_share_is_what_the_log_evidence_loses_without_it(n: int, width: int, alike: float) -> None:
    generator = torch.Generator().manual_seed(0)
    rows = torch.randn(n, width, generator=generator)
    labels = (rows[:, 0] + torch.randn(n, generator=generator)).gt(0).long()
    found = evidence_shares(rows, one_hot(labels))
    others = [torch.arange(n)[torch.arange(n) != i] for i in range(n)]
    left_out = [n * logme(rows, labels) - (n - 1) * logme(rows[o], labels[o]) for o in others]
    expected = torch.tensor(left_out, dtype=torch.float64)
    assert float(torch.corrcoef(torch.stack([found, expected]))[0, 1]) > alike
    assert float(found.mean()) == pytest.approx(float(expected.mean()), abs=0.05)


def test_shares_vary_over_half_samples_as_logme_itself_does() -> None:
    generator = torch.Generator().manual_seed(1)
    clear = torch.randn(200, 3, generator=generator)
    labels = clear.argmax(1)
    candidates = [clear + noise * torch.randn(200, 3, generator=generator) for noise in (1.0, 1.5)]
    shares = [evidence_shares(each, one_hot(labels)) for each in candidates]
    exact, cheap = [], []
    for _ in range(80):
        half = torch.randperm(200, generator=generator)[:100]
        exact.append(logme(candidates[0][half], labels[half]) - logme(candidates[1][half], labels[half]))
        cheap.append(float(shares[0][half].mean() - shares[1][half].mean()))
    assert np.std(cheap) == pytest.approx(np.std(exact), rel=0.2)
    assert np.corrcoef(exact, cheap)[0, 1] > 0.9


def test_distances_from_all_rows_are_those_of_the_shared_layer() -> None:
    generator = np.random.default_rng(0)
    target = generator.normal(size=(40, 6)).astype(np.float32)
    sources = {"near": generator.normal(size=(30, 6)), "far": generator.normal(size=(50, 6)) + 1}
    sources = {name: values.astype(np.float32) for name, values in sources.items()}
    median = float(torch.pdist(torch.from_numpy(target).double()).median())
    widths = [median * b for b in (0.25, 0.5, 1.0, 2.0, 4.0)]
    score = mmd_on(target, sources, seed=0)
    for rows in (np.arange(40), np.arange(3, 23)):
        expected = [
            float(mmd(torch.from_numpy(x), torch.from_numpy(target[rows]), bandwidths=widths, biased=False))
            for x in sources.values()
        ]
        assert (-score(rows)).tolist() == pytest.approx(expected, abs=1e-5)


OTHER = {"chest": "with of for in", "limb": "a the and no", "well": "on has the with"}


def test_the_source_of_the_same_kind_wins_by_every_measure(tiny_bert: Path) -> None:
    same, other = notes(150, seed=1), notes(150, seed=2, signs=OTHER, told=0.4)
    ranking = rank(backbone=str(tiny_bert), data={"train": notes(150)}, sources=[other, same])
    best, worst = ranking.candidates
    assert (best.name, worst.name) == ("source 2", "source 1")
    assert ranking.by == "leep" and "well supported" in ranking.support
    for measure in ("leep", "nce"):
        assert best.scores[measure] > worst.scores[measure]
    for measure in ("mmd", "a_distance"):
        assert best.scores[measure] < worst.scores[measure]


def test_without_target_labels_the_nearer_source_comes_first(tiny_bert: Path) -> None:
    target = {"text": notes(150)["text"]}
    other = notes(150, seed=2, signs=OTHER)
    ranking = rank(backbone=str(tiny_bert), data={"unlabelled": target}, sources=[other, notes(150, seed=1)])
    best, worst = ranking.candidates
    assert best.name == "source 2" and ranking.by == "mmd" and "well supported" in ranking.support
    assert set(best.scores) == {"mmd", "a_distance"}
    assert best.ci95[0] <= best.scores["mmd"] <= best.ci95[1] < worst.ci95[0]


def test_sources_with_labels_of_their_own_are_ranked(tiny_bert: Path) -> None:
    renamed = notes(90, seed=1)
    renamed["label"] = [{"chest": "J18", "limb": "S52", "well": "Z00"}[label] for label in renamed["label"]]
    noise = notes(90, seed=2, told=0.33)
    ranking = rank(backbone=str(tiny_bert), data={"train": notes(90)}, sources=[renamed, noise])
    assert ranking.candidates[0].name == "source 1"


def test_several_labels_a_row_are_ranked_by_distance_and_the_reader_is_told(tiny_bert: Path) -> None:
    def table(seed: int, signs: dict[str, str] = SIGNS) -> dict[str, list[Any]]:
        made = notes(90, seed, signs=signs)
        return {**made, "label": [["chest", "limb"] if i % 3 else ["limb"] for i in range(90)]}

    ranking = rank(backbone=str(tiny_bert), data={"train": table(0)}, sources=[table(2, OTHER), table(1)])
    assert ranking.by == "mmd" and ranking.candidates[0].name == "source 2"
    assert any("several labels" in note for note in ranking.notes)


@pytest.mark.parametrize(
    ("given", "error", "told"),
    [
        ({"backbones": "minilm"}, UsageError, r"one candidate \(minilm\): there is nothing to rank"),
        ({"backbones": ""}, ConfigError, "backbones is empty"),
        ({"backbones": []}, ConfigError, "backbones is empty"),
        ({"backbones": None}, ConfigError, "neither is given"),
        ({"backbones": "minilm,,bert"}, ConfigError, "empty part"),
        ({"backbones": "minilm,minilm"}, ConfigError, "more than once"),
        ({"backbones": "minilm,bret"}, UnknownNameError, "did you mean bert"),
        ({"backbones": "minilm,text_cnn"}, ConfigError, "text_cnn starts from random weights"),
        ({"backbones": "minilm,bert", "backbone": "gpt2"}, ConfigError, "leave backbone"),
        ({"backbones": "minilm,bert", "sources": "a.csv,b.csv"}, ConfigError, "both are given"),
        ({"backbones": "minilm,bert", "output": "here"}, ConfigError, "leave output"),
        ({"backbones": "minilm,bert", "observers": "mlflow"}, ConfigError, "leave observers"),
        ({"sources": "a.csv,b.csv"}, ConfigError, "data.unlabelled=TABLE"),
        ({"sources": "a.csv", "data": {"train": "t.csv"}}, UsageError, "nothing to rank"),
        ({"sources": "a.csv,b.csv", "data": {"train": "t.csv", "source": "s.csv"}}, ConfigError, "leave data.source"),
        ({"sources": "a.csv,b.csv", "data": {"train": "t.csv"}, "backbone": "text_cnn"}, ConfigError, "random weights"),
    ],
)
def test_what_cannot_be_ranked_is_told_before_anything_is_read(
    given: dict[str, Any], error: type[Exception], told: str
) -> None:
    with pytest.raises(error, match=told):
        rank(**given)


def test_a_bad_source_is_named(tiny_bert: Path) -> None:
    keys: dict[str, Any] = {"backbone": str(tiny_bert), "data": {"train": notes(60)}}
    with pytest.raises(DataError, match="label"):
        rank(sources=[notes(60), {"text": ["a"] * 60}], **keys)
    with pytest.raises(DataError, match="^source 2 has 9 usable"):
        rank(sources=[notes(60), notes(9)], **keys)
    with pytest.raises(DataError, match="^source 2: .*class"):
        rank(sources=[notes(60), {**notes(60), "label": ["well"] * 60}], **keys)


def test_backbones_cannot_be_ranked_without_labels() -> None:
    with pytest.raises(ConfigError, match="data.unlabelled is given without data.train"):
        rank(data={"unlabelled": notes()}, backbones="minilm,bert")


@pytest.mark.parametrize(
    ("words", "told"),
    [(["--backbones", "a,b"], "backbones=NAME"), (["--backbones=a,b"], "backbones="), (["sources=a,b"], "--sources")],
)
def test_the_right_form_is_shown_for_the_wrong_one(words: list[str], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        parse_words(["task=text_diagnosis", *words])


def commands() -> list[str]:
    text = (ROOT / "docs" / "ranking.md").read_text(encoding="utf-8")
    lines = [line for block in re.findall(r"```sh\n(.*?)```", text, re.DOTALL) for line in block.splitlines()]
    return [line.partition("  #")[0].strip() for line in lines if " rank task=" in line]


@pytest.mark.parametrize("command", commands())
def test_every_ranking_of_the_documents_resolves(command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "our-bert").mkdir()
    words = shlex.split(command.partition(" rank ")[2])
    options = {words[i].lstrip("-"): words[i + 1] for i in range(len(words)) if words[i].startswith("-")}
    given = [
        word for i, word in enumerate(words) if not word.startswith("-") and words[i - 1] not in ("-o", "--sources")
    ]
    keys = parse_words(given)
    backbones = keys.pop("backbones", None)
    request = rank_request(Plugins(), keys, backbones=backbones, sources=options.get("sources"))
    assert len(request.plans) + len(request.sources) > 1


def test_progress_names_its_stages(tiny_bert: Path, destroyed: Path) -> None:
    stages: list[str] = []
    watch: Callable[[medplug.Progress], None] = lambda sign: stages.append(sign.stage)  # noqa: E731
    rank(data={"train": notes()}, backbones=[tiny_bert, destroyed], progress=watch)
    told = list(dict.fromkeys(stages))
    assert told[:3] == ["reading", f"loading {tiny_bert}", f"encoding with {tiny_bert}"]
