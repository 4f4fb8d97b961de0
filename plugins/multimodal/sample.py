"""The built-in sample: eight measured columns of a real table, and a signal that is drawn beside them.

The numbers and the labels are the Wisconsin diagnostic breast cancer data
(Street, Wolberg and Mangasarian, 1993), 569 fine needle aspirates as
scikit-learn carries them. Of its 30 columns these are eight weaker ones: alone they
leave room for a second modality. No such recording belongs to these patients,
so the second modality is generated: a burst of waves in noise that is a little
faster where the label is malignant. Some cells and some signals are left out at
random. The data name no patients.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from medplug.plugins.multimodal.sample_columns import COLUMNS, SIGNAL

if TYPE_CHECKING:
    import polars as pl

SAMPLES = 128
MISSING = 0.1
"""The share of the values, and of the signals, that are left out."""

_APART = 1.7
"""Standard deviations between the classes' mean pace: by it alone the best AUROC is .89."""
_WAVES, _FASTER = 9.0, 1.8
"""Waves in a whole signal at the mean pace, and how many more one standard deviation makes."""
_NOISE = 0.35


def sample() -> pl.DataFrame:
    """569 rows: the `COLUMNS`, `generated_signal` (128 samples of one channel, or null) and `label`."""
    import polars as pl
    from sklearn.datasets import load_breast_cancer

    real = load_breast_cancer()
    rng = np.random.default_rng(2)  # by whose rows a split of seed 0 is a usual one: .91 for both, .85 for each
    order = rng.permutation(len(real.target))  # so that a prefix of the table is a fair sample too
    places = [list(real.feature_names).index(name.replace("_", " ")) for name in COLUMNS]
    values = real.data[order][:, places]
    values[rng.random(values.shape) < MISSING] = np.nan
    malignant = real.target[order] == list(real.target_names).index("malignant")
    signals = [_signal(faster, rng).round(4).tolist() for faster in malignant]
    lost = rng.random(len(signals)) < MISSING
    kept = [None if gone else signal for gone, signal in zip(lost, signals, strict=True)]
    return pl.DataFrame(
        [
            *(pl.Series(name, values[:, i], nan_to_null=True) for i, name in enumerate(COLUMNS)),
            pl.Series(SIGNAL, kept, dtype=pl.List(pl.Float32)),
            pl.Series("label", np.where(malignant, "malignant", "benign").tolist()),
        ]
    )


def _signal(faster: bool, rng: np.random.Generator) -> NDArray[np.float64]:
    """A burst of waves somewhere in a slow drift and noise; its pace says something of the label, its place nothing."""
    time = np.arange(SAMPLES) / SAMPLES
    pace = _WAVES + _FASTER * (rng.standard_normal() + _APART * (faster - 0.5))
    window = np.exp(-0.5 * ((time - rng.uniform(0.3, 0.7)) / 0.18) ** 2)
    waves = rng.uniform(0.8, 1.2) * window * np.sin(2 * np.pi * (pace * time + rng.random()))
    drift = rng.normal(0, 0.5) * (time - 0.5) + 0.3 * np.sin(2 * np.pi * (time + rng.random()))
    drawn: NDArray[np.float64] = waves + drift + _NOISE * rng.standard_normal(SAMPLES)
    return drawn
