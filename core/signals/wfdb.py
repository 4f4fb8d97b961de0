"""WFDB records, as PhysioNet publishes them: a header ``.hea`` and the signal files that it names."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from medplug.core.errors import ConfigError
from medplug.core.signals.reading import MAX_BYTES, Raw, SignalError, check_size

_FORMATS = frozenset(("8", "16", "24", "32", "61", "80", "160", "212", "310", "311"))
_PLAIN = re.compile(r"[\w~-][\w.~-]*")
_LONGEST = 1 << 20  # bytes of a header


def read_wfdb(path: Path, within: Path) -> Raw:
    """All channels of a record in their physical units, from its header; signal files must lie beside it, `within`.

    Comments, which may tell of the patient, are not kept. Raises `SignalError`
    for records of several segments, for packed ones (FLAC) and for headers that
    name files elsewhere.
    """
    try:
        from wfdb import rdheader, rdrecord
    except ImportError:
        raise ConfigError("reading WFDB records needs wfdb: pip install 'medplug[signals]'") from None
    if not _PLAIN.fullmatch(path.stem) or ":" in str(path):  # a colon could make the reader fetch from elsewhere
        raise SignalError("letters, digits, - and _ alone may be in the name of a WFDB record, and no : in its path")
    if path.stat().st_size > _LONGEST:
        raise SignalError("its header is larger than 1 MiB; is it one?")
    name = str(path.with_suffix(""))
    header: Any = rdheader(name)
    if not getattr(header, "fmt", None):
        raise SignalError("it is a WFDB record of several segments or of none; give the header of one segment")
    _check_files(header, path, within)
    check_size(header.n_sig, header.sig_len or 1)
    record: Any = rdrecord(name)
    if header.sig_len not in (None, record.p_signal.shape[0]):
        raise SignalError("it is cut off: its header tells of another length; copy it again")
    return Raw(record.p_signal.T, header.fs)


def _check_files(header: Any, path: Path, within: Path) -> None:
    other = sorted({each for each in header.fmt if each not in _FORMATS})
    if other:
        raise SignalError(f"its signals are in the format {other[0]:.9}, which is not read; convert them to 16")
    for name in set(header.file_name):
        if not _PLAIN.fullmatch(name):
            raise SignalError("its header names a signal file elsewhere; both lie in one folder")
        file = (path.parent / name).resolve()
        if not file.is_relative_to(within):
            raise SignalError("its header names a signal file elsewhere; both lie in one folder")
        if not file.is_file():
            raise SignalError("the signal file that its header names is not beside it; copy both")
        if file.stat().st_size > MAX_BYTES:
            raise SignalError(f"its signal file is larger than {MAX_BYTES >> 20} MiB; cut it into parts")
