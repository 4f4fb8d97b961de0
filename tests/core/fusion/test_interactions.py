"""A label that only the interaction of two modalities tells: one linear map of both fails, joint fusions learn it."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from medplug.core.features import Features
from medplug.core.fusion import BilinearAttention, Concat, CrossAttention, Fusion, LowRank

WIDTHS = {"text": 6, "image": 5}
Make = Callable[[Mapping[str, int]], Fusion]


def rows(count: int) -> tuple[dict[str, Features], Tensor]:
    """Each modality carries a sign in its first feature; the label is whether the two signs are equal."""
    labels, features = torch.ones(count), {}
    for name, width in WIDTHS.items():
        sign = torch.randint(0, 2, (count,)) * 2.0 - 1
        tokens = 0.5 * torch.randn(count, 4, width)
        tokens[..., 0] += sign[:, None]
        features[name] = Features(tokens.mean(1), tokens, torch.ones(count, 4, dtype=torch.bool))
        labels = labels * sign
    return features, (labels + 1) / 2


def accuracy(make: Make) -> float:
    """On new rows, after a short training with a linear head."""
    torch.manual_seed(0)
    fusion = make(WIDTHS)
    head = nn.Linear(fusion.width, 1)
    optimiser = torch.optim.Adam([*fusion.parameters(), *head.parameters()], 1e-2)
    for _ in range(60):
        features, labels = rows(128)
        optimiser.zero_grad()
        functional.binary_cross_entropy_with_logits(head(fusion(features).joined)[:, 0], labels).backward()
        optimiser.step()
    features, labels = rows(2000)
    with torch.inference_mode():
        return float(((head(fusion.eval()(features).joined)[:, 0] > 0) == labels.bool()).double().mean())


def test_a_linear_head_on_features_side_by_side_cannot_tell_it() -> None:
    assert accuracy(Concat) < 0.75  # a half-space holds three of the four pairs of signs at most


@pytest.mark.parametrize(
    "make",
    [
        lambda widths: LowRank(widths, hidden=16),
        lambda widths: BilinearAttention(widths, hidden=16),
        lambda widths: CrossAttention(widths, hidden=16),
    ],
    ids=["lowrank", "bilinear_attention", "cross_attention"],
)
def test_fusions_with_products_or_a_feed_forward_part_learn_it(make: Make) -> None:
    assert accuracy(make) > 0.9
