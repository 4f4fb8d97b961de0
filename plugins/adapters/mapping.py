"""Source features mapped to where the target's lie, and a head fitted on them there."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from medplug.core.adapter import Adapter, FitData, LinearHead, Matrix
from medplug.core.errors import DataError
from medplug.core.model import Loss, Model
from medplug.core.transfer.map_fitting import fit_map
from medplug.core.transfer.recolouring import recolour
from medplug.plugins.adapters.importance import deviation
from medplug.plugins.adapters.linear_probe import probe

_LEAST_ROWS = 2
"""A covariance needs two rows a domain."""


class Mapping(Adapter):
    """Feature-space transfer: a map from the source's features to the target's, then a logistic head.

    In closed form by mean and covariance (Sun, Feng and Saenko, 2016), or by a
    network trained for the labels and the likeness to the target together.
    """

    def prepare(self, model: Model) -> None:
        """Freeze everything."""
        model.requires_grad_(False)

    def fit(self, data: FitData) -> LinearHead:
        """Map the source rows, and fit the head on them and on the target's labelled rows as they are."""
        assert data.of_target is not None  # its spec needs a source
        features = data.features.astype(np.float32, copy=True)
        features[~data.of_target] = self._mapped(data)
        return probe(replace(data, features=features), self.options.strengths)

    def _mapped(self, data: FitData) -> Matrix:
        """The source rows' features ``[n, width]`` where the target's lie."""
        assert data.of_target is not None
        source, target = data.features[~data.of_target], data.target_features
        if min(len(source), len(target)) < _LEAST_ROWS:
            raise DataError(
                f"adapter=mapping compares {len(source)} source and {len(target)} target row(s), and needs "
                f"{_LEAST_ROWS} of each; give more"
            )
        if self.options.kind == "recolour":
            units = deviation(source, target)  # how much covariances are shrunk goes by the features' scale
            return (recolour(source / units, target / units)(source / units) * units).astype(np.float32)
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
        with torch.no_grad():
            mapped: NDArray[np.float32] = fitted(torch.from_numpy(source)).numpy()
        return mapped
