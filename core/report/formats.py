"""How numbers and values are written: three decimals, intervals in brackets, and what is undefined said so.

An error in a label's own unit, whose size nothing bounds, has four digits that count in place of three decimals.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from medplug.core.report.language import later, said, say

_LISTED = 20
_DECIMALS, _DIGITS, _MOST_DECIMALS = 3, 4, 9
_IN_UNITS = ("mae", "mse", "factual_mae", "policy_gain")


def undefined() -> str:
    """What stands in place of a number that is none."""
    return say("not defined")


def number(value: float | None, *, signed: bool = False, decimals: int = _DECIMALS) -> str:
    """Three decimals (``0.612``, or ``+0.612`` where `signed`), with a true minus sign."""
    if value is None or math.isnan(value):
        return undefined()
    rounded = round(value, decimals) + 0.0  # + 0.0 makes minus zero zero
    text = f"{rounded:+.{decimals}f}" if signed and rounded else f"{rounded:.{decimals}f}"
    return text.replace("-", "\N{MINUS SIGN}")


def score(value: float | None, metric: str) -> str:
    """A value of a metric without an interval."""
    return number(value, decimals=decimals_of(value, metric))


def decimals_of(value: float | None, metric: str) -> int:
    """How many decimals a value of a metric has."""
    if metric not in _IN_UNITS or not value or not math.isfinite(value):
        return _DECIMALS
    return min(max(_DIGITS - 1 - math.floor(math.log10(abs(value))), 0), _MOST_DECIMALS)


def estimate(found: Mapping[str, Any], metric: str = "", *, signed: bool = False) -> str:
    """A value with its interval, as in ``0.612 [0.580, 0.643]``; `found` is an entry of metrics.json."""
    decimals = decimals_of(found["value"], metric)
    value = number(found["value"], signed=signed, decimals=decimals)
    if value == undefined():
        return value
    low, high = (number(bound, signed=signed, decimals=decimals) for bound in found["ci95"])
    return f"{value} [{undefined()}]" if undefined() in (low, high) else f"{value} [{low}, {high}]"


COUNTED = (
    *(later("{n} patient"), later("{n} patients"), later("{n} group"), later("{n} groups")),
    *(later("{n} arm"), later("{n} arms"), later("{n} letter"), later("{n} letters")),
    *(later("{n} drug"), later("{n} drugs"), later("{n} protein"), later("{n} proteins")),
)
"""What `count` says of nouns that come from a task or a kind of target."""


def count(rows: int, noun: str, plural: str = "") -> str:
    """A count with its noun, as in ``1 row`` or ``2,310 rows``; others have it by ``{n} row``, ``{n} rows``."""
    form = noun if rows == 1 else plural or noun + "s"
    return say("{n} " + form.replace("{", "{{").replace("}", "}}"), n=f"{rows:,}")


def share(part: int, whole: int) -> str:
    """A share in per cent with one decimal."""
    return f"{100 * part / whole:.1f} %" if whole else undefined()


_PLAIN = {
    "bm25": later("BM25"),
    "nearest": later("the nearest question's answer"),
    "sentence": later("the sentence nearest the question"),
    "linear": later("linear baseline"),
}


def plain_baseline(baseline: Mapping[str, Any]) -> tuple[str, str]:
    """Of the ``baseline`` of metrics.json the one that a model is held against: its name there, and in words."""
    return next((name, said(told)) for name, told in _PLAIN.items() if name in baseline)


def plain(value: Any, digits: int = 6) -> str:
    """Any value of a key or a note as one short text, floats to so many significant digits."""
    if value is None:
        return say("not set")
    if isinstance(value, bool):
        return say("yes") if value else say("no")
    if isinstance(value, float):
        return undefined() if math.isnan(value) else f"{value:.{digits}g}"
    if isinstance(value, Mapping):
        return _listed([f"{name}: {plain(each, digits)}" for name, each in value.items()])
    if isinstance(value, list | tuple):
        return _listed([plain(each, digits) for each in value])
    return str(value)


def _listed(parts: list[str]) -> str:
    more = say(" and {n} more", n=len(parts) - _LISTED) if len(parts) > _LISTED else ""
    return (", ".join(parts[:_LISTED]) or say("none")) + more
