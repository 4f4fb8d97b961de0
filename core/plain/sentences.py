"""Answers without a model: the first sentence of a context, and the one that is most like the question."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medplug.core.answers.found import FoundSpans
from medplug.core.answers.questions import Pair
from medplug.core.answers.windows import NONE, Integers
from medplug.core.data.entities import distinct
from medplug.core.plain.text import PlainText

_SENTENCE = re.compile(r"[^\n。！？]*?(?:[.!?]+(?=\s)|[。！？]+|(?=\n)|\Z)")


def sentences(text: str) -> list[tuple[int, int]]:
    """Where the sentences of a text begin and end, in characters, without the white space around them.

    They end at a point, an exclamation or a question mark before white space, at those of
    Chinese and Japanese, and at a line's end. So "No. 5" is two.
    """
    found = []
    for match in _SENTENCE.finditer(text):
        told = match.group()
        if told.strip():
            found.append((match.start() + len(told) - len(told.lstrip()), match.start() + len(told.rstrip())))
    return found


def first_sentences(pairs: Sequence[Pair]) -> FoundSpans:
    """The first sentence of every context."""
    spans = [next(iter(sentences(pair.context)), (NONE, NONE)) for pair in pairs]
    return _found(spans, np.zeros(len(spans)))


class NearestSentence:
    """The sentence of a context that shares most words with the question: the highest cosine of their TF-IDF.

    Words and their weights are those of `PlainText`, learned from the questions and
    contexts of the training rows; their answers are not looked at.
    """

    def __init__(self) -> None:
        self._text = PlainText()

    def fit(self, pairs: Sequence[Pair]) -> None:
        """Learn the words and how rare they are, each text counted once. Raises ValueError where there are none."""
        texts, _ = distinct([text for pair in pairs for text in (pair.question, pair.context)])
        self._text.fit_transform(texts)

    def find(self, pairs: Sequence[Pair]) -> FoundSpans:
        """The nearest sentence of every context, the first of equally near ones; its score is the cosine."""
        contexts, of = distinct([pair.context for pair in pairs])
        spans = [sentences(context) for context in contexts]
        firsts = np.cumsum([0, *map(len, spans)])
        flat = [context[start:end] for context, each in zip(contexts, spans, strict=True) for start, end in each]
        if not flat:
            return _found([(NONE, NONE)] * len(pairs), np.zeros(len(pairs)))
        known, asked = self._unit(flat), self._unit([pair.question for pair in pairs])
        best, cosine = [], np.zeros(len(pairs))
        for row, context in enumerate(of.tolist()):
            own = known[firsts[context] : firsts[context + 1]] @ asked[row].T
            near = own.toarray()[:, 0]
            best.append(spans[context][int(near.argmax())] if len(near) else (NONE, NONE))
            cosine[row] = near.max(initial=0.0)
        return _found(best, cosine)

    def _unit(self, texts: Sequence[str]) -> Any:
        """Rows of length 1 (or 0), of a mixture of languages as well."""
        from sklearn.preprocessing import normalize

        return normalize(self._text.transform(texts)).tocsr()


def _found(spans: Sequence[tuple[int, int]], score: NDArray[np.float64]) -> FoundSpans:
    places: Integers = np.array(spans, dtype=np.int64).reshape(-1, 2)
    found = np.where(places[:, 0] == NONE, -np.inf, score).astype(np.float32)
    return FoundSpans(places[:, 0], places[:, 1], found, -np.inf)
