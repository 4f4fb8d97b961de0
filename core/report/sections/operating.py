"""Operating points of a binary target: thresholds chosen on validation rows by stated rules, told on test rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from medplug.core.evaluation.operating import HALF, MEASURES
from medplug.core.report.evidence import Evidence
from medplug.core.report.formats import estimate, number
from medplug.core.report.language import say
from medplug.core.report.section import Section
from medplug.core.report.tables import Table


def section(evidence: Evidence) -> Section | None:
    """One row a rule; None where the target is not binary."""
    found = evidence.scores.get("operating")
    if found is None:
        return None
    told = say(
        "Each threshold was chosen on {rows} validation rows and then held fixed; all numbers are of test rows. The "
        "predictive values hold where {name} is as common as in these rows.",
        rows=f"{found['rows']:,}",
        name=evidence.target.classes[1],
    )
    used = say(
        "The model decides by the rule {rule} (selection.threshold)."
        if found["rules"][found["asked"]]["threshold"] is not None
        else "The rule {rule} (selection.threshold) has no threshold on the validation rows: the model decides for the "
        "likelier class.",
        rule=rule_name(found["asked"]),
    )
    return Section("operating", say("Operating points"), (told, used), tables=_tables(evidence))


def rule_name(rule: str) -> str:
    """A rule in words."""
    name, _, asked = rule.partition(":")
    if name == "sensitivity":
        return say("sensitivity of at least {share}", share=asked)
    if name == "specificity":
        return say("specificity of at least {share}", share=asked)
    if name == HALF:
        return say("one half")
    return say("highest F1") if name == "f1" else say("highest Youden index")


def _tables(evidence: Evidence) -> tuple[Table, Table]:
    """What is decided of rows of each class, and what a decision then says."""
    found, parts = evidence.scores["operating"], (MEASURES[:2] + MEASURES[-1:], MEASURES[2:-1])
    decided, meant = ([_row(rule, each, part) for rule, each in found["rules"].items()] for part in parts)
    header = [say("rule"), say("threshold"), say("sensitivity"), say("specificity"), say("decided positive")]
    names = [say("PPV"), say("NPV"), say("LR+"), say("LR\N{MINUS SIGN}")]
    note = say(
        "PPV and NPV are the positive and negative predictive values, LR+ and LR\N{MINUS SIGN} the likelihood "
        "ratios of a positive and of a negative decision."
    )
    first = Table(say("Thresholds and what they do"), header, decided)
    return first, Table(say("What decisions at these thresholds mean"), [*header[:2], *names], meant, notes=[note])


def _row(rule: str, found: Mapping[str, Any], measures: Sequence[str]) -> list[str]:
    if found["threshold"] is None:
        return [rule_name(rule), say("not reached"), *[""] * len(measures)]
    return [rule_name(rule), number(found["threshold"]), *(estimate(found[name]) for name in measures)]
