"""Tables of how a model was made: every key, what was chosen, every epoch, versions and time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from medplug.core.report.evidence import Evidence
from medplug.core.report.formats import number, plain, score
from medplug.core.report.language import said, say
from medplug.core.report.names import CRITERIA, criterion_name, metric_name
from medplug.core.report.retold import retold
from medplug.core.report.tables import Table


def settings(evidence: Evidence) -> Table:
    """Every key with its value and its origin."""
    rows = [[key, plain(value), retold(origin)] for key, value, origin in evidence.keys]
    header = [say("key"), say("value"), say("origin")]
    return Table(say("Every key, its value and where it came from"), header, rows, digits=False)


def making(evidence: Evidence) -> Table:
    """How the model was made and chosen."""
    keys = {key: value for key, value, _ in evidence.keys}
    rows = [[say("chosen by"), _chosen_by(evidence)]]
    rows += [[name, plain(keys[name])] for name in ("backbone", "adapter", "train.class_weights") if name in keys]
    weights = pairs(evidence.manifest.get("weights") or {})
    rows += [[say("pretrained weights"), weights or say("none: trained from random weights")]]
    criteria = evidence.scores["selection"].get("without_target_labels", {})
    kind = evidence.target.kind
    rows += [
        [say("without target labels: {criterion}", criterion=criterion_name(name, kind)), number(value)]
        for name, value in criteria.items()
    ]
    return Table(say("The model"), [say("part"), say("value")], [*rows, *_flat(evidence.notes)], digits=False)


def _chosen_by(evidence: Evidence) -> str:
    criterion = evidence.scores["selection"].get("criterion", "validation")
    if criterion != "validation":
        return criterion_name(criterion, evidence.target.kind)
    return say("{metric} on the validation rows", metric=metric_name(evidence.metric, evidence.target.kind))


def history(evidence: Evidence) -> Table:
    """Each epoch's numbers."""
    names = list(dict.fromkeys(name for row in evidence.history for name in row if name != "epoch"))
    rows = [[f"{row['epoch']:g}", *(score(row.get(name), name) for name in names)] for row in evidence.history]
    heads = [_head(name) for name in names]
    return Table(say("Every epoch"), [say("epoch"), *heads], rows)


def _head(name: str) -> str:
    if name == "loss":
        return say("training loss")
    return said(CRITERIA[name]) if name in CRITERIA else say("validation {metric}", metric=metric_name(name))


def provenance(evidence: Evidence) -> list[Table]:
    """Versions, plugins, hardware and time."""
    manifest = evidence.manifest
    run = [[retold(name), plain(manifest.get(name))] for name in ("made", "seed", "precision")]
    run += [[retold(name), plain(value)] for name, value in manifest.get("hardware", {}).items()]
    plugins = [
        [each["name"], each["distribution"] or say("built in"), plain(each["gives"])]
        for each in manifest.get("plugins", [])
    ]
    failed = [say("A plugin was left out: {failure}", failure=each) for each in manifest.get("plugins_set_aside", [])]
    seconds = [[retold(stage), f"{spent:.1f}"] for stage, spent in manifest.get("seconds", {}).items()]
    versions = [[name, version or say("not installed")] for name, version in manifest.get("versions", {}).items()]
    plugin_header = [say("plugin"), say("distribution"), say("gives")]
    return [
        Table(say("The run"), [say("part"), say("value")], run, digits=False),
        Table(say("Versions"), [say("package"), say("version")], versions, digits=False),
        Table(say("Plugins"), plugin_header, plugins, digits=False, notes=failed),
        Table(say("Time"), [say("stage"), say("seconds")], seconds),
    ]


def pairs(values: Mapping[str, Any]) -> str:
    """A mapping on one line."""
    return ", ".join(f"{name} {plain(value)}" for name, value in values.items())


def _flat(notes: Mapping[str, Any], prefix: str = "") -> list[list[str]]:
    rows = []
    for name, value in notes.items():
        nested = isinstance(value, Mapping) and any(isinstance(each, Mapping) for each in value.values())
        told = prefix + retold(name)
        rows += _flat(value, f"{told}: ") if nested else [[told, plain(value, digits=3)]]
    return rows
