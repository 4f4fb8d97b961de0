"""A file of any kind into a recording: told by its name, refused with a reason."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from medplug.core.errors import ConfigError
from medplug.core.images.quiet import quiet
from medplug.core.signals.arrays import read_npy, read_npz
from medplug.core.signals.columns import read_arff, read_text
from medplug.core.signals.edf import read_edf
from medplug.core.signals.reading import MAX_BYTES, Raw, SignalError, check_rate, signal_of
from medplug.core.signals.signal import Signal
from medplug.core.signals.wfdb import read_wfdb

_READERS = {
    ".npy": read_npy,
    ".npz": read_npz,
    ".csv": read_text,
    ".tsv": read_text,
    ".txt": read_text,
    ".arff": read_arff,
    ".edf": read_edf,
    ".bdf": read_edf,
}
ENDINGS = (*_READERS, ".hea", ".dat")
"""Names that recordings go by."""


def is_signal_name(name: str) -> bool:
    """Whether a path ends as those of recordings do."""
    return name.lower().endswith(ENDINGS)


def read_signal(path: Path, *, rate: float | None = None, within: Path | None = None) -> Signal:
    """The recording of a file, its gaps filled as `signal_of` does; `rate` holds where the file says none.

    Raises as `read_raw`.
    """
    return signal_of(read_raw(path, rate=rate, within=within))[0]


def read_raw(path: Path, *, rate: float | None = None, within: Path | None = None) -> Raw:
    """The numbers of a file as they are.

    A WFDB record is named by its header, its signal file or neither's ending,
    and its files must lie `within` a folder (None: its own). Raises
    `SignalError`, whose text is a short reason, and `ConfigError` where the
    package that reads such files is not installed.
    """
    path = _record(path)
    check_file(path)
    with quiet():
        try:
            raw = _read(path, (within or path.parent).resolve())
        except (SignalError, ConfigError):
            raise
        except MemoryError:
            raise SignalError("there is too little memory to read it: cut it into parts") from None
        except Exception:  # whatever a reader says may quote what the file holds
            kind = path.suffix[1:].upper() if path.suffix.lower() in ENDINGS else "recording"
            raise SignalError(
                f"the {kind} is cut off, damaged or of a kind that is not read; export it again"
            ) from None
    found = rate if raw.rate is None else raw.rate
    return Raw(raw.numbers, None if found is None else check_rate(found))


def _read(path: Path, within: Path) -> Raw:
    ending = path.suffix.lower()
    if ending == ".hea":
        return read_wfdb(path, within)
    if ending not in _READERS:
        raise SignalError(f"it is not known as a recording by its name; read are {', '.join(ENDINGS)}")
    return _READERS[ending](path)


def _record(path: Path) -> Path:
    """A WFDB record's header, whichever of its files was named."""
    if path.suffix.lower() == ".dat":
        return path.with_suffix(".hea")
    header = path.with_name(f"{path.name}.hea")
    return header if path.suffix.lower() not in ENDINGS and os.path.exists(header) else path


def check_file(path: Path) -> None:
    """Refuse what is no file, may not be read, is empty or too large; raises `SignalError`."""
    try:
        told = path.stat()
    except (OSError, ValueError):  # a name with a null byte is a ValueError
        raise SignalError("there is no such file; check the path") from None
    if not stat.S_ISREG(told.st_mode):
        raise SignalError("this is not a regular file; give a recording")
    if not os.access(path, os.R_OK):
        raise SignalError("it may not be read (permission denied); allow it with: chmod u+r")
    if not 0 < told.st_size <= MAX_BYTES:
        what = "is empty (0 bytes)" if not told.st_size else f"is larger than {MAX_BYTES >> 20} MiB"
        raise SignalError(f"the file {what}; copy it again, or cut it into parts")
