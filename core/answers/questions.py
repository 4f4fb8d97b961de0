"""The raw values of questions: what a row asks, and what it may be answered from.

Each is a `Digested`: equal contents have equal digests, so that what is computed
of a question is computed once.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property

_BYTES = 16


@dataclass(frozen=True)
class Pair:
    """A question and the text it is asked of: a context, a passage, or another question."""

    question: str
    context: str

    @cached_property
    def digest(self) -> bytes:
        """Sixteen bytes that stand for its content."""
        return _digest("pair", self.question, self.context)


@dataclass(frozen=True)
class Choice:
    """A question, the `options` of which one is right, and perhaps a text that tells which."""

    question: str
    options: tuple[str, ...]
    context: str | None = None

    @cached_property
    def digest(self) -> bytes:
        """Sixteen bytes that stand for its content; the order of the options is of it."""
        return _digest("choice", self.question, self.context, *self.options)


@dataclass(frozen=True)
class Span:
    """A question and the context that its answer stands in.

    `answers` are the right ones, each a text and the character it begins at
    (counted from 0); none where the context has no answer.
    """

    question: str
    context: str
    answers: tuple[tuple[str, int], ...] = ()

    @cached_property
    def digest(self) -> bytes:
        """Sixteen bytes that stand for its content, the answers among it."""
        parts = [part for text, start in self.answers for part in (text, str(start))]
        return _digest("span", self.question, self.context, *parts)


def _digest(kind: str, *parts: str | None) -> bytes:
    """Parts are written with their lengths, so that text cannot move from one to the next unseen."""
    told = hashlib.blake2b(kind.encode(), digest_size=_BYTES)
    for part in parts:
        data = None if part is None else part.encode("utf-8", "surrogatepass")
        told.update(b"-" if data is None else b"%d:" % len(data) + data)
    return told.digest()
