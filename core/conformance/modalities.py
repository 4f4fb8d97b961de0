"""Random features of three modalities, some of which some rows lack, for fusions to join."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from medplug.core.features import Features
from medplug.core.fusion.layer import Fusion
from medplug.core.training.seeds import seeded

Batch = Mapping[str, Features]

ROWS = 8
WIDTHS = {"text": 6, "image": 5, "tabular": 3}
LACKING = {"text": (1, 4), "image": (2, 4, 6), "tabular": (0, 1, 6)}
"""The rows that lack a modality: rows 1, 4 and 6 have one alone, rows 3, 5 and 7 have all."""
_TOKENS = {"text": 4, "image": 7, "tabular": 1}


def drawn(seed: int = 0) -> dict[str, Features]:
    """Features of every modality in every row, the last token but one of three or more being padding."""
    found = {}
    with seeded(seed):
        for name, width in WIDTHS.items():
            mask = torch.ones(ROWS, _TOKENS[name], dtype=torch.bool)
            if _TOKENS[name] > 2:
                mask[:, -2] = False
            found[name] = Features(torch.randn(ROWS, width), torch.randn(ROWS, _TOKENS[name], width), mask)
    return found


def without(features: Batch, lacking: Mapping[str, tuple[int, ...]]) -> dict[str, Features]:
    """The same, with some rows' masks cleared."""
    found = dict(features)
    for name, rows in lacking.items():
        mask = features[name].mask.clone()
        mask[list(rows)] = False
        found[name] = Features(features[name].pooled, features[name].tokens, mask)
    return found


def spoilt(features: Batch, value: float) -> dict[str, Features]:
    """The same with `value` wherever no token is real, and in the pooled features of rows without one."""
    return {
        name: Features(
            each.pooled.masked_fill(~each.present[:, None], value),
            each.tokens.masked_fill(~each.mask[..., None], value),
            each.mask,
        )
        for name, each in features.items()
    }


def only(features: Batch, row: int) -> dict[str, Features]:
    """One row alone."""
    rows = slice(row, row + 1)
    return {name: Features(each.pooled[rows], each.tokens[rows], each.mask[rows]) for name, each in features.items()}


def leaves(features: Batch) -> dict[str, Features]:
    """The same, with gradients."""
    return {
        name: Features(each.pooled.clone().requires_grad_(), each.tokens.clone().requires_grad_(), each.mask)
        for name, each in features.items()
    }


def stray(features: Features) -> bool:
    """Whether a gradient reached what is missing or padding."""
    given = ((features.pooled, features.present), (features.tokens, features.mask))
    return any(values.grad is not None and bool(values.grad[~real].any()) for values, real in given)


def gradients(fusion: Fusion, features: Batch) -> dict[str, Tensor]:
    """The parameters' gradients of a sum that weighs every joint feature differently."""
    fusion.zero_grad()
    joined = fusion(features).joined
    if joined.requires_grad:
        (joined.float() * torch.linspace(-1, 2, joined.numel()).view_as(joined)).sum().backward()
    return {name: parameter.grad for name, parameter in fusion.named_parameters() if parameter.grad is not None}
