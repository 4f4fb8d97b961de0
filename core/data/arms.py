"""The arms of a treatment: what a row was given and what came of it, and which arm is the control."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from medplug.core.errors import DataError

MOST_ARMS = 10
LONGEST = 100
"""Characters of the longest arm's name: it stands in reports and heads columns of predictions."""
CONTROL = frozenset(("0", "no", "none", "control", "placebo", "untreated", "false", "对照", "安慰剂", "否", "无"))


class Treated(NamedTuple):
    """A row's label where treatments are compared: the arm that it was given, and its outcome (a class or a number)."""

    arm: str
    outcome: str | float


def treated(labels: Sequence[Any]) -> bool:
    """Whether raw labels are arms with their outcomes."""
    return len(labels) > 0 and all(isinstance(label, Treated) for label in labels)


def control_first(arms: Iterable[str]) -> tuple[str, ...]:
    """Arms in their order, the one that has a usual name of a control before all others.

    Raises `DataError` for fewer than two, more than `MOST_ARMS`, or names that are texts.
    """
    found = sorted(arms, key=lambda arm: arm.casefold() not in CONTROL)
    if len(found) < 2:
        raise DataError(f"the training rows have {len(found)} treatment(s); two or more are needed to choose between")
    if len(found) > MOST_ARMS:
        raise DataError(
            f"the training rows have {len(found)} different treatments, more than {MOST_ARMS}: is data.treatment the "
            "right column? A dose is to be put into a few classes beforehand"
        )
    if any(len(arm) > LONGEST for arm in found):
        raise DataError(f"a treatment's name is longer than {LONGEST} characters: is data.treatment the right column?")
    return tuple(found)
