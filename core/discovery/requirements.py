"""Which third-party packages a saved model needs, and whether they are installed as they were."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version

from medplug.core.discovery.claims import BUILT_IN
from medplug.core.discovery.installed import UNKNOWN
from medplug.core.discovery.plugins import Plugins
from medplug.core.errors import PluginError
from medplug.core.plan import Plan


def third_parties(plan: Plan, plugins: Plugins) -> list[dict[str, str]]:
    """The parts of the plan that packages of others give, each with the name and version of its package."""
    adapters = [*plan.adapters, *(each.adapter for each in plan.encoders.values() if each.adapter is not None)]
    parts = [("task", plan.task.name), *(("adapter", spec.name) for spec, _ in adapters)]
    parts += [("backbone", each.choice.spec.name) for each in plan.encoders.values()]
    parts += [] if plan.fusion is None else [("fusion", plan.fusion[0].name)]
    found = [(kind, name, plugins.owner(kind, name)) for kind, name in dict.fromkeys(parts)]
    return [
        {"kind": kind, "name": name, "distribution": owner.rpartition(" ")[0], "version": owner.rpartition(" ")[2]}
        for kind, name, owner in found
        if owner not in (BUILT_IN, UNKNOWN)
    ]


def check_plugins(needed: Sequence[Mapping[str, str]], plugins: Plugins) -> Iterator[str]:
    """What is to be said of packages of other versions than the model was made with.

    `PluginError` of those that are missing, or that may not be imported.
    """
    for each in needed:
        package, made_with = each["distribution"], each["version"]
        try:
            here = version(package)
        except PackageNotFoundError:
            raise PluginError(
                f"this model needs the {each['kind']} {each['name']} of {package} {made_with}, which is not installed: "
                f"pip install {package}=={made_with}"
            ) from None
        _check_allowed(each, plugins)
        if here != made_with:
            yield (
                f"this model was made with {package} {made_with} ({each['kind']} {each['name']}), and {here} is "
                f"installed: it may predict otherwise; pip install {package}=={made_with} gives back what it was"
            )


def _check_allowed(needed: Mapping[str, str], plugins: Plugins) -> None:
    """Raise `PluginError` where an allow-list keeps out every plugin of the package that is needed."""
    label = f"{needed['distribution']} {version(needed['distribution'])}"
    refusals = [plugins.allowance().refusal(each) for each in plugins.installed() if each.distribution == label]
    if refusals and all(refusals):
        raise PluginError(
            f"this model needs the {needed['kind']} {needed['name']} of {label}, which may not be imported: "
            f"{refusals[0]}; allow it there, once you trust it"
        )
