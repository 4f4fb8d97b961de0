"""The rows that batches are drawn from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medplug.core.training.job import Adapters, Job


@dataclass(frozen=True, slots=True)
class Drawn:
    """Positions by split, in order: first all labelled rows, then those that are drawn beside them without a label."""

    parts: tuple[tuple[str, NDArray[np.int64]], ...]

    def of(self, rows: Mapping[str, Sequence[Any]]) -> list[Any]:
        """The drawn ones of rows by split."""
        return [rows[split][i] for split, positions in self.parts for i in positions.tolist()]

    def features(self, features: Mapping[str, NDArray[np.float32]]) -> NDArray[np.float32]:
        """The drawn ones of features ``[rows, width]`` by split."""
        return np.concatenate([features[split][positions] for split, positions in self.parts])


def drawn_rows(adapters: Adapters, job: Job) -> Drawn:
    """Unlabelled rows stand beside the labelled ones where a penalty looks at rows.

    Where it compares domains, so do the target's labelled rows: among the
    labelled rows of both domains a batch would hold too few of them.
    """
    splits = job.dataset.splits
    parts = [("train", np.arange(len(splits["train"]), dtype=np.int64))]
    penalties = [(spec, adapter) for spec, adapter in adapters if "penalty" in spec.answers]
    if "unlabelled" in splits and any(adapter.looks_at_rows for _, adapter in penalties):
        parts.append(("unlabelled", np.arange(len(splits["unlabelled"]), dtype=np.int64)))
    of_target = splits["train"].of_target
    compares = any("unlabelled_target" in spec.needs for spec, _ in penalties)
    if compares and of_target is not None and of_target.any():
        parts.append(("train", np.flatnonzero(of_target).astype(np.int64)))
    return Drawn(tuple(parts))
