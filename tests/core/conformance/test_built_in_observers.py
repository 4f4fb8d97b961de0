"""Every built-in observer passes the kit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

pytestmark = pytest.mark.usefixtures("one_thread")

PLUGINS = ("medplug.plugins.observers",)
OPTIONS: dict[str, dict[str, Any]] = {}
VARIANTS: dict[str, dict[str, dict[str, Any]]] = {
    "tensorboard": {"below another folder": {"folder": "kept/events"}},
    "mlflow": {
        "with the report": {"uri": "kept", "experiment": "triage", "artifacts": "report"},
        "with the whole run": {"artifacts": "run"},
    },
}
SKIPPED: set[str] = set()


@pytest.fixture(autouse=True)
def nobodys_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)


def test_they_keep_the_contract(built_in: Callable[[], None]) -> None:
    built_in()
