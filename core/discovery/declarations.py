"""What packages say wrongly of their plugins, read from metadata alone: nothing is imported."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from importlib.metadata import Distribution

from medplug.core.discovery.findings import Finding, on_plugin
from medplug.core.discovery.installed import DECLARED, GROUP, Installed, label
from medplug.core.errors import did_you_mean

_GROUPS = tuple(f"{GROUP}.{kind}s" for kind in DECLARED)
_TYPED = re.compile(r"[\w.-]+")


def misdeclared(
    plugins: Collection[Installed], distributions: Iterable[Distribution], built_in: Collection[str]
) -> Iterator[Finding]:
    """What is wrong with the names of `plugins` and with what `distributions` declare.

    `built_in` are what medplug itself gives, as ``adapter finetune``.
    """
    for each in plugins:
        yield from _named(each)
    yield from _claimed_twice(plugins, built_in)
    for distribution in distributions:
        yield from _strays(distribution)


def _named(plugin: Installed) -> Iterator[Finding]:
    """A name that no list can hold, or that another package's plugin has too."""
    if not _TYPED.fullmatch(plugin.name):
        fix = "its author: name the entry point with letters, digits, '.', '_' and '-'"
        yield on_plugin(plugin, f"is called {plugin.name!r}, which no list of allowed plugins can hold", fix)
    for other in plugin.rivals:
        fix = "nothing, where both are wanted; a list of allowed plugins must pin one: NAME@sha256:HEX"
        yield on_plugin(plugin, f"has the name of a plugin of {other}", fix)


def _claimed_twice(plugins: Iterable[Installed], built_in: Collection[str]) -> Iterator[Finding]:
    claimed: dict[str, list[Installed]] = defaultdict(list)
    for plugin in plugins:
        for each in plugin.gives():
            claimed[each].append(plugin)
    for each, by in claimed.items():
        if each in built_in:
            fix = "its author: call it otherwise; what comes with medplug cannot be replaced"
            yield from (on_plugin(plugin, f"declares the {each}, which medplug gives already", fix) for plugin in by)
        for plugin in by[1:]:
            first = by[0]
            reason = f"declares the {each}, as {first.name} ({first.distribution}) does"
            yield on_plugin(plugin, reason, "uninstall one of the two; until then neither can be used by this name")


def _strays(distribution: Distribution) -> Iterator[Finding]:
    """Declarations of a package that lead to no plugin of it."""
    own, package = list(distribution.entry_points), label(distribution)
    values = [point.value for point in own if point.group == GROUP]
    for point in own:
        if point.group.startswith(f"{GROUP}.") and point.group not in _GROUPS:
            reason = f"is declared in [{point.group}], which medplug does not read{did_you_mean(point.group, _GROUPS)}"
            yield Finding(point.name, package, reason, f"its author: declare it in one of {', '.join(_GROUPS)}")
        elif point.group in _GROUPS and point.value not in values:
            reason = f"is declared in [{point.group}] as {point.value!r}, which is none of its package's plugins"
            wanted = " or ".join(f'{point.name} = "{value}"' for value in values or ["MODULE"])
            fix = f"its author: write {wanted}, as in [project.entry-points.{GROUP}]"
            yield Finding(point.name, package, reason, fix)
