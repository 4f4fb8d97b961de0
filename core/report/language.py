"""The language of a report: sentences are written in English, and said in the reader's."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from importlib.resources import files
from typing import Any, Literal, NewType

import yaml

Language = Literal["en", "zh"]
Later = NewType("Later", str)
"""An English sentence that a constant holds, to be said when a report is written."""

_spoken: ContextVar[Language] = ContextVar("language of the report", default="en")


def say(sentence: str, **values: Any) -> str:
    """A sentence in the report's language, each ``{name}`` in it replaced by that value.

    `sentence` is the English one, a literal (or one of two, by a condition), and the key of its translation in
    ``LANGUAGE.yaml``, where a test looks for it. What has no translation stays English.
    """
    language = _spoken.get()
    template = sentence if language == "en" else _catalogue(language).get(sentence, sentence)
    return template.format_map(values) if values else template


def later(sentence: str) -> Later:
    """A literal sentence for a constant, which `said` says in the language of its day."""
    return Later(sentence)


def said(sentence: Later, **values: Any) -> str:
    """As `say`, of a sentence that a constant holds."""
    return say(sentence, **values)


def spoken() -> Language:
    """The language that `say` answers in."""
    return _spoken.get()


def joined(*sentences: str) -> str:
    """Whole sentences one after the other, without those that are empty; Chinese has no space between them."""
    return ("" if spoken() == "zh" else " ").join(each for each in sentences if each)


@contextmanager
def speaking(language: Language) -> Iterator[None]:
    """Within it `say` answers in this language."""
    before = _spoken.set(language)
    try:
        yield
    finally:
        _spoken.reset(before)


@cache
def _catalogue(language: Language) -> Mapping[str, str]:
    text = files("medplug.core.report").joinpath(f"{language}.yaml").read_text(encoding="utf-8")
    found: dict[str, str] = yaml.safe_load(text)
    return found
