"""Every built-in backbone passes the kit, with weights of its own making where it needs some."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

pytest.importorskip("rdkit.Chem", reason="rdkit is an extra: pip install 'medplug[chem]'")
pytestmark = pytest.mark.usefixtures("one_thread")

PLUGINS = ("medplug.plugins.backbones",)
OPTIONS: dict[str, dict[str, Any]] = {}
VARIANTS: dict[str, dict[str, dict[str, Any]]] = {
    "text_cnn": {"one kernel": {"kernels": (1,), "ngrams": 1}, "a short window": {"kernels": (1, 2, 5), "window": 8}},
    "text_gru": {"two layers": {"layers": 2}},
    "genes": {"logarithms": {"log": True}},
    **{name: {"by training": {"normalise": "training"}} for name in ("signal_cnn", "signal_transformer", "signal_gru")},
}

SKIPPED = {
    "backbone:columns:frozen",  # it has no parameters
}


def test_they_keep_the_contract(built_in: Callable[[], None]) -> None:
    built_in()
