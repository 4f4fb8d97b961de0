"""A context in windows, each behind its question, that a model reads one by one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from medplug.core.answers.windows import NONE, Integers, token_span, window_labels


@dataclass(frozen=True, slots=True)
class SpanWindow:
    """One window: what a text backbone prepared (`item`), and where in the context its tokens stand.

    `offsets` ``[tokens, 2]`` are the first character of each token and the one after its last,
    `NONE` twice where a token is none of the context (the question, a separator); the tokens
    are those of `Features.tokens`, and those of the context stand together. `first` is
    the place of the first of these among all tokens of the context. `cut`: the question lost its end.
    """

    item: Any
    offsets: Integers
    first: int
    cut: bool = False

    @property
    def of_context(self) -> Any:
        """Which tokens are of the context ``[tokens]``, as truth values."""
        return self.offsets[:, 0] != NONE


def place_tokens(offsets: Integers, before: int, after: int) -> Integers:
    """The offsets ``[before + tokens + after, 2]`` of a window with so many tokens on either side of the context's."""
    return np.pad(offsets, ((before, after), (0, 0)), constant_values=NONE)


def label_tokens(windows: Sequence[SpanWindow], answers: Sequence[tuple[str, int]]) -> Integers:
    """The first and last token of a row's answer in each of its windows ``[windows, 2]``, by their place in it.

    `NONE` twice in a window that does not hold all of it, and where there is no answer.
    Of several answers the first counts; its offset is of characters.
    """
    inside = [window.of_context for window in windows]
    counts = [int(mask.sum()) for mask in inside]
    ranges = np.array([(w.first, w.first + count) for w, count in zip(windows, counts, strict=True)], dtype=np.int64)
    if not answers:
        return window_labels(ranges, None)
    offsets = np.zeros((int(ranges.max()), 2), dtype=np.int64)  # of the whole context, put together again
    for (first, end), window, mask in zip(ranges.tolist(), windows, inside, strict=True):
        offsets[first:end] = window.offsets[mask]
    text, start = answers[0]
    found = window_labels(ranges, token_span(offsets, start, start + len(text)))
    before = np.array([int(mask.argmax()) for mask in inside], dtype=np.int64)
    return np.where(found == NONE, NONE, found + before[:, None])
