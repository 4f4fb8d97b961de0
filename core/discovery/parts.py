"""Whether the code that third parties' specs name is there."""

from __future__ import annotations

from collections.abc import Iterator

from medplug.core.discovery.answers import KINDS
from medplug.core.discovery.claims import BUILT_IN
from medplug.core.discovery.findings import Finding, Loaded
from medplug.core.discovery.plugins import Plugins
from medplug.core.errors import PluginError
from medplug.core.specs import Spec, resolve

_NAMED = ("config", "data", "augment", "factory")
"""The fields of specs that name code."""


def check_parts(plugins: Plugins) -> None:
    """Load all that the specs of imported third parties name, and remark on what is missing; imports torch with it."""
    for plugin in plugins.loaded:
        if plugin.distribution != BUILT_IN:
            plugins.remarks += _missing(plugin, plugins)


def _missing(plugin: Loaded, plugins: Plugins) -> Iterator[Finding]:
    for kind in KINDS:
        for name, spec in plugins.known(kind).items():
            if f"{kind} {name}" in plugin.gives and plugins.owner(kind, name) == plugin.distribution:
                for reason, fix in _unresolved(kind, spec):
                    yield Finding(plugin.name, plugin.distribution, reason, fix, plugin.module)


def _unresolved(kind: str, spec: Spec) -> Iterator[tuple[str, str]]:
    for field in _NAMED:
        path = getattr(spec, field, None)
        if path is None:
            continue
        try:
            resolve(path, owner=f"the {field} of the {kind} {spec.name}")
        except PluginError as error:
            yield error.what, error.fix
