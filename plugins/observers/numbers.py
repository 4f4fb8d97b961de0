"""The numbers of a finished run by flat names, as trackers take them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any


def final_numbers(metrics: Mapping[str, Any]) -> dict[str, float]:
    """``test/macro_f1`` with ``test/macro_f1_low95`` and ``_high95``, and ``baseline/linear/macro_f1``.

    `metrics` is the content of ``metrics.json``; what is not defined is left out.
    """
    told = dict(_scores(metrics["split"], metrics["metrics"]))
    for model, found in metrics.get("baseline", {}).items():
        told |= {f"baseline/{model}/{name}": each["value"] for name, each in found.items()}
    return {name: float(value) for name, value in told.items() if value is not None}


def _scores(split: str, found: Mapping[str, Any]) -> Iterator[tuple[str, float | None]]:
    for name, each in found.items():
        low, high = each["ci95"]
        yield from (
            (f"{split}/{name}", each["value"]),
            (f"{split}/{name}_low95", low),
            (f"{split}/{name}_high95", high),
        )


def epoch_numbers(facts: Mapping[str, float], member: int | None) -> dict[str, float]:
    """``train/loss`` and ``validation/macro_f1`` of an epoch, those of an ensemble below ``member-2``."""
    before = "" if member is None else f"member-{member}/"
    return {f"{before}{'train' if name == 'loss' else 'validation'}/{name}": value for name, value in facts.items()}
