"""The same seed gives the same numbers, and a run leaves the caller's random state as it was."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch

from medplug.core.turns import TURN


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Seed every global generator inside, and put back the caller's states after; threads take turns."""
    with TURN:
        python, legacy = random.getstate(), np.random.get_state()  # noqa: NPY002
        devices = range(torch.cuda.device_count()) if torch.cuda.is_available() else []
        with torch.random.fork_rng(devices=devices):
            try:
                random.seed(seed)
                np.random.seed(seed)  # noqa: NPY002
                torch.manual_seed(seed)
                yield
            finally:
                random.setstate(python)
                np.random.set_state(legacy)  # noqa: NPY002
