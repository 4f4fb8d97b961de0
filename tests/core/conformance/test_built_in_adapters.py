"""Every built-in adapter passes the kit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from medplug.core.discovery.plugins import Plugins

pytestmark = pytest.mark.usefixtures("one_thread")

PLUGINS = ("medplug.plugins.adapters",)
OPTIONS: dict[str, dict[str, Any]] = {"tradaboost": {"rounds": 2}}
VARIANTS: dict[str, dict[str, dict[str, Any]]] = {
    "mapping": {"autoencoder": {"kind": "autoencoder", "steps": 2}, "gan": {"kind": "gan", "steps": 2}},
    "density_ratio": {"kliep": {"method": "kliep"}},
    "finetune": {"keeping embeddings": {"freeze_embeddings": True}},
    "frozen": {"narrow": {"hidden": 3}},
}
SKIPPED = {
    *(
        f"adapter:distill:{check}" for check in ("options", "answers", "penalty", "penalty_few", "targets")
    ),  # needs a teacher
    *(f"adapter:{name}:identity_at_start" for name in ("frozen", "prefix")),  # a new layer, new positions
}


def test_they_keep_the_contract(built_in: Callable[[], None]) -> None:
    built_in()


def test_those_that_say_so_begin_as_the_model_was() -> None:
    from medplug.core.specs import resolve

    specs = Plugins(found=()).all("adapter")
    promised = {spec.name for spec in specs if resolve(spec.factory, owner=spec.name).identity_at_start}
    assert promised == {"finetune", "gradual", "lora", "ia3", "bottleneck"}
