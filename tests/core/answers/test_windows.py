"""Windows lose nothing: spans go to tokens and back, and the best span does not depend on how a context was cut."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from medplug.core.answers.windows import (
    NONE,
    best_spans,
    character_span,
    cut_windows,
    no_answer_scores,
    token_span,
    window_labels,
)
from medplug.core.errors import UsageError

TEXT = "Mild fever (38.5 °C), then  a dry cough; no rash was seen on day 3."
WORDS = np.array([match.span() for match in re.finditer(r"\w+|[^\w\s]", TEXT)])
CUTS = [(5, 0), (5, 2), (8, 7), (3, 1), (100, 10)]


@pytest.mark.parametrize("tokens", [0, 1, 4, 5, 6, 17, 50])
@pytest.mark.parametrize(("room", "overlap"), CUTS)
def test_windows_hold_every_token_and_overlap_as_asked(tokens: int, room: int, overlap: int) -> None:
    windows = cut_windows(tokens, room, overlap)
    assert windows[0, 0] == 0 and windows[-1, 1] == tokens
    assert (np.diff(windows, axis=1) <= room).all() and (np.diff(windows[:, 1]) > 0).all()
    assert (windows[:-1, 1] - windows[1:, 0] == overlap).all()


@pytest.mark.parametrize(("room", "overlap"), [(5, 5), (5, 6), (0, 0), (5, -1)])
def test_windows_that_would_not_go_on_are_refused(room: int, overlap: int) -> None:
    with pytest.raises(UsageError, match="overlap"):
        cut_windows(10, room, overlap)


def test_every_character_span_comes_back_as_the_least_tokens_that_hold_it() -> None:
    for start in range(len(TEXT)):
        for end in range(start + 1, len(TEXT) + 1):
            touched = [i for i, (a, b) in enumerate(WORDS) if a < end and b > start]
            found = token_span(WORDS, start, end)
            assert found == ((touched[0], touched[-1]) if touched else None)
            if found:
                left, right = character_span(WORDS, *found)
                inner = TEXT[start:end]
                assert left <= start + len(inner) - len(inner.lstrip()) and right >= end - len(inner) + len(
                    inner.rstrip()
                )


@pytest.mark.parametrize(("room", "overlap"), CUTS)
def test_every_span_of_tokens_round_trips_through_every_window_that_holds_it(room: int, overlap: int) -> None:
    windows = cut_windows(len(WORDS), room, overlap)
    for first in range(len(WORDS)):
        for last in range(first, len(WORDS)):
            characters = character_span(WORDS, first, last)
            assert token_span(WORDS, *characters) == (first, last)
            labels = window_labels(windows, (first, last))
            held = (windows[:, 0] <= first) & (last < windows[:, 1])
            assert ((labels[:, 0] != NONE) == held).all() and ((labels == NONE).all(axis=1) == ~held).all()
            assert (labels[held] + windows[held, :1] == [first, last]).all()
            assert held.any() or last - first + 1 > overlap + 1


def test_tokens_that_share_a_character_are_all_taken() -> None:
    offsets = np.array([[0, 1], [0, 1], [0, 1], [1, 2], [1, 2], [2, 4]])  # three bytes, two bytes, a word
    assert token_span(offsets, 0, 1) == (0, 2) and token_span(offsets, 1, 2) == (3, 4)
    assert token_span(offsets, 0, 4) == (0, 5)


def test_no_answer_is_in_no_window() -> None:
    assert (window_labels(cut_windows(9, 4, 1), None) == NONE).all()
    assert token_span(WORDS, TEXT.index("  "), TEXT.index("  ") + 2) is None
    assert token_span(np.zeros((0, 2), dtype=np.int64), 0, 4) is None


def plain_best(start: np.ndarray, end: np.ndarray, longest: int) -> float:
    """The highest sum over all pairs, as the definition says it."""
    pairs = [(i, j) for i in range(len(start)) for j in range(i, min(i + longest, len(start)))]
    return max((float(start[i]) + float(end[j]) for i, j in pairs), default=-np.inf)


@pytest.mark.parametrize(("room", "overlap"), [(6, 4), (9, 4), (40, 4), (5, 4)])
def test_the_best_span_does_not_depend_on_how_contexts_were_cut(room: int, overlap: int) -> None:
    draw = np.random.default_rng(room)
    lengths, longest = [17, 3, 0, 30, 1], 5
    logits = [draw.normal(size=(2, length)) for length in lengths]
    cuts = [cut_windows(length, room, overlap) for length in lengths]
    owner = np.repeat(np.arange(len(lengths)), [len(cut) for cut in cuts])
    width = 2 + room  # two tokens of the question stand before
    starts, ends = draw.normal(size=(2, len(owner), width)) + 9
    mask = np.zeros(starts.shape, dtype=bool)
    for place, (row, (first, after)) in enumerate(zip(owner, np.concatenate(cuts), strict=True)):
        inside = slice(2, 2 + after - first)
        mask[place, inside] = True
        starts[place, inside], ends[place, inside] = logits[row][:, first:after]
    order = draw.permutation(len(owner))
    found = best_spans(starts[order], ends[order], mask[order], owner[order], len(lengths), longest=longest)
    begins = np.concatenate(cuts)[order, 0]
    for row, (start, end) in enumerate(logits):
        assert found.score[row] == pytest.approx(plain_best(start, end, longest))
        if lengths[row]:
            shift = begins[found.window[row]] - 2
            first, last = found.first[row] + shift, found.last[row] + shift
            assert 0 <= last - first < longest and start[first] + end[last] == pytest.approx(found.score[row])
        else:
            assert found.window[row] == found.first[row] == found.last[row] == NONE


def test_ties_are_broken_by_the_first_window_then_the_shortest_span_then_the_first() -> None:
    zeros = np.zeros((2, 3))
    found = best_spans(zeros, zeros, np.ones((2, 3), dtype=bool), np.array([0, 0]), 1, longest=3)
    assert (found.window[0], found.first[0], found.last[0]) == (0, 0, 0)


def test_half_precision_logits_are_summed_in_full() -> None:
    start, end = np.array([[2048.0, 0.0]], np.float16), np.array([[0.0, 1.0]], np.float16)
    found = best_spans(start, end, np.ones((1, 2), dtype=bool), np.array([0]), 1, longest=2)
    assert found.score[0] == 2049 and (found.first[0], found.last[0]) == (0, 1)


def test_a_span_of_no_token_is_refused() -> None:
    with pytest.raises(UsageError, match="1 or more"):
        best_spans(np.zeros((1, 2)), np.zeros((1, 2)), np.ones((1, 2), dtype=bool), np.array([0]), 1, longest=0)


def test_no_answer_scores_as_the_window_that_believes_in_it_least() -> None:
    found = no_answer_scores(np.array([3.0, -1.0, 2.0]), np.array([0, 0, 2]), 3)
    assert found.tolist() == [-1.0, np.inf, 2.0]


def test_a_real_tokenizers_offsets_round_trip(tiny_bert: Path) -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(tiny_bert)
    text = "The patient has  had fever,\r\nand a rash; 咳嗽 and cough."
    read = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
    offsets = np.array(read["offset_mapping"])
    for answer in ("fever", "fever,\r\nand a rash", "has  had", "咳嗽", "cough."):
        start = text.index(answer)
        found = token_span(offsets, start, start + len(answer))
        assert found is not None and character_span(offsets, *found) == (start, start + len(answer))
