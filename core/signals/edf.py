"""EDF and BDF recordings (European Data Format, and BioSemi's of 24 bits)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from medplug.core.errors import ConfigError
from medplug.core.signals.reading import Raw, SignalError, check_size

_RECORDS = slice(236, 244)  # where the header says how many data records follow; -1 while it is being recorded


def read_edf(path: Path) -> Raw:
    """All channels of a recording in their physical units, without annotations.

    Nothing that the header tells of the patient is read. Raises `SignalError`
    where channels differ in their rate, or the recording has gaps or an end
    that was cut off.
    """
    try:
        import edfio
    except ImportError:
        raise ConfigError("reading EDF and BDF needs edfio: pip install 'medplug[signals]'") from None
    with path.open("rb") as file:
        header = file.read(256)
    # a BDF begins with the byte 255; only of an EDF can the numbers be left on disk until the size is known
    found: Any = (
        edfio.read_bdf(path, header_encoding="latin-1")
        if header[:1] == b"\xff"
        else edfio.read_edf(path, lazy_load_data=True, header_encoding="latin-1")
    )
    told = int(header[_RECORDS])
    if told not in (-1, found.num_data_records):
        raise SignalError("it is cut off: its header tells of another length; copy it again")
    if not found.is_continuous:
        raise SignalError("its recording has gaps (a discontinuous EDF+ or BDF+); cut it where they are")
    return _stacked(found.signals)


def _stacked(signals: Any) -> Raw:
    rates = sorted({signal.sampling_frequency for signal in signals})
    if len(rates) > 1:
        told = ", ".join(f"{rate:g}" for rate in rates[:5])
        raise SignalError(f"its channels have different rates ({told} a second); export those of one rate")
    if not rates:
        raise SignalError("it holds annotations and no channels; give the recording itself")
    check_size(len(signals), len(signals[0].digital))
    return Raw(np.stack([signal.data.astype(np.float32) for signal in signals]), rates[0])
