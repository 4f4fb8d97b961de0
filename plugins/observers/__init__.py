"""The built-in observers: a run's keys and numbers, where a site keeps those of its experiments."""

from __future__ import annotations

from medplug.core.hooks import hookimpl
from medplug.core.specs import ObserverSpec

medplug_api = 1

_HERE = "medplug.plugins.observers"


@hookimpl
def medplug_observers() -> list[ObserverSpec]:
    """Give TensorBoard and MLflow."""
    return [
        ObserverSpec(
            name="tensorboard",
            summary="event files for TensorBoard: each epoch's scores, the keys, the final scores (extra tensorboard)",
            factory=f"{_HERE}.tensorboard:TensorBoard",
            config=f"{_HERE}.options:TensorBoardOptions",
        ),
        ObserverSpec(
            name="mlflow",
            summary="a run of MLflow, in a local folder or on a tracking server: keys and scores (extra mlflow)",
            factory=f"{_HERE}.mlflow:MLflow",
            config=f"{_HERE}.options:MLflowOptions",
        ),
    ]
