"""Whether predictions can be relied on: calibration, usefulness, thresholds, sets that hold the truth, and sites."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medplug.core.data.dataset import Dataset
from medplug.core.data.targets import Target
from medplug.core.evaluation.calibration import Fit, error_by_count, of_numbers, of_probabilities
from medplug.core.evaluation.conformal import held
from medplug.core.evaluation.heterogeneity import of_parts
from medplug.core.evaluation.metrics import prepare
from medplug.core.evaluation.operating import MEASURES, RULES, at_threshold, threshold_by
from medplug.core.evaluation.probabilistic import CALIBRATION_BINS, confidence_of
from medplug.core.evaluation.scores import Estimate, Groups, each_subgroup, estimate, estimates
from medplug.core.evaluation.statistic import POSITIVE, Labels, Probabilities, Statistic, mean_of, membership
from medplug.core.evaluation.utility import THRESHOLDS, benefit_of_all, net_benefit
from medplug.core.judging.subgroups import subgroups_of
from medplug.core.plan import Plan
from medplug.core.training.job import Trained

MOST_CLASSES, MOST_CURVES = 60, 6
"""Of more classes no slopes are told; of more no decision curves: nobody would read them."""
_CLASSES = ("binary", "multiclass", "multilabel")
_PROBABILITY_METRICS = ("log_loss", "brier", "ece")

_BY_SITE = ("auroc", "accuracy", "brier", "mae", "c_index", "token_f1", "dice")
"""What is compared between sites beside the metric that the model is chosen by."""

How = Mapping[str, Any]
"""Groups, resamples and seed, as `medplug.core.evaluation.scores` takes them."""


def soundness(
    dataset: Dataset,
    trained: Trained,
    plan: Plan,
    linear: Probabilities,
) -> dict[str, Any]:
    """All of these of a trained model, by the names that they have in metrics.json; what it has none of is left out.

    `linear` are the test probabilities of the plain baseline.
    """
    test, target, labels = dataset.splits["test"], dataset.target, dataset.labels["test"]
    how: How = {"groups": test.groups, "resamples": plan.report.resamples, "seed": plan.run.seed}
    predicted = target.probabilities(trained.logits["test"])
    found = {
        **sound(target, labels, predicted, subgroups_of(test), how),
        "utility": utility_scores(target, labels, predicted, linear, how),
    }
    if target.kind == "binary":
        chosen_on = dataset.labels["validation"], target.probabilities(trained.logits["validation"])
        found["operating"] = operating_scores(target, chosen_on, (labels, predicted), plan.selection.threshold, how)
    if "recalibration" in trained.settled:
        on_test = recalibration_scores(target, trained.logits["test"], labels, how)
        found["recalibration"] = {**trained.settled["recalibration"], "test": on_test}
    if "conformal" in trained.settled:
        found["conformal"] = {**trained.settled["conformal"], **found.get("conformal", {})}
    return {name: each for name, each in found.items() if each}


def sound(
    target: Target, labels: Labels, predicted: Probabilities, columns: Mapping[str, list[str]], how: How
) -> dict[str, Any]:
    """Calibration and coverage of labelled rows, by the subgroup `columns` too; what there is none of is left out."""
    found = {
        "calibration": calibration_scores(target, labels, predicted, how),
        "conformal": conformal_scores(target, labels, predicted, columns, how),
    }
    return {name: each for name, each in found.items() if each}


def calibration_scores(target: Target, labels: Labels, predicted: Probabilities, how: How) -> dict[str, Any]:
    """Slope, intercept and curve, and the calibration error by bins; empty for kinds that have none."""
    if target.kind == "regression":
        (line,) = _fits({"": of_numbers(labels, predicted[:, 0])}, {}, len(labels), how)[0].values()
        return dict(line)
    if target.kind not in (*_CLASSES, "choice"):
        return {}
    confidence, right = confidence_of(target, labels, predicted)
    bins, by_count = error_by_count(confidence, right)
    errors = {"width": prepare(target, "ece", labels, predicted), "count": by_count}
    lines, by_bins = _fits(_of_classes(target, labels, predicted), errors, len(labels), how)
    bins_told = {"width": CALIBRATION_BINS, "count": bins}
    found: dict[str, Any] = {"ece": {name: {"bins": n, **by_bins[name]} for name, n in bins_told.items()}}
    if target.kind == "binary":
        return {**lines[target.classes[POSITIVE]], **found}
    return {**found, "by_class": lines} if lines else found


def _of_classes(target: Target, labels: Labels, predicted: Probabilities) -> dict[str, Fit]:
    """Fits of each class against the rest (binary: of the positive one), by name."""
    if target.kind == "choice" or len(target.classes) > MOST_CLASSES:
        return {}
    members = membership(target, labels)
    columns = [POSITIVE] if target.kind == "binary" else range(len(target.classes))
    return {target.classes[c]: of_probabilities(members[:, c], predicted[:, c]) for c in columns}


def _fits(
    fits: Mapping[str, Fit], others: Mapping[str, Statistic], rows: int, how: How
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Fits and other statistics on the same resamples, each as JSON data by name."""
    numbered = {str(i): fit.statistic for i, fit in enumerate(fits.values())}  # a class may be called as another is
    found = estimates({**others, **numbered}, rows, **how)
    told: dict[str, Any] = {}
    for (name, fit), key in zip(fits.items(), numbered, strict=True):
        slope, intercept, *curve = found[key]
        at = {"at": fit.at.tolist(), **_band(curve)}
        told[name] = {"slope": slope.as_json(), "intercept": intercept.as_json(), "curve": at}
    return told, {name: found[name][0].as_json() for name in others}


def utility_scores(
    target: Target, labels: Labels, predicted: Probabilities, linear: Probabilities, how: How
) -> dict[str, Any]:
    """Decision curves of the model, the linear baseline and acting on all, by class; empty for kinds without any.

    Of a binary target the positive class alone.
    """
    if target.kind not in _CLASSES or len(target.classes) > MOST_CURVES:
        return {}
    members = membership(target, labels)
    columns = [POSITIVE] if target.kind == "binary" else range(len(target.classes))
    statistics = {
        (target.classes[c], who): each
        for c in columns
        for who, each in {
            "model": net_benefit(members[:, c], predicted[:, c]),
            "linear": net_benefit(members[:, c], linear[:, c]),
            "all": benefit_of_all(members[:, c]),
        }.items()
    }
    keyed = {f"{i}": each for i, each in enumerate(statistics.values())}
    found = dict(zip(statistics, estimates(keyed, len(labels), **how).values(), strict=True))
    curves = {target.classes[c]: dict[str, Any]() for c in columns}
    for (name, who), each in found.items():
        curves[name][who] = _band(each)
    return {"thresholds": list(THRESHOLDS), "by_class": curves}


def operating_scores(
    target: Target,
    validation: tuple[Labels, Probabilities],
    test: tuple[Labels, Probabilities],
    asked: str,
    how: How,
) -> dict[str, Any]:
    """What each rule's threshold, chosen on validation rows, does on test rows; of a binary target alone.

    `validation` and `test` are labels and probabilities of their rows.
    """
    if target.kind != "binary":
        return {}
    (chosen_on, theirs), (labels, predicted) = validation, test
    rules = {
        rule: threshold_by(rule, chosen_on == POSITIVE, theirs[:, POSITIVE]) for rule in dict.fromkeys((*RULES, asked))
    }
    known = {rule: at for rule, at in rules.items() if at is not None}
    decided = {rule: predicted[:, POSITIVE] >= at for rule, at in known.items()}
    statistics = {rule: at_threshold(labels == POSITIVE, each) for rule, each in decided.items()}
    found = estimates(statistics, len(labels), **how)
    told = {
        rule: {"threshold": at, **_named(found[rule])} if rule in known else {"threshold": None}
        for rule, at in rules.items()
    }
    return {"asked": asked, "rows": len(chosen_on), "rules": told}


def _named(found: list[Estimate]) -> dict[str, Any]:
    return {name: each.as_json() for name, each in zip(MEASURES, found, strict=True)}


def conformal_scores(
    target: Target, labels: Labels, predicted: Probabilities, columns: Mapping[str, list[str]], how: How
) -> dict[str, Any]:
    """How often sets or intervals hold the truth, by class and by subgroup `columns` too, and how large they are."""
    if target.conformal is None:
        return {}
    inside = held(target, labels, predicted, target.conformal).astype(np.float64)
    statistics = {"covered": mean_of(inside)}
    if target.kind == "regression":
        width: dict[str, Any] = {"width": 2 * target.conformal.quantile}
    else:
        sizes, width = target.conformal.sets(predicted).sum(axis=1), {}
        statistics |= {"size": mean_of(sizes.astype(np.float64)), "abstained": mean_of((sizes != 1).astype(np.float64))}
    found = {name: each.as_json() for name, (each,) in estimates(statistics, len(labels), **how).items()}

    def covered(rows: NDArray[np.int64], groups: Groups | None) -> dict[str, Estimate]:
        own = {**how, "groups": groups}
        return {"covered": estimates({"": mean_of(inside[rows])}, len(rows), **own)[""][0]}

    def told(values: list[str]) -> dict[str, Any]:
        parts = each_subgroup(values, how["groups"], covered)
        return {name: {"n": each["n"], "covered": each["metrics"]["covered"].as_json()} for name, each in parts.items()}

    few = target.has_classes and len(target.classes) <= MOST_CLASSES
    by_class = told([target.classes[i] for i in labels]) if few else {}
    by_group = {column: told(values) for column, values in columns.items()}
    return {**found, **width, "by_class": by_class, "by_group": by_group}


def heterogeneity_scores(by_group: Mapping[str, Any], metric: str) -> dict[str, Any]:
    """How far the parts of each column are apart in `metric` and some others, from ``by_group`` of metrics.json."""
    found: dict[str, Any] = {}
    for column, parts in by_group.items():
        for name in dict.fromkeys((metric, *_BY_SITE)):
            pooled, counted = of_parts(parts, name)
            if pooled is not None:
                left_out = [part for part in parts if part not in counted]
                found.setdefault(column, {})[name] = {**pooled.as_json(), "left_out": left_out}
    return found


def recalibration_scores(target: Target, logits: NDArray[Any], labels: Labels, how: How) -> dict[str, Any]:
    """What correcting probabilities did on test rows: metrics before and after; empty where nothing was corrected."""
    if target.calibration is None:
        return {}
    told = {}
    for name, each in (("before", replace(target, calibration=None)), ("after", target)):
        chances = each.probabilities(logits)
        scores = estimate(each, labels, chances, _PROBABILITY_METRICS, **how)
        told[name] = {metric: found.as_json() for metric, found in scores.items()}
    return told


def _band(curve: list[Estimate]) -> dict[str, list[float | None]]:
    """A curve's values and the bounds of its band, each ``[points]``."""
    found = [each.as_json() for each in curve]
    return {
        "value": [each["value"] for each in found],
        "low": [each["ci95"][0] for each in found],
        "high": [each["ci95"][1] for each in found],
    }
