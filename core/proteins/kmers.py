"""k-mers: the words of k residues that a sequence has, as shares, and as a measure of likeness for clusters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medplug.core.data.entities import distinct
from medplug.core.proteins.reading import AMINO_ACIDS

CONJOINT = ("AGV", "ILFP", "YMTS", "HNQW", "RK", "DE", "C")
"""Seven groups by dipole and volume of the side chain: the conjoint triad of Shen et al., PNAS 2007, with k = 3."""
WORD = 5
"""Length of the words that `clusters` compares: of two unrelated proteins fewer than 1 in 1,000 are shared."""
_BLOCK = 256


def kmers(sequences: Sequence[str], k: int = 3, groups: Sequence[str] = tuple(AMINO_ACIDS)) -> Any:
    """The k-mer composition, a sparse float32 matrix ``[sequences, len(groups) ** k]`` whose rows sum to 1.

    Columns are words in the order of the groups, the first letter counting most.
    Words with a letter of no group (X, U, B, Z, O) are left out, so that a
    sequence without any word is a row of zeros. `groups` holds letters that
    count as one, as `CONJOINT` does. Each distinct sequence is computed once.
    """
    from scipy import sparse

    once, at = distinct(sequences)
    counted = [np.unique(words(each, k, groups), return_counts=True) for each in once]
    ends = np.cumsum([0, *(len(found) for found, _ in counted)])
    columns = np.concatenate([np.zeros(0, dtype=np.int64), *(found for found, _ in counted)])
    shares = np.concatenate([np.zeros(0), *(counts / counts.sum() for _, counts in counted)])
    matrix = sparse.csr_matrix((shares.astype(np.float32), columns, ends), shape=(len(once), len(groups) ** k))
    return matrix[at]


def words(sequence: str, k: int, groups: Sequence[str] = tuple(AMINO_ACIDS)) -> NDArray[np.int64]:
    """The numbers of the words of k letters, one after the other, without those that have a letter of no group."""
    table = np.full(256, -1, dtype=np.int64)
    for number, letters in enumerate(groups):
        table[list(letters.encode())] = number
    codes = table[np.frombuffer(sequence.encode("ascii", "replace"), dtype=np.uint8)]
    if len(codes) < k:
        return np.zeros(0, dtype=np.int64)
    windows = np.lib.stride_tricks.sliding_window_view(codes, k)
    powers = len(groups) ** np.arange(k - 1, -1, -1, dtype=np.int64)
    return np.asarray(windows[(windows >= 0).all(axis=1)] @ powers, dtype=np.int64)


def clusters(sequences: Sequence[str], threshold: float) -> list[int]:
    """The number of each sequence's cluster, by greedy clustering of words of five residues.

    The longest sequence first, each joins the cluster whose first sequence has
    the largest share of its distinct words, if that share is at least
    `threshold` (above 0, at most 1), else it begins a cluster; so members are
    like the first of their cluster, and two clusters may hold sequences that are
    as like each other. A share of 0.6 is about 90 % identical residues, 0.17
    about 70 % and 0.03 about 50 %, where changes are spread evenly. Equal
    sequences are always together, and one without any word is alone. Clusters
    are numbered from 0, the longest first sequence first; neither they nor the
    numbers depend on the order of the rows. After CD-HIT (Li and Godzik,
    Bioinformatics 2006), with words in place of alignments. ValueError for
    another threshold.
    """
    if not 0 < threshold <= 1:
        raise ValueError(f"threshold must be above 0 and at most 1; got {threshold}")
    once, at = distinct(sequences)
    order = sorted(range(len(once)), key=lambda place: (-len(once[place]), once[place]))
    numbers = np.zeros(len(once), dtype=np.int64)
    numbers[order] = _greedy([np.unique(words(once[place], WORD)) for place in order], threshold)
    return [int(number) for number in numbers[at]]


def _greedy(found: Sequence[NDArray[np.int64]], threshold: float) -> list[int]:
    """The cluster of each set of words, in their order: of many at a time against the firsts of all clusters."""
    sizes, matrix = np.array([max(len(each), 1) for each in found]), _shared_words(found)
    firsts: list[int] = []
    numbers: list[int] = []
    for start in range(0, len(found), _BLOCK):
        block = matrix[start : start + _BLOCK]
        earlier = len(firsts)
        known = (block @ matrix[firsts].T).toarray() if firsts else np.zeros((block.shape[0], 0))
        among = (block @ block.T).toarray()
        for row in range(block.shape[0]):
            shared = np.concatenate([known[row], among[row, [first - start for first in firsts[earlier:]]]])
            likest = int(shared.argmax()) if len(shared) else -1
            if likest < 0 or shared[likest] < threshold * sizes[start + row]:
                likest = len(firsts)
                firsts.append(start + row)
            numbers.append(likest)
    return numbers


def _shared_words(found: Sequence[NDArray[np.int64]]) -> Any:
    """Which sequence has which word, 0 or 1, sparse ``[sequences, words]``; only words that two sequences have."""
    from scipy import sparse

    rows = np.repeat(np.arange(len(found)), [len(each) for each in found])
    names, columns, times = np.unique(
        np.concatenate([np.zeros(0, dtype=np.int64), *found]), return_inverse=True, return_counts=True
    )
    kept = times[columns] > 1
    places = (np.cumsum(times > 1) - 1)[columns[kept]]
    ones = np.ones(len(places), dtype=np.int32)
    return sparse.csr_matrix((ones, (rows[kept], places)), shape=(len(found), int((times > 1).sum())))
