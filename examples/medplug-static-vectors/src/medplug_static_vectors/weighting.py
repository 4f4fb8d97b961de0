"""Smooth inverse frequency and the common direction (Arora, Liang and Ma 2017, ICLR).

"A Simple but Tough-to-Beat Baseline for Sentence Embeddings": a text is the mean of its tokens' vectors,
each weighted by a / (a + p) with p the token's probability, less its projection on the first singular
vector of such means.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Ids = NDArray[np.int32]
"""The tokens of one text, ``[tokens]``."""

_SHARED = 2
"""The fewest patients that must have a token for it to be counted."""


def token_counts(texts: Sequence[Ids], groups: Sequence[str] | None, size: int) -> NDArray[np.int64]:
    """How often each token of a vocabulary of `size` stands in the texts, ``[size]``.

    `groups` says which patient each text is of (None: each is of another). A token that
    one patient alone has counts as never seen: the weights that follow from the counts
    are saved, and a rare name must not be told by them.
    """
    counts, owners = np.zeros((2, size), dtype=np.int64)
    for own in _by_group(texts, groups):
        found = np.bincount(np.concatenate(own), minlength=size)
        counts += found
        owners += found > 0
    counts[owners < _SHARED] = 0
    return counts


def _by_group(texts: Sequence[Ids], groups: Sequence[str] | None) -> Iterable[list[Ids]]:
    if groups is None:
        return ([text] for text in texts)
    found: dict[str, list[Ids]] = {}
    for text, group in zip(texts, groups, strict=True):
        found.setdefault(group, []).append(text)
    return found.values()


def inverse_frequencies(counts: NDArray[np.int64], smoothing: float) -> Tensor:
    """The weight a / (a + p) of every token ``[size]``, float32; 1 where it was never seen."""
    probabilities = counts / max(counts.sum(), 1)
    return torch.from_numpy((smoothing / (smoothing + probabilities)).astype(np.float32))


def common_direction(batches: Iterable[Tensor], width: int) -> Tensor:
    """The first right singular vector ``[width]`` of the rows of all batches ``[texts, width]``; of unit length.

    Rows are not centred. They are gone through once, as the vector is the eigenvector of the
    largest eigenvalue of the sum of the rows' outer products, which is kept in float64.
    """
    products = torch.zeros(width, width, dtype=torch.float64)
    for rows in batches:
        rows = rows.double()
        products += rows.T @ rows
    vectors: Tensor = torch.linalg.eigh(products).eigenvectors  # by rising eigenvalue
    return vectors[:, -1].float()
