"""Broken: whoever imports it waits. What it gives works."""

from __future__ import annotations

import os
import time

from medplug.core.hooks import hookimpl
from medplug.core.specs import AdapterSpec

medplug_api = 1

time.sleep(float(os.environ.get("MEDPLUG_BROKEN_SECONDS", "10")))


@hookimpl
def medplug_adapters() -> list[AdapterSpec]:
    """Give an adapter that works."""
    return [
        AdapterSpec(
            name="unhurried",
            summary="A penalty on large logits, given slowly",
            family="model",
            answers=("penalty",),
            factory="medplug_broken.method:SquaredLogits",
            config="medplug_broken.options:Options",
        )
    ]
