"""Shell completion of ``medplug run``: names after ``task=``, keys before the ``=``."""

from __future__ import annotations

from collections.abc import Iterable

from medplug.core.errors import MedplugError
from medplug.core.plan import task_keys
from medplug.core.plugins import Plugins


def complete(incomplete: str, given: Iterable[str]) -> list[str]:
    """What the word begun may become; an empty list where nothing can be said."""
    plugins = Plugins()
    key, equals, begun = incomplete.partition("=")
    if equals:
        return [f"{key}={name}" for name in _values(key, plugins) if name.startswith(begun)]
    words = dict(word.partition("=")[::2] for word in given)
    task = words.get("task") or next(iter(plugins.known("task")), None)
    if task is None:
        return []
    try:
        keys = [name for name, _ in task_keys(task, plugins)]
    except MedplugError:
        keys = []
    names = ["task", "backbone", "adapter", "recipe", *keys]
    return [f"{name}=" for name in dict.fromkeys(names) if name.startswith(incomplete) and name not in words]


def _values(key: str, plugins: Plugins) -> list[str]:
    registry = plugins.registry
    scratch = [name for name, spec in plugins.known("backbone").items() if not getattr(spec, "pretrained", False)]
    names = {
        "task": list(plugins.known("task")),
        "backbone": [*registry.backbones, *scratch],
        "adapter": list(plugins.known("adapter")),
        "recipe": list(registry.recipes),
        "device": ["auto", "cpu", "cuda", "mps"],
        "precision": ["auto", "float32", "bfloat16", "float16"],
    }
    return names.get(key, [])
