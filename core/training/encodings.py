"""Token features of a frozen backbone, each distinct input encoded once, padding taken off."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from medplug.core.backbone import Backbone
from medplug.core.data.content import content_key
from medplug.core.features import Features
from medplug.core.training.compute import Compute, Report, to_device

Encoding = tuple[NDArray[np.float32], NDArray[np.float32]]
"""A pooled vector ``[width]`` and the real tokens ``[tokens, width]``."""


def encode_tokens(
    backbone: Backbone, rows: Mapping[str, Sequence[Any]], compute: Compute, report: Report
) -> dict[str, list[Encoding]]:
    """Pooled and token features of raw values by split; they are kept in memory and not on disk."""
    keys = {split: [content_key(value) for value in values] for split, values in rows.items()}
    distinct = {key: value for split in rows for key, value in zip(keys[split], rows[split], strict=True)}
    items = backbone.prepare(list(distinct.values()))
    encoded = dict(zip(distinct, encode_items(backbone, items, compute, report), strict=True))
    return {split: [encoded[key] for key in each] for split, each in keys.items()}


def encode_items(backbone: Backbone, items: Sequence[Any], compute: Compute, report: Report) -> list[Encoding]:
    """Pooled and token features of prepared items; every process encodes all: tokens are too many to hand around."""
    backbone.eval()
    found: list[Any] = [None] * len(items)
    done = 0
    with torch.inference_mode(), compute.autocast():
        for batch in backbone.batches(items, compute.tokens):
            features: Features = backbone(to_device(backbone.collate([items[i] for i in batch]), compute.device))
            pooled, tokens = (each.float().cpu().numpy() for each in (features.pooled, features.tokens))
            mask = features.mask.cpu().numpy()
            for place, i in enumerate(batch.tolist()):
                found[i] = (pooled[place].copy(), tokens[place][mask[place]])
            done += len(batch)
            report(done, len(items))
    return found
