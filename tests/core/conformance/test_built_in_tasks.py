"""Every built-in task passes the kit, the task of questions in each of its forms."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

pytest.importorskip("rdkit.Chem", reason="rdkit is an extra: pip install 'medplug[chem]'")
pytestmark = pytest.mark.usefixtures("one_thread")

PLUGINS = tuple(
    f"medplug.plugins.{name}" for name in ("text_diagnosis", "imaging", "multimodal", "drug_target", "medical_qa")
)
FORMS = ("multiple_choice", "extractive", "retrieval", "entailment", "generative")
OPTIONS: dict[str, dict[str, Any]] = {}
VARIANTS: dict[str, dict[str, dict[str, Any]]] = {"medical_qa": {form: {"form": form} for form in FORMS}}
SKIPPED = {
    "medical_qa generative task:medical_qa:runs",  # nothing that writes learns from scratch
}


def test_they_keep_the_contract(built_in: Callable[[], None]) -> None:
    built_in()
