"""Pairs to adapt an encoder with, where nobody asked: titles and bodies, or passages cut after the first sentence.

A passage's first sentence is taken out of it and stands for the question, as in the inverse cloze task of Lee, Chang
and Toutanova (Latent retrieval for weakly supervised open domain question answering, 2019), which draws the sentence.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from medplug.core.errors import DataError
from medplug.core.retrieval.corpus import Pairs

_END = re.compile(r"(?<=[.!?])\s+|(?<=[\u3002\uff01\uff1f])|\n+")


@dataclass(frozen=True, slots=True)
class PseudoPairs:
    """The `pairs`, how many of them are made of a passage alone, and how many rows had nothing to make one of."""

    pairs: list[tuple[str, str]]
    made: int
    left_out: int

    def told(self) -> dict[str, str]:
        """What the report says of them."""
        own = len(self.pairs) - self.made
        parts = [f"{own:,} titles with their passages"] if own else []
        parts += [f"{self.made:,} first sentences with the rest of their passages"] if self.made else []
        left = f"; {self.left_out:,} rows had too little text" if self.left_out else ""
        return {"adapted before training on": " and ".join(parts) + left}


def pseudo_pairs(rows: Pairs) -> PseudoPairs:
    """The (question, passage) pairs of unlabelled rows; without a question the passage's first sentence is it.

    Raises DataError where fewer than two pairs are left, of which nothing can be learned.
    """
    given = [(question, passage) for question, passage in rows if question.strip() and passage.strip()]
    alone = [passage for question, passage in rows if not question.strip() and passage.strip()]
    made = [pair for passage in alone if (pair := first_sentence(passage)) is not None]
    pairs = [*given, *made]
    if len(pairs) < 2:
        raise DataError(
            f"data.unlabelled: {len(pairs)} of {len(rows)} rows have a title and a passage, or a passage of two "
            "sentences; give more, or leave data.unlabelled out"
        )
    return PseudoPairs(pairs, len(made), len(rows) - len(pairs))


def first_sentence(passage: str) -> tuple[str, str] | None:
    """A passage's first sentence, and the rest of it; None where it has but one."""
    found = _END.search(passage.strip())
    if found is None:
        return None
    first, rest = passage.strip()[: found.start()].strip(), passage.strip()[found.end() :].strip()
    return (first, rest) if first and rest else None
