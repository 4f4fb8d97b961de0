from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from string import Formatter

from jinja2 import Environment, nodes

import medplug

CORE = Path(medplug.__file__).parent / "core"


def literals() -> Iterator[str]:
    """Every English sentence that the report's code and pages say."""
    for file in sorted(CORE.rglob("*.py")):
        for call in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(call, ast.Call) and isinstance(call.func, ast.Name):
                yield from _of_call(call, call.func.id)
    for page in sorted((CORE / "report").glob("*.*")):
        if page.suffix in (".html", ".md"):
            for found in Environment().parse(page.read_text("utf-8")).find_all(nodes.Call):
                if isinstance(found.node, nodes.Name) and found.node.name == "say":
                    yield found.args[0].as_const()


def _of_call(call: ast.Call, name: str) -> Iterator[str]:
    if name in ("say", "later"):
        yield from _texts(call.args[0])
    if name == "count" and len(call.args) > 1:
        nouns = list(_texts(call.args[1]))
        plurals = list(_texts(call.args[2])) if len(call.args) > 2 else [f"{noun}s" for noun in nouns]
        yield from (f"{{n}} {noun}" for noun in [*nouns, *plurals])


def _texts(node: ast.expr) -> Iterator[str]:
    if isinstance(node, ast.IfExp):
        yield from _texts(node.body)
        yield from _texts(node.orelse)
    elif isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value


def _fields(sentence: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(sentence) if name}
