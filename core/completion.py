"""Shell completion of ``medplug run``: names after ``task=``, keys before the ``=``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from medplug.core.choice import scratch
from medplug.core.discovery.plugins import Plugins
from medplug.core.errors import MedplugError
from medplug.core.grammar import SELECTORS, parse_value
from medplug.core.plan import task_keys
from medplug.core.specs import Modality


def complete(incomplete: str, given: Iterable[str]) -> list[str]:
    """What the word begun may become; an empty list where nothing can be said.

    bash hands ``task=te`` over as three words and wants only the last one
    completed; zsh and fish hand over one.
    """
    *before, whole = _joined([*given, incomplete])
    if not whole and before and "=" not in before[-1]:
        *before, whole = *before[:-1], f"{before[-1]}="  # click hides a lone "=" from bash
    done = whole.partition("=")[0] + "=" if whole != incomplete else ""
    try:
        found = _complete(whole, dict(word.partition("=")[::2] for word in before), Plugins())
    except MedplugError:
        return []
    return [name.removeprefix(done) for name in found]


def _joined(words: list[str]) -> list[str]:
    """Put together again what a shell cut at ``=``."""
    joined: list[str] = []
    for word in words:
        if joined and (word == "=" or joined[-1].endswith("=")) and "=" not in word[1:]:
            joined[-1] += word
        else:
            joined.append(word)
    return joined


def _complete(incomplete: str, words: dict[str, str], plugins: Plugins) -> list[str]:
    key, equals, begun = incomplete.partition("=")
    if equals:
        kind = key.partition(".")[0].removesuffix("s")
        declared = plugins.declared(kind)  # a shell waits: nothing is imported for it
        offered = dict.fromkeys([*_values(key, words, plugins), *declared])
        return [f"{key}={name}" for name in offered if name.startswith(begun)]
    slots = _slots(words, plugins)
    own = [f"{head}.{slot}" for slot in slots for head in ("data", "backbone", "adapter")]
    naming = (*SELECTORS, "recipe", "observers", *own)
    chosen = {name: parse_value(words[name], name) for name in naming if words.get(name)}
    names = [*(_keys(chosen, plugins) or SELECTORS), "recipe"]
    return [f"{name}=" for name in dict.fromkeys(names) if name.startswith(incomplete) and name not in words]


def _slots(words: dict[str, str], plugins: Plugins) -> Mapping[str, Modality]:
    """The slots that the task may have."""
    name = words.get("task", "")
    return plugins.task(name).slots if _named(name, plugins) else {}


def _named(task: str, plugins: Plugins) -> bool:
    """Whether somebody is known to give this task; for any other name every plugin would be imported."""
    return task in {*plugins.known("task"), *plugins.declared("task")}


def _keys(chosen: dict[str, Any], plugins: Plugins) -> list[str]:
    chosen = {"task": next(iter(plugins.known("task")), ""), **chosen}
    if not _named(str(chosen["task"]), plugins):
        return []
    try:
        return [name for name, _ in task_keys(chosen, plugins)]
    except MedplugError:
        return []


def _values(key: str, words: dict[str, str], plugins: Plugins) -> list[str]:
    registry = plugins.registry
    head, _, slot = key.partition(".")
    if modality := _slots(words, plugins).get(slot):
        if head == "backbone":
            named = [name for name, entry in registry.backbones.items() if entry.modality == modality]
            return [*named, *(spec.name for spec in scratch(plugins) if spec.modality == modality)]
        key = head if head == "adapter" else key
    names = {
        "task": list(plugins.known("task")),
        "backbone": [*registry.backbones, *(spec.name for spec in scratch(plugins))],
        "adapter": list(plugins.known("adapter")),
        "fusion": list(plugins.known("fusion")),
        "observers": list(plugins.known("observer")),
        "recipe": list(registry.recipes),
        "device": ["auto", "cpu", "cuda", "mps"],
        "precision": ["auto", "float32", "bfloat16", "float16"],
    }
    return names.get(key, [])
