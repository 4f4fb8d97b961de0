"""The language of a report: sentences are written in English, and said in the reader's."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from importlib.resources import files
from typing import Any, Literal

import yaml

Language = Literal["en", "zh"]
_spoken: ContextVar[Language] = ContextVar("language of the report", default="en")


def say(sentence: str, **values: Any) -> str:
    """A sentence in the report's language, each ``{name}`` in it replaced by that value.

    `sentence` is the English one, a literal, and the key of its translation in
    ``LANGUAGE.yaml``, where a test looks for it. What has no translation stays English.
    """
    spoken = _spoken.get()
    template = sentence if spoken == "en" else _catalogue(spoken).get(sentence, sentence)
    return template.format_map(values) if values else template


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
