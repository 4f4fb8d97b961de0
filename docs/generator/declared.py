"""The hooks, and the specs that they give."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import MISSING, Field, fields
from typing import Any

from generator.writing import code, function_section, plain, prose, table
from medplug.core import hooks, specs
from medplug.core.discovery.answers import KINDS


def page() -> str:
    """Each hook with its signature, each spec with its fields, and the words that they may hold."""
    parts = [
        "# Hooks and specs",
        "What a plugin implements, and the data that it gives; [Plugins](../plugins.md) tells how. "
        f"`medplug_api = {specs.API_VERSION}` is this contract's version.",
        "## Hooks",
        *(function_section(hook, level=3) for hook in given_hooks()),
        "## Specs",
        *(_spec(each) for each in given_specs()),
        "## Words",
        table(("word", "one of"), _words()),
    ]
    return "\n\n".join(parts)


def given_hooks() -> list[Any]:
    """The hook specifications, in the order in which they are written."""
    return [each for name, each in vars(hooks).items() if name.startswith("medplug_")]


def given_specs() -> list[type[specs.Spec]]:
    """The kinds of specs, the one that they share first."""
    return [specs.Spec, *(spec for _, spec in KINDS.values())]


def _spec(spec: type[specs.Spec]) -> str:
    own = [each for each in fields(spec) if spec is specs.Spec or each.name not in specs.Spec.__dataclass_fields__]
    rows = [(code(each.name), code(str(each.type)), _default(each)) for each in own]
    heading = f"### {code(spec.__name__)} {{ #{spec.__name__} }}"
    return "\n\n".join([heading, prose(spec), table(("field", "type", "default"), rows)])


def _default(field: Field[Any]) -> str:
    if field.default is not MISSING:
        return code(repr(field.default))
    return "empty" if field.default_factory is not MISSING else "*needed*"


def _words() -> Iterator[tuple[str, str]]:
    for name, word in vars(specs).items():
        values = getattr(word, "__args__", ())
        if name[0].isupper() and values and all(isinstance(value, str) for value in values):
            yield plain(name), ", ".join(code(value) for value in values)
