"""Pairs to train on: each text has one number, negatives are mined among the pairs' own passages, batches are whole."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from medplug.core.data.targets import Target
from medplug.core.retrieval.bm25 import BM25
from medplug.core.retrieval.loss import InBatchLoss
from medplug.core.retrieval.model import RankingModel
from medplug.core.training.objective import Objective
from medplug.core.training.rows import Row
from medplug.core.training.text_pairs import PairCollate, TextPairs

PAIRS = [
    ("what is flu", "a virus of the airways"),
    ("What is  flu", "flu is an illness"),
    ("what helps flu", "rest helps flu"),
    ("what helps a cold", "Rest helps flu"),
    ("what is gout", "crystals in a joint"),
]
TARGET = Target("ranking", ("passage",))


def told(pairs: TextPairs) -> list[list[str]]:
    return [[pairs.texts[number] for number in row] for row in pairs.rows.tolist()]


def test_equal_questions_and_equal_passages_have_one_number() -> None:
    pairs = TextPairs.of(PAIRS)
    assert len(pairs.texts) == 4 + 4 and len(pairs) == 5
    assert told(pairs)[1] == ["what is flu", "flu is an illness"] and told(pairs)[3][1] == "rest helps flu"
    right = {divmod(key, len(pairs.texts)) for key in pairs.relevant.tolist()}
    assert right == {tuple(row) for row in pairs.rows.tolist()}


def test_hard_negatives_share_words_are_right_for_no_row_of_the_question_and_are_bm25s() -> None:
    pairs = TextPairs.of(PAIRS, negatives=2)
    right: dict[str, set[str]] = {}
    for question, passage in told(TextPairs.of(PAIRS)):
        right.setdefault(question, set()).add(passage)
    for question, own, *negatives in told(pairs):
        assert not right[question] & {each for each in negatives if each != own}
    passages = list(dict.fromkeys(own for _, own in told(TextPairs.of(PAIRS))))
    best = BM25.fit(passages).top(["what helps a cold"], 4).rows[0].tolist()
    wanted = [passages[row] for row in best if row >= 0 and passages[row] != "rest helps flu"]
    assert told(pairs)[3][2] == wanted[0]


def test_a_question_without_a_hard_negative_repeats_its_own_passage() -> None:
    pairs = TextPairs.of([("alpha", "beta"), ("gamma", "delta")], negatives=2)
    assert told(pairs) == [["alpha", "beta", "beta", "beta"], ["gamma", "delta", "delta", "delta"]]


def batch(pairs: TextPairs, encoder: Any, tokens: int) -> Any:
    collate = PairCollate(encoder, encoder.prepare(pairs.texts), tokens)
    (part,) = collate([Row(row, row, 1.0, False, {}) for row in pairs.rows])
    return part


def test_every_text_of_a_batch_is_encoded_once_whatever_the_budget(letters: Callable[..., Any]) -> None:
    pairs = TextPairs.of(PAIRS, negatives=1)
    for tokens in (8, 64, 4096):
        part = batch(pairs, letters(), tokens)
        assert sum(part.counts) == len(np.unique(pairs.rows)) == sum(len(each["ids"]) for each in part.inputs)


def test_micro_batches_change_loss_and_gradients_by_rounding_alone(letters: Callable[..., Any]) -> None:
    pairs = TextPairs.of(PAIRS, negatives=1)
    found = []
    for tokens in (8, 4096):
        model = RankingModel(letters(), TARGET)
        objective = Objective(model, InBatchLoss(pairs.relevant, len(pairs.texts), 0.1), TARGET, {})
        part = batch(pairs, model.encoder, tokens)
        loss = objective.train()(part)
        loss.backward()
        found.append((len(part.counts), loss, [p.grad for p in model.parameters()]))
    (many, loss, gradients), (one, whole, wanted) = found
    assert many > 4 and one == 1  # so many that they are computed again for the gradient
    torch.testing.assert_close(loss, whole)
    torch.testing.assert_close(gradients, wanted)


def test_a_part_is_its_rows_vectors_in_order(letters: Callable[..., Any]) -> None:
    pairs = TextPairs.of(PAIRS, negatives=1)
    model = RankingModel(letters(), TARGET).eval()
    part = batch(pairs, model.encoder, 8)
    vectors = torch.cat([model(inputs) for inputs in part.inputs])[part.places]
    for row, numbers in zip(vectors, pairs.rows, strict=True):
        for vector, number in zip(row, numbers, strict=True):
            alone = model(model.encoder.collate(model.encoder.prepare([pairs.texts[number]])))
            torch.testing.assert_close(vector, alone[0])
