"""What splits share, and what gives labels away, as metrics.json tells it."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from medplug.core.data.reading import Facts


def leakage_told(facts: Facts) -> dict[str, Any]:
    """Every leak, every column and word that tells the label almost perfectly, and which classes texts name."""
    return {
        "leaks": [asdict(each) for each in facts.leaks],
        "revealing": [asdict(each) for each in facts.revealing],
        "named": [asdict(each) for each in facts.named],
    }
