"""A context of any length as windows of tokens behind its question, whose places in the text are kept."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from medplug.core.answers.windows import Integers, cut_windows
from medplug.core.readers.windows import SpanWindow, place_tokens
from medplug.plugins.backbones.pair_layout import PairLayout
from medplug.plugins.backbones.windows import Ids


def windows_of_ids(
    layout: PairLayout,
    question: Sequence[int],
    context: Sequence[int],
    offsets: Sequence[tuple[int, int]],
    *,
    window: int,
    overlap: int,
) -> list[SpanWindow]:
    """A pair as windows of at most `window` ids, each laid out as the tokenizer lays out pairs.

    `offsets` are the first character of each id of the context and the one after its
    last. A question is cut where it would have more than half of the room beside special
    tokens and the context needs the rest.
    """
    places = np.array(offsets, dtype=np.int64).reshape(-1, 2)
    behind = len(layout.behind.ids)
    room = window - len(layout.before.ids) - len(layout.between.ids) - behind
    asked = question[: max(room // 2, room - len(context))]
    found = []
    for first, end in _ranges(len(context), room - len(asked), overlap):
        item = layout.windows(asked, context[first:end], window=window, overlap=0, most=1)
        before = len(item.parts[0]) - (end - first) - behind
        placed = place_tokens(places[first:end], before, behind)
        found.append(SpanWindow(item, placed, first, cut=len(asked) < len(question)))
    return found


def windows_of_units(question: Ids, context: Ids, offsets: Integers, *, window: int, overlap: int) -> list[SpanWindow]:
    """A pair of ids ``[tokens, ngrams]`` as windows of at most `window`: the question's, and then the context's.

    A question is cut as by `windows_of_ids`.
    """
    asked = question[: max(window // 2, window - len(context))]
    return [
        SpanWindow(
            np.concatenate([asked, context[first:end]]),
            place_tokens(offsets[first:end], len(asked), 0),
            first,
            cut=len(asked) < len(question),
        )
        for first, end in _ranges(len(context), window - len(asked), overlap)
    ]


def _ranges(tokens: int, room: int, overlap: int) -> list[tuple[int, int]]:
    """The first token of every window of a context and the one after its last; half of each window at least is new."""
    windows: list[tuple[int, int]] = cut_windows(tokens, room, min(overlap, room // 2)).tolist()
    return windows
