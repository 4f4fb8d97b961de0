"""The terms of a text that BM25 counts."""

from __future__ import annotations

import re
from itertools import chain, pairwise

from medplug.core.plain.text import TOKEN


def _spaced(character: str) -> str:
    """What stands for a character of ASCII where terms are set apart by spaces."""
    if not re.match(TOKEN, character):
        return " "
    return character.lower() if re.match(r"\w", character) else f" {character} "


_UNSPACED = "\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
"""Characters of scripts that set no space between words: Chinese ones, and Japanese kana."""
_WORDS_AND_RUNS = re.compile(rf"[{_UNSPACED}]+|[^\W{_UNSPACED}]+|{TOKEN}")
_SPACED = [_spaced(chr(code)) for code in range(128)]
"""Of ASCII text, all between two terms made a space: three times as fast as to search for terms."""
_STARTS_RUN = re.compile(rf"[{_UNSPACED}]").match


def terms(text: str) -> list[str]:
    """Words, numbers and signs in lower case; of Chinese, each character and each pair of neighbours.

    Words are those of the TF-IDF baseline. No word list tells where a Chinese word
    ends, and pairs find what two characters mean together (as Lucene's CJK
    analysis does).
    """
    if text.isascii():
        return text.translate(_SPACED).split()
    found = _WORDS_AND_RUNS.findall(text.lower())
    return list(chain.from_iterable(_of_run(each) if _STARTS_RUN(each) else (each,) for each in found))


def _of_run(run: str) -> list[str]:
    return [*run, *(a + b for a, b in pairwise(run))]
