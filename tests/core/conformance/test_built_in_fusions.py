"""Every built-in fusion passes the kit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

pytestmark = pytest.mark.usefixtures("one_thread")

PLUGINS = ("medplug.plugins.fusions",)
OPTIONS: dict[str, dict[str, Any]] = {}
VARIANTS: dict[str, dict[str, dict[str, Any]]] = {
    "feed_forward": {"normalised": {"normalised": True, "hidden": (10, 8), "dropout": 0.2}},
    "late": {"stacked": {"combine": "stacked"}},
    "film": {"by the text": {"base": "text"}},
}
SKIPPED: set[str] = set()


def test_they_keep_the_contract(built_in: Callable[[], None]) -> None:
    built_in()
