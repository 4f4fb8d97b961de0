"""The tables of what each modality adds to a model of several."""

from __future__ import annotations

from collections.abc import Mapping

from medplug.core.report.evidence import Evidence
from medplug.core.report.formats import count, estimate, share
from medplug.core.report.names import constant_name, gain, greater_is_better, metric_name
from medplug.core.report.tables import LOWER, Table

_WEIGHT = "weight where present: mean (5 % and 95 % of rows)"


def subsets(evidence: Evidence) -> Table:
    """The model's score by what it is given of each row; no rows where there is one modality."""
    found = evidence.scores.get("by_modality", {"metric": evidence.metric, "subsets": []})
    metric = found["metric"]
    rows = [
        [" + ".join(each["modalities"]), f"{each['rows']:,}", estimate(each[metric], metric)]
        for each in found["subsets"]
    ]
    arrow = "" if greater_is_better(metric) else f" {LOWER}"
    header = ["given", "rows that have any of it", metric_name(metric, evidence.target.kind) + arrow]
    caption = f"The same model, given some of the modalities ({count(evidence.scores['n'], 'test row')})"
    constant = constant_name(evidence.target.kind)
    notes = [f"A row that has nothing of what is given counts with the {constant}."] if rows else []
    return Table(caption, header, rows, notes=notes)


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
    header = ["modality", f"adds to {name}" if up else f"takes off {name}", *([_WEIGHT] if weights else [])]
    caption = f"How much each modality improves {name} (Shapley values; they sum to what all do over none)"
    notes = ["Each test row's own weights stand in predictions.parquet."] if weights else []
    return Table(caption, header, rows, notes=notes)


def _spread(weight: Mapping[str, float]) -> str:
    mean, low, high = (share(round(1000 * weight[name]), 1000) for name in ("mean", "p5", "p95"))
    return f"{mean} ({low.removesuffix(' %')} to {high})"
