"""What other rooms tell in English (counts, notes, reasons, a task's own words), said again in the report's language.

They write it into a run's record, which has one language, before any report is made.
"""

from __future__ import annotations

import re
from functools import cache

from medplug.core.report.language import Later, later, said, spoken

_KNOWN: tuple[Later, ...] = (
    later("patient"),
    later("patients"),
)


def retold(text: str) -> str:
    """`text` in the report's language where it is known, else as it is."""
    if spoken() == "en":
        return text
    for sentence, pattern in _patterns():
        if (found := pattern.fullmatch(text)) is not None:
            return said(sentence, **{name: retold(each) for name, each in found.groupdict().items()})
    return text


@cache
def _patterns() -> tuple[tuple[Later, re.Pattern[str]], ...]:
    return tuple((each, re.compile(re.sub(r"\\{(\w+)\\}", r"(?P<\1>.+)", re.escape(each)))) for each in _KNOWN)
