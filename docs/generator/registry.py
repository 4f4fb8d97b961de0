"""The fields of a registry file, and the recipes of the built-in one."""

from __future__ import annotations

from generator.options import option_table
from generator.writing import code, plain, prose, table
from medplug.core.grammar import written
from medplug.core.registry import Entry, NamedBackbone, PluginList, Recipe, Registry

_PLACES: dict[str, tuple[str, type[Entry]]] = {
    "": ("The file", Registry),
    "backbones.NAME.": ("A backbone with a name", NamedBackbone),
    "recipes.NAME.": ("A recipe", Recipe),
    "plugins.": ("Plugins", PluginList),
}


def page() -> str:
    """Each part of a registry with its fields."""
    intro = (
        "A file of your own is named by `--registry FILE` or `MEDPLUG_REGISTRY` ([Configuration]"
        "(../configuration.md#backbones)); a plugin may bring one along."
    )
    parts = ["# Registry files", intro]
    for prefix, (title, model) in _PLACES.items():
        parts += [f"## {title}", prose(model), option_table(prefix, model)]
    return "\n\n".join(parts)


def recipes(registry: Registry) -> str:
    """Each recipe with the keys that it sets."""
    intro = "Named sets of defaults, by `recipe=NAME`, or brought along by a task, a backbone or an adapter."
    parts = ["# Recipes", intro]
    for name, recipe in registry.recipes.items():
        rows = [(code(key), code(written(value))) for key, value in recipe.keys.items()]
        parts += [f"## {code(name)} {{ #{name} }}", plain(recipe.summary), table(("key", "value"), rows)]
    return "\n\n".join(parts)
