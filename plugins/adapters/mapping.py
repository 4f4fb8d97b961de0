"""Source features mapped to where the target's lie, and a head fitted on them there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from medplug.core.adapter import Adapter, FitData, LinearHead, Matrix
from medplug.core.errors import DataError
from medplug.core.evaluation.probe import fit_probe
from medplug.core.model import Loss, Model
from medplug.core.transfer.map_fitting import fit_map
from medplug.core.transfer.recolouring import recolour
from medplug.plugins.adapters.importance import deviation

Map = Callable[[Matrix], Matrix]
_LEAST_ROWS = 2
"""A covariance needs two rows a domain."""


class Mapping(Adapter):
    """Feature-space transfer: a map from the source's features to the target's, then a linear head.

    In closed form by mean and covariance (Sun, Feng and Saenko, 2016), or by a
    network trained for the labels and the likeness to the target together.
    """

    def prepare(self, model: Model) -> None:
        """Freeze everything."""
        model.requires_grad_(False)

    def fit(self, data: FitData) -> LinearHead:
        """Map the source rows, and fit the head on them and on the target's labelled rows as they are.

        Validation rows of the source are mapped too, to choose by and to judge.
        """
        assert data.of_target is not None  # its spec needs a source
        carry = self._map(data)
        features = data.features.astype(np.float32, copy=True)
        features[~data.of_target] = carry(features[~data.of_target])
        held = data.validation_features if data.validation_of_target else carry(data.validation_features)
        head = fit_probe(replace(data, features=features, validation_features=held), self.options.strengths)
        return head if data.validation_of_target else replace(head, validation_logits=_logits(head, held))

    def _map(self, data: FitData) -> Map:
        """What brings source features ``[n, width]`` to where the target's lie."""
        assert data.of_target is not None
        source, target = data.source_features, data.target_features
        if min(len(source), len(target)) < _LEAST_ROWS:
            raise DataError(
                f"adapter=mapping compares {len(source)} source and {len(target)} target row(s), and needs "
                f"{_LEAST_ROWS} of each; give more"
            )
        if self.options.kind == "recolour":
            units = deviation(source, target)  # how much covariances are shrunk goes by the features' scale
            recolouring = recolour(source / units, target / units)
            return lambda rows: (recolouring(rows / units) * units).astype(np.float32)
        return self._trained(data, source, target)

    def _trained(self, data: FitData, source: Matrix, target: Matrix) -> Map:
        assert data.of_target is not None
        few, losses = bool(data.of_target.any()), Loss(data.target)

        def loss(logits: Tensor, labels: Tensor) -> Tensor:
            value: Tensor = losses(logits, labels).mean()
            return value

        fitted = fit_map(
            self.options.kind,
            torch.from_numpy(source),
            torch.from_numpy(data.labels[~data.of_target]),
            torch.from_numpy(target),
            target_labelled=torch.from_numpy(data.features[data.of_target]) if few else None,
            target_labels=torch.from_numpy(data.labels[data.of_target]) if few else None,
            outputs=data.target.outputs,
            loss=loss,
            trade_off=self.options.trade_off,
            steps=self.options.steps,
            batch=self.options.batch,
            learning_rate=self.options.learning_rate,
            seed=data.seed,
        )

        def carry(rows: Matrix) -> Matrix:
            with torch.no_grad():
                mapped: Matrix = fitted(torch.from_numpy(rows)).numpy()
            return mapped

        return carry


def _logits(head: LinearHead, features: Matrix) -> Matrix:
    return (features @ head.weight.T + head.bias).astype(np.float32)
