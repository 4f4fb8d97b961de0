"""The rows that a closed-form fit counts."""

from __future__ import annotations

from dataclasses import replace

from medplug.core.adapter import FitData


def counted(data: FitData) -> FitData:
    """The data without the rows whose weight is 0: they must not shift a mean, a scale or a class either."""
    if data.row_weights is None:
        return data
    kept = data.row_weights > 0
    return replace(
        data,
        features=data.features[kept],
        labels=data.labels[kept],
        of_target=None if data.of_target is None else data.of_target[kept],
        row_weights=data.row_weights[kept],
    )
