"""Long contexts in overlapping windows of tokens, and spans from characters to tokens and back.

A context is tokenised once, whole and without special tokens; windows are ranges
of its tokens, so that offsets into the context are kept whatever the window.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from medplug.core.errors import UsageError

NONE = -1
"""Stands for a token where a window has no answer."""

Integers = NDArray[np.int64]
Floats = NDArray[np.float64]


def cut_windows(tokens: int, room: int, overlap: int) -> Integers:
    """The windows of a context of so many tokens: ``[windows, 2]``, the first token and the one after the last.

    Each has at most `room` tokens and repeats the last `overlap` of the one before;
    none lies within another. A context without tokens has one empty window. Raises
    UsageError where a window would not go on: `room` must be above `overlap`.
    """
    if not 0 <= overlap < room:
        raise UsageError(f"windows of {room} tokens cannot overlap by {overlap}; the overlap must be 0 to {room - 1}")
    step = room - overlap
    count = 1 + max(0, -(-(tokens - room) // step))
    first = np.arange(count, dtype=np.int64) * step
    return np.stack([first, np.minimum(first + room, tokens)], axis=1)


def token_span(offsets: Integers, start: int, end: int) -> tuple[int, int] | None:
    """The tokens (first, last) that hold the characters from `start` to before `end`; None where no token does.

    `offsets` ``[tokens, 2]`` are a fast tokenizer's, in order: the first character
    of each token and the one after its last. Several tokens may share a character
    (bytes of it); all of them are taken. Characters that no token has (white
    space) are passed over.
    """
    first = int(np.searchsorted(offsets[:, 1], start, side="right"))
    last = int(np.searchsorted(offsets[:, 0], end, side="left")) - 1
    return (first, last) if first <= last else None


def character_span(offsets: Integers, first: int, last: int) -> tuple[int, int]:
    """The characters (start, and the one after the last) of tokens `first` to `last`, both included."""
    return int(offsets[first, 0]), int(offsets[last, 1])


def window_labels(windows: Integers, span: tuple[int, int] | None) -> Integers:
    """The tokens (first, last) of a span, counted within each window: ``[windows, 2]``.

    `NONE` twice for a window that does not hold all of it, and for all where there is no span.
    """
    if span is None:
        return np.full((len(windows), 2), NONE, dtype=np.int64)
    holds = (windows[:, 0] <= span[0]) & (span[1] < windows[:, 1])
    return np.where(holds[:, None], np.array(span) - windows[:, :1], NONE)


@dataclass(frozen=True, slots=True)
class BestSpans:
    """The best span of every row: its window, its first and last token within it, and the score ``[rows]``.

    `NONE` and -inf where no window of the row has a token.
    """

    window: Integers
    first: Integers
    last: Integers
    score: Floats


def best_spans(
    start_logits: NDArray[np.floating],
    end_logits: NDArray[np.floating],
    mask: NDArray[np.bool_],
    owner: Integers,
    rows: int,
    *,
    longest: int,
) -> BestSpans:
    """The span with the highest sum of logits of its first and last token, of every row over all of its windows.

    Logits and `mask` (True where a token of the context stands, without gaps) are ``[windows, tokens]``,
    `owner` is the row of each window ``[windows]``. A span has at most `longest` tokens
    and none outside of the mask. Of equal spans that of the first window is taken,
    of its spans the shortest, of these the first. This is the decoding of Devlin et
    al. (2019, section 4.3). Sums are taken in float64. Raises UsageError where
    `longest` is below 1.
    """
    if longest < 1:
        raise UsageError(f"a span of at most {longest} tokens is none; longest must be 1 or more")
    starts = np.where(mask, start_logits, -np.inf).astype(np.float64)
    ends = np.where(mask, end_logits, -np.inf).astype(np.float64)
    score, first, last = _best_of_windows(starts, ends, longest)
    best = best_windows(score, owner, rows)
    leaders = best[best != NONE]
    window, at, to = (np.full(rows, NONE, dtype=np.int64) for _ in range(3))
    found = BestSpans(window, at, to, np.full(rows, -np.inf))
    for column, values in ((window, leaders), (at, first[leaders]), (to, last[leaders])):
        column[owner[leaders]] = values
    found.score[owner[leaders]] = score[leaders]
    return found


def best_windows(score: Floats, owner: Integers, rows: int) -> Integers:
    """The window of the highest score of every row ``[rows]``, of equal ones the first.

    `NONE` where all of a row's windows have -inf, as those without a span, or it has none.
    """
    order = np.lexsort((np.arange(len(owner)), -score, owner))
    leaders = order[np.unique(owner[order], return_index=True)[1]]
    leaders = leaders[score[leaders] > -np.inf]
    found = np.full(rows, NONE, dtype=np.int64)
    found[owner[leaders]] = leaders
    return found


def _best_of_windows(starts: Floats, ends: Floats, longest: int) -> tuple[Floats, Integers, Integers]:
    """Score, first and last token of each window's best span ``[windows]``: a pass for each length, never all pairs."""
    windows, tokens = starts.shape
    best = np.full(windows, -np.inf)
    first, last = (np.full(windows, NONE, dtype=np.int64) for _ in range(2))
    every = np.arange(windows)
    for more in range(min(longest, tokens)):
        sums = starts[:, : tokens - more] + ends[:, more:]
        at = sums.argmax(axis=1)
        here = sums[every, at]
        better = here > best
        best[better], first[better], last[better] = here[better], at[better], at[better] + more
    return best, first, last


def no_answer_scores(null_scores: NDArray[np.floating], owner: Integers, rows: int) -> Floats:
    """The score of having no answer, of every row: the least of those of its windows ``[windows]``.

    The answer need be in one of them alone (as Devlin et al., 2019, decode SQuAD
    2.0). inf for a row without a window. An answer is given where `BestSpans.score`
    is above it by a threshold that is chosen on validation rows.
    """
    found = np.full(rows, np.inf)
    np.minimum.at(found, owner, null_scores.astype(np.float64))
    return found
