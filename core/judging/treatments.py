"""Judging advice on treatments: what policies are worth, what arms do on average, and whether rows can be compared."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from medplug.core.data.targets import Target
from medplug.core.evaluation import probabilistic, ranking, treatment
from medplug.core.evaluation.scores import RESAMPLES, Estimate, Groups, estimates
from medplug.core.evaluation.statistic import Labels, Probabilities, Statistic, mean_of

WARNING = (
    "Decision support from observational data: what is predicted under an arm that a patient was not given was never "
    "seen, and these numbers show no cause and effect unless the assumptions hold. No rule may follow from them alone."
)
ASSUMPTIONS = (
    "No unmeasured confounding: all that moved both the choice of treatment and the outcome is among the inputs, and "
    "was known before the choice.",
    "Overlap: every kind of patient could have been given each of the arms.",
    "Consistency: an arm is one well-defined treatment, and what one patient is given changes nothing for another.",
)

UNLIKELY = 0.05
"""An arm of a lower propensity was hardly given to such a row."""
MANY_UNLIKELY = 0.1
LOW_EFFECTIVE = 1 / 3
"""Overlap is poor where more rows have an arm that they hardly ever got, or an arm's own are worth less than this."""


def treatment_scores(
    target: Target,
    labels: Labels,
    predicted: Probabilities,
    *,
    groups: Groups | None = None,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> dict[str, Any]:
    """All of it as JSON data, every estimate with its 95 % interval, all on the same resamples.

    Values of policies and effects are doubly robust, by the model's own outcomes and
    propensities (`medplug.core.evaluation.treatment`), which the intervals take as
    they are. Labels are encoded; `predicted` is ``[rows, 2 * arms]``.
    """
    scores = treatment.doubly_robust(target, labels, predicted)
    advised, best = treatment.advised(target, predicted), treatment.best_arm(target, scores)
    statistics = _statistics(target, labels, predicted, scores)
    found = {name: each for name, (each,) in estimates(statistics, len(labels), groups, resamples, seed).items()}
    arms = target.classes
    return {
        "outcome": target.outcomes[-1],
        "better": "higher" if target.higher_is_better else "lower",
        "warning": WARNING,
        "assumptions": list(ASSUMPTIONS),
        "policies": {
            "advised": found["advised"].as_json(),
            **{f"all {arm}": found[f"all {arm}"].as_json() for arm in arms},
            "as seen": found["as seen"].as_json(),
        },
        "best_single_arm": arms[best],
        "advised_share": {arm: float((advised == i).mean()) for i, arm in enumerate(arms)},
        "gain": {"over_best_single_arm": found["gain"].as_json(), "over_as_seen": found["gain seen"].as_json()},
        "effects": {arm: _effect(found, arm) for arm in arms[1:]},
        "overlap": _overlap(target, labels, predicted) | {"auroc": found["auroc"].as_json()},
    }


def _statistics(
    target: Target, labels: Labels, predicted: Probabilities, scores: NDArray[np.float64]
) -> dict[str, Statistic]:
    sign, seen = treatment.wanted(target), labels[:, 1]
    advised = scores[np.arange(len(scores)), treatment.advised(target, predicted)]
    classes = Target("multiclass", target.classes)
    found = {
        "advised": mean_of(advised),
        "as seen": mean_of(seen),
        "gain": treatment.policy_gain(target, labels, predicted),
        "gain seen": mean_of(sign * (advised - seen)),
        "auroc": ranking.auroc(classes, treatment.given(labels), treatment.propensities(target, predicted)),
    }
    for i, arm in enumerate(target.classes):
        found[f"all {arm}"] = mean_of(scores[:, i])
        if i:
            found[f"effect {arm}"] = mean_of(scores[:, i] - scores[:, 0])
            found[f"raw {arm}"] = treatment.raw_difference(labels, i)
    return found


def _effect(found: dict[str, Estimate], arm: str) -> dict[str, Any]:
    """The mean effect of an arm against the control, and the difference of the groups as they are."""
    return {"effect": found[f"effect {arm}"].as_json(), "raw_difference": found[f"raw {arm}"].as_json()}


def _overlap(target: Target, labels: Labels, predicted: Probabilities) -> dict[str, Any]:
    """Whether rows of every arm have their like in the others, by the propensities."""
    chances, own = treatment.propensities(target, predicted), treatment.given(labels)
    arms = {arm: _of_arm(chances[:, i], own == i) for i, arm in enumerate(target.classes)}
    unlikely = float((chances.min(axis=1) < UNLIKELY).mean())
    few = any(each["effective_rows"] < LOW_EFFECTIVE * each["rows"] for each in arms.values())
    once = np.ones((1, len(own)))
    brier = probabilistic.brier(Target("multiclass", target.classes), own, chances)(once)
    return {
        "poor": unlikely > MANY_UNLIKELY or few or any(not each["rows"] for each in arms.values()),
        "rows_with_an_unlikely_arm": unlikely,
        "arms": arms,
        "brier": float(brier[0]),
    }


def _of_arm(chances: NDArray[np.float64], members: NDArray[np.bool_]) -> dict[str, Any]:
    """Of one arm, from its propensities of all rows ``[rows]`` and which were given it."""
    own = chances[members]
    middle = [float(each) for each in np.quantile(own, (0.05, 0.5, 0.95))] if len(own) else [None] * 3
    others = chances[~members]
    return {
        "rows": len(own),
        "below": float((own < UNLIKELY).mean()) if len(own) else None,
        "above": float((own > 1 - UNLIKELY).mean()) if len(own) else None,
        "quantiles": middle,
        "median_of_others": float(np.median(others)) if len(others) else None,
        "effective_rows": treatment.effective_rows(own),
    }
