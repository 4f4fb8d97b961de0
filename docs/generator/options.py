"""Tables of options: the key, what it takes, its default, what it means."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from generator.writing import code, plain, table
from medplug.core.options import default_of

HEADER = ("key", "takes", "default", "meaning")
_BOUNDS = {
    "minimum": "at least",
    "exclusiveMinimum": "above",
    "maximum": "at most",
    "exclusiveMaximum": "below",
}
Schema = Mapping[str, Any]


def option_table(prefix: str, model: type[BaseModel], *, besides: type[BaseModel] | None = None) -> str:
    """The options below `prefix`; those that are the same in `besides` are left out. Empty where none is left."""
    rows = list(_rows(prefix, model, besides))
    return table(HEADER, rows) if rows else ""


def _rows(prefix: str, model: type[BaseModel], besides: type[BaseModel] | None) -> Iterator[tuple[str, ...]]:
    schema = model.model_json_schema()
    definitions = schema.get("$defs", {})
    known = {} if besides is None else besides.model_fields
    for name, option in model.model_fields.items():
        if name in known and _same(option, known[name]):
            continue
        default = default_of(option)
        taken = takes(schema["properties"][option.alias or name], definitions)
        yield (
            code(f"{prefix}{name}"),
            taken,
            "*needed*" if default is None else code(default) or "*empty*",
            plain(option.description or ""),
        )


def _same(one: FieldInfo, other: FieldInfo) -> bool:
    return (one.description, one.default, one.annotation) == (other.description, other.default, other.annotation)


def takes(schema: Schema, definitions: Mapping[str, Schema]) -> str:
    """What values an option takes, in words, from its JSON schema."""
    if "$ref" in schema:
        return takes(definitions[schema["$ref"].rpartition("/")[2]], definitions)
    if "anyOf" in schema:
        return ", or ".join(dict.fromkeys(takes(each, definitions) for each in schema["anyOf"]))
    if "enum" in schema or "const" in schema:
        return ", ".join(code(str(value)) for value in schema.get("enum", [schema.get("const")]))
    kind = schema.get("type")
    if kind == "array":
        return _listed(schema, definitions)
    if kind == "object":
        values = schema.get("additionalProperties", True)
        return f"a mapping to {takes(values, definitions)}" if isinstance(values, Mapping) else "a mapping"
    if kind in ("integer", "number"):
        return " ".join(["whole number" if kind == "integer" else "number", *_bounds(schema)])
    plainly = {"boolean": "`true`, `false`", "null": "`null`", "string": "path" if "format" in schema else "text"}
    return plainly.get(str(kind), "table (a file; in Python a frame too)")


def _listed(schema: Schema, definitions: Mapping[str, Schema]) -> str:
    if "prefixItems" in schema:
        items = [takes(each, definitions) for each in schema["prefixItems"]]
        return f"list of {len(items)}: {'; '.join(dict.fromkeys(items))}"
    return f"list of {takes(schema['items'], definitions)}" if schema.get("items") else "list"


def _bounds(schema: Schema) -> Iterable[str]:
    found = [f"{word} {schema[name]}" for name, word in _BOUNDS.items() if name in schema]
    return [" and ".join(found)] if found else []
