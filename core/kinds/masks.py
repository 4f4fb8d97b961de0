"""Targets of pixels: masks of classes, from a decoder of a backbone's feature maps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from medplug.core.backbone import Backbone
from medplug.core.data.dataset import Dataset
from medplug.core.data.output import write_mask
from medplug.core.data.targets import Target
from medplug.core.evaluation.masks import estimate_overlaps
from medplug.core.frames.masks import overlap_frame, regions_frame
from medplug.core.judging.judge import Judged
from medplug.core.judging.masks import judge_masks
from medplug.core.kinds.kind import How, Learned, refuse_also
from medplug.core.mask_model import MaskModel
from medplug.core.model import Model
from medplug.core.plan import Plan
from medplug.core.segmentation.overlap import MEASURES, overlaps
from medplug.core.segmentation.regions import Region, regions
from medplug.core.task import Examples, Task
from medplug.core.training.class_maps import class_maps
from medplug.core.training.compute import Report
from medplug.core.training.frozen import FrozenFeatures
from medplug.core.training.job import Job, Trained
from medplug.core.training.learner import Learner, prepared
from medplug.core.training.mask_learner import MaskLearner

if TYPE_CHECKING:
    from collections.abc import Iterator

    from medplug.core.predictor import Predictor


class Masks(Learned):
    """Masks beside images."""

    def model(self, backbone: Backbone, target: Target, also: Mapping[str, Target]) -> Model:
        """A decoder in place of a linear head."""
        refuse_also(also, "masks")
        return MaskModel(backbone, target)

    def learner(self, model: Model, job: Job, frozen: FrozenFeatures) -> Learner:
        """Images beside masks of the same geometry; a frozen backbone still feeds the decoder its maps."""
        return MaskLearner(model, *prepared(model, job), job, frozen, job.augmentation)

    def judge(self, task: Task, dataset: Dataset, trained: Trained, plan: Plan, metric: str) -> Judged:
        """Beside a linear model of pixels."""
        return judge_masks(dataset, trained, plan, metric)

    def left(self, dataset: Dataset, trained: Trained, split: str) -> pl.DataFrame:
        """How well each row's mask overlaps the true one."""
        return overlap_frame(dataset.target, split, dataset.splits[split], trained.overlaps[split])

    def predicted(
        self, predictor: Predictor, examples: Examples, columns: Mapping[str, Any], how: How, report: Report
    ) -> pl.DataFrame:
        """The regions of each mask; the masks themselves go to the folder that was asked for."""
        found: list[list[Region]] = [[] for _ in range(len(examples))]
        for row, mask, probabilities in _class_maps(predictor, examples, report) if len(examples) else ():
            found[row] = regions(mask, probabilities, least=predictor.task.least_region)
            if how.masks is not None:
                write_mask(mask, how.masks / f"{examples.rows[row]}.png")
        return regions_frame(predictor.target, dict(columns), found)

    def scored(
        self, predictor: Predictor, examples: Examples, report: Report, groups_and_draws: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Overlaps with the true masks."""
        truth, classes = [mask.pixels()[0] for mask in examples.masks or []], predictor.target.outputs
        table = np.empty((len(truth), classes - 1, len(MEASURES)))
        for row, mask, _ in _class_maps(predictor, examples, report):
            table[row] = overlaps(mask, truth[row], classes)
        return {"metrics": estimate_overlaps(table, **groups_and_draws)}


def _class_maps(
    predictor: Predictor, examples: Examples, report: Report
) -> Iterator[tuple[int, NDArray[np.uint8], NDArray[np.float32]]]:
    values, model = examples.values, predictor.model
    sizes = [value.shape[1:3] for value in values]
    return class_maps(model, model.backbone.prepare(values), sizes, predictor.compute, report)
