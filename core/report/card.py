"""The model card: model_card.md, with the front matter that model hubs read."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

import yaml
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from medplug.core.report import data_tables, entities, making_tables, tables
from medplug.core.report.cautions import cautions
from medplug.core.report.evidence import Evidence
from medplug.core.report.formats import plain_baseline
from medplug.core.report.label_tables import labels
from medplug.core.report.language import say
from medplug.core.report.names import metric_name
from medplug.core.report.own import own_tables
from medplug.core.report.sections.data import origin
from medplug.core.report.sections.leakage import looked_for
from medplug.core.report.stated import answers, statements
from medplug.core.report.treatments import assumptions, treatment_tables
from medplug.core.report.twins import twins_told, without_twins
from medplug.core.report.verdicts import pretraining_verdict, transfer_verdict, verdict
from medplug.core.report.words import certain, summary

# what Markdown would take for its own: an underscore within a word, or brackets before no parenthesis, it leaves alone
_SPECIAL = re.compile(r"([\\`*|~]|(?<![^\W_])_|_(?![^\W_])|(?<=\])[(\[])")

_PIPELINES = {
    "text": "text-generation",
    "mask": "image-segmentation",
    "span": "question-answering",
    "choice": "multiple-choice",
    "ranking": "sentence-similarity",
}
"""What a hub calls the kinds of target that have a name of their own there."""


def model_card(evidence: Evidence) -> str:
    """The card as Markdown; equal evidence, equal text."""
    front = yaml.safe_dump(_front_matter(evidence), sort_keys=False, allow_unicode=True)
    page = _cards().get_template("model_card.md").render(_content(evidence), front=Markup(front))
    return re.sub(r"\n{3,}", "\n\n", page)


def _content(evidence: Evidence) -> dict[str, Any]:
    return {
        "title": evidence.title,
        "summary": summary(evidence),
        "verdict": verdict(evidence),
        "cautions": cautions(evidence),
        "statements": statements(evidence),
        "origin": origin(evidence),
        "data": [data_tables.files(evidence), data_tables.splits(evidence), labels(evidence)],
        "looked_for": looked_for(evidence),
        "twins_told": twins_told(evidence),
        "leakage": [data_tables.leaks(evidence), without_twins(evidence), data_tables.named(evidence)],
        "simple": plain_baseline(evidence.scores["baseline"])[1],
        "results": tables.results(evidence),
        "further": [*entities.entity_spreads(evidence), *own_tables(evidence), *treatment_tables(evidence)],
        "certain": certain(evidence),
        "assumptions": assumptions(evidence),
        "verdicts": [each for each in (transfer_verdict(evidence), pretraining_verdict(evidence)) if each],
        "making": making_tables.making(evidence),
        "provenance": making_tables.provenance(evidence),
    }


def _front_matter(evidence: Evidence) -> dict[str, Any]:
    """What a model hub reads (https://huggingface.co/docs/hub/model-cards); the licence is its owner's to state."""
    front: dict[str, Any] = {"license": "other", "license_name": answers(evidence).get("license", "not-stated")}
    front["library_name"] = "medplug"
    if evidence.target.has_classes and any(key == "data.text" for key, _, _ in evidence.keys):
        front["pipeline_tag"] = "text-classification"
    if evidence.target.kind in _PIPELINES:
        front["pipeline_tag"] = _PIPELINES[evidence.target.kind]
    weights = evidence.manifest.get("weights") or {}
    if weights.get("source") == "hub":
        front["base_model"] = weights["repository"]
    tags = ["medplug", "medical", evidence.task, evidence.target.kind]
    return {**front, "tags": tags, "metrics": [*evidence.scores["metrics"]], "model-index": [_results(evidence)]}


def _results(evidence: Evidence) -> dict[str, Any]:
    """The scores on the test rows as a hub's table of results has them; what is not defined is left out."""
    kind, found = evidence.target.kind, evidence.scores["metrics"]
    metrics = [
        {"type": metric, "name": metric_name(metric, kind), "value": each["value"]}
        for metric, each in found.items()
        if each["value"] is not None
    ]
    task = {"type": _PIPELINES.get(kind, kind), "name": evidence.task}
    dataset = {"type": evidence.task, "name": evidence.task, "split": "test"}
    return {"name": evidence.task, "results": [{"task": task, "dataset": dataset, "metrics": metrics}]}


@cache
def _cards() -> Environment:
    environment = Environment(
        loader=PackageLoader("medplug.core.report", ""),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_markdown,
        keep_trailing_newline=True,
    )
    environment.globals["say"] = say
    return environment


def _markdown(value: Any) -> Any:
    """A text as Markdown shows it literally, on one line; what is `Markup` already stays."""
    if isinstance(value, Markup) or not isinstance(value, str):
        return value
    line = _SPECIAL.sub(r"\\\1", " ".join(value.split()))
    return Markup(line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;"))
