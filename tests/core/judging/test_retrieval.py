"""Judging rankings: distinct test questions over the whole corpus, beside BM25, the encoder untrained, a reranker."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from medplug.core.answers.questions import Pair
from medplug.core.data.dataset import Dataset
from medplug.core.data.reading import Facts
from medplug.core.data.targets import Target
from medplug.core.evaluation.retrieval import judge, ranking_difference, score_rankings
from medplug.core.judging.retrieval import judge_rankings
from medplug.core.kinds.rankings import Rankings
from medplug.core.retrieval.best import Ranked
from medplug.core.retrieval.bm25 import BM25
from medplug.core.retrieval.corpus import Corpus
from medplug.core.retrieval.retrieved import Reranked, Retrieved, reordered
from medplug.core.task import Examples
from medplug.core.training.job import Trained

DEPTH, METRICS = 12, ("mrr", "recall_at_1", "recall_at_10", "ndcg_at_10", "map")
WORDS = ["fever", "cough", "rash", "pain", "joint", "heart", "lung", "skin", "bone", "blood"]
DRAW = np.random.default_rng(0)
PASSAGES = [" ".join(DRAW.choice(WORDS, 6)) + f" {number}" for number in range(24)]
TRAIN = [("what of fever", 0), ("what of cough", 1), ("what of the skin", 1), ("What is a rash", 2)]
VALIDATION = [("what of the heart", 3), ("what of the lung", 4)]
TEST = [("what is a rash", 5), ("blood and bone", 6), ("what is  a rash", 7), ("joint pain", 8), ("cough at night", 9)]
RIGHT = [{2: 1.0, 5: 1.0, 7: 1.0}, {6: 1.0}, {8: 1.0}, {9: 1.0}]
"""Of the distinct test questions; a training row, too, says what a rash is."""
HOW: dict[str, Any] = {"resamples": 200, "seed": 0}


def examples(pairs: list[tuple[str, int]]) -> Examples:
    values = [Pair(question, PASSAGES[row]) for question, row in pairs]
    found = Examples(np.arange(1, len(pairs) + 1), {"text": values}, [f"p{row}" for _, row in pairs])
    found.groups, found.by = [f"g{row % 3}" for _, row in pairs], {"part": [f"part {row % 2}" for _, row in pairs]}
    return found


def ranked(seed: int, questions: int) -> Ranked:
    draw = np.random.default_rng(seed)
    rows = np.stack([draw.permutation(len(PASSAGES))[:DEPTH] for _ in range(questions)])
    return Ranked(rows, -np.sort(-draw.random(rows.shape)).astype(np.float32))


@pytest.fixture
def dataset() -> Dataset:
    splits = {"train": examples(TRAIN), "validation": examples(VALIDATION), "test": examples(TEST)}
    corpus = Corpus.of((f"p{row}", text) for row, text in enumerate(PASSAGES))
    return Dataset(splits, {}, Target("ranking", ("passage",)), Facts(), corpus=corpus)


@pytest.fixture
def trained() -> Trained:
    found = {"test": ranked(1, 4), "validation": ranked(2, 2)}
    return Trained({}, {}, findings={"retrieved": Retrieved(np.zeros((24, 3), np.float32), found, ranked(3, 4))})


def plan(**options: Any) -> Any:
    told = SimpleNamespace(**{"reranker": None, "rerank": 4, "depth": DEPTH, **options})
    return SimpleNamespace(
        task=SimpleNamespace(name="answers"),
        task_options=told,
        report=SimpleNamespace(resamples=200),
        run=SimpleNamespace(seed=0),
        selection=SimpleNamespace(criterion="validation", oracle=False),
    )


def told(scores: Any) -> Any:
    return {name: each.as_json() for name, each in scores.metrics.items()}


def test_distinct_questions_are_judged_by_all_passages_that_any_row_names_with_them(
    dataset: Dataset, trained: Trained
) -> None:
    scores = judge_rankings(dataset, trained, plan(), "mrr").scores
    groups = ["g2", "g0", "g2", "g0"]  # those of each question's first row
    model = judge(trained.findings["retrieved"].found["test"].rows, RIGHT)
    assert (scores["n"], scores["passages"], tuple(scores["metrics"])) == (4, 24, METRICS)
    assert scores["metrics"] == told(score_rankings(model, groups=groups, **HOW))


def test_bm25_and_the_untrained_encoder_stand_beside_with_paired_differences(
    dataset: Dataset, trained: Trained
) -> None:
    scores = judge_rankings(dataset, trained, plan(), "mrr").scores
    groups = ["g2", "g0", "g2", "g0"]
    found = trained.findings["retrieved"]
    questions = ["what is a rash", "blood and bone", "joint pain", "cough at night"]
    model, words, before = (
        judge(rows, RIGHT)
        for rows in (found.found["test"].rows, BM25.fit(PASSAGES).top(questions, DEPTH).rows, found.untrained.rows)
    )
    assert scores["baseline"]["bm25"] == told(score_rankings(words, groups=groups, **HOW))
    assert scores["difference"] == told(ranking_difference(model, words, groups=groups, **HOW))
    assert scores["untrained"]["metrics"] == told(score_rankings(before, groups=groups, **HOW))
    assert scores["untrained"]["difference"] == told(ranking_difference(model, before, groups=groups, **HOW))


def test_one_order_for_all_begins_with_what_is_right_for_most_training_rows(dataset: Dataset, trained: Trained) -> None:
    scores = judge_rankings(dataset, trained, plan(), "mrr").scores
    order = [1, 0, 2, *range(3, 24)][:DEPTH]
    wanted = np.mean([1 / (1 + min(order.index(row) for row in right)) for right in RIGHT])
    assert scores["baseline"]["majority"]["mrr"]["value"] == pytest.approx(wanted)


def test_parts_of_the_questions_are_told_by_their_first_row(dataset: Dataset, trained: Trained) -> None:
    scores = judge_rankings(dataset, trained, plan(), "mrr").scores
    rows = trained.findings["retrieved"].found["test"].rows
    even = judge(rows[[1, 2]], [RIGHT[1], RIGHT[2]])
    assert {name: part["n"] for name, part in scores["by_group"]["part"].items()} == {"part 0": 2, "part 1": 2}
    found = scores["by_group"]["part"]["part 0"]["metrics"]["mrr"]["value"]
    assert found == score_rankings(even, **HOW).metrics["mrr"].value


def test_an_encoder_that_was_not_trained_has_nothing_beside_it(dataset: Dataset, trained: Trained) -> None:
    found = trained.findings["retrieved"]
    trained.findings["retrieved"] = Retrieved(found.vectors, found.found)
    assert "untrained" not in judge_rankings(dataset, trained, plan(), "mrr").scores


def backwards(trained: Trained) -> dict[str, Any]:
    """As if a reranker had turned the first four ranks of every question; gives what it made of each split."""
    found = trained.findings["retrieved"]
    turned = {
        split: reordered(each, np.tile(np.array([0.1, 0.2, 0.3, 0.9]), (len(each.rows), 1)))
        for split, each in found.found.items()
    }
    trained.findings["retrieved"] = replace(found, reranked=Reranked(4, "cross", turned))
    return turned


def test_what_a_reranker_makes_of_it_stands_beside_and_not_in_its_place(dataset: Dataset, trained: Trained) -> None:
    plain = judge_rankings(dataset, trained, plan(), "mrr").scores
    backwards(trained)
    scores = judge_rankings(dataset, trained, plan(), "mrr").scores
    rows = trained.findings["retrieved"].found["test"].rows
    turned = judge(np.concatenate([rows[:, :4][:, ::-1], rows[:, 4:]], axis=1), RIGHT)
    assert scores["metrics"] == plain["metrics"]
    again, model = scores["reranked"], judge(rows, RIGHT)
    assert (again["first"], again["by"]) == (4, "cross")
    assert again["metrics"]["mrr"] == told(score_rankings(turned, groups=["g2", "g0", "g2", "g0"], **HOW))["mrr"]
    gained = ranking_difference(turned, model, **HOW).metrics["mrr"].value
    assert again["difference"]["mrr"]["value"] == pytest.approx(gained)


def test_rows_are_left_with_ids_and_the_rank_of_the_first_right_passage(dataset: Dataset, trained: Trained) -> None:
    frame = Rankings().left(dataset, trained, "test")
    rows = trained.findings["retrieved"].found["test"].rows
    assert frame["row"].to_list() == [1, 2, 3, 4, 5] and frame["truth"].to_list() == ["p5", "p6", "p7", "p8", "p9"]
    of = [0, 1, 0, 2, 3]
    assert frame["prediction"].to_list() == [f"p{rows[question, 0]}" for question in of]
    for row, question in enumerate(of):
        hits = [rank for rank, passage in enumerate(rows[question].tolist(), 1) if passage in RIGHT[question]]
        assert frame["rank"][row] == (hits[0] if hits else None)


def test_an_answer_is_as_sure_as_its_best_passage_is_near(dataset: Dataset, trained: Trained) -> None:
    found = trained.findings["retrieved"].found["validation"]
    wanted = [(float(found.scores[i, 0]), bool(found.rows[i, 0] == 3 + i)) for i in range(2)]
    assert [tuple(each) for each in Rankings().certainties(dataset, trained, "validation")] == wanted


def test_with_a_reranker_an_answer_is_as_sure_as_it_is_probable(dataset: Dataset, trained: Trained) -> None:
    again = backwards(trained)["validation"][0]
    wanted = [(0.9, bool(again.rows[i, 0] == 3 + i)) for i in range(2)]
    assert [tuple(each) for each in Rankings().certainties(dataset, trained, "validation")] == wanted


def test_what_a_test_row_says_of_a_validation_question_sets_no_threshold(dataset: Dataset, trained: Trained) -> None:
    before = Rankings().certainties(dataset, trained, "validation")
    best = int(trained.findings["retrieved"].found["validation"].rows[0, 0])
    told = [*TEST[1:], (VALIDATION[0][0], best)]
    dataset.splits["test"] = examples(told)
    assert Rankings().certainties(dataset, trained, "validation") == before
