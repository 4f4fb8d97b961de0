"""What a class holds: its fields, and its methods with what they are given and give."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from typing import Any

from generator.writing import code, prose, signature, table


def fields_of(given: type) -> Iterator[str]:
    """A table of the fields of a dataclass or a named tuple; nothing of other classes."""
    types: dict[str, Any] = {}
    if is_dataclass(given):
        types = {each.name: each.type for each in fields(given) if not each.name.startswith("_")}
    elif hasattr(given, "_fields"):
        types = given.__annotations__
    if types:
        yield table(("field", "type"), [(code(name), code(str(each))) for name, each in types.items()])


def methods_of(given: type) -> Iterator[str]:
    """Each public method and property; told is which must be there, and which is read."""
    must: frozenset[str] = getattr(given, "__abstractmethods__", frozenset())
    for name, each in vars(given).items():
        called = _callable(each)
        if name.startswith("_") or called is None:
            continue
        told = "*must be there*" if name in must else "*is read*" if isinstance(each, property) else ""
        yield "\n\n".join(part for part in (f"```python\n{signature(called)}\n```", told, prose(called)) if part)


def _callable(each: Any) -> Any:
    inner = each.fget if isinstance(each, property) else getattr(each, "__func__", each)
    return inner if inspect.isfunction(inner) and inner.__name__ != "<lambda>" else None
