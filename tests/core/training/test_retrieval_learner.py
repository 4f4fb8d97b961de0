"""Training of a bi-encoder: it learns to match, chooses by validation alone, and leaves a frozen encoder as it is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from medplug.core.adapter import Adapter
from medplug.core.answers.questions import Pair
from medplug.core.config import RunConfig, TrainConfig
from medplug.core.data.dataset import Dataset
from medplug.core.data.reading import Facts
from medplug.core.data.targets import Target
from medplug.core.errors import ConfigError
from medplug.core.retrieval.corpus import Corpus
from medplug.core.retrieval.model import RankingModel
from medplug.core.retrieval.retrieved import Retrieved
from medplug.core.task import Examples
from medplug.core.training import retrieval_learner
from medplug.core.training.job import Job
from medplug.core.training.retrieval_learner import train_ranking
from medplug.core.training.text_vectors import text_vectors

TARGET = Target("ranking", ("passage",))
OPTIONS = {"temperature": 0.1, "negatives": 1, "depth": 20, "reranker": None}


class Whole(Adapter):
    """Everything is trained."""

    def prepare(self, model: Any) -> None:
        model.requires_grad_(True)


class Nothing(Adapter):
    """Nothing is."""

    def prepare(self, model: Any) -> None:
        model.backbone.requires_grad_(False)


def examples(pairs: list[tuple[str, str]]) -> Examples:
    values = [Pair(question, passage) for question, passage in pairs]
    return Examples(np.arange(1, len(pairs) + 1), {"text": values}, [passage for _, passage in pairs])


def letters_match(seed: int, rows: int) -> list[tuple[str, str]]:
    """A question of one letter and a passage of the letter 13 places on: nothing but training can tell."""
    draw = np.random.default_rng(seed)
    found = []
    for _ in range(rows):
        code, times = int(draw.integers(13)), int(draw.integers(2, 9))
        found.append((chr(97 + code) * times + "?", chr(110 + code) * 3 + "."))
    return found


def job(tmp_path: Path, splits: dict[str, Examples], compute: Any, **train: Any) -> Job:
    corpus = Corpus.of((value.context, value.context) for each in splits.values() for value in each.values)
    dataset = Dataset(splits, {}, TARGET, Facts(), corpus=corpus)
    config = TrainConfig(**{"epochs": 8, "batch_size": 16, "learning_rate": 0.02, **train})
    told = {"task_options": SimpleNamespace(**OPTIONS), "train": config, "run": RunConfig(seed=0), "pretrained": True}
    plan: Any = SimpleNamespace(**told, asked=lambda key: False)
    return Job(plan, dataset, "mrr", compute, tmp_path, False, lambda name: lambda *_: None, lambda facts: None)


@pytest.fixture
def splits() -> dict[str, Examples]:
    return {name: examples(letters_match(seed, 60)) for seed, name in enumerate(("train", "validation", "test"))}


def spec(name: str) -> Any:
    return SimpleNamespace(name=name, answers=("prepare",))


def mrr_of(found: Retrieved, corpus: Corpus, test: Examples) -> list[float]:
    from medplug.core.evaluation.retrieval import judge, mrr
    from medplug.core.retrieval.corpus import Questions, pairs_of, relevance

    pairs = pairs_of(test.values)
    questions = Questions.among([question for question, _ in pairs])
    right = relevance(questions, pairs, corpus.texts)
    assert found.untrained is not None
    return [float(mrr(judge(each.rows, right)).mean()) for each in (found.found["test"], found.untrained)]


def test_it_learns_what_only_training_can_tell(
    tmp_path: Path, splits: dict[str, Examples], letters: Callable[..., Any], on_cpu: Callable[..., Any]
) -> None:
    model, begun = RankingModel(letters(width=16), TARGET), job(tmp_path, splits, on_cpu())
    trained = train_ranking(model, [(spec("whole"), Whole(None))], begun)
    assert begun.dataset.corpus is not None
    after, before = mrr_of(trained.findings["retrieved"], begun.dataset.corpus, splits["test"])
    assert after > 0.8 > 0.5 > before
    assert len(trained.history) == 8 and trained.history[-1]["mrr"] > trained.notes["validation before training"]["mrr"]
    assert not trained.backbone_frozen and not trained.uses_unlabelled


def test_what_is_found_is_what_brute_force_finds_with_the_final_weights(
    tmp_path: Path, splits: dict[str, Examples], letters: Callable[..., Any], on_cpu: Callable[..., Any]
) -> None:
    model, begun = RankingModel(letters(), TARGET), job(tmp_path, splits, on_cpu(tokens=40), epochs=1)
    found = train_ranking(model, [(spec("whole"), Whole(None))], begun).findings["retrieved"]
    corpus = begun.dataset.corpus
    assert corpus is not None
    questions = list(dict.fromkeys(value.question for value in splits["test"].values))
    asked, passages = (text_vectors(model, texts, on_cpu()).astype(np.float64) for texts in (questions, corpus.texts))
    np.testing.assert_allclose(found.vectors, passages, atol=1e-6)
    scores = asked @ passages.T
    depth = found.found["test"].rows.shape[1]
    assert depth == OPTIONS["depth"]
    wanted = -np.sort(-scores, axis=1)[:, :depth]
    np.testing.assert_allclose(found.found["test"].scores[:, : wanted.shape[1]], wanted, atol=1e-6)


def test_a_frozen_encoder_is_ranked_as_it_is_and_never_trained(
    tmp_path: Path,
    splits: dict[str, Examples],
    letters: Callable[..., Any],
    on_cpu: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(retrieval_learner, "train_by_gradient", None)
    model, begun = RankingModel(letters(), TARGET), job(tmp_path, splits, on_cpu())
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    trained = train_ranking(model, [(spec("frozen"), Nothing(None))], begun)
    torch.testing.assert_close(model.state_dict(), before)
    assert trained.history == [] and trained.backbone_frozen
    assert trained.findings["retrieved"].untrained is None


def test_no_test_row_changes_what_is_learned(
    tmp_path: Path, splits: dict[str, Examples], letters: Callable[..., Any], on_cpu: Callable[..., Any]
) -> None:
    others = {**splits, "test": examples(letters_match(9, 30))}
    weights = []
    for number, given in enumerate((splits, others)):
        model = RankingModel(letters(), TARGET)
        train_ranking(model, [(spec("whole"), Whole(None))], job(tmp_path / str(number), given, on_cpu(), epochs=2))
        weights.append(model.state_dict())
    torch.testing.assert_close(*weights, rtol=0, atol=0)


def test_hard_negatives_are_passages_of_training_rows_alone(
    tmp_path: Path,
    splits: dict[str, Examples],
    letters: Callable[..., Any],
    on_cpu: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    read: list[str] = []
    collate = retrieval_learner.PairCollate

    def seen(encoder: Any, items: Any, tokens: int) -> Any:
        read.extend(model.encoder.prepared[-len(items) :])  # type: ignore[operator]
        return collate(encoder, items, tokens)

    monkeypatch.setattr(retrieval_learner, "PairCollate", seen)
    model = RankingModel(letters(), TARGET)
    train_ranking(model, [(spec("whole"), Whole(None))], job(tmp_path, splits, on_cpu(), epochs=1))
    known = {text for value in splits["train"].values for text in (value.question, value.context)}
    assert read and set(read) <= known


def test_unlabelled_pairs_adapt_the_encoder_first(
    tmp_path: Path, splits: dict[str, Examples], letters: Callable[..., Any], on_cpu: Callable[..., Any]
) -> None:
    # the training rows say nothing of the letters; titles and passages alone tell how they go together
    told = replace(examples(letters_match(5, 400)), labels=None)
    given = {**splits, "train": examples([("aa?", "nn."), ("bb?", "oo.")]), "unlabelled": told}
    model, begun = RankingModel(letters(width=16), TARGET), job(tmp_path, given, on_cpu(), epochs=1, least_updates=80)
    trained = train_ranking(model, [(spec("whole"), Whole(None))], begun)
    assert trained.notes["adapted before training on"] == "400 titles with their passages"
    assert trained.uses_unlabelled
    (after,) = trained.notes["validation after adapting"].values()
    assert after > trained.notes["validation before training"]["mrr"] + 0.2


def test_a_frozen_encoder_refuses_unlabelled_rows(
    tmp_path: Path, splits: dict[str, Examples], letters: Callable[..., Any], on_cpu: Callable[..., Any]
) -> None:
    given = {**splits, "unlabelled": replace(splits["train"], labels=None)}
    with pytest.raises(ConfigError, match="data.unlabelled adapts the encoder, and adapter=frozen leaves it"):
        train_ranking(
            RankingModel(letters(), TARGET), [(spec("frozen"), Nothing(None))], job(tmp_path, given, on_cpu())
        )
