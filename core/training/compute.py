"""Where and how a run computes: device, arithmetic, token budget, progress."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from medplug.core.backbone import Backbone, Inputs
from medplug.core.config import RunConfig, TrainConfig
from medplug.core.errors import ConfigError
from medplug.core.training.processes import Processes, local_device

Report = Callable[[int, int], None]
"""Called with (done, total) as work goes on."""

_TOKENS = {"cpu": 4096, "mps": 8192, "cuda": 32768}


@dataclass(frozen=True, slots=True)
class Compute:
    """The means of one run: its device, its arithmetic and its processes.

    `dtype` is the autocast type, None for plain float32; `tokens` the most
    tokens computed at once.
    """

    device: torch.device
    dtype: torch.dtype | None
    tokens: int
    processes: Processes

    def autocast(self) -> AbstractContextManager[Any]:
        """The context to compute in."""
        return nullcontext() if self.dtype is None else torch.autocast(self.device.type, self.dtype)


def compute_for(run: RunConfig, train: TrainConfig | None = None, *, alone: bool = False) -> Compute:
    """Choose device and arithmetic; `ConfigError` if what is asked for is not there.

    With `alone` the work is not shared with other processes (prediction in a service).
    """
    processes = Processes(cpu=run.device == "cpu" or not torch.cuda.is_available(), alone=alone)
    device = local_device(run.device, processes)
    if device.type == "cuda" and not torch.cuda.is_available():
        raise ConfigError(f"device={run.device}: no GPU is visible to torch here; use device=auto or device=cpu")
    if device.type == "mps" and not torch.backends.mps.is_available():
        raise ConfigError("device=mps: not available here; use device=auto or device=cpu")
    tokens = (train.tokens if train else None) or _TOKENS[device.type]
    return Compute(device, _autocast_type(run.precision, device), tokens, processes)


def _autocast_type(precision: str, device: torch.device) -> torch.dtype | None:
    if precision == "auto":
        return torch.bfloat16 if device.type == "cuda" and torch.cuda.is_bf16_supported() else None
    if precision == "float16" and device.type != "cuda":
        raise ConfigError(f"precision=float16 needs a GPU; on {device.type} use auto, float32 or bfloat16")
    return {"float32": None, "bfloat16": torch.bfloat16, "float16": torch.float16}[precision]


def infer(
    function: Callable[[Inputs], Tensor],
    backbone: Backbone,
    items: Sequence[Any],
    compute: Compute,
    report: Report = lambda done, total: None,
) -> NDArray[np.float32]:
    """`function` of every prepared item, without gradients, in length-sorted batches: ``[items, columns]``.

    With several processes each takes every n-th batch, and all get the whole result.
    """
    batches = backbone.batches(items, compute.tokens)
    mine = batches[compute.processes.rank :: compute.processes.world]
    parts: list[tuple[NDArray[np.int64], NDArray[np.float32]]] = []
    done = 0
    with torch.inference_mode(), compute.autocast():
        for batch in mine:
            inputs = to_device(backbone.collate([items[i] for i in batch]), compute.device)
            parts.append((batch, function(inputs).float().cpu().numpy()))
            done += len(batch) * compute.processes.world
            report(min(done, len(items)), len(items))
    gathered = [part for shared in compute.processes.gather(parts) for part in shared]
    result = np.empty((len(items), gathered[0][1].shape[1]), dtype=np.float32)
    for batch, values in gathered:
        result[batch] = values
    return result


def to_device(inputs: Inputs, device: torch.device) -> Inputs:
    """A batch on the device that computes it."""
    return {name: tensor.to(device, non_blocking=True) for name, tensor in inputs.items()}
