"""Encoders from scratch: what their features depend on and what they do not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from medplug.core.errors import BackboneError
from medplug.core.features import Features
from medplug.core.registry import Source
from medplug.plugins.backbones.scratch_options import (
    ScratchTextOptions,
    TextCNNOptions,
    TextGRUOptions,
    TextLSTMOptions,
)
from medplug.plugins.backbones.scratch_text import ScratchText, TextCNN, TextGRU, TextLSTM

SMALL: dict[str, Any] = {"embedding": 12, "min_count": 1, "window": 40}
KINDS: dict[str, tuple[type[ScratchText], ScratchTextOptions]] = {
    "cnn": (TextCNN, TextCNNOptions(kernels=(1, 2, 5), filters=4, **SMALL)),
    "cnn-1": (TextCNN, TextCNNOptions(kernels=(1,), filters=4, ngrams=1, **SMALL)),
    "lstm": (TextLSTM, TextLSTMOptions(hidden=6, **SMALL)),
    "gru": (TextGRU, TextGRUOptions(hidden=6, layers=2, **SMALL)),
}
TEXTS = ["Fever.", "a dry cough for three weeks, no fever, no chest pain at all", "rash and fever", "cough"]


pytestmark = pytest.mark.usefixtures("one_thread")


def learned(kind: str, *, seed: int = 0, texts: list[str] = TEXTS, **changes: Any) -> ScratchText:
    backbone, options = KINDS[kind]
    torch.manual_seed(seed)
    made = backbone.create(options.model_copy(update=changes), None)
    made.learn(texts)
    return made.eval()


def encode(backbone: ScratchText, texts: list[str]) -> Features:
    with torch.no_grad():
        features: Features = backbone(backbone.collate(backbone.prepare(texts)))
    return features


def pooled(backbone: ScratchText, texts: list[str]) -> Tensor:
    return encode(backbone, texts).pooled


every_kind = pytest.mark.parametrize("kind", KINDS)


@every_kind
def test_shapes_are_those_of_the_contract(kind: str) -> None:
    backbone = learned(kind)
    features = encode(backbone, TEXTS)
    longest = max(backbone.size(item) for item in backbone.prepare(TEXTS))
    assert features.pooled.shape == (4, backbone.width)
    assert features.tokens.shape == (4, longest, backbone.width)
    assert features.mask.sum(1).tolist() == [backbone.size(item) for item in backbone.prepare(TEXTS)]
    assert not features.tokens[~features.mask].any()


@every_kind
def test_the_seed_decides_the_weights(kind: str) -> None:
    assert torch.equal(pooled(learned(kind), TEXTS), pooled(learned(kind), TEXTS))
    assert not torch.equal(pooled(learned(kind), TEXTS), pooled(learned(kind, seed=1), TEXTS))


@every_kind
def test_empty_and_unknown_texts_have_finite_features(kind: str) -> None:
    features = pooled(learned(kind), ["", "zzz", "腹痛", "cough"])
    assert features.isfinite().all()
    torch.testing.assert_close(features[0], features[1])
    assert not torch.allclose(features[1], features[3])


@every_kind
def test_what_lies_beyond_the_window_is_cut_and_counted(kind: str) -> None:
    backbone = learned(kind, window=5)
    torch.testing.assert_close(
        pooled(backbone, [TEXTS[1], "cough"]), pooled(backbone, [" ".join(TEXTS[1].split()[:5]), "cough"])
    )
    assert backbone.census(backbone.prepare(TEXTS)) == {"rows longer than the window of 5 tokens": 1}
    assert learned(kind).census(backbone.prepare(TEXTS)) == {}


@every_kind
def test_it_learns_a_word_that_tells_classes_apart(kind: str) -> None:
    texts = [f"{'no' if label else 'has'} pain {i}" for i in range(16) for label in (0, 1)]
    labels = torch.tensor([0, 1] * 16)
    backbone = learned(kind, texts=texts, min_count=2).train()
    model = nn.ModuleList([backbone, nn.Linear(backbone.width, 2)])
    optimiser = torch.optim.AdamW(model.parameters(), lr=0.02)
    inputs = backbone.collate(backbone.prepare(texts))
    for _ in range(40):
        optimiser.zero_grad()
        functional.cross_entropy(model[1](backbone(inputs).pooled), labels).backward()
        optimiser.step()
    predicted = model[1](pooled(backbone.eval(), ["has pain 99", "no pain 99"])).argmax(1)
    assert predicted.tolist() == [0, 1]
    assert not backbone.embedding.weight[0].any()  # padding stays nothing


@every_kind
def test_dropout_acts_in_training_only(kind: str) -> None:
    backbone = learned(kind)
    assert torch.equal(pooled(backbone, TEXTS), pooled(backbone, TEXTS))
    backbone.train()
    assert not torch.equal(pooled(backbone, TEXTS), pooled(backbone, TEXTS))


def test_the_convolution_is_that_of_the_reference() -> None:
    backbone = learned("cnn").double()
    (item,) = backbone.prepare([TEXTS[1]])
    embedded = backbone.embedding.weight[torch.from_numpy(item).long()].sum(1)  # [tokens, embedding]
    expected = []
    for convolution in backbone.get_submodule("convolutions").children():
        assert isinstance(convolution, nn.Conv1d) and convolution.bias is not None
        width = convolution.kernel_size[0]
        left = (width - 1) // 2
        for weight, bias in zip(convolution.weight, convolution.bias, strict=True):
            values = []
            for centre in range(len(item)):
                seen = [(j, centre + j - left) for j in range(width) if 0 <= centre + j - left < len(item)]
                values.append(bias + sum((weight[:, j] * embedded[place]).sum() for j, place in seen))
            expected.append(torch.stack(values).max().relu())
    torch.testing.assert_close(pooled(backbone, [TEXTS[0], TEXTS[1]])[1], torch.stack(expected))


def test_a_pair_tells_the_order_of_words_apart() -> None:
    texts, one, other = ["fever rash", "fever rash"], ["fever rash"], ["rash fever"]
    single, pairs = (learned("cnn-1", texts=texts, filters=32, ngrams=ngrams) for ngrams in (1, 2))
    assert torch.allclose(pooled(single, one), pooled(single, other))
    assert not torch.allclose(pooled(pairs, one), pooled(pairs, other))


def test_weights_cannot_be_given() -> None:
    with pytest.raises(BackboneError, match="TextCNN learns from scratch"):
        TextCNN.create(TextCNNOptions(), Source(path=Path("weights")))
