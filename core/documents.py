"""YAML files that users write: read, or refused with the place of the fault."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from medplug.core.errors import UsageError

T = TypeVar("T")


def read_yaml(path: Path, parse: Callable[[str], T], *, called: str, refuse: type[UsageError]) -> T:
    """What `parse` makes of the file's text; `refuse` is raised with `called` (how the user knows the file) and why."""
    import yaml

    try:
        return parse(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise refuse(f"{called} {path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise refuse(f"{called} {path}: not UTF-8 text") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" at line {mark.line + 1}" if mark else ""
        raise refuse(f"{called} {path}: not YAML{where}: {getattr(error, 'problem', error)}") from None
