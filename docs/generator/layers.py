"""The shared transfer and fusion layers, which are usable alone."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

from generator.writing import code, plain, prose, signature

MODULES = ("medplug.core.transfer", "medplug.core.fusion")


def page() -> str:
    """What each of the packages offers by name."""
    parts = [
        "# Layers",
        "Plain torch and numpy: they know nothing of tasks, data or training, and work in any other program.",
    ]
    return "\n\n".join([*parts, *(_package(import_module(name)) for name in MODULES)])


def _package(module: ModuleType) -> str:
    named = [name for name in getattr(module, "__all__", ()) if callable(getattr(module, name))]
    parts = [f"## {code(module.__name__)}", plain((module.__doc__ or "").partition("\n")[0])]
    return "\n\n".join([*parts, *(_one(module, name) for name in sorted(named, key=str.lower))])


def _one(module: ModuleType, name: str) -> str:
    given = getattr(module, name)
    return "\n\n".join([f"### {code(name)} {{ #{name} }}", f"```python\n{signature(given)}\n```", prose(given)])
