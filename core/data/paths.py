"""Files that the cells of a table name: they lie below the folder that the table's paths start from."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

NEXT_STEP = "set data.root (of a finished run: --root)"


def start_of(root: Path | None, folder: Path | None) -> Path:
    """The folder that paths start from: `root` (``data.root``), `folder`, the table's own, or the current one."""
    return (root or folder or Path()).expanduser().resolve()


def file_inside(
    start: Path,
    path: Path,
    refuse: Callable[[str], Exception],
    *,
    rooted: bool,
    likely: bool,
    what: str,
    exists: Callable[[Path], bool] = Path.exists,
) -> Path:
    """The file at `path`, which may not lead out of `start`, by links neither.

    Else, and where there is none, what `refuse` makes of the reason is raised.
    `rooted`: the user has set the root; `likely`: the cell looks like the name of
    such a file; `what` the column holds.
    """
    try:
        found = path.resolve()
        if not found.is_relative_to(start):
            where = "data.root" if rooted else "the folder that its table starts from"
            raise refuse(f"it lies outside {where} ({start}); {NEXT_STEP} to a folder above it")
        if exists(path):
            return found
    except (OSError, ValueError, RuntimeError):  # too long for a path, a null byte, links in a circle
        pass
    step = f"check the path, or {NEXT_STEP}" if likely else f"is this the column of the {what} paths?"
    raise refuse(f"there is no such file in {start}; {step}")
