"""Text made uniform, without changing what it says."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

StopWords = Literal["none", "en", "zh"]
SAMPLED = 200

_PLACEHOLDER = re.compile(r"(\[\*\*.*?\*\*\])")
_INVISIBLE = re.compile(
    "[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\u00ad\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff]"
    # joiners spell words in Arabic and Indic scripts, and are noise elsewhere
    "|(?<![\u0600-\u06ff\u0900-\u0dff])[\u200c\u200d]"
)
_SEPARATORS = re.compile("[\x1c-\x1f]")  # they divide fields in laboratory messages
# NFKC alone would turn 10⁹ into 109 and a dose of 1½ into 11/2
_EXPONENT = re.compile("(?<=[0-9])(?=[⁰¹²³⁴-⁹⁻])")
_MIXED_FRACTION = re.compile("(?<=[0-9])(?=[¼-¾⅐-⅞])")
_SPACES = re.compile(r"\s+")

# Only words that carry no finding. Negations (no, not, without, never), comparisons (more, less, than), time (before,
# after, was, had), conditions (if, with, on, off) and joins that list alternatives (or) are left in the text.
_ENGLISH = (
    *("the", "an", "this", "that", "these", "those", "and", "of", "to", "is", "are", "be", "been", "being"),
    *("it", "its", "he", "she", "they", "his", "her", "their", "them"),
)
# An abbreviation in capitals (IT intrathecal, HE ...), a letter that is a name (hepatitis A) and parts of
# hyphenated or dotted words (a-wave, a.m.) are no stop words.
_EN_STOP = re.compile(
    r"(?<![\w'’.-])(?:" + "|".join([*_ENGLISH, *(word.title() for word in _ENGLISH), "a"]) + r")(?![\w'’-]|\.\w)"
)
# Short on purpose: with no segmentation a particle cannot be told from the same character inside a word. 着 (着凉, a
# chill; 睡不着, sleepless) and 吗 (吗啡, morphine) are left out for that; 不了 (cannot) and 没了 keep their 了.
_ZH_STOP = re.compile("(?<!目)的(?!确)|(?<![不没])了(?!解)|[呢吧啊呀]")
_STOP = {"en": _EN_STOP, "zh": _ZH_STOP}


@dataclass(frozen=True)
class Cleaning:
    """What is done to each text; de-identification placeholders such as ``[**Name**]`` stay as they are."""

    unicode: bool = True
    whitespace: bool = True
    stop_words: StopWords = "none"

    def __call__(self, text: str) -> str:
        """The cleaned text."""
        if "[**" not in text:
            cleaned = self._clean(text)
        else:
            parts = _PLACEHOLDER.split(text)  # every second part is a placeholder
            parts[::2] = [self._clean(part) for part in parts[::2]]
            cleaned = "".join(parts)
        return cleaned.strip() if self.whitespace else cleaned

    def _clean(self, text: str) -> str:
        if self.unicode:
            text = _uniform(text)
        if self.stop_words != "none":
            text = _STOP[self.stop_words].sub("", text)
        return _SPACES.sub(" ", text) if self.whitespace else text


def _uniform(text: str) -> str:
    if not text.isprintable():  # far quicker than the search, and false of all that it looks for
        text = _SEPARATORS.sub(" ", _INVISIBLE.sub("", text))
    if unicodedata.is_normalized("NFKC", text):
        return text
    text = _MIXED_FRACTION.sub(" ", _EXPONENT.sub("^", text))
    return unicodedata.normalize("NFKC", text)


def is_chinese(texts: Sequence[str]) -> bool:
    """Whether most letters are Chinese characters, in up to 200 texts taken evenly from all."""
    letters = "".join(character for text in evenly(texts) for character in text if character.isalpha())
    return 2 * sum(map(_is_ideograph, letters)) > len(letters)


def evenly(texts: Sequence[str]) -> Sequence[str]:
    """Up to 200 of the texts, taken from all of the table, which may be sorted by language."""
    return texts[:: -(-len(texts) // SAMPLED) or 1]


def _is_ideograph(character: str) -> bool:
    return "\u3400" <= character <= "\u9fff" or "\uf900" <= character <= "\ufaff" or character >= "\U00020000"
