"""Markdown from what code says of itself."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any

_CODE = re.compile(r"(`[^`]*`)")


def finished(text: str) -> str:
    """A page as a file holds it: no two empty lines, one line break at the end."""
    return re.sub(r"\n{3,}", "\n\n", text).strip() + "\n"


def plain(text: str) -> str:
    """Text whose words stand as they are: outside of code, what Markdown or HTML would read is escaped."""
    parts = _CODE.split(text.replace("``", "`"))
    return "".join(part if part.startswith("`") else _escaped(part) for part in parts)


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace("*", r"\*")


def code(text: str) -> str:
    """Text as code; nothing where there is none."""
    return f"`{text}`" if text else ""


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; cells are Markdown already."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(_cell(cell) for cell in line)} |" for line in lines)


def _cell(text: str) -> str:
    """One line; a stroke outside of code would end the cell."""
    parts = _CODE.split(" ".join(text.split()))
    return "".join(part if part.startswith("`") else part.replace("|", r"\|") for part in parts)


def prose(documented: Any) -> str:
    """The docstring of anything, its indented blocks as code."""
    lines = (inspect.getdoc(documented) or "").replace("::\n", ":\n").splitlines()
    told = [line if line.startswith("    ") or _drawn(line) else plain(line) for line in lines]
    return "\n".join(_fenced(told))


def _drawn(line: str) -> bool:
    return line.startswith((">>>", "|", "├", "└"))


def _fenced(lines: list[str]) -> Iterable[str]:
    """Blocks that are indented, or a session of Python, become fenced ones."""
    open_ = False
    for line in lines:
        inside = line.startswith(("    ", ">>>")) or (open_ and not line)
        if inside is not open_:
            yield "```python" if inside else "```\n"
        open_ = inside
        yield line.removeprefix("    ") if inside else line
    if open_:
        yield "```"


class _Bare(str):
    """Text that stands in a signature without quotes."""

    def __repr__(self) -> str:
        return str(self)


def signature(called: Callable[..., Any]) -> str:
    """``name(argument: type = default) -> type``, types as they were written; one argument a line where it is long.

    Of a class how it is made, of a method what it is called with.
    """
    found = inspect.signature(called)
    arguments = [_bare(each) for each in found.parameters.values() if each.name != "self"]
    returned = found.empty if inspect.isclass(called) else found.return_annotation
    given = _Bare(returned) if isinstance(returned, str) else returned
    name = called.__name__
    line = f"{name}{found.replace(parameters=arguments, return_annotation=given)}"
    if len(line) <= 100:
        return line
    opening, closing = line[: len(name) + 1], line[line.rindex(")") :] if returned is found.empty else _tail(line)
    inside = ",\n    ".join(_arguments(arguments))
    return f"{opening}\n    {inside},\n{closing}"


def _tail(line: str) -> str:
    return line[line.rindex(") ->") :]


def _arguments(arguments: Sequence[inspect.Parameter]) -> Iterable[str]:
    starred = False
    for each in arguments:
        if each.kind is each.KEYWORD_ONLY and not starred:
            yield "*"
        starred = starred or each.kind in (each.KEYWORD_ONLY, each.VAR_POSITIONAL)
        yield str(each)


def _bare(argument: inspect.Parameter) -> inspect.Parameter:
    kept: dict[str, Any] = {}
    if isinstance(argument.annotation, str):
        kept["annotation"] = _Bare(argument.annotation)
    if callable(argument.default) and argument.default is not argument.empty:
        kept["default"] = _Bare(argument.default.__name__)
    return argument.replace(**kept)


def function_section(function: Callable[..., Any], *, level: int = 2, told: str = "") -> str:
    """A heading, the signature and the docstring of a function; `told` stands before the docstring."""
    name = function.__name__
    parts = [f"{'#' * level} {code(name)} {{ #{name} }}", f"```python\n{signature(function)}\n```", told]
    return "\n\n".join(part for part in (*parts, prose(function)) if part)
