"""Amino-acid sequences: in capitals, without blanks, of letters that protein models know, or refused with a reason."""

from __future__ import annotations

import re

import polars as pl

from medplug.core.data.entities import read_entities
from medplug.core.data.problems import Problems
from medplug.core.errors import DataError

AMINO_ACIDS = "ACDEFGHIKLMNPQRSTVWY"
LETTERS = AMINO_ACIDS + "XUBZO"
"""The 20 amino acids; X any, U selenocysteine, O pyrrolysine, B asparagine or aspartate, Z glutamine or glutamate."""
MAX_RESIDUES = 40_000
"""The longest sequence that is read: human titin, the longest known of man, has about 34,350 residues."""
_OTHER = re.compile(f"[^{LETTERS}]")
_NUCLEOTIDES = frozenset("ACGTUN")
_SURELY = 30
"""So many letters, all of them names of bases, are no protein by chance."""


class SequenceError(DataError):
    """A sequence that cannot be used. Its text is the short reason alone, without a letter of the sequence."""


def read_sequences(table: pl.DataFrame, column: str, problems: Problems, *, empty_ok: bool = False) -> list[str | None]:
    """One sequence a row as `standardise` gives it, each distinct one read once; None where it is empty or bad.

    A bad sequence is a problem of its rows, and so is an empty cell, but where
    `empty_ok`. Raises `DataError` for a column of lists or bytes.
    """
    return read_entities(table[column], standardise, problems, key="data.sequence", what="sequence", empty_ok=empty_ok)


def standardise(sequence: str) -> str:
    """The sequence in capitals, without blanks and line ends, and without the ``*`` that marks its end.

    Letters are those of `LETTERS`; J (leucine or isoleucine) is none, as protein
    models have no token for it. Raises `SequenceError` where the sequence is
    empty, has other characters, is one of bases, or is longer than 40,000.
    """
    text = "".join(sequence.split())
    text = _capitals(text).removesuffix("*")
    if not text:
        raise SequenceError("the sequence is empty")
    if len(text) > MAX_RESIDUES:
        raise SequenceError(
            f"it has {len(text)} residues; at most {MAX_RESIDUES} are read: cut out the domain of interest"
        )
    bad = _OTHER.search(text)
    if bad:
        raise SequenceError(_no_letters(text, bad.start() + 1))
    if len(text) >= _SURELY and set("ACG") <= set(text) <= _NUCLEOTIDES:
        raise SequenceError(
            "it is made of A, C, G, T, U and N alone, as DNA and RNA are; translate it into amino acids"
        )
    return text


def _capitals(text: str) -> str:
    """ASCII letters alone: the capitals of some others are letters of amino acids."""
    return text.upper() if text.isascii() else re.sub("[a-z]+", lambda found: found[0].upper(), text)


def _no_letters(text: str, first: int) -> str:
    count, allowed = len(_OTHER.findall(text)), f"{AMINO_ACIDS} and X, U, B, Z, O"
    if set(_OTHER.findall(text)) <= set("-."):
        return f"it has {count} gap(s), the first at position {first}; give the sequence without its alignment"
    return (
        f"{count} of its {len(text)} characters (blanks not counted) are no letter of an amino acid, the first at "
        f"position {first}; allowed are {allowed}"
    )
