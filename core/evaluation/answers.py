"""Scores of answers that are texts: exact match and token F1 as SQuAD defines them, and ROUGE-L.

Rajpurkar et al. (2016; 2018 for contexts without an answer) compare texts after
`normalised`. Chinese and Japanese have no spaces between words; there every
character is a token, as CMRC 2018 (Cui et al., 2019) scores them.
"""

from __future__ import annotations

import re
import string
import unicodedata
from collections import Counter
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from medplug.core.errors import DataError, UsageError, did_you_mean
from medplug.core.evaluation.scores import RESAMPLES, Estimate, Groups, estimates
from medplug.core.evaluation.statistic import mean_of

_ARTICLES = re.compile(r"\b(a|an|the)\b")
_UNSPACED = re.compile("([\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U000323af])")
_WORDS = re.compile(r"[^\W_]+")
# SQuAD drops the marks of ASCII alone; those of Chinese and Japanese text are dropped beside it.
_EASTERN = [chr(code) for block in (range(0x3000, 0x3040), range(0xFF00, 0xFFF0)) for code in block]
_MARKS = dict.fromkeys(map(ord, string.punctuation)) | {
    ord(mark): None for mark in _EASTERN if unicodedata.category(mark).startswith("P")
}


def normalised(text: str) -> str:
    """A text as SQuAD compares it: lower case, without punctuation and English articles, single spaces.

    In this order, so that "a.k.a." loses its points but no letters. A character
    of Chinese or Japanese stands by itself.
    """
    spaced = _UNSPACED.sub(r" \1 ", text.lower().translate(_MARKS))
    return " ".join(_ARTICLES.sub(" ", spaced).split())


def exact_match(predicted: str, gold: str) -> float:
    """1 where two answers are the same text once `normalised`, else 0; an empty text is 'no answer'."""
    return float(normalised(predicted) == normalised(gold))


def token_f1(predicted: str, gold: str) -> float:
    """The F1 of the tokens of two `normalised` answers, each token counted as often as it occurs in both.

    Where either has no token: 1 if both have none ('no answer'), else 0.
    """
    ours, theirs = normalised(predicted).split(), normalised(gold).split()
    return _f1((Counter(ours) & Counter(theirs)).total(), len(ours), len(theirs))


def rouge_l(predicted: str, gold: str) -> float:
    """ROUGE-L (Lin, 2004) of two texts: the F1 of their longest common subsequence of words.

    Recall and precision weigh alike (beta is 1). Words are runs of letters and
    digits in lower case, and characters of Chinese and Japanese; nothing is
    stemmed or left out. Where either has no word: 1 if both have none, else 0.
    """
    ours, theirs = (_WORDS.findall(_UNSPACED.sub(r" \1 ", text.lower())) for text in (predicted, gold))
    return _f1(_common_subsequence(ours, theirs), len(ours), len(theirs))


METRICS: dict[str, Callable[[str, str], float]] = {
    "exact_match": exact_match,
    "token_f1": token_f1,
    "rouge_l": rouge_l,
}


RowScores = Mapping[str, NDArray[np.float64]]
"""By metric one score a row ``[rows]``."""


def score_answers(
    predicted: Sequence[str], golds: Sequence[Sequence[str]], metrics: Sequence[str]
) -> dict[str, NDArray[np.float64]]:
    """Each of `metrics` for every row ``[rows]``, between 0 and 1: the best over the row's right answers.

    A row without right answers has none; its one right prediction is an empty
    text. Right answers that are empty once `normalised` are passed over where
    others are not, as SQuAD 2.0 does. Raises `DataError` where the rows differ in
    number and UsageError for an unknown metric.
    """
    if len(predicted) != len(golds):
        raise DataError(f"{len(predicted)} predicted answers for {len(golds)} rows; give one a row")
    for name in metrics:
        if name not in METRICS:
            raise UsageError(f"{name} scores no answers{did_you_mean(name, METRICS)} (valid: {', '.join(METRICS)})")
    told = [[gold for gold in row if normalised(gold)] or [""] for row in golds]
    pairs = list(zip(predicted, told, strict=True))
    return {
        name: np.array([max(METRICS[name](ours, gold) for gold in row) for ours, row in pairs], dtype=np.float64)
        for name in metrics
    }


def estimate_answers(
    predicted: Sequence[str],
    golds: Sequence[Sequence[str]],
    metrics: Sequence[str],
    *,
    groups: Groups | None = None,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> dict[str, Estimate]:
    """The mean of each of `metrics` over the rows with its 95 % interval; `groups` (one a row) are drawn whole.

    Raises what `score_answers` does, and `DataError` where there are no rows.
    """
    by_row = score_answers(predicted, golds, metrics)
    return estimate_rows(by_row, groups=groups, resamples=resamples, seed=seed)


def estimate_rows(
    by_row: RowScores, *, groups: Groups | None = None, resamples: int = RESAMPLES, seed: int = 0
) -> dict[str, Estimate]:
    """The mean of each score over the rows with its 95 % interval; `DataError` where there are no rows."""
    rows = len(next(iter(by_row.values())))
    statistics = {name: mean_of(values) for name, values in by_row.items()}
    found = estimates(statistics, rows, groups, resamples, seed)
    return {name: each for name, (each,) in found.items()}


def _f1(common: int, ours: int, theirs: int) -> float:
    if not ours or not theirs:
        return float(ours == theirs)
    return 2.0 * common / (ours + theirs)


def _common_subsequence(one: Sequence[str], other: Sequence[str]) -> int:
    """The length of the longest common subsequence, a bit a word of `one` (Crochemore et al., 2001).

    A bit that is 0 after the words of `other` so far is a word that makes it one longer.
    """
    places: dict[str, int] = {}
    for place, word in enumerate(one):
        places[word] = places.get(word, 0) | 1 << place
    every = (1 << len(one)) - 1
    bits = every
    for word in other:
        matched = bits & places.get(word, 0)
        bits = ((bits + matched) | (bits - matched)) & every
    return len(one) - bits.bit_count()
