"""Training of masks: images beside masks of the same geometry, scored by how well they overlap."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from medplug.core.images.store import StoredImage
from medplug.core.segmentation.loss import MaskLoss
from medplug.core.segmentation.overlap import MEASURES, overlaps
from medplug.core.training.class_maps import class_maps
from medplug.core.training.compute import Report
from medplug.core.training.job import Trained
from medplug.core.training.learner import Learner

Table = NDArray[np.float64]
"""Overlaps ``[rows, classes, measures]`` of each row's mask with the true one; NaN where neither has the class."""


class MaskLabels(Sequence[NDArray[np.int64]]):
    """Masks ``[height, width]`` as class numbers, read when a batch asks for them."""

    def __init__(self, masks: Sequence[StoredImage]) -> None:
        self.masks = masks

    def __len__(self) -> int:
        return len(self.masks)

    def __getitem__(self, index: Any) -> Any:
        return self.masks[index].pixels()[0].astype(np.int64)


class MaskLearner(Learner):
    """A model with a decoder. Its rows' masks are brought to the network's size; scores are of the images' own."""

    @property
    def labels(self) -> Sequence[Any] | NDArray[Any]:
        """The training masks, at the network's size."""
        return MaskLabels(self.model.backbone.masks(self._truth("train")))

    def loss(self) -> nn.Module:
        """Dice and cross-entropy."""
        return MaskLoss(self.job.dataset.target.outputs)

    def table(self, split: str, report: Report = lambda done, total: None) -> Table:
        """The overlaps of one split's masks."""
        truth, job = self._truth(split), self.job
        classes = job.dataset.target.outputs
        found = class_maps(self.model, self.items[split], [mask.shape[1:] for mask in truth], job.compute, report)
        mine = [(row, overlaps(decided, truth[row].pixels()[0], classes)) for row, decided, _ in found]
        result = np.empty((len(truth), classes - 1, len(MEASURES)))
        for row, values in (pair for shared in job.compute.processes.gather(mine) for pair in shared):
            result[row] = values
        return result

    def score(self, chosen_by: str) -> dict[str, float]:
        """The mean overlap of the validation masks, class by class and then over the classes."""
        means = mean_overlaps(self.table("validation"))
        return {name: means[MEASURES.index(name)] for name in dict.fromkeys((chosen_by, "dice"))}

    def trained(self, notes: dict[str, Any], history: list[dict[str, float]]) -> Trained:
        """What training leaves: overlaps in place of logits."""
        tables = {split: self.table(split, self.job.stage(f"predicting {split}")) for split in ("validation", "test")}
        return Trained(notes, {}, history, self.census, overlaps=tables)

    def _truth(self, split: str) -> list[StoredImage]:
        masks = self.job.dataset.splits[split].masks
        assert masks is not None
        return masks


def mean_overlaps(table: Table) -> list[float]:
    """Each measure's mean over rows, then over the classes that occur."""
    with np.errstate(invalid="ignore"):
        counts = (~np.isnan(table)).sum(axis=0)
        by_class = np.nansum(table, axis=0) / np.where(counts, counts, np.nan)
    return [float(np.nanmean(column)) if not np.isnan(column).all() else float("nan") for column in by_class.T]
