"""Masks as a model predicts them, at the size of the images they are of."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import interpolate

from medplug.core.model import Model
from medplug.core.training.compute import Compute, Report, to_device

Mask = NDArray[np.uint8]


def class_maps(
    model: Model,
    items: Sequence[Any],
    sizes: Sequence[tuple[int, ...]],
    compute: Compute,
    report: Report = lambda done, total: None,
) -> Iterator[tuple[int, Mask, NDArray[np.float32]]]:
    """Of each prepared item its position, its mask and its probabilities ``[classes, height, width]``.

    `sizes` are the images' own (height, width), to which the network's logits
    are scaled. In batches, so not in order; of several processes each gives its share.
    """
    backbone = model.eval().backbone
    batches = backbone.batches(items, compute.tokens)
    done = 0
    for batch in batches[compute.processes.rank :: compute.processes.world]:
        inputs = to_device(backbone.collate([items[i] for i in batch]), compute.device)
        with torch.inference_mode(), compute.autocast():
            logits = model(inputs).float()
        for row, each in zip(batch.tolist(), logits, strict=True):
            with torch.inference_mode():
                scaled = interpolate(each[None], size=tuple(sizes[row]), mode="bilinear", align_corners=False)[0]
                probabilities = scaled.softmax(0).cpu().numpy()
            yield row, probabilities.argmax(axis=0).astype(np.uint8), probabilities
        done += len(batch) * compute.processes.world
        report(min(done, len(items)), len(items))
