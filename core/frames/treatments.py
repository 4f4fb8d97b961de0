"""What a model of treatments predicts, and what was seen, as tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from medplug.core.data.arms import Treated
from medplug.core.data.targets import Target


def advice_frame(target: Target, columns: Mapping[str, Any], predicted: NDArray[np.float64]) -> pl.DataFrame:
    """`columns`, then the advised arm (`prediction`), each arm's outcome (``y_ARM``) and propensity (``e_ARM``).

    Of two arms also `effect`: the outcome under the second less that under the control.
    `predicted` is ``[rows, 2 * arms]``, see `Target.probabilities`.
    """
    arms = target.classes
    names = [*(f"y_{arm}" for arm in arms), *(f"e_{arm}" for arm in arms)]
    found = [pl.Series("prediction", target.decode(target.decide(predicted)), dtype=pl.String)]
    found += [pl.Series(name, predicted[:, i], dtype=pl.Float64) for i, name in enumerate(names)]
    if len(arms) == 2:
        found.append(pl.Series("effect", predicted[:, 1] - predicted[:, 0], dtype=pl.Float64))
    return pl.DataFrame(columns).with_columns(found)


def truth_columns(labels: Sequence[Treated]) -> dict[str, list[Any]]:
    """The arms that rows were given and their outcomes, as columns."""
    return {"treatment": [label.arm for label in labels], "truth": [label.outcome for label in labels]}
