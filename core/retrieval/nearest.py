"""Nearest neighbours by inner product, exact: matrix products in blocks, or faiss where there are very many."""

from __future__ import annotations

from functools import cached_property
from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medplug.core.retrieval.best import Best, Ranked, check_k

MANY = 1_000_000
"""Of more passages faiss searches, where it is installed (extra ``faiss``)."""
_CELLS = 2**22
"""Scores held at once: 16 MB of them."""
_QUERIES = 256
_NUMBERS = 2**22
"""Numbers of half precision made single at once."""


class Nearest:
    """A search through `vectors` ``[passages, width]`` (float32 or float16), which may be a memory map.

    faiss holds a copy of them in memory, float32, made at the first search; which of the passages
    that share the last score it finds is its own.
    """

    def __init__(self, vectors: NDArray[np.floating[Any]]) -> None:
        self._vectors = vectors
        self._by_faiss = len(vectors) > MANY and find_spec("faiss") is not None

    def search(self, queries: NDArray[np.float32], k: int) -> Ranked:
        """The `k` highest inner products of each query ``[queries, width]``, equal ones by row."""
        check_k(k)
        if self._by_faiss:
            return self._faiss_search(queries, k)
        parts = [self._search(queries[start : start + _QUERIES], k) for start in range(0, len(queries), _QUERIES)]
        if not parts:
            return Best(0, k).ranked()
        return Ranked(*(np.concatenate(each) for each in zip(*parts, strict=True)))

    def _search(self, queries: NDArray[np.float32], k: int) -> Ranked:
        best, step = Best(len(queries), k), self._step(len(queries))
        for start in range(0, len(self._vectors), step):
            block = self._vectors[start : start + step].astype(np.float32, copy=False)
            best.add(queries @ block.T, start)
        return best.ranked()

    def _step(self, queries: int) -> int:
        """How many passages a block has."""
        step = _CELLS // max(queries, 1)
        if self._vectors.dtype != np.float32:
            step = min(step, _NUMBERS // max(self._vectors.shape[1], 1))
        return max(1, step)

    def _faiss_search(self, queries: NDArray[np.float32], k: int) -> Ranked:
        scores, rows = self._faiss.search(np.ascontiguousarray(queries), k)
        scores = np.where(rows < 0, -np.inf, scores).astype(np.float32)
        order = np.lexsort((rows, -scores), axis=1)
        return Ranked(*(np.take_along_axis(each, order, axis=1) for each in (rows, scores)))

    @cached_property
    def _faiss(self) -> Any:
        import faiss

        index = faiss.IndexFlatIP(self._vectors.shape[1])
        step = max(1, _NUMBERS // self._vectors.shape[1])
        for start in range(0, len(self._vectors), step):
            index.add(np.ascontiguousarray(self._vectors[start : start + step], dtype=np.float32))
        return index
