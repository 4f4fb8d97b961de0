"""What is found of a plugin: that it works, or what is wrong with it and what to do."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, replace

from medplug.core.discovery.installed import DECLARED, GROUP, Installed
from medplug.core.errors import PluginError, RegistryError, did_you_mean, printable, without_passwords

SLOW = 2.0
"""Seconds to import a plugin and ask what it gives, after which it is called slow."""
HEAVY = ("torch", "transformers", "timm", "peft", "sklearn", "scipy", "polars", "matplotlib")
"""What no listing and no plan may import."""
_LONGEST = 300
_NOT_ITS_OWN = {"importlib", "medplug", "pluggy", *sys.stdlib_module_names}


@dataclass(frozen=True, slots=True)
class Loaded:
    """A plugin that works: its name, the distribution it came in, and the names it gives.

    `signature` is the SHA-256 of the distribution's RECORD, None of built-ins and where there is none; `module`
    what its entry point names.
    """

    name: str
    distribution: str
    gives: tuple[str, ...]
    signature: str | None = None
    module: str = ""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something wrong with a plugin: the `reason`, and what to do (`fix`); `module` is what its entry point names.

    `slow` says that all that is wrong is how long its import takes.
    """

    name: str
    distribution: str
    reason: str
    fix: str = ""
    module: str = ""
    slow: bool = False

    def __str__(self) -> str:
        return f"{self.name} ({self.distribution}): {self.reason}"


def on_plugin(plugin: Installed, reason: str, fix: str) -> Finding:
    """A finding about an installed plugin."""
    return Finding(plugin.name, plugin.distribution, reason, fix, plugin.point.value)


def why(error: BaseException, module: str = "") -> tuple[str, str]:
    """What went wrong where a plugin's `module` was imported or asked, on one line, and what to do."""
    if isinstance(error, PluginError):
        return _short(error.what), error.fix
    text = _short(f"{type(error).__name__}: {error}")
    if isinstance(error, RegistryError):
        return text, "its author: mend the registry.yaml that medplug_registry names"
    if isinstance(error, ModuleNotFoundError) and error.name:
        return text, _for_missing(error.name, module)
    place = place_of(error, module)
    whole = f'; see it whole with: python -c "import {module}"' if module else ""
    return f"{text} (at {place})" if place else text, f"tell its author{whole}"


def _for_missing(missing: str, module: str) -> str:
    if module == missing or module.startswith(f"{missing}."):
        return f"name in its entry point a module that the package has, not {module}, and install it again"
    package = missing.partition(".")[0]
    return f"install what gives the module {package} here; its author: add that to the package's dependencies"


def place_of(error: BaseException, module: str = "") -> str:
    """Where code of the package of `module` raised, as ``module:line``, or called what did.

    Where none of it is there, the place in other code that is neither Python's nor medplug's, or nothing.
    """
    walked = traceback.walk_tb(error.__traceback__)
    frames = [(str(frame.f_globals.get("__name__")), line) for frame, line in walked]
    others = [each for each in frames if each[0].partition(".")[0] not in _NOT_ITS_OWN]
    own = [each for each in others if each[0].partition(".")[0] == module.partition(".")[0]]
    return next((f"{name}:{line}" for name, line in reversed(own or others)), "")


def _short(text: str) -> str:
    """On one line, not longer than a screen shows, and without passwords, as errors of clients quote addresses."""
    text = without_passwords(" ".join(printable(text).split()))
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def slowness(plugin: Installed, seconds: float, before: Collection[str]) -> Iterator[Finding]:
    """That it took long until it said what it gives; `before` are the modules that were imported earlier."""
    if seconds < SLOW:
        return
    heavy = [name for name in HEAVY if name in sys.modules and name not in before]
    also = f" and imports {', '.join(heavy)}" if heavy else ""
    fix = "its author: read files, connect and import what is heavy where a factory is called, not with the module"
    found = on_plugin(plugin, f"is slow: its import takes {seconds:.1f} s{also}", f"only what uses it waits; {fix}")
    yield replace(found, slow=True)


def changes(plugin: Installed, told: Iterable[str]) -> Iterator[Finding]:
    """That it changed what is everybody's."""
    if all_of_it := ", ".join(told):
        fix = "nothing needs to be done; its author: set this where the plugin's own code runs"
        yield on_plugin(plugin, f"changes on import {all_of_it}; medplug put it back", fix)


def undeclared(plugin: Installed, gives: Iterable[str]) -> Iterator[Finding]:
    """Where what its package declares is not what it gives, each as ``adapter whiten``."""
    declared, given = set(plugin.gives()), set(gives)
    if not declared:
        return
    for each in sorted(declared - given):
        kind, _, name = each.partition(" ")
        same = [other.partition(" ")[2] for other in given - declared if other.startswith(f"{kind} ")]
        fix = f'its author: take {name} out of [project.entry-points."{GROUP}.{kind}s"], or give it'
        yield on_plugin(plugin, f"declares the {each}, and does not give it{did_you_mean(name, same)}", fix)
    for each in sorted(given - declared):
        kind, _, name = each.partition(" ")
        if kind in DECLARED:
            line = f'[project.entry-points."{GROUP}.{kind}s"] {name} = "{plugin.point.value}"'
            reason = f"gives the {each}, and does not declare it: it is not found by this name"
            yield on_plugin(plugin, reason, f"its author: add {line}")
