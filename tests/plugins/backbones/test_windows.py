"""Cutting long texts: what every way of cutting must keep."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from medplug.plugins.backbones.windows import Windows, cut_windows

PREFIX, SUFFIX = [-1, -2], [-3]


def cases(count: int = 3000) -> Iterator[tuple[int, int, int, int]]:
    """Text length, room, overlap and the most windows, drawn as the options allow."""
    draw = random.Random(0)
    for _ in range(count):
        room = draw.randint(2, 40)
        yield draw.randint(0, 400), room, draw.randint(0, room // 2), draw.choice((1, 2, 5, 1000))


def cut(length: int, room: int, overlap: int, most: int) -> tuple[Windows, list[list[int]]]:
    """The windows of the text 0, 1, 2 ..., and their ids without prefix and suffix."""
    windows = cut_windows(range(length), room=room, overlap=overlap, most=most, prefix=PREFIX, suffix=SUFFIX)
    bodies = []
    for part in windows.parts:
        ids = part.tolist()
        assert ids[:2] == PREFIX and ids[-1:] == SUFFIX
        bodies.append(ids[2:-1])
    return windows, bodies


def test_windows_hold_the_text_in_order_and_neighbours_share_the_overlap() -> None:
    for length, room, overlap, most in cases():
        windows, bodies = cut(length, room, overlap, most)
        joined = bodies[0] + [token for body in bodies[1:] for token in body[overlap:]]
        assert joined == list(range(len(joined)))
        assert windows.cut == (len(joined) < length) and windows.tokens == length
        for body, following in zip(bodies, bodies[1:], strict=False):
            assert body[len(body) - overlap :] == following[:overlap]


def test_no_window_is_longer_than_the_room_and_they_differ_by_one_token_at_most() -> None:
    for length, room, overlap, most in cases():
        sizes = [len(body) for body in cut(length, room, overlap, most)[1]]
        assert max(sizes) <= room and max(sizes) - min(sizes) <= 1


def test_there_are_as_few_windows_as_can_be_and_never_more_than_the_most() -> None:
    for length, room, overlap, most in cases():
        windows, bodies = cut(length, room, overlap, most)
        held_by_one_less = room + (len(bodies) - 2) * (room - overlap)
        assert len(bodies) == 1 or length > held_by_one_less
        assert len(bodies) <= most
        if windows.cut:
            assert len(bodies) == most and all(len(body) == room for body in bodies)


@pytest.mark.parametrize(("length", "windows"), [(0, 1), (1, 1), (10, 1), (11, 2), (18, 2), (19, 3)])
def test_a_text_that_fits_is_one_window_and_one_token_more_makes_two(length: int, windows: int) -> None:
    assert len(cut(length, 10, 2, 1000)[1]) == windows


def test_the_size_is_what_is_computed_padding_counted() -> None:
    windows, bodies = cut(19, 10, 2, 1000)
    assert windows.size == len(bodies) * (max(map(len, bodies)) + 3)
