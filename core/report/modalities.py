"""The tables of what each modality adds to a model of several."""

from __future__ import annotations

from collections.abc import Mapping

from medplug.core.report.evidence import Evidence
from medplug.core.report.formats import count, estimate, share
from medplug.core.report.language import say
from medplug.core.report.names import constant_name, gain, greater_is_better, metric_name
from medplug.core.report.tables import LOWER, Table


def subsets(evidence: Evidence) -> Table:
    """The model's score by what it is given of each row; no rows where there is one modality."""
    found = evidence.scores.get("by_modality", {"metric": evidence.metric, "subsets": []})
    metric = found["metric"]
    rows = [
        [" + ".join(each["modalities"]), f"{each['rows']:,}", estimate(each[metric], metric)]
        for each in found["subsets"]
    ]
    arrow = "" if greater_is_better(metric) else f" {LOWER}"
    header = [say("given"), say("rows that have any of it"), metric_name(metric, evidence.target.kind) + arrow]
    test_rows = count(evidence.scores["n"], "test row")
    caption = say("The same model, given some of the modalities ({rows})", rows=test_rows)
    constant = constant_name(evidence.target.kind)
    note = say("A row that has nothing of what is given counts with the {constant}.", constant=constant)
    return Table(caption, header, rows, notes=[note] if rows else [])


def shapley(evidence: Evidence) -> Table:
    """What each modality adds, averaged over the orders in which they can come, and how much it weighed."""
    found = evidence.scores.get("by_modality", {"metric": evidence.metric, "shapley": {}, "weights": {}})
    metric, weights = found["metric"], found["weights"]
    rows = []
    for slot, each in found["shapley"].items():
        told = [estimate(gain(each, metric), metric, signed=True)]
        if weights:
            told.append("" if weights[slot] is None else _spread(weights[slot]))
        rows.append([slot, *told])
    name = metric_name(metric, evidence.target.kind)
    up = greater_is_better(metric)
    header = [say("modality"), say("adds to {metric}" if up else "takes off {metric}", metric=name)]
    header += [say("weight where present: mean (5 % and 95 % of rows)")] if weights else []
    caption = say(
        "How much each modality improves {metric} (Shapley values; they sum to what all do over none)", metric=name
    )
    notes = [say("Each test row's own weights stand in predictions.parquet.")] if weights else []
    return Table(caption, header, rows, notes=notes)


def _spread(weight: Mapping[str, float]) -> str:
    mean, low, high = (share(round(1000 * weight[name]), 1000) for name in ("mean", "p5", "p95"))
    return say("{mean} ({low} to {high})", mean=mean, low=low.removesuffix(" %"), high=high)
