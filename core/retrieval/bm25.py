"""BM25: passages ranked by the words that they share with a query.

A term t of a query adds to the score of passage d

    ln(1 + (N - n_t + 0.5) / (n_t + 0.5)) * f / (f + k1 * (1 - b + b * |d| / mean |d|))

for each time that the query says it: f is how often d has it, n_t how many of the N passages do,
and |d| the number of terms of d. This is the weighting of Robertson, Walker, Jones,
Hancock-Beaulieu and Gatford (Okapi at TREC-3, 1994) as Lucene has it since version 8: its idf is
never negative, and the constant factor k1 + 1, which changes no order, is left out. Kamphuis, de
Vries, Boytsov and Lin (Which BM25 do you mean?, ECIR 2020) find no significant difference between
the variants. All weights are computed while indexing and kept as a sparse matrix, so that a query
is a sparse product (Lù, BM25S, 2024).
"""

from __future__ import annotations

import json
from array import array
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from medplug.core.errors import DataError, RunError, UsageError
from medplug.core.retrieval.arrays import mapped
from medplug.core.retrieval.best import Best, Ranked, check_k
from medplug.core.retrieval.terms import terms

K1, B = 1.2, 0.75
"""Lucene's defaults."""
ARRAYS, VOCABULARY = "bm25.safetensors", "bm25.json"
_CELLS = 2**22
"""Scores held at once, of some queries and all passages: 16 MB of them."""


class BM25:
    """Weights ``[terms, passages]`` (CSR, float32) and the row of each term; `fit` makes one from passages."""

    def __init__(self, vocabulary: Mapping[str, int], weights: Any) -> None:
        self._vocabulary, self._weights = vocabulary, weights

    @classmethod
    def fit(cls, passages: Iterable[str], *, k1: float = K1, b: float = B) -> BM25:
        """Index the passages, read once and in order.

        `k1` says how much a further occurrence adds (0: nothing), `b` how much long
        passages are discounted (0: not at all, 1: in full). Raises DataError where there
        are no passages, and UsageError for a negative `k1` or a `b` outside 0 to 1.
        """
        if not (k1 >= 0 and 0 <= b <= 1):
            raise UsageError(f"BM25: k1 is {k1} and b is {b}; k1 must be 0 or more, and b from 0 to 1 ({K1} and {B})")
        vocabulary, counts = _counted(passages)
        return cls(vocabulary, _weighted(counts, k1, b).T.tocsr())

    def __len__(self) -> int:
        """How many passages it holds."""
        return int(self._weights.shape[1])

    def top(self, queries: Sequence[str], k: int) -> Ranked:
        """The `k` best passages of each query, ties by row; those that share no term with it are not found."""
        check_k(k)
        step = max(1, _CELLS // len(self))
        found = [self._top(queries[start : start + step], k) for start in range(0, len(queries), step)]
        if not found:
            return Best(0, k).ranked()
        return Ranked(*(np.concatenate(parts) for parts in zip(*found, strict=True)))

    def _top(self, queries: Sequence[str], k: int) -> Ranked:
        best = Best(len(queries), k, floor=0.0)
        best.add((self._asked(queries) @ self._weights).toarray(), 0)
        return best.ranked()

    def _asked(self, queries: Sequence[str]) -> Any:
        """How often each query has each known term, ``[queries, terms]``."""
        known = [Counter(self._vocabulary[t] for t in terms(query) if t in self._vocabulary) for query in queries]
        ends = np.cumsum([0, *map(len, known)])
        columns = np.fromiter((column for each in known for column in each), dtype=np.int32)
        counts = np.fromiter((count for each in known for count in each.values()), dtype=np.float32)
        return sparse.csr_array((counts, columns, ends), shape=(len(queries), self._weights.shape[0]))

    def save(self, folder: Path) -> None:
        """Write ``bm25.safetensors`` (the weights) and ``bm25.json`` (the vocabulary) into `folder`."""
        from safetensors.numpy import save_file

        parts = {"weights": self._weights.data, "passages": self._weights.indices, "ends": self._weights.indptr}
        shape = np.array(self._weights.shape, dtype=np.int64)
        save_file({**parts, "shape": shape}, folder / ARRAYS)
        (folder / VOCABULARY).write_text(json.dumps(list(self._vocabulary), ensure_ascii=False), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> BM25:
        """Read what `save` wrote, the weights memory-mapped. Raises RunError where it is damaged or not there."""
        arrays, file = mapped(folder / ARRAYS), folder / VOCABULARY
        try:
            vocabulary = {term: row for row, term in enumerate(json.loads(file.read_text(encoding="utf-8")))}
            shape = (len(vocabulary), int(arrays["shape"][1]))
            weights = sparse.csr_array((arrays["weights"], arrays["passages"], arrays["ends"]), shape=shape)
        except (OSError, ValueError, KeyError, TypeError):
            raise RunError(f"{file}: not the vocabulary of {ARRAYS} beside it; build the index anew") from None
        return cls(vocabulary, weights)


def _counted(passages: Iterable[str]) -> tuple[dict[str, int], Any]:
    """The row of each term, and how often each passage has it, ``[passages, terms]``."""
    vocabulary: defaultdict[str, int] = defaultdict()
    vocabulary.default_factory = vocabulary.__len__
    columns, counts, sizes = array("i"), array("i"), array("i")
    for passage in passages:
        counted = Counter(terms(passage))
        columns.extend(map(vocabulary.__getitem__, counted))
        counts.extend(counted.values())
        sizes.append(len(counted))
    if not sizes:
        raise DataError("there are no passages to index; give at least one")
    ends = np.concatenate([[0], np.cumsum(np.frombuffer(sizes, dtype=np.int32), dtype=np.int64)])
    parts = (np.array(counts, dtype=np.float32), np.array(columns, dtype=np.int32), ends)
    return dict(vocabulary), sparse.csr_array(parts, shape=(len(sizes), len(vocabulary)))


def _weighted(counts: Any, k1: float, b: float) -> Any:
    """What each term adds to the score of each passage, ``[passages, terms]``; takes the place of `counts`."""
    passages, known = counts.shape
    lengths = np.asarray(counts.sum(axis=1, dtype=np.float64))
    having = np.bincount(counts.indices, minlength=known)
    idf = np.log1p((passages - having + 0.5) / (having + 0.5))
    discount = k1 * (1 - b + b * lengths / max(lengths.mean(), 1.0))
    counts.data /= counts.data + _of_each(discount, counts.indptr)
    counts.data *= idf.astype(np.float32)[counts.indices]
    return counts


def _of_each(values: NDArray[np.float64], ends: NDArray[Any]) -> NDArray[np.float32]:
    """One value a passage, repeated for each of its terms."""
    return np.repeat(values.astype(np.float32), np.diff(ends))
