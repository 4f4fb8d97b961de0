"""The built-in sample: 360 drawn pictures that look like ultrasound; no patient is in it.

A picture shows tissue in layers under speckle, and in two classes of three a
dark lesion: a benign one is smooth, wider than tall and has a thin bright
capsule; a malignant one is ragged, taller and without a capsule. Pictures of
normal tissue hold dark lobules with soft edges. Where a lesion lies, how large
and how dark it is says nothing of its class, so that a model must see its
outline; a few look like another class.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from medplug.core.images.formats import ImageError
from medplug.core.images.store import Pixels

if TYPE_CHECKING:
    import polars as pl

SIZE = 64
LABELS = ("normal", "benign", "malignant")
SITES = {"lakeside": 1.0, "central": 0.8, "harbour": 1.25}
"""The sites, and the exponent of the grey values of each one's machine."""

PICTURES_A_PATIENT = (1, 1, 2, 2, 2, 4)
"""In turn; 60 patients of a class then have 120 pictures."""
PATIENTS = 60
_SOFTNESS = {"normal": 2.5, "benign": 0.7, "malignant": 0.7}
"""Over how many pixels a lesion's edge fades, about."""
MIMIC = 0.04
"""The share of pictures that look like another class."""

Grid = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class _Entry:
    label: str
    looks: str
    patient: str
    site: str


def sample() -> pl.DataFrame:
    """The pictures' names, labels and masks: columns `image`, `label`, `mask`, `patient` and `site`."""
    import polars as pl

    rows = [
        (f"sample:{number:04d}", entry.label, f"sample-mask:{number:04d}", entry.patient, entry.site)
        for number, entry in enumerate(_entries())
    ]
    return pl.DataFrame(rows, schema=["image", "label", "mask", "patient", "site"], orient="row")


@dataclass(frozen=True, slots=True)
class Drawn:
    """What a cell of the sample stands for: a picture, or its mask."""

    number: int
    mask: bool

    def draw(self) -> Pixels:
        """Its pixels ``[1, 64, 64]``, or the mask's numbers ``[64, 64]``."""
        return draw_mask(self.number) if self.mask else draw(self.number)


def drawn(cell: str, *, mask: bool) -> Drawn | None:
    """The picture, or the `mask`, that ``sample:0001`` or ``sample-mask:0001`` stands for; None for any other text."""
    kind, _, number = cell.partition(":")
    return Drawn(int(number), mask) if kind in ("sample", "sample-mask") and number.isdecimal() else None


def draw(number: int) -> Pixels:
    """The picture of a number, ``[1, 64, 64]``, always the same; `ImageError` where there is none."""
    entry, edge, rng = _begun(number)
    echo = _tissue(rng)
    echo *= 1 - rng.uniform(0.45, 0.75) / (1 + np.exp(edge / _SOFTNESS[entry.looks]))
    if entry.looks == "benign":
        echo += rng.uniform(0.2, 0.4) * np.exp(-((edge - 1.5) ** 2))
    seen = np.clip(echo * _speckle(rng), 0, 1) ** SITES[entry.site]
    return np.rint(255 * seen).astype(np.uint8)[None]


def draw_mask(number: int) -> NDArray[np.uint8]:
    """Its lesion's mask ``[64, 64]``: 1 inside, all 0 of normal tissue."""
    entry, edge, _ = _begun(number)
    return ((edge <= 0) & ("normal" not in (entry.looks, entry.label))).astype(np.uint8)


@cache
def _entries() -> list[_Entry]:
    rng = random.Random(0)
    entries = []
    people = [label for label in LABELS for _ in range(PATIENTS)]
    pictures = [PICTURES_A_PATIENT[i % len(PICTURES_A_PATIENT)] for i in range(len(people))]
    order = rng.sample(range(len(people)), len(people))  # so that a prefix of the table is a fair sample too
    for place, person in enumerate(order, start=1):
        site = rng.choices(list(SITES), (5, 3, 2))[0]
        for _ in range(pictures[person]):
            others = [label for label in LABELS if label != people[person]]
            looks = rng.choice(others) if rng.random() < MIMIC else people[person]
            entries.append(_Entry(people[person], looks, f"P{place:03d}", site))
    return entries


def _begun(number: int) -> tuple[_Entry, Grid, np.random.Generator]:
    """What a picture shows, its lesion's outline, and what draws the rest."""
    entries = _entries()
    if not 0 <= number < len(entries):
        raise ImageError(f"the sample has the pictures 0 to {len(entries) - 1}")
    rng = np.random.default_rng((7, number))
    return entries[number], _lesion(entries[number].looks, rng), rng


def _lesion(looks: str, rng: np.random.Generator) -> Grid:
    """How far each pixel lies outside of the lesion's outline, in pixels; below 0 inside."""
    y, x = np.mgrid[:SIZE, :SIZE] - rng.uniform(18, SIZE - 18, 2)[:, None, None]
    radius, ratio = rng.uniform(8, 13), rng.uniform(0.6, 0.8)
    if looks == "malignant":
        ratio = rng.uniform(0.9, 1.2)
    turned = np.arctan2(y / ratio**0.5, x * ratio**0.5)
    distance = np.hypot(y / ratio**0.5, x * ratio**0.5)
    waves = {2: 0.06, 3: 0.05} if looks != "malignant" else {3: 0.08, 7: 0.2, 11: 0.18}
    outline = sum(a * np.cos(k * turned + rng.uniform(0, 2 * np.pi)) for k, a in waves.items())
    edge: Grid = distance - radius * (1 + outline)
    return edge


def _tissue(rng: np.random.Generator) -> Grid:
    """Layers that run across, brighter and darker, with slow changes."""
    y, x = np.mgrid[:SIZE, :SIZE] / SIZE
    bend = 0.08 * np.sin(2 * np.pi * (x * rng.uniform(0.5, 1.5) + rng.random()))
    layers = sum(
        rng.uniform(0.02, 0.08) * np.sin(2 * np.pi * (k * (y + bend) + rng.random())) for k in rng.uniform(1, 9, 4)
    )
    slow = _smooth(rng.standard_normal((SIZE, SIZE)), 9)
    tissue: Grid = rng.uniform(0.4, 0.6) + layers + 0.1 * slow / slow.std()
    return np.clip(tissue, 0.15, 0.9)


def _speckle(rng: np.random.Generator) -> Grid:
    """The size of a smoothed complex noise, as of scattered waves; its mean is 1."""
    parts = [_smooth(rng.standard_normal((SIZE, SIZE)), 0.8) for _ in range(2)]
    size: Grid = np.hypot(*parts)
    softened: Grid = 0.5 + 0.5 * size / size.mean()
    return softened


def _smooth(values: Any, sigma: float) -> Grid:
    from scipy.ndimage import gaussian_filter

    smoothed: Grid = gaussian_filter(values, sigma)
    return smoothed
