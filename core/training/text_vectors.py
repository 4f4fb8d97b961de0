"""Vectors of many texts by a bi-encoder: each distinct one once, by batches of like length."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from medplug.core.retrieval.model import RankingModel
from medplug.core.training.compute import Compute, Report, infer

_PREPARED = 4096
"""Texts that are prepared at once: all of a large corpus would fill the memory."""


def text_vectors(
    model: RankingModel, texts: Sequence[str], compute: Compute, report: Report = lambda done, total: None
) -> NDArray[np.float32]:
    """Unit vectors ``[texts, width]``; equal texts are encoded once."""
    place = {text: number for number, text in enumerate(dict.fromkeys(texts))}
    distinct = sorted(place, key=len, reverse=True)  # running out of memory shows at once
    model.ready()
    vectors = np.empty((len(distinct), model.feature_width), dtype=np.float32)
    for start in range(0, len(distinct), _PREPARED):
        some = distinct[start : start + _PREPARED]
        found = infer(model.every, model.encoder, model.encoder.prepare(some), compute)
        vectors[[place[text] for text in some]] = found
        report(start + len(some), len(distinct))
    return vectors if len(distinct) == len(texts) else vectors[[place[text] for text in texts]]
