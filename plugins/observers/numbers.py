"""The numbers of a finished run by flat names, as trackers take them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any


def final_numbers(metrics: Mapping[str, Any]) -> dict[str, float]:
    """``test/macro_f1`` with ``test/macro_f1_low95`` and ``_high95``, and what a plain baseline has of each.

    `metrics` is the content of ``metrics.json``; what is not defined is left out.
    """
    models = {metrics["split"]: metrics["metrics"]}
    models |= {f"baseline/{name}": found for name, found in metrics.get("baseline", {}).items()}
    return {name: value for model, found in models.items() for name, value in _numbers(model, found)}


def _numbers(model: str, found: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    for name, each in found.items():
        low, high = each.get("ci95") or (None, None)
        told = {f"{name}": each["value"], f"{name}_low95": low, f"{name}_high95": high}
        yield from ((f"{model}/{key}", float(value)) for key, value in told.items() if value is not None)


def epoch_numbers(facts: Mapping[str, float], member: int | None) -> dict[str, float]:
    """``train/loss`` and ``validation/macro_f1`` of an epoch, those of an ensemble below ``member-2``."""
    before = "" if member is None else f"member-{member}/"
    return {f"{before}{'train' if name == 'loss' else 'validation'}/{name}": value for name, value in facts.items()}
