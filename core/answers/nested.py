"""JSON files that are one value, read without quoting them; and what is wrong inside, by its place."""

from __future__ import annotations

import codecs
import json
import zlib
from pathlib import Path
from typing import Any

from medplug.core.data.faults import Wanted, explain_bytes, open_bytes
from medplug.core.data.files import existing
from medplug.core.errors import DataError

SHOWN = 20


def read_json(path: Path, wanted: Wanted) -> Any:
    """The value that a JSON file (plain or gzip) holds; raises `DataError` with the line where it is broken."""
    file = existing(path, wanted)
    line = None
    try:
        with open_bytes(file) as data:
            return json.loads(data.read().removeprefix(codecs.BOM_UTF8).decode("utf-8"))
    except json.JSONDecodeError as error:
        line = error.lineno
    except (ValueError, OSError, EOFError, RecursionError, zlib.error):
        pass  # explained below, so that no error chain carries a message that quotes the file
    if line is None:
        raise explain_bytes(file, wanted) or wanted.error("it is not valid JSON", "write or copy it again")
    raise wanted.error(f"it is not valid JSON; it breaks in line {line}", "write or copy it again")


class Faults:
    """What is wrong inside of one JSON value: noted place by place, told up to twenty at once."""

    def __init__(self, wanted: Wanted, form: str) -> None:
        self._wanted, self._form = wanted, form
        self._found: list[str] = []

    def add(self, place: str, reason: str) -> None:
        """Note what is wrong at a place (``article 1, paragraph 2``), without its content."""
        self._found.append(f"{place}: {reason}")

    def items(self, holder: Any, key: str, place: str) -> list[Any]:
        """The list under a key; a fault, and none, where there is no list."""
        found = holder.get(key) if isinstance(holder, dict) else None
        if isinstance(found, list):
            return found
        self.add(place, f"has no list {key!r}")
        return []

    def text(self, holder: Any, key: str, place: str) -> str | None:
        """The text under a key; a fault, and None, where there is none or a blank one."""
        found = holder.get(key) if isinstance(holder, dict) else None
        if isinstance(found, str) and found.strip():
            return found
        blank = isinstance(found, str)
        self.add(place, f"has no {key!r}" if found is None else f"{key!r} is {'blank' if blank else 'no text'}")
        return None

    def error(self) -> DataError | None:
        """The error that names up to twenty of the places, if there are any."""
        if not self._found:
            return None
        lines = [f"it is no sound {self._form} file; {len(self._found)} thing(s) are wrong"]
        lines += [f"  {fault}" for fault in self._found[:SHOWN]]
        if len(self._found) > SHOWN:
            lines.append(f"  ... and {len(self._found) - SHOWN} more")
        return self._wanted.error("\n".join(lines), "mend these places, or take the questions out")
