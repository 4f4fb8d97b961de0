"""Made-up raw values of each modality, as tasks hand them to backbones: six, of very different lengths."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from medplug.core.data.tabular import TableColumns, TableRow
from medplug.core.images.store import ImageStore
from medplug.core.signals.signal import Signal
from medplug.core.specs import Modality

_TEXTS = [
    "Fever and a dry cough for three weeks, no chest pain, no rash; the patient has had a cough before.",
    "Cough.",
    "The patient has a rash and no fever.",
    "Acute chest pain, mild fever; no cough. The pain is severe and the patient has had no rash.",
    "no pain",
    "Chronic cough and chest pain for three weeks " * 3,
]
_SECRET = "zyxwvut"
"""A word (or category) that one patient alone has."""
_MOLECULES = ["CC(=O)Oc1ccccc1C(=O)O", "CO", "Cn1cnc2c1c(=O)n(C)c(=O)n2C", "NC(N)=O", "Oc1ccccc1", "Clc1ccccc1"]
_PROTEINS = [
    "MKVLAAGIVGLCAKMKV",
    "MKVLAAGI",
    "GLCAK" * 9 + "MKVLAAGI",
    "AAGIVGLCAKMK",
    "ACDEFGHIKLMNPQRSTVWY" * 5,
    "ACDEFGHIKLMN",
]
_COLUMNS = TableColumns(("age", "dose", "count"), ("sex", "ward"))


def values_of(modality: Modality) -> list[Any]:
    """Six raw values, no two alike."""
    return _MAKERS[modality]()


WORDED: tuple[Modality, ...] = ("text", "tabular")
"""The modalities whose values hold words or names of categories."""


def with_secret(modality: Modality) -> tuple[list[Any], list[str], str]:
    """Values of a `WORDED` modality, whose they are, and a word that stands in those of one patient alone."""
    own: Any = f"{_SECRET} cough {_SECRET}"
    if modality == "tabular":
        own = TableRow(_COLUMNS, np.array([1.0, 2.0, 3.0]), ("f", _SECRET))
    values = values_of(modality)
    return [*values, *[own] * 3], [*map(str, range(len(values))), *["one"] * 3], _SECRET


def volumes() -> list[Any]:
    """Three images of several slices, or of one."""
    return _stored([(3, 40, 40), (1, 64, 48), (2, 33, 57)], (80, 120, 200))


def _images() -> list[Any]:
    shapes = [(1, 40, 40), (1, 64, 48), (1, 33, 57), (1, 28, 28), (1, 90, 30), (1, 50, 51)]
    return _stored(shapes, (40, 80, 120, 160, 200, 230))


def _stored(shapes: Sequence[tuple[int, int, int]], levels: Sequence[int]) -> list[Any]:
    draw, store = np.random.default_rng(0), ImageStore()
    lit = zip(shapes, levels, strict=True)
    return [store.add(draw.integers(level - 40, level + 25, shape).astype(np.uint8)) for shape, level in lit]


def _signals() -> list[Any]:
    lengths = (150, 61, 97, 24, 128, 33)
    draws = [np.random.default_rng(i).normal(size=(2, length)) for i, length in enumerate(lengths)]
    return [Signal(each.astype(np.float32), 100.0) for each in draws]


def _tables() -> list[Any]:
    draw = np.random.default_rng(0)
    names = [("f", "a"), ("m", "b"), ("f", None), ("m", "a"), (None, "b"), ("f", "b")]
    numbers = draw.normal([50, 0, 1e4], [9, 1, 3e3], (6, 3))
    numbers[2, 1] = np.nan
    return [TableRow(_COLUMNS, row, each) for row, each in zip(numbers, names, strict=True)]


_MAKERS: dict[Modality, Callable[[], list[Any]]] = {
    "text": lambda: list(_TEXTS),
    "image": _images,
    "tabular": _tables,
    "signal": _signals,
    "molecule": lambda: list(_MOLECULES),
    "protein": lambda: list(_PROTEINS),
}
