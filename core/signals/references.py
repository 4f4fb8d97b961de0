"""What a cell of a column of signals refers to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from medplug.core.signals.formats import is_signal_name
from medplug.core.signals.reading import SignalError

_STEP = "set data.root (of a finished run: --root)"


@dataclass(frozen=True, slots=True, repr=False)
class ArchiveRow:
    """One row of an array of an ``.npz`` archive."""

    archive: Path
    array: str
    row: int

    def __repr__(self) -> str:  # the table's fingerprint is made of it: the same wherever the archive lies
        return f"{self.array}[{self.row}]"


@dataclass(frozen=True, slots=True, repr=False)
class RecordingPart:
    """The samples `start` to `stop` of a recording, without its column of labels."""

    recording: Path
    label: str | None
    start: int
    stop: int

    def __repr__(self) -> str:
        return f"{self.recording.name}[{self.start}:{self.stop}]"


def resolver(root: Path | None, folder: Path | None) -> Callable[[str], Path]:
    """What finds the files that cells name.

    Paths start from `root` (``data.root``), else from `folder`, the table's own,
    else from the current one, and may not lead out of there, by links neither:
    then, and where there is no such file, `SignalError` is raised.
    """
    start = start_of(root, folder)

    def resolve(cell: str) -> Path:
        try:
            path = start / cell.replace("\\", "/")
            found = path.resolve()
            if not found.is_relative_to(start):
                where = "data.root" if root else "the folder that its table starts from"
                raise SignalError(f"it lies outside {where} ({start}); {_STEP} to a folder above it")
            if found.exists() or path.with_name(f"{path.name}.hea").is_file():
                return found
        except (OSError, ValueError, RuntimeError):  # too long for a path, a null byte, links in a circle
            pass
        step = f"check the path, or {_STEP}" if is_signal_name(cell) else "is this the column of the signals' paths?"
        raise SignalError(f"there is no such file in {start}; {step}")

    return resolve


def start_of(root: Path | None, folder: Path | None) -> Path:
    """The folder that a table's paths start from."""
    return (root or folder or Path()).expanduser().resolve()


def told(cell: str) -> str:
    """What messages call a cell: its text, unless that may be a note in a wrong column."""
    return cell if is_signal_name(cell) else "the cell"
