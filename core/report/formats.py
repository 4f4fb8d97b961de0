"""How numbers and values are written: three decimals, intervals in brackets, and what is undefined said so.

An error in a label's own unit, whose size nothing bounds, has four digits that count in place of three decimals.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

UNDEFINED = "not defined"
NOTHING = "not set"
_LISTED = 20
_DECIMALS, _DIGITS, _MOST_DECIMALS = 3, 4, 9
_IN_UNITS = ("mae", "mse", "factual_mae", "policy_gain")


def number(value: float | None, *, signed: bool = False, decimals: int = _DECIMALS) -> str:
    """Three decimals (``0.612``, or ``+0.612`` where `signed`), with a true minus sign."""
    if value is None or math.isnan(value):
        return UNDEFINED
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
    if value == UNDEFINED:
        return value
    low, high = (number(bound, signed=signed, decimals=decimals) for bound in found["ci95"])
    return f"{value} [{UNDEFINED}]" if UNDEFINED in (low, high) else f"{value} [{low}, {high}]"


def count(rows: int, noun: str, plural: str = "") -> str:
    """A count with its noun, as in ``1 row`` or ``2,310 rows``."""
    return f"{rows:,} {noun if rows == 1 else plural or noun + 's'}"


def share(part: int, whole: int) -> str:
    """A share in per cent with one decimal."""
    return f"{100 * part / whole:.1f} %" if whole else UNDEFINED


_PLAIN = {
    "bm25": "BM25",
    "nearest": "the nearest question's answer",
    "sentence": "the sentence nearest the question",
    "linear": "linear baseline",
}


def plain_baseline(baseline: Mapping[str, Any]) -> tuple[str, str]:
    """Of the ``baseline`` of metrics.json the one that a model is held against: its name there, and in words."""
    return next((name, told) for name, told in _PLAIN.items() if name in baseline)


def plain(value: Any, digits: int = 6) -> str:
    """Any value of a key or a note as one short text, floats to so many significant digits."""
    if value is None:
        return NOTHING
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return UNDEFINED if math.isnan(value) else f"{value:.{digits}g}"
    if isinstance(value, Mapping):
        return _listed([f"{name}: {plain(each, digits)}" for name, each in value.items()])
    if isinstance(value, list | tuple):
        return _listed([plain(each, digits) for each in value])
    return str(value)


def _listed(parts: list[str]) -> str:
    more = f" and {len(parts) - _LISTED} more" if len(parts) > _LISTED else ""
    return (", ".join(parts[:_LISTED]) or "none") + more
