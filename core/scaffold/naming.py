"""What a new package is called: one name gives those of the distribution, the module and what it adds."""

from __future__ import annotations

import keyword
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec

from medplug.core.discovery.claims import BUILT_IN
from medplug.core.discovery.plugins import Plugins
from medplug.core.errors import UsageError

_DISTRIBUTION = re.compile(r"[a-z]([a-z0-9]|[-_](?=[a-z0-9]))*")
_LONGEST = 40
_OWN = "medplug-"


@dataclass(frozen=True, slots=True)
class Names:
    """What the distribution is called (``medplug-demo``), its module (``medplug_demo``) and what it adds (``demo``)."""

    distribution: str
    module: str
    plugin: str


def names_of(name: str, adds: Sequence[str], plugins: Plugins) -> Names:
    """The names that follow from `name` for a new plugin that `adds` something of these kinds.

    Raises `UsageError` where one of them is not valid, or is that of something else
    which is installed.
    """
    if not _DISTRIBUTION.fullmatch(name) or len(name) > _LONGEST:
        raise UsageError(
            f"{name!r} cannot be a package's name: begin with a small letter; go on with small letters, digits and - "
            f"or _ between them, at most {_LONGEST} characters, as in medplug-demo"
        )
    distribution = name.replace("_", "-")
    module = distribution.replace("-", "_")
    _check_module(name, module)
    plugin = distribution.removeprefix(_OWN).replace("-", "_")
    if not plugin[0].isalpha():
        raise UsageError(
            f"{name!r} would add the {adds[0]} {plugin!r}, and such a name begins with a small letter; change what "
            f"follows {_OWN}"
        )
    for kind in adds:
        _check_plugin(name, kind, plugin, plugins)
    return Names(distribution, module, plugin)


def _check_module(name: str, module: str) -> None:
    if keyword.iskeyword(module) or module in sys.stdlib_module_names:
        raise UsageError(f"{name!r} would be the module {module}, a word of Python's own; try {_OWN}{name}")
    found = find_spec(module)
    if found is not None and found.origin is not None:
        raise UsageError(
            f"{name!r} would be the module {module}, which is installed already; choose another name, or uninstall it"
        )


def _check_plugin(name: str, kind: str, plugin: str, plugins: Plugins) -> None:
    declared = plugins.declared(kind)
    if not plugins.has(kind, plugin) and plugin not in declared:
        return
    owner = declared[plugin].distribution if plugin in declared else BUILT_IN
    raise UsageError(
        f"{name!r} would add the {kind} {plugin!r}, which {owner} gives already, and a name that two give is refused; "
        f"choose another, as {_OWN}my-{plugin.replace('_', '-')} (see it with: medplug show {plugin})"
    )
