"""Judging a trained model on the test split, beside the plain baseline."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medplug.core.data.dataset import Dataset
from medplug.core.data.targets import Target
from medplug.core.evaluation.baseline import Baseline, plain_baseline
from medplug.core.evaluation.entities import EntityScores
from medplug.core.evaluation.scores import Estimate, Part, by_subgroup, estimate, paired_difference, per_class
from medplug.core.evaluation.tree_baseline import Split, tree_baseline
from medplug.core.judging.along import judge_also
from medplug.core.judging.entities import by_entity, summary
from medplug.core.judging.modalities import by_modality
from medplug.core.judging.settling import with_threshold
from medplug.core.judging.soundness import soundness
from medplug.core.judging.subgroups import subgroups_of
from medplug.core.judging.treatments import treatment_scores
from medplug.core.judging.twins import without_twins
from medplug.core.plan import Plan
from medplug.core.report.evidence import AnswerFacts, ArmFacts, Evidence, FollowUp, SplitFacts, Spread
from medplug.core.task import Examples, Task
from medplug.core.training.job import Trained
from medplug.core.training.weights import weightings


@dataclass(frozen=True, slots=True)
class Judged:
    """The scores (the content of metrics.json) and what the figures are drawn from."""

    metric: str
    scores: dict[str, Any]
    labels: NDArray[Any]
    probabilities: NDArray[np.float64]
    baseline: NDArray[np.float64]
    baseline_notes: dict[str, Any]
    entities: tuple[EntityScores, ...] = ()
    row_numbers: NDArray[np.int64] | None = None
    """The numbers of the rows that were judged, where they are not all of the test rows."""

    def evidence(self, plan: Plan, dataset: Dataset, trained: Trained, manifest: dict[str, Any]) -> Evidence:
        """Everything the report is made from."""
        return Evidence(
            title=plan.report.title or f"{plan.named} with {plan.backbones}",
            task=plan.task.name,
            keys=plan.settings(),
            target=dataset.target,
            splits={name: _split_facts(examples, dataset.target) for name, examples in dataset.splits.items()},
            facts=dataset.facts,
            census=trained.census,
            metric=self.metric,
            scores=self.scores,
            labels=self.labels,
            probabilities=self.probabilities,
            baseline=self.baseline,
            history=trained.history,
            notes={**trained.notes, "baseline": self.baseline_notes},
            manifest=manifest,
            uses_unlabelled=trained.uses_unlabelled,
            chosen_on_source=not dataset.splits["validation"].tells_of_target,
            tested_on_source=not dataset.splits["test"].tells_of_target,
            entities=self.entities,
            row_numbers=dataset.splits["test"].rows if self.row_numbers is None else self.row_numbers,
            stated=plan.report.stated,
        )


def judge(task: Task, dataset: Dataset, trained: Trained, plan: Plan, metric: str) -> Judged:
    """Score the test split with intervals, train the plain baseline, and compare the two on the same resamples."""
    test, target, labels = dataset.splits["test"], dataset.target, dataset.labels["test"]
    probabilities = target.probabilities(trained.logits["test"])
    plain, by_plain = _baseline(task, dataset, plan, metric)
    trees = _trees(task, dataset, plan, metric)
    names = task.metrics(target)
    how: dict[str, Any] = {"groups": test.groups, "resamples": plan.report.resamples, "seed": plan.run.seed}
    scores = {
        **heading(plan, dataset, len(test)),
        "metrics": as_json(estimate(target, labels, probabilities, names, **how)),
        "by_class": parts_json(per_class(target, labels, probabilities, **how)),
        "by_group": _subgroups(test, target, labels, probabilities, names, how),
        "baseline": {
            "majority": as_json(estimate(target.plain, labels, plain.majority, names, **how)),
            "linear": as_json(estimate(by_plain, labels, plain.linear, names, **how)),
            **({} if trees is None else {"trees": as_json(estimate(trees[2], labels, trees[0], names, **how))}),
        },
        "difference": as_json(
            paired_difference(target, labels, probabilities, plain.linear, names, baseline_target=by_plain, **how)
        ),
        "without_twins": _without_twins(dataset, probabilities, names, how),
        "selection": chosen(plan, dataset, trained, metric),
    }
    for name, logits in (("without_transfer", trained.without_transfer), ("random_weights", trained.from_random)):
        if logits is not None:
            chances = {split: target.plain.probabilities(each) for split, each in logits.items()}
            reader, other = _deciding(dataset, plan, chances["validation"]), chances["test"]
            scores[name] = {
                "backbone": "frozen" if trained.backbone_frozen else "trained",
                "metrics": as_json(estimate(reader, labels, other, names, **how)),
                "difference": as_json(
                    paired_difference(target, labels, probabilities, other, names, baseline_target=reader, **how)
                ),
            }
    scores |= soundness(dataset, trained, plan, plain.linear)
    if target.kind == "treatment":
        scores["treatment"] = treatment_scores(target, labels, probabilities, **how)
    if trained.subsets:
        scores["by_modality"] = by_modality(dataset, trained, plain.majority, metric, how)
    if dataset.also:
        scores["also"] = judge_also(task, dataset, trained, plan)
    entities = by_entity(task, test, target, labels, probabilities, names)
    if entities:
        scores["by_entity"] = summary(entities)
    notes = plain.notes if trees is None else {**plain.notes, "trees": trees[1]}
    return Judged(metric, scores, labels, probabilities, plain.linear, notes, entities)


def _without_twins(
    dataset: Dataset, probabilities: NDArray[np.float64], names: tuple[str, ...], how: dict[str, Any]
) -> dict[str, Any]:
    target, labels = dataset.target, dataset.labels["test"]

    def scored(rows: NDArray[np.int64], groups: list[str] | None) -> dict[str, Estimate]:
        return estimate(target, labels[rows], probabilities[rows], names, **{**how, "groups": groups})

    return without_twins(dataset.twins, dataset.splits["test"].groups, scored)


def _baseline(task: Task, dataset: Dataset, plan: Plan, metric: str) -> tuple[Baseline, Target]:
    """The plain baseline, and the target as it decides: by a threshold of its own, by the model's rule."""
    validation, test, target = dataset.splits["validation"].values, dataset.splits["test"].values, dataset.target.plain
    found = plain_baseline(
        task.plain_features(),
        dataset.splits["train"].values,
        dataset.labels["train"],
        validation,
        dataset.labels["validation"],
        [*validation, *test],
        target,
        metric,
        weightings(dataset.labels["train"], target, plan.train.class_weights),
        plan.run.seed,
    )
    rows = len(validation)
    on_test = replace(found, majority=found.majority[rows:], linear=found.linear[rows:])
    return on_test, _deciding(dataset, plan, found.linear[:rows])


def _deciding(dataset: Dataset, plan: Plan, validation: NDArray[np.float64]) -> Target:
    """The target as another model decides, whose probabilities of the validation rows these are."""
    return with_threshold(dataset.target.plain, plan.selection.threshold, dataset.labels["validation"], validation)


def _trees(
    task: Task, dataset: Dataset, plan: Plan, metric: str
) -> tuple[NDArray[np.float64], dict[str, Any], Target] | None:
    """What boosted trees predict of the test rows, where there is something that they read, and how they decide."""
    features = task.tree_features()
    if features is None:
        return None
    train, validation, test = (dataset.splits[name].values for name in ("train", "validation", "test"))
    predicted, notes = tree_baseline(
        Split(features.fit_transform(train), dataset.labels["train"]),
        Split(features.transform(validation), dataset.labels["validation"]),
        np.concatenate([features.transform(validation), features.transform(test)]),
        dataset.target.plain,
        metric,
        plan.run.seed,
        categorical=features.categorical,
        deep=features.deep,
    )
    reader = _deciding(dataset, plan, predicted[: len(validation)])
    return predicted[len(validation) :], {"read": features.told, **notes}, reader


def heading(plan: Plan, dataset: Dataset, scored: int) -> dict[str, Any]:
    """What every metrics.json begins with: of which task and split, how many were `scored`, whether of a sample."""
    sample = {"sample_is": dataset.facts.sample_is} if dataset.facts.sample else {}
    return {"task": plan.task.name, "split": "test", "n": scored, "sample": dataset.facts.sample, **sample}


def chosen(plan: Plan, dataset: Dataset, trained: Trained, metric: str) -> dict[str, Any]:
    """How the model was chosen, and every measure that another choice could go by."""
    criterion = plan.selection.criterion
    found: dict[str, Any] = {"metric": metric, "split": "validation", "criterion": criterion}
    if dataset.splits["train"].of_target is not None:
        found |= {"oracle": plan.selection.oracle, "without_target_labels": dict(trained.criteria)}
    return found


def as_json(estimates: dict[str, Estimate]) -> dict[str, Any]:
    """Estimates as JSON data, by name."""
    return {name: each.as_json() for name, each in estimates.items()}


def parts_json(parts: dict[str, Part]) -> dict[str, Any]:
    """The scores of parts of the rows as JSON data, by name."""
    return {name: {"n": part["n"], "metrics": as_json(part["metrics"])} for name, part in parts.items()}


def _subgroups(
    test: Examples,
    target: Target,
    labels: NDArray[Any],
    probabilities: NDArray[np.float64],
    names: tuple[str, ...],
    how: dict[str, Any],
) -> dict[str, Any]:
    return {
        column: parts_json(by_subgroup(target, labels, probabilities, values, names, **how))
        for column, values in subgroups_of(test).items()
    }


def _split_facts(examples: Examples, target: Target) -> SplitFacts:
    labels = examples.labels or []  # an unlabelled split counts no classes
    patients = len(set(examples.groups)) if examples.groups else None
    if target.kind == "survival":
        watched = FollowUp.of(target.encode(labels)) if labels else None
        return SplitFacts(len(examples), patients, {}, _domain(examples), follow_up=watched)
    if target.kind == "regression":
        return SplitFacts(len(examples), patients, {}, _domain(examples), Spread.of(labels) if labels else None)
    if target.kind == "treatment":
        return SplitFacts(len(examples), patients, {}, _domain(examples), arms=ArmFacts.of(target, labels))
    if target.kind == "span":
        answers = AnswerFacts.of(labels, [pair.context for pair in examples.values]) if labels else None
        return SplitFacts(len(examples), patients, {}, _domain(examples), answers=answers)
    if not target.has_classes:
        return SplitFacts(len(examples), patients, {}, _domain(examples))
    names = [name for label in labels for name in label] if target.several else labels
    counts = {name: 0 for name in target.classes} if examples.labels is not None else {}
    for name in names:
        counts[name] += 1
    return SplitFacts(len(examples), patients, counts, _domain(examples))


def _domain(examples: Examples) -> str:
    """Whose rows these are, with how many where they are of both domains."""
    if examples.of_target is None:
        return ""
    rows = {"source": int((~examples.of_target).sum()), "target": int(examples.of_target.sum())}
    named = [name for name, count in rows.items() if count]
    return " and ".join(named if len(named) < len(rows) else [f"{count:,} {name}" for name, count in rows.items()])
