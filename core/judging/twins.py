"""Judging on the test rows that the model has not seen before, neither the same nor nearly."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medplug.core.data.twins import Flags, Twins
from medplug.core.evaluation.scores import Estimate

Scored = Callable[[NDArray[np.int64], list[str] | None], dict[str, Estimate]]
"""The metrics of the test rows at some positions, given their groups."""


def without_twins(twins: Twins | None, groups: list[str] | None, scored: Scored) -> dict[str, Any]:
    """The metrics without the test rows that stand in training or validation, as JSON data.

    Under ``same`` those whose inputs stand there exactly are left out, under
    ``near`` (where the task can tell) those that stand there nearly, with what
    that means. `n_twins` are left out, `n_left` are scored; without twins, or
    with nothing left, there are no metrics of their own. Empty without `twins`.
    """
    if twins is None:
        return {}
    found = {"same": _left(twins.same, groups, scored)}
    if twins.near is not None:
        found["near"] = {**_left(twins.near, groups, scored), "means": twins.means}
    return found


def _left(flags: Flags, groups: list[str] | None, scored: Scored) -> dict[str, Any]:
    left = np.flatnonzero(~flags).astype(np.int64)
    counts: dict[str, Any] = {"n_left": len(left), "n_twins": len(flags) - len(left)}
    if len(left) in (0, len(flags)):
        return counts
    found = scored(left, _some(groups, left))
    return {**counts, "metrics": {name: each.as_json() for name, each in found.items()}}


def _some(values: Sequence[str] | None, rows: NDArray[np.int64]) -> list[str] | None:
    return None if values is None else [values[row] for row in rows.tolist()]
