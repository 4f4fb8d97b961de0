"""What only people can say of a model: the questions, their answers from ``report.card`` and from ``report.*`` keys."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from medplug.core.documents import read_yaml
from medplug.core.errors import ConfigError, did_you_mean
from medplug.core.report.evidence import Evidence
from medplug.core.report.language import say

ASKED = 9
"""So many of the questions, the first, are asked in every report; the others are told where they are answered."""


def questions() -> dict[str, str]:
    """Every question by its key in ``report.card``; the first `ASKED` are keys ``report.NAME`` too."""
    return {
        "intended_use": say("Intended use"),
        "users": say("Intended users"),
        "care_pathway": say("Place in the care pathway"),
        "population": say("Population"),
        "out_of_scope": say("Settings it is not for"),
        "data_source": say("Source of the data, dates, eligibility, consent"),
        "outcome": say("Definition of the outcome and who annotated it"),
        "limits": say("Known limits and risks"),
        "maintenance": say("Maintenance and contact"),
        "rationale": say("Why the model is needed, and what exists already"),
        "inequalities": say("Known differences in health or care between groups"),
        "dates": say("Dates of the data"),
        "setting": say("Setting and centres"),
        "eligibility": say("Who was eligible"),
        "treatments": say("Treatments given"),
        "annotators": say("Who judged the outcome, and their training"),
        "blinding": say("Whether the outcome was judged blind"),
        "predictors": say("How the inputs were chosen"),
        "measurement": say("How and when the inputs were measured"),
        "measurers": say("Who judged the inputs that need judgement"),
        "sample_size": say("Why there are so many rows"),
        "fairness": say("What was done for fairness, and why"),
        "differences": say("How the test rows differ from those trained on"),
        "ethics": say("Ethical approval and consent"),
        "funding": say("Funding"),
        "conflicts": say("Conflicts of interest"),
        "protocol": say("Study protocol"),
        "registration": say("Registration"),
        "data_sharing": say("Where the data can be had"),
        "code_sharing": say("Where the code can be had"),
        "involvement": say("Involvement of patients and the public"),
        "interpretation": say("What the results mean"),
        "input_quality": say("What to do with poor or missing input"),
        "expertise": say("What users must know and do"),
        "next_steps": say("What is to be studied next"),
        "license": say("Licence"),
    }


def answers(evidence: Evidence) -> dict[str, str]:
    """The answers that were given, by their keys; a key ``report.NAME`` goes before the same in the card."""
    keys = {key.removeprefix("report."): str(value) for key, value, _ in evidence.keys if key.startswith("report.")}
    given = {**evidence.stated, **{name: value for name, value in keys.items() if value}}
    return {name: given[name] for name in questions() if given.get(name)}


def statements(evidence: Evidence) -> list[tuple[str, str]]:
    """The first questions, each with its answer or ``not stated``, and the others that were answered."""
    given = answers(evidence)
    asked = [name for position, name in enumerate(questions()) if position < ASKED or name in given]
    return [(questions()[name], given.get(name, say("not stated"))) for name in asked]


def read_card(path: Path) -> dict[str, str]:
    """The answers of a YAML file, ``key: text`` a line; `ConfigError` names the key that is none, and what was meant.

    A list is told as its items, one after the other; what is empty is not stated.
    """
    import yaml

    def load(text: str) -> Any:
        return yaml.load(text, Loader=yaml.BaseLoader)  # noqa: S506 - it makes nothing but texts, lists and mappings

    found = read_yaml(path, load, called="report.card", refuse=ConfigError)
    if found in (None, ""):
        return {}
    if not isinstance(found, Mapping):
        raise ConfigError(f"report.card {path}: holds no keys; write one `key: text` a line, as in `users: physicians`")
    valid = questions()
    for name in found:
        if name not in valid:
            hint = did_you_mean(str(name), valid)
            raise ConfigError(f"report.card {path}: {name} is not a key of it{hint} (valid: {', '.join(valid)})")
    return {name: _text(path, name, value) for name, value in found.items() if value}


def _text(path: Path, name: str, value: Any) -> str:
    if isinstance(value, str):
        return " ".join(value.split())
    if isinstance(value, list) and all(isinstance(each, str) for each in value):
        return "; ".join(" ".join(each.split()) for each in value)
    raise ConfigError(f"report.card {path}: {name} must be a text or a list of texts, as in `{name}: ...`")
