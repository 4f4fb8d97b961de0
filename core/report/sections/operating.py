"""Operating points of a binary target: thresholds chosen on validation rows by stated rules, told on test rows."""

from __future__ import annotations

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
    return Section("operating", say("Operating points"), (told, used), tables=(_table(evidence),))


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


def _table(evidence: Evidence) -> Table:
    found = evidence.scores["operating"]
    rows = []
    for rule, each in found["rules"].items():
        if each["threshold"] is None:
            rows.append([rule_name(rule), say("not reached"), *[""] * len(MEASURES)])
        else:
            rows.append([rule_name(rule), number(each["threshold"]), *(estimate(each[name]) for name in MEASURES)])
    header = [
        say("rule"),
        say("threshold"),
        say("sensitivity"),
        say("specificity"),
        say("PPV"),
        say("NPV"),
        say("LR+"),
        say("LR\N{MINUS SIGN}"),
        say("decided positive"),
    ]
    note = say(
        "PPV and NPV are the positive and negative predictive values, LR+ and LR\N{MINUS SIGN} the likelihood "
        "ratios of a positive and of a negative decision."
    )
    return Table(say("Thresholds and what they do"), header, rows, notes=[note])
