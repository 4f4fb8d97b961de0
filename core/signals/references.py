"""What a cell of a column of signals refers to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from medplug.core.data.paths import file_inside, start_of
from medplug.core.signals.formats import is_signal_name
from medplug.core.signals.reading import SignalError


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
    """What finds the files that cells name, below the folder that their table starts from; `SignalError` else."""
    start = start_of(root, folder)

    def resolve(cell: str) -> Path:
        path, likely = start / cell.replace("\\", "/"), is_signal_name(cell)
        return file_inside(
            start, path, SignalError, rooted=root is not None, likely=likely, what="signals'", exists=_exists
        )

    return resolve


def _exists(path: Path) -> bool:
    """Whether there is such a file, or a record of several that goes by this name."""
    return path.exists() or path.with_name(f"{path.name}.hea").is_file()
