"""Judging predicted masks on the test split, beside a linear model of single pixels."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medplug.core.data.dataset import Dataset
from medplug.core.evaluation.masks import (
    estimate_overlaps,
    overlap_difference,
    overlaps_by_subgroup,
    overlaps_per_class,
)
from medplug.core.judging.judge import Judged, as_json, chosen, heading, parts_json
from medplug.core.judging.subgroups import subgroups_of
from medplug.core.judging.twins import without_twins
from medplug.core.plan import Plan
from medplug.core.segmentation.overlap import MEASURES, overlaps
from medplug.core.segmentation.pixel_baseline import all_background, fit_pixel_baseline
from medplug.core.task import Examples
from medplug.core.training.job import Trained

DICE = MEASURES.index("dice")


def judge_masks(dataset: Dataset, trained: Trained, plan: Plan, metric: str) -> Judged:
    """Score the test masks with intervals, and those of a linear pixel classifier on the same images."""
    test, classes = dataset.splits["test"], dataset.target.classes
    table, outputs = trained.overlaps["test"], dataset.target.outputs
    baseline = fit_pixel_baseline(
        _images(dataset.splits["train"]), _masks(dataset.splits["train"]), outputs, plan.run.seed
    )
    pairs = [(image, mask) for image, mask in zip(_images(test), _masks(test), strict=True)]
    plain = np.stack([overlaps(baseline.predict(image), mask, outputs) for image, mask in pairs])
    nothing = np.stack([overlaps(all_background(image), mask, outputs) for image, mask in pairs])
    how: dict[str, Any] = {"groups": test.groups, "resamples": plan.report.resamples, "seed": plan.run.seed}
    labels = dataset.labels["test"]
    shown = {name: int(count) for name, count in zip(classes, labels.sum(axis=0), strict=True)}
    scores = {
        **heading(plan, dataset, len(test)),
        "metrics": as_json(estimate_overlaps(table, **how)),
        "by_class": parts_json(overlaps_per_class(table, shown, **how)),
        "by_group": {
            column: parts_json(overlaps_by_subgroup(table, values, **how))
            for column, values in subgroups_of(test).items()
        },
        "baseline": {
            "majority": as_json(estimate_overlaps(nothing, **how)),
            "linear": as_json(estimate_overlaps(plain, **how)),
        },
        "difference": as_json(overlap_difference(table, plain, **how)),
        "without_twins": without_twins(
            dataset.twins,
            test.groups,
            lambda rows, groups: estimate_overlaps(table[rows], **{**how, "groups": groups}),
        ),
        "selection": chosen(plan, dataset, trained, metric),
    }
    notes = {"kind": "logistic regression on each pixel's grey value, surroundings and place"}
    return Judged(metric, scores, labels, table[:, :, DICE], plain[:, :, DICE], notes)


def _images(examples: Examples) -> Iterator[NDArray[np.uint8]]:
    values = examples.values
    return (value.pixels()[0] for value in values)


def _masks(examples: Examples) -> Iterator[NDArray[np.uint8]]:
    return (mask.pixels()[0] for mask in examples.masks or [])
