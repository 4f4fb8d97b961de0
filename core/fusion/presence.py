"""Which modalities a row has, and how what it lacks is kept out of every sum.

Shapes: ``batch`` rows, ``modalities`` in the order asked for, ``tokens``
positions, ``width`` features. Numbers of a missing row may be NaN; they are
replaced before anything is multiplied, because 0 * NaN is NaN, in a gradient too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from medplug.core.features import Features


def presence(features: Mapping[str, Features], modalities: Sequence[str]) -> Tensor:
    """Which row has which of `modalities` ``[batch, modalities]``."""
    return torch.stack([features[name].present for name in modalities], 1)


def known_pooled(features: Features, otherwise: Tensor | float = 0.0) -> Tensor:
    """Pooled features ``[batch, width]``, with `otherwise` (``[width]`` or a number) in rows without the modality."""
    return torch.where(features.present[:, None], features.pooled, otherwise)


def known_tokens(features: Features) -> Tensor:
    """Token features ``[batch, tokens, width]``, zero where no token is real."""
    return features.tokens.masked_fill(~features.mask[..., None], 0.0)


def wide(values: Tensor) -> Tensor:
    """The same in float32, or in the better type it has."""
    return values.to(torch.promote_types(values.dtype, torch.float32))


def masked_mean(values: Tensor, mask: Tensor) -> Tensor:
    """The mean ``[..., width]`` of ``[..., items, width]`` over the items whose mask ``[..., items]`` is True.

    Zero where none is. Values that do not count must be finite.
    """
    return (shares(mask, values.dtype)[..., None] * wide(values)).sum(-2)


def shares(mask: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
    """Equal weights ``[..., items]`` for what is True, with sum 1 (0 where nothing is), in float32 or better."""
    counts = mask.to(torch.promote_types(dtype, torch.float32))
    return counts / counts.sum(-1, keepdim=True).clamp(min=1)


def present_softmax(scores: Tensor, present: Tensor) -> Tensor:
    """The softmax of `scores` ``[batch, modalities]`` over those `present`, in float32 or better; 0 for the others."""
    scores = wide(scores)
    kept = scores.masked_fill(~present, torch.finfo(scores.dtype).min)
    return kept.softmax(-1).masked_fill(~present, 0.0)


def withhold(features: Mapping[str, Features], share: float) -> dict[str, Features]:
    """Take each modality from each row with probability `share`, never a row's last one, by clearing its mask.

    For training, so that a model of all modalities learns to do with any of them
    (ModDrop: Neverova et al., 2016). A row about to lose all keeps the one drawn
    highest. The draws are of torch's generator for the features' device, in the
    order of the modalities' names.
    """
    if share == 0:
        return dict(features)
    names = sorted(features)
    present = presence(features, names)
    drawn = torch.rand(present.shape, device=present.device)
    kept = present & (drawn >= share)
    highest = drawn.masked_fill(~present, -1.0).argmax(1, keepdim=True)
    last = torch.arange(len(names), device=present.device) == highest
    kept |= present & last & ~kept.any(1, keepdim=True)
    column = dict(zip(names, kept.unbind(1), strict=True))
    return {name: replace(each, mask=each.mask & column[name][:, None]) for name, each in features.items()}
