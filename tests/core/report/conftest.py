"""Evidence made of synthetic arrays, scored the way a run scores it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from medplug.core.data.arms import Treated
from medplug.core.data.reading import Facts
from medplug.core.data.targets import Target
from medplug.core.evaluation.metrics import metric_names
from medplug.core.evaluation.scores import Estimate, Part, by_subgroup, estimate, paired_difference, per_class
from medplug.core.judging.treatments import treatment_scores
from medplug.core.report.evidence import ArmFacts, Evidence, FollowUp, SplitFacts, Spread

CLASSES = {
    "binary": ("no sepsis", "sepsis"),
    "multiclass": ("asthma", "pneumonia", "heart failure", "stroke"),
    "multilabel": ("cough", "fever", "rash"),
    "regression": ("length of stay",),
    "survival": ("death",),
    "treatment": ("placebo", "drug"),
}
MAIN = {"binary": "f1", "multiclass": "macro_f1", "multilabel": "macro_f1", "regression": "mae", "survival": "c_index"}
MAIN["treatment"] = "factual_loss"
MANIFEST: dict[str, Any] = {
    "made": "2026-01-02T03:04:05+00:00",
    "seed": 7,
    "versions": {"python": "3.11.7", "medplug": "0.1.0", "torch": "2.9.0", "timm": None},
    "plugins": [{"name": "adapters", "distribution": None, "gives": ["adapter probe"]}],
    "plugins_set_aside": ["broken: no module"],
    "weights": {"source": "hub", "repository": "someone/some-model", "revision": "a" * 40},
    "hardware": {"device": "cpu", "threads": 2},
    "precision": "float32",
    "seconds": {"reading": 0.123, "training": 61.5},
}
KEYS = [
    ("task", "text_diagnosis", "command line"),
    ("backbone", "minilm", "recipe text_diagnosis"),
    ("adapter", "probe", "default"),
    ("data.text", "text", "default"),
    ("data.split", [0.7, 0.1, 0.2], "default"),
    ("train.class_weights", "none", "default"),
    ("train.cache", None, "default"),
]

Make = Callable[..., Evidence]


@pytest.fixture(scope="session")
def make() -> Make:
    """Evidence by kind: `skill` and `plain` say how good model and baseline are; other names replace fields."""
    return _make


def _make(
    kind: str = "binary",
    *,
    rows: int = 240,
    skill: float = 1.5,
    plain: float = 0.7,
    metric: str | None = None,
    classes: tuple[str, ...] = (),
    **fields: Any,
) -> Evidence:
    scale: dict[str, Any] = {"centre": 12.0, "scale": 4.0} if kind == "regression" else {}
    scale |= {"outcomes": ("stayed", "recovered")} if kind == "treatment" else {}
    target = Target(kind, classes or CLASSES[kind], **scale)  # type: ignore[arg-type]
    draw = np.random.default_rng(3)
    labels = _labels(draw, target, rows)
    probabilities, baseline = (_probabilities(draw, target, labels, each) for each in (skill, plain))
    names = metric_names(target.kind)
    how: dict[str, Any] = {"resamples": 100, "seed": 1}
    sites = draw.choice(["north", "south"], rows).tolist()
    scores: dict[str, Any] = {
        "task": "text_diagnosis",
        "split": "test",
        "n": rows,
        "metrics": _json(estimate(target, labels, probabilities, names, **how)),
        "by_class": _parts(per_class(target, labels, probabilities, **how)),
        "by_group": {"site": _parts(by_subgroup(target, labels, probabilities, sites, names, **how))},
        "baseline": {
            "majority": _json(estimate(target, labels, np.tile(_constant(target, labels), (rows, 1)), names, **how)),
            "linear": _json(estimate(target, labels, baseline, names, **how)),
        },
        "difference": _json(paired_difference(target, labels, probabilities, baseline, names, **how)),
        "selection": {"metric": metric or MAIN[kind], "split": "validation"},
    }
    if kind == "treatment":
        scores["treatment"] = treatment_scores(target, labels, probabilities, **how)
    given: dict[str, Any] = {
        "title": "A title",
        "task": "text_diagnosis",
        "keys": KEYS,
        "target": target,
        "splits": {
            name: SplitFacts(
                size, size // 3, _counted(target, labels), "", *_spread(target, labels), _arms(target, labels)
            )
            for name, size in (("train", 700), ("validation", 100), ("test", rows))
        },
        "facts": Facts(
            tables={"train": {"name": "notes.csv", "rows": 1040, "rejected": 0, "sha256": "0123456789abcdef" * 4}},
            split_by="the column patient, stratified by label, seed 7",
        ),
        "census": {},
        "metric": metric or MAIN[kind],
        "scores": scores,
        "labels": labels,
        "probabilities": probabilities,
        "baseline": baseline,
        "history": [],
        "notes": {"strength": 0.1, "validation": {"f1": 0.8}, "baseline": {"tried": {"0.1": 0.7}, "strength": 1.0}},
        "manifest": MANIFEST,
        "row_numbers": np.arange(1000, 1000 + rows),
    }
    return Evidence(**{**given, **fields})


def _labels(draw: np.random.Generator, target: Target, rows: int) -> NDArray[Any]:
    if target.kind == "regression":
        return target.centre + target.scale * draw.normal(size=rows)
    if target.kind == "treatment":
        return draw.integers(0, 2, (rows, 2)).astype(float)
    if target.kind == "survival":
        return np.column_stack([draw.exponential(10, rows), draw.integers(0, 2, rows)])
    if target.kind == "multilabel":
        return draw.integers(0, 2, (rows, len(target.classes)))
    return draw.permutation(np.arange(rows) % len(target.classes))


def _probabilities(
    draw: np.random.Generator, target: Target, labels: NDArray[Any], skill: float
) -> NDArray[np.float64]:
    if target.kind == "regression":
        logits = skill * target.standardised(labels) + draw.normal(size=len(labels))
        return target.probabilities(logits[:, None] / (1 + skill))
    if target.kind == "survival":
        return draw.normal(size=(len(labels), 1)) - skill * np.log(labels[:, :1])
    if target.kind == "treatment":
        return target.probabilities(draw.normal(size=(len(labels), 4)) * [skill, skill, 0.3, 0.3])
    if target.kind == "multiclass":
        truth = np.eye(len(target.classes))[labels]
        return target.probabilities(skill * truth + draw.normal(size=truth.shape))
    signs = (2.0 * labels - 1.0).reshape(len(labels), -1)
    return target.probabilities(skill * signs + draw.normal(size=signs.shape))


def _constant(target: Target, labels: NDArray[Any]) -> NDArray[np.float64]:
    if target.kind == "regression":
        return np.array([labels.mean()])
    if target.kind == "survival":
        return np.zeros(1)
    if target.kind == "treatment":
        return np.full(4, 0.5)
    members = labels if target.kind == "multilabel" else np.eye(len(target.classes))[labels]
    return np.asarray(members.mean(axis=0), dtype=np.float64)


def _spread(target: Target, labels: NDArray[Any]) -> tuple[Spread | None, FollowUp | None]:
    spread = Spread.of(labels.tolist()) if target.kind == "regression" else None
    return spread, FollowUp.of(labels) if target.kind == "survival" else None


def _arms(target: Target, labels: NDArray[Any]) -> ArmFacts | None:
    if target.kind != "treatment":
        return None
    return ArmFacts.of(target, [Treated(target.classes[int(a)], target.outcomes[int(y)]) for a, y in labels])


def _counted(target: Target, labels: NDArray[Any]) -> dict[str, int]:
    if not target.has_classes:
        return {}
    counts = labels.sum(axis=0) if target.kind == "multilabel" else np.bincount(labels, minlength=len(target.classes))
    return dict(zip(target.classes, counts.tolist(), strict=True))


def _json(found: dict[str, Estimate]) -> dict[str, Any]:
    return {name: each.as_json() for name, each in found.items()}


def _parts(parts: dict[str, Part]) -> dict[str, Any]:
    return {name: {"n": part["n"], "metrics": _json(part["metrics"])} for name, part in parts.items()}
