from __future__ import annotations

import numpy as np
import pytest

from medplug.core.data import near_text

_LETTERS = np.array(list("abcdefghijklmnopqrstuvwxyz"))
WORDS = ["".join(np.random.default_rng(i).choice(_LETTERS, 3 + i % 6)) for i in range(3000)]


def note(seed: int, words: int = 80) -> str:
    return " ".join(np.random.default_rng(seed).choice(WORDS, words).tolist())


def jaccard(first: str, second: str, run: int = 5) -> float:
    a, b = ({text[i : i + run] for i in range(len(text) - run + 1)} for text in (first, second))
    return len(a & b) / len(a | b)


def edited(text: str, places: tuple[int, ...]) -> str:
    words = text.split()
    for place in places:
        words[place] = "corrected"
    return " ".join(words)


def test_sketches_estimate_the_jaccard_index() -> None:
    pairs = [(note(i), edited(note(i), tuple(range(0, i % 30)))) for i in range(60)]
    first, second = (near_text.sketch([pair[side] for pair in pairs])[0] for side in (0, 1))
    exact = np.array([jaccard(*pair) for pair in pairs])
    off = near_text.agreement(first, second) - exact
    assert abs(off.mean()) < 0.02
    assert np.abs(off).max() < 0.2


def test_an_edited_note_is_found_and_unrelated_ones_are_not() -> None:
    notes = [note(i, 120) for i in range(300)]
    distinct, told = near_text.clusters(notes)
    assert len(set(distinct)) == 300
    assert told.all()
    planted = [
        edited(notes[7], (3, 60)),
        notes[8] + " seen again today by the team of the ward",
        notes[9][:40] + " " + notes[9],
    ]
    numbers, _ = near_text.clusters([*notes, *planted])
    assert numbers[300:] == [numbers[7], numbers[8], numbers[9]]
    assert len(set(numbers)) == 300


@pytest.mark.parametrize("changed", [0, 4, 8, 12, 16, 24, 40])
def test_two_texts_are_linked_exactly_from_the_threshold_on(changed: int) -> None:
    first = note(1, 200)
    second = edited(first, tuple(range(0, 200, 5))[:changed])
    numbers, _ = near_text.clusters([first, second])
    assert (numbers[0] == numbers[1]) == (jaccard(first, second) >= near_text.ALIKE)


def test_short_texts_are_not_compared() -> None:
    numbers, told = near_text.clusters(["no acute finding", "no acute findings", ""])
    assert numbers == [0, 1, 2]
    assert not told.any()


def test_texts_without_spaces_are_compared_as_well() -> None:
    drawn = np.random.default_rng(0)
    first = "".join(chr(0x4E00 + int(each)) for each in drawn.integers(2000, size=120))
    numbers, _ = near_text.clusters([first, first[:60] + "改" + first[61:], first[::-1]])
    assert numbers == [0, 0, 2]


def test_a_lone_surrogate_is_text_like_any_other() -> None:
    assert near_text.clusters(["\ud800" + note(1), note(1)])[0] == [0, 0]


def test_what_is_in_one_call_does_not_change_a_sketch() -> None:
    alone, among = near_text.sketch([note(3)])[0], near_text.sketch([note(1), "", note(3)])[0]
    np.testing.assert_array_equal(alone[0], among[2])
