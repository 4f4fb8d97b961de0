"""What the reference holds, page by page."""

from __future__ import annotations

from collections.abc import Mapping

import medplug
from generator.writing import table

_HOLDS = {
    "commands": "every command of the command line with its options",
    "keys": "the keys that every run has: data, training, selection, report",
    "tasks": "every task with its options and columns",
    "registry": "the fields of a `registry.yaml`",
    "recipes": "every named set of defaults",
    "hooks": "what a plugin implements, and the specs that it gives",
    "contracts": "the classes that a plugin's factories make, method by method",
    "layers": "transfer and fusion layers that work outside of medplug too",
    "python": "what `import medplug` offers",
    "errors": "every exception, and exit codes",
    "environment": "what is read from the environment",
}


def page(made: Mapping[str, str]) -> str:
    """The list of the pages that are made, and of the one that is written by hand."""
    titles = {name: text.partition("\n")[0].removeprefix("# ") for name, text in made.items()}
    titles["environment"] = "Environment variables"
    rows = [(f"[{title}]({name}.md)", _HOLDS.get(name, _options_of(title))) for name, title in titles.items()]
    intro = (
        f"Made from the code of medplug {medplug.__version__}: it tells what the code does, of built-in plugins too."
    )
    return "\n\n".join(["# Reference", intro, table(("page", "holds"), rows)])


def _options_of(title: str) -> str:
    return f"every {title.removesuffix('s').lower()} with its options"
