"""The inputs of a task of several modalities: which of them a run has, and which keys speak of each.

Which are in use the task's data model tells by its property ``in_use``, as a rule
those whose key ``data.<slot>`` names columns. A slot's backbone is
``backbone.<slot>``, its own adapter ``adapter.<slot>``. A run of one slot is an
ordinary run of one modality, and the keys are those of such a run.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from medplug.core.errors import ConfigError
from medplug.core.grammar import Flat
from medplug.core.options import Keys, validated
from medplug.core.specs import Modality, TaskSpec, resolve

Slots = Mapping[str, Modality]
"""The slots in use, in the task's order, and their modality; empty for a task that has none."""

_OF_SLOTS = ("backbone", "adapter")


def slots_in_use(task: TaskSpec, keys: Keys) -> Slots:
    """The slots that the task's data model says are in use; `ConfigError` where the data keys are wrong."""
    if not task.slots:
        return {}
    data: Any = validated("data.", resolve(task.data, owner=f"task {task.name}"), keys)
    return {slot: task.slots[slot] for slot in data.in_use}


def keys_for(layer: tuple[str, Flat], task: TaskSpec, slots: Slots) -> tuple[str, Flat]:
    """A layer of keys as the slots in use read them; `ConfigError` for one that speaks of no slot in use.

    A recipe speaks of every slot that a run may have: what is not in use is left out of it.
    """
    origin, keys = layer
    if not task.slots:
        return layer
    given = origin.startswith("recipe ")
    found: Flat = {}
    for key, value in keys.items():
        head, slot, rest = _parted(key, task)
        if slot and slot not in slots:
            if not given:
                raise ConfigError(_unused(key, slot, slots))
        elif len(slots) > 1:
            if key == "backbone" and not given:
                raise ConfigError(_several("backbone", slots, value))
            found[key] = value
        elif slot:
            found[f"{head}{rest}"] = value
        elif not (given and key.partition(".")[0] == "fusion"):
            found[key] = value
    return origin, found


def _parted(key: str, task: TaskSpec) -> tuple[str, str, str]:
    """``backbone.text.window`` -> ``backbone``, ``text``, ``.window``; no slot where the key speaks of none."""
    head, _, after = key.partition(".")
    slot, dot, rest = after.partition(".")
    return (head, slot, dot + rest) if head in _OF_SLOTS and slot in task.slots else (key, "", "")


def _unused(key: str, slot: str, slots: Iterable[str]) -> str:
    return f"{key}: this run has no {slot}, as data.{slot} names no column (it has: {', '.join(slots)})"


def _several(key: str, slots: Iterable[str], value: object) -> str:
    shown = value if isinstance(value, str) else "NAME"
    named = " or ".join(f"{key}.{slot}={shown}" for slot in slots)
    return f"{key}={shown}: this run has {' and '.join(slots)}; say which is meant: {named}"
