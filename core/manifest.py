"""The manifest: what ran, on what, with which versions and data."""

from __future__ import annotations

import platform
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

import torch

from medplug.core.data.reading import Facts
from medplug.core.discovery.plugins import Plugins
from medplug.core.model import Model
from medplug.core.plan import Plan
from medplug.core.training.compute import Compute
from medplug.core.training.costs import costs

if TYPE_CHECKING:
    from medplug.core.observers import Observers

_PACKAGES = ("medplug", "torch", "transformers", "accelerate", "peft", "scikit-learn", "polars", "numpy", "safetensors")


def make_manifest(
    plan: Plan,
    plugins: Plugins,
    observers: Observers,
    facts: Facts,
    compute: Compute,
    model: Model,
    seconds: dict[str, float],
) -> dict[str, Any]:
    """Versions, plugins, observers, data, weights, seed, hardware, timings (seconds) and costs, as JSON data."""
    return {
        "made": datetime.now(UTC).isoformat(timespec="seconds"),
        "task": plan.task.name,
        "seed": plan.run.seed,
        "origins": dict(plan.origins),
        "versions": versions(),
        "plugins": [
            {"name": p.name, "distribution": p.distribution, "gives": list(p.gives), "record_sha256": p.signature}
            for p in plugins.loaded
        ],
        "plugins_set_aside": [str(failure) for failure in plugins.failures],
        "observers": observers.names,
        "observers_dropped": dict(observers.dropped),
        "data": facts.tables,
        "weights": model.backbone.provenance(),
        "hardware": {
            "device": _device(compute.device),
            "processes": compute.processes.world,
            "threads": torch.get_num_threads(),
            "machine": platform.machine(),
            "system": platform.system(),
        },
        "precision": "float32" if compute.dtype is None else str(compute.dtype).removeprefix("torch."),
        "seconds": {name: round(value, 3) for name, value in seconds.items()},
        **costs(model, compute.device),
    }


def versions() -> dict[str, str | None]:
    """Python's version, and those of the packages that a run's numbers hang on (None: not installed)."""
    return {"python": platform.python_version(), **{name: _version(name) for name in _PACKAGES}}


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _device(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
