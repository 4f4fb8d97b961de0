"""The reference: pages made from the code when the documentation is built, so that they say what the code does."""

from __future__ import annotations

from generator import commands, contents, contracts, declared, errors, keys, kinds, layers, public, registry, writing
from medplug.core.discovery.answers import KINDS
from medplug.core.discovery.plugins import Plugins


def pages() -> dict[str, str]:
    """Name in the folder ``reference`` -> the page as Markdown; of built-in plugins alone."""
    plugins = Plugins(found=())
    made = {
        "commands": commands.page(),
        "keys": keys.page(),
        **{f"{kind}s": kinds.page(kind, plugins) for kind in KINDS},
        "registry": registry.page(),
        "recipes": registry.recipes(plugins.registry),
        "hooks": declared.page(),
        "contracts": contracts.page(),
        "layers": layers.page(),
        "python": public.page(),
        "errors": errors.page(),
    }
    made["index"] = contents.page(made)
    return {f"{name}.md": writing.finished(text) for name, text in made.items()}
