"""A network that says the same of everything: its inputs, most likely, are not what it was trained on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from medplug.core.backbone import Backbone, Inputs
from medplug.core.data.content import content_key
from medplug.core.errors import DataError
from medplug.core.features import Features
from medplug.core.training.compute import Compute, infer

_LEAST = 1e-3
"""Less spread than this share of the features' length is none; networks that work spread by a tenth and more."""
_LOOKED_AT = 16


def check_features_differ(features: NDArray[np.float32]) -> None:
    """Raise `DataError` where features ``[rows, width]`` of different inputs are all but equal."""
    if not np.isfinite(features).all():
        return  # told of elsewhere
    centre = features.mean(axis=0, dtype=np.float64)
    spread = np.sqrt(np.square(features - centre).sum(axis=1).mean())
    if spread <= _LEAST * np.linalg.norm(centre):
        raise DataError(
            "the model gives the same output for every input: the values that reach it are not in the range that its "
            "weights expect (look at the line on what the network is given, and at backbone.mean and backbone.std), or "
            "every row holds the same"
        )


def check_outputs_differ(backbone: Backbone, values: Sequence[Any], compute: Compute) -> None:
    """The same for raw `values` of a backbone that will be trained; a few different ones are looked at."""
    few = {content_key(value): value for value in _evenly(values)} if len(values) > 1 else {}
    if len(few) < 2:
        return

    def pooled(inputs: Inputs) -> Tensor:
        features: Features = backbone(inputs)
        return features.pooled

    check_features_differ(infer(pooled, backbone.eval(), backbone.prepare(list(few.values())), compute))


def _evenly(values: Sequence[Any]) -> list[Any]:
    return [values[i] for i in np.unique(np.linspace(0, len(values) - 1, _LOOKED_AT).astype(int)).tolist()]
