"""Token features of a frozen backbone: each distinct input once, without padding, and given back as they were."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from medplug.core.training.compute import Compute
from medplug.core.training.encodings import encode_tokens
from medplug.core.training.vectors import Encodings

Letters = Callable[..., Any]


def test_tokens_are_those_of_the_backbone_without_padding_and_each_distinct_input_is_encoded_once(
    letters: Letters, on_cpu: Callable[..., Compute], texts: list[str]
) -> None:
    backbone = letters()
    rows = {"train": [*texts[:20], texts[0], texts[1]], "test": [texts[0], *texts[20:30]]}
    told: list[tuple[int, int]] = []
    found = encode_tokens(backbone.train(), rows, on_cpu(tokens=64), lambda *done: told.append(done))
    assert sorted(backbone.prepared) == sorted(set(texts[:30])) and told[-1] == (30, 30)
    for split, values in rows.items():
        for value, (pooled, tokens) in zip(values, found[split], strict=True):
            with torch.no_grad():
                alone = backbone.eval()(backbone.collate(backbone.prepare([value])))
            np.testing.assert_allclose(pooled, alone.pooled[0].numpy(), atol=1e-6)
            np.testing.assert_allclose(tokens, alone.tokens[0].numpy(), atol=1e-6)
            assert len(tokens) == len(value)
    assert not backbone.training


def test_encodings_stand_in_for_the_backbone_that_made_them(
    letters: Letters, on_cpu: Callable[..., Compute], texts: list[str]
) -> None:
    backbone = letters().eval()
    made = encode_tokens(backbone, {"test": texts}, on_cpu(), lambda done, total: None)["test"]
    stand_in = Encodings(backbone.width)
    items = stand_in.prepare(made)
    features = stand_in(stand_in.collate(items))
    with torch.no_grad():
        whole = backbone(backbone.collate(backbone.prepare(texts)))
    assert torch.equal(features.mask, whole.mask)
    torch.testing.assert_close(features.pooled, whole.pooled, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(features.tokens[features.mask], whole.tokens[whole.mask], atol=1e-5, rtol=1e-5)
    assert (features.tokens[~features.mask] == 0).all()
    assert [stand_in.size(item) for item in items] == [len(text) for text in texts]
