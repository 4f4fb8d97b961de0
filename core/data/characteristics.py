"""What rows are like, in numbers and categories that are nobody's: columns of tables, lengths, brightness."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medplug.core.data.near import texts_of
from medplug.core.data.tabular import TableRow
from medplug.core.images.store import StoredImage
from medplug.core.signals.signal import Signal
from medplug.core.specs import Modality
from medplug.core.task import Examples

MOST = 500
"""Columns of a table that are looked at."""
ROWS = 2_000
"""Rows whose images and signals are looked at, evenly spread."""

Numbers = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Feature:
    """One thing that rows have or lack: `numbers` ``[rows]``, NaN where missing, or `names`, None where missing."""

    name: str
    numbers: Numbers | None = None
    names: tuple[str | None, ...] = ()

    @property
    def missing(self) -> NDArray[np.bool_]:
        """Which rows lack it ``[rows]``."""
        if self.numbers is not None:
            return np.isnan(self.numbers)
        return np.array([name is None for name in self.names], dtype=np.bool_)


def sampled(examples: Examples) -> Examples:
    """At most `ROWS` of the rows, evenly spread."""
    if len(examples) <= ROWS:
        return examples
    return examples.take(np.linspace(0, len(examples) - 1, ROWS).astype(np.int64))


def features(examples: Examples, slots: Mapping[str, Modality]) -> list[Feature]:
    """What tells of the rows slot by slot; of a table its first `MOST` columns, of others what can be measured."""
    found: list[Feature] = []
    for slot, modality in slots.items():
        values = examples.inputs[slot]
        if modality == "tabular":
            found += _table(values)
        else:
            found += _measured(slot, values, _MEASURES[modality])
    return found


def _table(values: Sequence[Any]) -> Iterator[Feature]:
    first = next((row for row in values if isinstance(row, TableRow)), None)
    if first is None:
        return
    nothing = np.full(len(first.columns.numeric), np.nan)
    matrix = np.stack([nothing if row is None else row.numbers for row in values])
    for i, name in enumerate(first.columns.numeric[:MOST]):
        yield Feature(name, matrix[:, i])
    for i, name in enumerate(first.columns.categorical[: MOST - len(first.columns.numeric[:MOST])]):
        yield Feature(name, names=tuple(None if row is None else row.names[i] for row in values))


Measures = tuple[tuple[str, ...], Callable[[Any], tuple[float, ...]]]


def _measured(slot: str, values: Sequence[Any], measures: Measures) -> Iterator[Feature]:
    names, measure = measures
    nothing = (np.nan,) * len(names)
    rows = np.array([nothing if value is None else measure(value) for value in values], dtype=np.float64)
    for i, name in enumerate(names):
        yield Feature(f"{slot}: {name}", rows.reshape(-1, len(names))[:, i])


def _text(value: Any) -> tuple[float, ...]:
    length = sum(len(text) for text in texts_of(value))
    return (float(length) if length else np.nan,)


def _image(value: Any) -> tuple[float, ...]:
    if not isinstance(value, StoredImage):
        return (np.nan,) * 4
    middle = value.pixels()[value.frames // 2]
    return float(middle.mean()), float(middle.std()), float(value.shape[2]), float(value.shape[1])


def _signal(value: Any) -> tuple[float, ...]:
    if not isinstance(value, Signal):
        return (np.nan,) * 3
    samples = value.samples.astype(np.float64)
    return float(samples.mean()), float(samples.std()), float(samples.shape[1])


def _letters(value: Any) -> tuple[float, ...]:
    return (float(len(value)) if isinstance(value, str) and value else np.nan,)


_MEASURES: dict[str, Measures] = {
    "text": (("characters",), _text),
    "image": (("brightness (0 to 255)", "contrast (0 to 255)", "width (pixels)", "height (pixels)"), _image),
    "signal": (("mean", "standard deviation", "samples"), _signal),
    "molecule": (("letters",), _letters),
    "protein": (("letters",), _letters),
}
