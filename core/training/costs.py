"""What a run cost beside time: parameters that were trained, and memory."""

from __future__ import annotations

import sys
from typing import Any

import torch

from medplug.core.model import Model

_MIB = 2**20


def costs(model: Model, device: torch.device) -> dict[str, Any]:
    """``parameters`` (trained, and in total) and ``peak_memory_mib``, as JSON data.

    Memory is the most that this process held until now (None where the system does not tell, as on Windows) and,
    with a GPU, the most that its tensors took there; of a program that does more than one run it is that of all.
    """
    sizes = [(each.numel(), each.requires_grad) for each in model.parameters()]
    parameters = {"trained": sum(size for size, trained in sizes if trained), "total": sum(size for size, _ in sizes)}
    held: dict[str, int | None] = {"process": _held()}
    if device.type == "cuda":
        held["gpu"] = round(torch.cuda.max_memory_allocated(device) / _MIB)
    return {"parameters": parameters, "peak_memory_mib": held}


def _held() -> int | None:
    """The most memory of the process so far."""
    try:
        import resource
    except ImportError:  # there is none on Windows
        return None
    unit = 1 if sys.platform == "darwin" else 1024  # bytes there, KiB elsewhere
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / _MIB)
