"""Convolutions over characters: what their features depend on and what they do not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from pydantic import ValidationError
from torch import nn

from medplug.core.errors import BackboneError
from medplug.core.features import Features
from medplug.core.registry import Source
from medplug.plugins.backbones.character_cnn import CharacterCNN, SequenceCNN, SmilesCNN
from medplug.plugins.backbones.entity_options import SequenceCNNOptions, SmilesCNNOptions

SMILES = ["C", "CC(=O)Oc1ccccc1C(=O)O", "Cn1cnc2c1c(=O)n(C)c(=O)n2C", "[Na+].[Cl-]"]
SMALL: dict[str, Any] = {"embedding": 6, "filters": (4, 5, 7), "dropout": 0.5}

pytestmark = pytest.mark.usefixtures("one_thread")


def learned(texts: list[str] = SMILES, **changes: Any) -> CharacterCNN:
    torch.manual_seed(0)
    made = SmilesCNN.create(SmilesCNNOptions(**{**SMALL, **changes}), None)
    made.learn(texts)
    return made.eval()


def encode(backbone: CharacterCNN, texts: list[str]) -> Features:
    with torch.no_grad():
        features: Features = backbone(backbone.collate(backbone.prepare(texts)))
    return features


def reference(backbone: CharacterCNN, text: str) -> NDArray[np.float64]:
    """The last map ``[characters, filters]`` of one text, window by window."""
    ids = [2 + backbone.entries.index(character) for character in text]
    found = backbone.embedding.weight.detach().numpy()[ids]  # [characters, channels]
    for layer in backbone.convolutions:
        assert isinstance(layer, nn.Conv1d) and layer.bias is not None
        weight, bias = layer.weight.detach().numpy(), layer.bias.detach().numpy()
        length = weight.shape[2]
        left = (length - 1) // 2
        rows = []
        for centre in range(len(found)):
            seen = [(j, centre + j - left) for j in range(length) if 0 <= centre + j - left < len(found)]
            rows.append(np.maximum(bias + sum(weight[:, :, j] @ found[place] for j, place in seen), 0))
        found = np.stack(rows)
    return found


def test_every_layer_reads_real_characters_only_as_the_reference_does() -> None:
    backbone = learned().double()
    for parameter in backbone.parameters():  # biases that would show, were a gap not made zero again
        nn.init.normal_(parameter, std=0.5)
    nn.init.zeros_(backbone.embedding.weight[0])
    features = encode(backbone, SMILES)
    for row, text in enumerate(SMILES):
        expected = reference(backbone, text)
        np.testing.assert_allclose(features.tokens[row, : len(text)].numpy(), expected, rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(features.pooled[row].numpy(), expected.max(0), rtol=1e-9, atol=1e-12)
        assert features.mask[row].sum() == len(text) and not features.tokens[row, len(text) :].any()


def test_the_sizes_are_those_of_the_paper() -> None:
    drugs, proteins = SmilesCNN(SmilesCNNOptions()), SequenceCNN(SequenceCNNOptions())
    for backbone, kernels in ((drugs, [4, 6, 8]), (proteins, [4, 8, 12])):
        layers = [layer for layer in backbone.convolutions if isinstance(layer, nn.Conv1d)]
        assert [layer.kernel_size[0] for layer in layers] == kernels
        assert [layer.out_channels for layer in layers] == [32, 64, 96] and layers[0].in_channels == 128
        assert backbone.width == 96


def test_case_matters_and_unknown_characters_are_kept_apart_from_padding() -> None:
    backbone = learned()
    features = encode(backbone, ["C", "c", "Cé漢C", "", "C%C"])
    assert not torch.allclose(features.pooled[0], features.pooled[1])
    assert features.pooled.isfinite().all() and features.mask.sum(1).tolist() == [1, 1, 4, 1, 3]
    assert [item.tolist()[1:-1] for item in backbone.prepare(["Cé漢C", "C%C"])] == [[1, 1], [1]]
    assert backbone.census(backbone.prepare(["C", "CBr", ""])) == {"rows with a character that training lacks": 2}


def test_what_lies_beyond_the_window_is_cut_and_counted() -> None:
    backbone = learned(window=5)
    items = backbone.prepare(SMILES)
    assert [len(row) for row in (encode(backbone, [each]).tokens[0] for each in SMILES)] == [1, 5, 5, 5]
    torch.testing.assert_close(encode(backbone, SMILES).pooled[1], encode(backbone, [SMILES[1][:5]]).pooled[0])
    assert backbone.census(items) == {"rows longer than the window of 5 characters": 3}


def test_every_weight_gets_a_finite_gradient_and_padding_none() -> None:
    backbone = learned().train()
    for parameter in backbone.parameters():
        nn.init.normal_(parameter, std=0.3)
    backbone(backbone.collate(backbone.prepare(SMILES))).pooled.square().sum().backward()
    for parameter in backbone.parameters():
        assert parameter.grad is not None and parameter.grad.isfinite().all() and parameter.grad.any()
    assert not backbone.embedding.weight.grad[:1].any()  # type: ignore[index]


def test_items_are_bytes_that_are_prepared_once(monkeypatch: pytest.MonkeyPatch) -> None:
    backbone = SequenceCNN.create(SequenceCNNOptions(**SMALL), None)
    backbone.learn(["MKV" * 300])
    items = backbone.prepare(["MKV" * 300, "VKM"])
    assert [item.dtype for item in items] == [np.uint8] * 2 and sum(item.nbytes for item in items) == 903
    monkeypatch.setattr(backbone, "prepare", None)
    inputs = backbone.collate(items)  # laid end to end: no place is spent on padding the short one
    assert inputs["ids"].dtype == torch.uint8 and len(inputs["ids"]) < 903 + 3 * 12


def test_a_kernel_is_asked_for_each_convolution() -> None:
    with pytest.raises(ValidationError, match="2 kernels and 3 numbers of filters"):
        SmilesCNNOptions(kernels=(4, 6))
    with pytest.raises(BackboneError, match="SmilesCNN learns from scratch"):
        SmilesCNN.create(SmilesCNNOptions(), Source(path=Path("weights")))
