"""Whether an explanation depends on what was learned: scores of the same network with random weights beside it.

Adebayo et al., Sanity Checks for Saliency Maps (2018): a map that stays as it is when
the weights are drawn anew tells of the row and of the design, and not of the model.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from medplug.core.explaining.attribution import Scores
from medplug.core.kinds.table import make_model
from medplug.core.model import Model
from medplug.core.training.seeds import seeded

if TYPE_CHECKING:
    from medplug.core.predictor import Predictor

_FEWEST = 3
"""Units without which ranks say nothing."""


def random_twin(predictor: Predictor, seed: int) -> Model:
    """The model's design with random weights, head and all; of an ensemble one member's."""
    with seeded(seed):
        twin = make_model(predictor.model.backbone.again(), predictor.target)
    return twin.to(predictor.compute.device).eval()


def likeness(scores: Scores, random: Scores) -> float | None:
    """The rank correlation of the sizes of two sets of scores, ties sharing a rank.

    None of fewer than three units, and where one set's sizes are all the same.
    """
    if scores.size < _FEWEST:
        return None
    mine, its = _ranks(np.abs(scores).ravel()), _ranks(np.abs(random).ravel())
    if np.ptp(mine) == 0 or np.ptp(its) == 0:
        return None
    return float(np.corrcoef(mine, its)[0, 1])


def _ranks(values: Scores) -> Scores:
    """Ranks from 0, equal values at the middle of theirs."""
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    middle = counts.cumsum() - (counts + 1) / 2
    return np.asarray(middle[place])
