"""Pairs of unlabelled rows: titles with bodies, and first sentences with the rest."""

from __future__ import annotations

import pytest

from medplug.core.errors import DataError
from medplug.core.retrieval.pseudo import first_sentence, pseudo_pairs


@pytest.mark.parametrize(
    ("passage", "pair"),
    [
        ("Flu is a virus. It spreads. Rest.", ("Flu is a virus.", "It spreads. Rest.")),
        ("A dose of 1.5 mg helps! Ask first.", ("A dose of 1.5 mg helps!", "Ask first.")),
        ("Overview\nFlu is a virus", ("Overview", "Flu is a virus")),
        ("\u6d41\u611f\u662f\u75c5\u3002\u4f11\u606f\u3002", ("\u6d41\u611f\u662f\u75c5\u3002", "\u4f11\u606f\u3002")),
        ("One sentence alone.", None),
        ("   ", None),
    ],
)
def test_the_first_sentence_is_taken_out_of_its_passage(passage: str, pair: tuple[str, str] | None) -> None:
    assert first_sentence(passage) == pair


def test_titles_stay_and_passages_alone_give_their_first_sentence() -> None:
    made = pseudo_pairs([("Flu", "A virus."), ("", "What is flu. A virus."), ("", "One."), ("Cold", "")])
    assert made.pairs == [("Flu", "A virus."), ("What is flu.", "A virus.")] and (made.made, made.left_out) == (1, 2)
    (told,) = made.told().values()
    assert told.startswith("1 titles with their passages and 1 first sentences with the rest of their passages; 2 rows")


def test_too_few_pairs_are_refused() -> None:
    with pytest.raises(DataError, match="data.unlabelled: 1 of 2 rows"):
        pseudo_pairs([("Flu", "A virus."), ("", "One.")])
