"""Texts that are nearly the same: most of their runs of five characters are.

By MinHash (Broder, On the resemblance and containment of documents, 1997) with
one permutation (Li, Owen and Zhang, NIPS 2012), whose empty bins are filled
from others at random (Shrivastava, Optimal densification, ICML 2017). What the
sketches find is verified on the texts.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medplug.core.data.linking import Chains, bands, candidates, likeness

Sketches = NDArray[np.uint16]
"""``[texts, BINS]``; where two texts share a part of their runs, about as large a part of their bins is equal."""

RUN = 5
"""Characters of a run; in Chinese about a clause's half, in English about a word."""
LEAST = 40
"""Texts of fewer runs are compared as a whole alone: short ones are alike by nature ("no acute finding")."""
ALIKE = 0.8
"""The share of the runs of two texts that both have (Jaccard) from which on they are nearly the same.

Of 500 abstracts of PubMedQA, 2,770 of Medical Abstracts and 5,999 sentences of the ADE corpus
none has another one so near; a note of 300 characters or more keeps 0.85 and more when three words of it are changed,
one word in forty misspelt, or a sentence of ten words added.
"""
BINS = 128
BANDS = 25
_SLACK = 0.15
"""What a sketch may miss; the rest is verified."""
_EMPTY = np.uint32(2**32 - 1)
_TEXTS = 2048
_HELD = 8192
"""Texts whose runs are kept while pairs are verified: of all of a large table they would fill the memory."""
_MEANT = f"texts that have {100 * ALIKE:.0f} % of their runs of {RUN} characters in common, or a chain of such texts"


def meaning() -> str:
    """What nearly the same means, in words."""
    return _MEANT


def runs(texts: Sequence[str]) -> tuple[NDArray[np.uint32], NDArray[np.int64]]:
    """The hashes of the runs of all texts, one after another, and whose each is (the text's position)."""
    joined = np.frombuffer("".join(texts).encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
    sizes = np.array([len(text) for text in texts], dtype=np.int64)
    owner = np.repeat(np.arange(len(texts)), sizes)
    starts = np.flatnonzero(owner[: -RUN + 1] == owner[RUN - 1 :]) if len(joined) >= RUN else np.zeros(0, np.int64)
    hashes = np.zeros(len(starts), dtype=np.uint32)
    for i in range(RUN):  # wraps around on purpose
        hashes = hashes * np.uint32(0x01000193) + joined[starts + i]
    for shift, factor in ((16, 0x85EBCA6B), (13, 0xC2B2AE35)):
        hashes = (hashes ^ (hashes >> np.uint32(shift))) * np.uint32(factor)
    return hashes ^ (hashes >> np.uint32(16)), owner[starts]


def sketch(texts: Sequence[str]) -> tuple[Sketches, NDArray[np.bool_]]:
    """The sketches of texts (normalised alike before), and which are long enough ``[texts]`` to be told apart by them.

    Takes about 0.1 ms a text of 1,000 characters.
    """
    blocks = [_sketched(texts[start : start + _TEXTS]) for start in range(0, len(texts), _TEXTS)]
    told = [np.zeros(0, dtype=np.bool_), *(long for _, long in blocks)]
    return np.concatenate([np.zeros((0, BINS), dtype=np.uint16), *(each for each, _ in blocks)]), np.concatenate(told)


def _sketched(texts: Sequence[str]) -> tuple[Sketches, NDArray[np.bool_]]:
    hashes, owner = runs(texts)
    least = np.full((len(texts), BINS), _EMPTY, dtype=np.uint32)
    np.minimum.at(least, (owner, hashes % np.uint32(BINS)), hashes // np.uint32(BINS))
    long = np.bincount(owner, minlength=len(texts)) >= LEAST
    full = np.zeros_like(least)
    full[long] = _filled(least[long])
    mixed = full * np.uint32(0x9E3779B1)
    return (mixed >> np.uint32(16)).astype(np.uint16), long


def _filled(least: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """Each empty bin with the value of another that is not, the same one in every text that has it."""
    filled, empty = least.copy(), least == _EMPTY
    for source in _sources():
        if not empty.any():
            break
        other = least[:, source]
        use = empty & (other != _EMPTY)
        filled[use] = other[use]
        empty &= ~use
    return filled


def _sources() -> Iterator[NDArray[np.int64]]:
    """Endless random choices of a bin for each bin, always the same ones."""
    draw = np.random.default_rng(BINS)
    while True:
        yield draw.integers(BINS, size=BINS)


def agreement(first: NDArray[Any], second: NDArray[Any]) -> NDArray[np.float64]:
    """The share of equal bins of sketches side by side ``[pairs, BINS]``: an estimate of the Jaccard index."""
    return np.asarray(np.count_nonzero(first == second, axis=1) / BINS, dtype=np.float64)


def clusters(
    texts: Sequence[str], made: tuple[Sketches, NDArray[np.bool_]] | None = None
) -> tuple[list[int], NDArray[np.bool_]]:
    """One number a text ``[texts]``, equal where chains of nearly the same ones link two, and which were compared.

    `made` is what `sketch` gives of them, where it is known.
    """
    sketches, long = made or sketch(texts)
    at = np.flatnonzero(long)
    pairs = candidates(bands(sketches[at], BANDS))
    near = likeness(sketches[at], sketches[at], pairs, agreement)
    order = np.argsort(-near, kind="stable")
    order = order[near[order] >= ALIKE - _SLACK]
    chains = Chains(len(texts))

    @lru_cache(_HELD)
    def held(place: int) -> NDArray[np.uint32]:
        return np.unique(runs([texts[place]])[0])

    for first, second in at[pairs[order]].tolist():
        if chains.root(first) != chains.root(second) and _jaccard(held(first), held(second)) >= ALIKE:
            chains.join(first, second)
    return chains.numbers(), long


def _jaccard(first: NDArray[np.uint32], second: NDArray[np.uint32]) -> float:
    both = len(np.intersect1d(first, second, assume_unique=True))
    return both / (len(first) + len(second) - both)
