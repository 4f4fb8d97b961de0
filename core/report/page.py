"""Writing report.html and model_card.md from a run's evidence."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from medplug.core.report import along, comparisons, entities, modalities, tables
from medplug.core.report.cautions import cautions
from medplug.core.report.evidence import Evidence
from medplug.core.report.formats import plain_baseline
from medplug.core.report.label_tables import labels
from medplug.core.report.own import own_tables
from medplug.core.report.plots import pictures
from medplug.core.report.treatments import assumptions, treatment_tables
from medplug.core.report.twins import twins_told, without_twins
from medplug.core.report.words import (
    baselines,
    certain,
    pretraining_verdict,
    statements,
    summary,
    transfer_verdict,
    verdict,
)

# what Markdown would take for its own: an underscore within a word, or brackets before no parenthesis, it leaves alone
_SPECIAL = re.compile(r"([\\`*|~]|(?<![^\W_])_|_(?![^\W_])|(?<=\])[(\[])")

_SETTINGS: dict[str, Any] = {
    "loader": PackageLoader("medplug.core.report", ""),
    "autoescape": True,
    "undefined": StrictUndefined,
    "trim_blocks": True,
    "lstrip_blocks": True,
}


def write_report(folder: Path, evidence: Evidence) -> None:
    """Write ``report.html`` (whole in itself) and ``model_card.md`` into `folder`; equal evidence, equal bytes."""
    content = _content(evidence)
    for name, page in (("report.html", _html(content)), ("model_card.md", _card(content, evidence))):
        with (folder / name).open("w", encoding="utf-8", newline="\n") as file:
            file.write(page)


def _content(evidence: Evidence) -> dict[str, Any]:
    """What both pages tell."""
    return {
        "title": evidence.title,
        "summary": summary(evidence),
        "verdict": verdict(evidence),
        "cautions": cautions(evidence),
        "sample": evidence.facts.sample,
        "sample_is": evidence.facts.sample_is,
        "split_by": evidence.facts.split_by,
        "wording": evidence.facts.wording,
        "grouped": evidence.splits["test"].groups is not None,
        "files": tables.files(evidence),
        "splits": tables.splits(evidence),
        "classes": labels(evidence),
        "rejected": tables.rejected(evidence),
        "counts": tables.counts(evidence),
        "leaks": tables.leaks(evidence),
        "twins": without_twins(evidence),
        "twins_told": twins_told(evidence),
        "near": "near" in evidence.scores.get("without_twins", {}),
        "named": tables.named(evidence),
        "results": tables.results(evidence),
        "simple": plain_baseline(evidence.scores["baseline"])[1],
        "transfer": comparisons.transfer(evidence),
        "transfer_verdict": transfer_verdict(evidence),
        "modalities": modalities.subsets(evidence),
        "shapley": modalities.shapley(evidence),
        "entity_heading": entities.entity_heading(evidence),
        "entities": entities.entity_tables(evidence),
        "entity_spreads": entities.entity_spreads(evidence),
        "entity_pictures": entities.entity_pictures(evidence),
        "along": along.learned_along(evidence),
        "treatments": treatment_tables(evidence),
        "own": own_tables(evidence),
        "certain": certain(evidence),
        "assumptions": assumptions(evidence),
        "pretraining": comparisons.pretraining(evidence),
        "pretraining_verdict": pretraining_verdict(evidence),
        "baselines": baselines(evidence),
        "rows_shown": evidence.target.kind == "regression",
        "by_class": tables.by_class(evidence),
        "by_group": tables.by_group(evidence),
        "pictures": pictures(evidence),
        "making": tables.making(evidence),
        "history": tables.history(evidence) if evidence.history else None,
        "statements": statements(evidence),
        "settings": tables.settings(evidence),
        "provenance": tables.provenance(evidence),
        "version": evidence.manifest.get("versions", {}).get("medplug"),
    }


def _html(content: dict[str, Any]) -> str:
    return _pages().get_template("report.html").render(content)


def _card(content: dict[str, Any], evidence: Evidence) -> str:
    front = yaml.safe_dump(_front_matter(evidence), sort_keys=False, allow_unicode=True)
    page = _cards().get_template("model_card.md").render(content, front=Markup(front))
    return re.sub(r"\n{3,}", "\n\n", page)


def _front_matter(evidence: Evidence) -> dict[str, Any]:
    """What a model hub reads; the licence is for the model's owner to state."""
    front: dict[str, Any] = {"license": "other", "license_name": "not-stated", "library_name": "medplug"}
    if evidence.target.has_classes and any(key == "data.text" for key, _, _ in evidence.keys):
        front["pipeline_tag"] = "text-classification"
    if evidence.target.kind == "text":
        front["pipeline_tag"] = "text-generation"
    return {**front, "tags": ["medplug", "medical", evidence.task, evidence.target.kind]}


@cache
def _pages() -> Environment:
    return Environment(**_SETTINGS)


@cache
def _cards() -> Environment:
    return Environment(**_SETTINGS, finalize=_markdown, keep_trailing_newline=True)


def _markdown(value: Any) -> Any:
    """A text as Markdown shows it literally, on one line; what is `Markup` already stays."""
    if isinstance(value, Markup) or not isinstance(value, str):
        return value
    line = _SPECIAL.sub(r"\\\1", " ".join(value.split()))
    return Markup(line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;"))
