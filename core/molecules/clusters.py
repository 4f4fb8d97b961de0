"""Molecules that are alike: the same up to stereochemistry and protons, and clusters by shared neighbourhoods."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medplug.core.data.entities import distinct
from medplug.core.molecules.features import RADIUS
from medplug.core.molecules.reading import parsed, quiet, rdkit

_BLOCK = 256
_PAIRS = 50_000
_SKELETON = 14
Rows = NDArray[np.int64]


def skeletons(smiles: Sequence[str]) -> list[str]:
    """The first block of each molecule's InChIKey: equal where formula, bonds and mobile hydrogens are.

    So it is for stereoisomers, isotopes, protonated forms and the tautomers that
    InChI knows (Heller et al., InChI, the IUPAC International Chemical
    Identifier, J Cheminform 2015). A molecule that has no InChI gives its SMILES
    without stereochemistry. Each distinct SMILES is computed once. Raises
    `MoleculeError` where one cannot be read.
    """
    once, at = distinct(smiles)
    with quiet():
        found = [_skeleton(each) for each in once]
    return [found[place] for place in at]


def _skeleton(smiles: str) -> str:
    chem, molecule = rdkit(), parsed(smiles)
    key = str(chem.MolToInchiKey(molecule))
    return key[:_SKELETON] or str(chem.MolToSmiles(molecule, isomericSmiles=False))


def clusters(smiles: Sequence[str], threshold: float) -> list[int]:
    """The number of each molecule's cluster: single linkage by the Tanimoto coefficient of Morgan neighbourhoods.

    Two molecules whose sets of neighbourhoods (up to two bonds, not folded into
    bits) agree by `threshold` (above 0, at most 1) are in one cluster, and so are
    those that a chain of such pairs links; members of two clusters are all less
    alike than that. Clusters are numbered from 0 in the order of their first
    SMILES by the alphabet, whatever the order of the rows. Each distinct SMILES
    is computed once. Only pairs that share one of their rarest neighbourhoods are
    compared, as no others can be alike enough (Chaudhuri et al., A Primitive
    Operator for Similarity Joins, ICDE 2006), so that a high threshold is fast
    and memory does not grow with the square of the molecules. ValueError for
    another threshold, `MoleculeError` where a SMILES cannot be read.
    """
    if not 0 < threshold <= 1:
        raise ValueError(f"threshold must be above 0 and at most 1; got {threshold}")
    once, at = distinct(smiles)
    order = sorted(range(len(once)), key=once.__getitem__)
    numbers = np.zeros(len(once), dtype=np.int64)
    numbers[order] = _linked(_neighbourhoods([once[place] for place in order]), threshold)
    return [int(number) for number in numbers[at]]


def _neighbourhoods(smiles: Sequence[str]) -> Any:
    """Which molecule has which neighbourhood, 0 or 1, sparse ``[molecules, neighbourhoods]``, the rarest first."""
    from rdkit.Chem import rdFingerprintGenerator
    from scipy import sparse

    generator: Any = rdFingerprintGenerator.GetMorganGenerator(radius=RADIUS)
    with quiet():
        found = [np.array(generator.GetSparseFingerprint(parsed(each)).GetOnBits(), dtype=np.int64) for each in smiles]
    _, columns, times = np.unique(
        np.concatenate([np.zeros(0, dtype=np.int64), *found]), return_inverse=True, return_counts=True
    )
    rank = np.empty(len(times), dtype=np.int64)
    rank[np.argsort(times, kind="stable")] = np.arange(len(times))
    ends = np.cumsum([0, *map(len, found)])
    matrix = sparse.csr_matrix(
        (np.ones(len(columns), dtype=np.int32), rank[columns], ends), shape=(len(found), len(times))
    )
    matrix.sort_indices()
    return matrix


def _linked(matrix: Any, threshold: float) -> Rows:
    """The cluster of each row, numbered in the order of their first rows."""
    from scipy import sparse
    from scipy.sparse.csgraph import connected_components

    count, sizes = matrix.shape[0], np.diff(matrix.indptr)
    rarest = _rarest(matrix, threshold)
    numbers: Rows = np.arange(count)
    for start in range(0, count, _BLOCK):
        shared = (rarest[start : start + _BLOCK] @ rarest.T).tocoo()
        one, other = shared.row.astype(np.int64) + start, shared.col.astype(np.int64)
        able = (one < other) & (
            np.minimum(sizes[one], sizes[other]) >= threshold * np.maximum(sizes[one], sizes[other])
        )
        able &= numbers[one] != numbers[other]
        links = [pair for pair in _alike(matrix, sizes, one[able], other[able], threshold)]
        first, second = (np.concatenate(ends) for ends in zip(*links, strict=True)) if links else (one[:0], other[:0])
        graph = sparse.coo_matrix(
            (np.ones(len(first), dtype=np.int8), (numbers[first], numbers[second])), shape=(count, count)
        )
        numbers = connected_components(graph, directed=False)[1][numbers].astype(np.int64)
    _, first_rows, where = np.unique(numbers, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first_rows))[where]


def _rarest(matrix: Any, threshold: float) -> Any:
    """Each row's rarest entries alone, so many that rows as alike as the threshold share one of them."""
    sizes = np.diff(matrix.indptr)
    kept = sizes - np.ceil(threshold * sizes - 1e-9).astype(np.int64) + 1
    place = np.arange(matrix.nnz) - np.repeat(matrix.indptr[:-1], sizes)
    rows = np.repeat(np.arange(len(sizes)), sizes)
    chosen = place < np.repeat(kept, sizes)
    from scipy import sparse

    return sparse.csr_matrix((matrix.data[chosen], (rows[chosen], matrix.indices[chosen])), shape=matrix.shape)


def _alike(matrix: Any, sizes: Rows, one: Rows, other: Rows, threshold: float) -> Iterator[tuple[Rows, Rows]]:
    """Those of the pairs that are as alike as the threshold, some at a time."""
    for start in range(0, len(one), _PAIRS):
        a, b = one[start : start + _PAIRS], other[start : start + _PAIRS]
        both = np.asarray(matrix[a].multiply(matrix[b]).sum(axis=1)).ravel()
        enough = both >= threshold * (sizes[a] + sizes[b] - both) - 1e-9
        yield a[enough], b[enough]
