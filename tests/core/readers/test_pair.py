"""Readers of pairs and of choices: what is computed once, what comes out, and what changes nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from medplug.core.answers.questions import Choice, Pair
from medplug.core.backbone import Backbone, Inputs
from medplug.core.features import Features
from medplug.core.readers.choice import ChoiceReader, cut, option_pairs
from medplug.core.readers.pair import PairReader, Way

WIDTH, LETTERS = 5, 128
WAYS: tuple[Way, ...] = ("together", "apart", "side_by_side")
PAIRS = [Pair("fever?", "no fever"), Pair("cough?", "dry cough for weeks"), Pair("fever?", "rash"), Pair("a", "fever?")]
CHOICES = [
    Choice("which drug?", ("aspirin", "ibuprofen", "a much longer name")),
    Choice("dose?", ("1 g", "2 g"), "the patient weighs 70 kg"),
    Choice("which drug?", ("ibuprofen", "aspirin")),
]


class Letters(Backbone):
    """A text backbone of letters: the weighted mean of their embeddings; it counts what it is given."""

    def __init__(self) -> None:
        super().__init__()
        self.width = WIDTH
        self.embedding = nn.Embedding(LETTERS, WIDTH)
        self.learned: list[str] = []
        self.seen: list[int] = []

    @classmethod
    def create(cls, options: Any, source: Any) -> Self:
        return cls()

    @classmethod
    def restore(cls, assets: Mapping[str, Any]) -> Self:
        return cls()

    def assets(self) -> dict[str, Any]:
        return {"letters": LETTERS}

    def learn(self, values: Sequence[str], groups: Sequence[str] | None = None) -> None:
        self.learned = list(values)
        self.owners = groups

    def prepare(self, values: Sequence[str]) -> list[tuple[int, ...]]:
        return [tuple(value.encode()) for value in values]

    def prepare_pairs(self, questions: Sequence[str], contexts: Sequence[str]) -> list[tuple[int, ...]]:
        return self.prepare([f"{q}\0{c}" for q, c in zip(questions, contexts, strict=True)])

    def size(self, item: tuple[int, ...]) -> int:
        return len(item)

    def collate(self, items: Sequence[tuple[int, ...]]) -> Inputs:
        ids = torch.zeros(len(items), max(map(len, items)), dtype=torch.long)
        mask = torch.zeros(ids.shape, dtype=torch.bool)
        for i, item in enumerate(items):
            ids[i, : len(item)], mask[i, : len(item)] = torch.tensor(item), True
        return {"ids": ids, "mask": mask}

    def forward(self, inputs: Inputs) -> Features:
        mask = inputs["mask"]
        self.seen.append(len(mask))
        place = torch.arange(1, mask.shape[1] + 1)[:, None]  # the order of letters counts
        tokens = self.embedding(inputs["ids"]) * place * mask[..., None]
        return Features(tokens.sum(1) / (mask.sum(1, keepdim=True) ** 2), tokens, mask)


@pytest.fixture
def text() -> Letters:
    torch.manual_seed(0)
    return Letters().eval()


def encode(backbone: Backbone, values: Sequence[Any]) -> Tensor:
    with torch.no_grad():
        found: Tensor = backbone(backbone.collate(backbone.prepare(values))).pooled
    return found


every_way = pytest.mark.parametrize("way", WAYS)


@every_way
def test_neither_padding_nor_the_other_pairs_change_a_pair(text: Letters, way: Way) -> None:
    reader = PairReader(text, way)
    together = encode(reader, PAIRS)
    assert together.shape == (4, reader.width)
    torch.testing.assert_close(together, torch.cat([encode(reader, [pair]) for pair in PAIRS]))
    torch.testing.assert_close(encode(reader, [PAIRS[i] for i in (2, 0, 3, 1, 0)]), together[[2, 0, 3, 1, 0]])


def test_apart_are_both_texts_their_difference_and_their_product(text: Letters) -> None:
    u, v = encode(text, [pair.question for pair in PAIRS]), encode(text, [pair.context for pair in PAIRS])
    expected = torch.cat([u, v, (u - v).abs(), u * v], 1)
    torch.testing.assert_close(encode(PairReader(text, "apart"), PAIRS), expected)
    torch.testing.assert_close(encode(PairReader(text, "side_by_side"), PAIRS), expected[:, : 2 * WIDTH])


def test_together_is_what_the_text_backbone_gives_of_the_pair(text: Letters) -> None:
    items = text.prepare_pairs([pair.question for pair in PAIRS], [pair.context for pair in PAIRS])
    with torch.no_grad():
        expected = text(text.collate(items))
        found = PairReader(text, "together")(PairReader(text, "together").collate(list(map(_item, items))))
    torch.testing.assert_close(found.pooled, expected.pooled)
    torch.testing.assert_close(found.tokens, expected.tokens)


def _item(part: Any) -> Any:
    from medplug.core.readers.pair import PairItem

    return PairItem(part)


def test_equal_texts_are_encoded_once_a_batch_on_whichever_side_they_stand(text: Letters) -> None:
    encode(PairReader(text, "apart"), PAIRS)
    assert sorted(text.seen) == [3, 3]  # "fever?" is question twice and context once
    text.seen.clear()
    encode(PairReader(text, "together"), [*PAIRS, PAIRS[0]])
    assert text.seen == [4]


@pytest.mark.parametrize("way", ["apart", "side_by_side"])
def test_an_empty_text_is_a_vector_of_zeros_and_is_not_encoded(text: Letters, way: Way) -> None:
    (found,) = encode(PairReader(text, way), [Pair("fever?", "")])
    torch.testing.assert_close(found[:WIDTH], encode(text, ["fever?"])[0])
    assert not found[WIDTH : 2 * WIDTH].any() and text.seen[0] == 1


@every_way
def test_batches_hold_every_pair_once_within_the_budget(text: Letters, way: Way) -> None:
    reader = PairReader(text, way)
    items = reader.prepare(PAIRS * 3)
    found = reader.batches(items, 60)
    assert sorted(np.concatenate(found).tolist()) == list(range(12)) and len(found) > 1
    for batch in found:
        inputs = reader.collate([items[i] for i in batch])
        assert sum(each.numel() for name, each in inputs.items() if name.endswith(".ids")) <= 60 or len(batch) == 1


@pytest.mark.parametrize("values", [PAIRS, CHOICES])
@every_way
def test_gradients_reach_the_text_backbone(text: Letters, way: Way, values: list[Any]) -> None:
    pairs = PairReader(text, way)
    reader = pairs if values is PAIRS else ChoiceReader(pairs)
    reader(reader.collate(reader.prepare(values))).pooled.square().sum().backward()
    assert text.embedding.weight.grad is not None and text.embedding.weight.grad.abs().sum() > 0


@pytest.mark.parametrize("choices", [False, True])
def test_a_reader_has_the_weights_and_assets_of_its_text_backbone_alone(text: Letters, choices: bool) -> None:
    reader: Backbone = PairReader(text, "apart")
    reader = ChoiceReader(PairReader(text, "apart")) if choices else reader
    assert reader.assets() == text.assets() and list(reader.state_dict()) == ["text.embedding.weight"]
    again = reader.again()
    assert type(again) is type(reader) and again.width == reader.width
    again.load_state_dict(reader.state_dict())
    values: list[Any] = CHOICES if choices else PAIRS
    torch.testing.assert_close(encode(again, values), encode(reader, values))


def test_what_a_patients_rows_repeat_is_learned_once_and_empty_texts_are_not(text: Letters) -> None:
    PairReader(text, "apart").learn([PAIRS[0], PAIRS[2], Pair("fever?", "")], ["p", "p", "q"])
    assert text.learned == ["fever?", "no fever", "rash", "fever?"] and list(text.owners or ()) == ["p", "p", "p", "q"]


# ---- choices


@every_way
def test_an_options_block_is_its_pair_and_a_one_and_absent_ones_are_zeros(text: Letters, way: Way) -> None:
    reader = ChoiceReader(PairReader(text, way))
    found = encode(reader, CHOICES).reshape(3, 8, -1)
    for row, choice in zip(found, CHOICES, strict=True):
        count = len(choice.options)
        torch.testing.assert_close(row[:count, :-1], encode(PairReader(text, way), option_pairs(choice, way)))
        assert row[:, -1].tolist() == [1.0] * count + [0.0] * (8 - count) and not row[count:].any()


@every_way
def test_the_order_of_options_permutes_their_blocks_and_nothing_else(text: Letters, way: Way) -> None:
    reader, choice = ChoiceReader(PairReader(text, way)), CHOICES[0]
    turned = Choice(choice.question, tuple(choice.options[i] for i in (2, 0, 1)))
    one, other = encode(reader, [choice, turned]).reshape(2, 8, -1)
    torch.testing.assert_close(other[:3], one[[2, 0, 1]])


@every_way
def test_neither_padding_nor_the_other_questions_change_a_question(text: Letters, way: Way) -> None:
    reader = ChoiceReader(PairReader(text, way))
    together = encode(reader, CHOICES)
    assert together.shape == (3, reader.width)
    torch.testing.assert_close(together, torch.cat([encode(reader, [choice]) for choice in CHOICES]))


def test_questions_and_options_that_rows_share_are_encoded_once_a_batch_read_apart(text: Letters) -> None:
    encode(ChoiceReader(PairReader(text, "apart")), CHOICES)
    assert sorted(text.seen) == [2, 5]  # two questions; five different options


def test_an_option_stands_with_its_question_where_there_is_a_context_to_read_together() -> None:
    one, _ = option_pairs(CHOICES[1], "together")
    assert one == Pair("dose?\n1 g", "the patient weighs 70 kg")  # what may be cut is the context
    apart, _ = option_pairs(CHOICES[1], "apart")
    assert apart == Pair("dose?\nthe patient weighs 70 kg", "1 g")  # what options share is one text


@every_way
def test_batches_hold_every_question_once_within_the_budget_of_tokens(text: Letters, way: Way) -> None:
    reader = ChoiceReader(PairReader(text, way))
    items = reader.prepare(CHOICES * 4)
    found = reader.batches(items, 200)
    assert sorted(np.concatenate(found).tolist()) == list(range(12)) and len(found) > 1
    for batch in found:
        inputs = reader.collate([items[i] for i in batch])
        assert sum(each.numel() for name, each in inputs.items() if name.endswith(".ids")) <= 200 or len(batch) == 1


def test_a_question_above_the_budget_stands_alone() -> None:
    costs = np.array([[[2, 10]], [[8, 100]], [[3, 10]]])
    assert [batch.tolist() for batch in cut(costs, 50)] == [[1], [0, 2]]
    assert cut(costs[:0], 50) == []
