"""Equal questions have equal digests, and different ones different."""

from __future__ import annotations

from medplug.core.answers.questions import Choice, Pair, Span
from medplug.core.data.content import Digested, content_key

DIFFERENT = [
    Pair("a", "b"),
    Pair("ab", ""),
    Pair("", "ab"),
    Pair("b", "a"),
    Choice("a", ("b", "c")),
    Choice("a", ("c", "b")),
    Choice("a", ("b", "c"), ""),
    Choice("a", ("bc",)),
    Choice("a", ("c",), "b"),
    Span("a", "b"),
    Span("a", "b", (("b", 0),)),
    Span("a", "b", (("b", 1),)),
    Span("a", "b", (("b", 0), ("b", 0))),
]


def test_each_content_has_a_digest_of_its_own() -> None:
    assert len({content_key(each) for each in DIFFERENT}) == len(DIFFERENT)
    assert all(isinstance(each, Digested) and len(each.digest) == 16 for each in DIFFERENT)


def test_equal_contents_share_a_digest() -> None:
    assert Choice("q?", ("x", "y"), "c").digest == Choice("".join(["q", "?"]), ("x", "y"), "c").digest
    assert Span("q", "c", (("c", 0),)).digest == Span("q", "c", (("c", 0),)).digest


def test_half_a_surrogate_pair_can_be_told_too() -> None:
    assert Pair("\ud800", "b").digest != Pair("\ud801", "b").digest
