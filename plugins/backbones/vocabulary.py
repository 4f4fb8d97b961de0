"""A vocabulary of words or characters, and of their n-grams, learned from training texts."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import pairwise
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray

Units = Literal["words", "characters"]

PAD = 0
UNKNOWN = 1

_WORD = re.compile(r"\w+|[^\w\s]")
_LETTER = re.compile(r"\S")
# kana and ideographs: scripts without blanks between words
_UNSPACED = re.compile("[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U000323af]")


@dataclass(frozen=True)
class Vocabulary:
    """The units that are known, in the order of their ids: entry ``i`` has id ``i + 2``.

    Id 0 is padding, id 1 an unknown unit. With `ngrams` 2 the entries also hold
    pairs of neighbouring units (two units with a blank between them), since pairs
    carry much of the meaning of short texts and of unspaced scripts (Joulin et
    al. 2016, "Bag of Tricks for Efficient Text Classification").
    """

    units: Units
    ngrams: int
    entries: tuple[str, ...]
    _ids: Mapping[str, int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_ids", {entry: i for i, entry in enumerate(self.entries, start=UNKNOWN + 1)})

    @classmethod
    def learn(
        cls,
        texts: Sequence[str],
        owners: Sequence[str] | None = None,
        *,
        units: Literal["auto"] | Units,
        ngrams: int,
        min_count: int,
        max_size: int,
    ) -> Self:
        """Learn it from `texts`; `owners` says which patient each belongs to.

        An entry that the texts of fewer than `min_count` patients contain (without
        owners: fewer texts) is left out, so that one patient's name does not enter
        the saved model; of the rest the `max_size` most widespread stay, in the
        order of that count and then of the entry itself.
        """
        chosen = choose_units(texts) if units == "auto" else units
        counts: Counter[str] = Counter()
        for notes in _by_owner(texts, owners):
            entries: set[str] = set()
            for text in notes:
                found = split_units(text, chosen)
                entries.update(found, _pairs(found) if ngrams > 1 else ())
            counts.update(entries)
        frequent = sorted((entry for entry in counts if counts[entry] >= min_count), key=lambda e: (-counts[e], e))
        return cls(chosen, ngrams, tuple(frequent[:max_size]))

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Build it again from what `to_json` gave."""
        return cls(data["units"], data["ngrams"], tuple(data["entries"]))

    def to_json(self) -> dict[str, Any]:
        """All of it, as JSON data."""
        return {"units": self.units, "ngrams": self.ngrams, "entries": list(self.entries)}

    def __len__(self) -> int:
        """The number of ids, padding and unknown among them."""
        return len(self.entries) + UNKNOWN + 1

    def encode(self, text: str) -> NDArray[np.int32]:
        """The ids of a text, ``[tokens, ngrams]`` with at least one token.

        Column 0 is the unit (`UNKNOWN` where it is not known), column 1 the pair
        it ends (`PAD`, which adds nothing, where that is not known).
        """
        return self._ids_of(split_units(text, self.units))

    def encode_with_offsets(self, text: str) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
        """The ids of a text, and the characters of it that each stands for: ``[tokens, ngrams]`` and ``[tokens, 2]``.

        Offsets are the first character and the one after the last. A text without a
        unit has no token here.
        """
        units, offsets = place_units(text, self.units)
        return self._ids_of(units)[: len(units)], offsets

    def _ids_of(self, units: Sequence[str]) -> NDArray[np.int32]:
        ids = np.full((max(1, len(units)), self.ngrams), PAD, dtype=np.int32)
        ids[:, 0] = [self._ids.get(unit, UNKNOWN) for unit in units] or UNKNOWN
        if self.ngrams > 1:
            ids[1:, 1] = [self._ids.get(pair, PAD) for pair in _pairs(units)]
        return ids


def _by_owner(texts: Sequence[str], owners: Sequence[str] | None) -> Iterable[Sequence[str]]:
    """The texts of each owner together; without owners, or with an empty one, each text by itself."""
    notes: dict[str | int, list[str]] = {}
    for row, text in enumerate(texts):
        notes.setdefault((owners[row] if owners is not None else "") or row, []).append(text)
    return notes.values()


def choose_units(texts: Iterable[str]) -> Units:
    """``characters`` where most letters are ideographs or kana, which stand without blanks between words."""
    letters = unspaced = 0
    for text in texts:
        letters += sum(map(str.isalpha, text))
        unspaced += len(_UNSPACED.findall(text))
    return "characters" if 2 * unspaced > letters else "words"


def split_units(text: str, units: Units) -> list[str]:
    """The words and punctuation marks, or the characters that are not blank, of the lower-cased NFKC form of `text`."""
    plain = unicodedata.normalize("NFKC", text).lower()
    return _WORD.findall(plain) if units == "words" else list("".join(plain.split()))


def place_units(text: str, units: Units) -> tuple[list[str], NDArray[np.int64]]:
    """What `split_units` gives, and where in `text` each unit stands ``[units, 2]``, in characters of it.

    A letter and the marks that combine with it are one place. So are letters that only
    together have an NFKC form (of Korean, written letter by letter); the rare unit that
    depends on more than its own letters may differ from that of `split_units`.
    """
    plain, starts, ends = _aligned(text)
    matches = (_WORD if units == "words" else _LETTER).finditer(plain)
    spans = [match.span() for match in matches]
    offsets = [(starts[first], ends[last - 1]) for first, last in spans]
    return [plain[first:last] for first, last in spans], np.array(offsets, dtype=np.int64).reshape(-1, 2)


def _aligned(text: str) -> tuple[str, Sequence[int], Sequence[int]]:
    """The lower-cased NFKC form, and of each of its characters where what it came from begins and ends in `text`."""
    lowered = text.lower()
    if len(lowered) == len(text) and unicodedata.is_normalized("NFKC", text):
        return lowered, range(len(text)), range(1, len(text) + 1)
    plain: list[str] = []
    starts: list[int] = []
    ends: list[int] = []
    edges = [place for place, letter in enumerate(text) if place == 0 or not _goes_on(letter)]
    for start, end in pairwise([*edges, len(text)]):
        form = unicodedata.normalize("NFKC", text[start:end]).lower()
        plain.append(form)
        starts += [start] * len(form)
        ends += [end] * len(form)
    whole, pieces = unicodedata.normalize("NFKC", text).lower(), "".join(plain)
    return (whole if len(whole) == len(pieces) else pieces), starts, ends  # a sigma's form depends on what follows


@cache
def _goes_on(letter: str) -> bool:
    """Whether a letter may be one with the letter before it: a mark, or a vowel or final of a Korean syllable."""
    first = unicodedata.normalize("NFKD", letter)[0]
    return unicodedata.category(first).startswith("M") or "\u1160" <= first <= "\u11ff"


def _pairs(units: Sequence[str]) -> list[str]:
    return [f"{first} {second}" for first, second in pairwise(units)]
