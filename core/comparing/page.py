"""The page of a comparison, in the style of a run's report."""

from __future__ import annotations

from importlib.metadata import version
from typing import get_args

from medplug.core.comparing import tables
from medplug.core.comparing.comparison import Comparison
from medplug.core.comparing.pictures import pictures
from medplug.core.comparing.words import cautions, standings, summary, verdict
from medplug.core.report.formats import count
from medplug.core.report.language import Language, joined, say, speaking
from medplug.core.report.page import Page
from medplug.core.report.section import Section

_MOST_KEYS = 25
"""More keys that differ are folded away."""


def comparison_page(comparison: Comparison) -> str:
    """The whole page as HTML, in the language of the first run's report."""
    spoken = comparison.runs[0].keys.get("report.language", "en")
    with speaking(spoken if spoken in get_args(Language) else "en"):
        return _page(comparison)


def _page(comparison: Comparison) -> str:
    footer = say("Made by medplug {version}.", version=version("medplug"))
    held = say("This page holds numbers and names of classes, columns and files, and no row's content.")
    return Page(
        title=say("{runs} compared", runs=count(len(comparison.runs), "run")),
        below=say("How runs did on the test rows that they share, what they cost, and what was different about them."),
        sections=[_results(comparison), _costs(comparison), _differences(comparison), _origins(comparison)],
        footer=joined(footer, held),
        summary=summary(comparison),
        verdict=verdict(comparison),
        cautions=cautions(comparison),
    ).html()


def _results(comparison: Comparison) -> Section:
    read = say("The best of each metric is bold, which does not mean that it is clearly the best. "
               "\N{DOWNWARDS ARROW} marks metrics where lower is better.")  # fmt: skip
    scores, gained = tables.values(comparison), tables.gains(comparison)
    shown, folded = (*scores[:1], *gained[:1]), (*scores[1:], *gained[1:])
    stand = standings(comparison) if len(comparison.runs) > 2 else []  # of two the verdict says it
    return Section("results", say("Results"), (read,), tuple(pictures(comparison)), shown, folded, points=tuple(stand))


def _costs(comparison: Comparison) -> Section:
    return Section("costs", say("Cost"), tables=(tables.costs(comparison),))


def _differences(comparison: Comparison) -> Section:
    """What was chosen differently, and what ran it."""
    keys, means = tables.keys(comparison), tables.means(comparison)
    told = [] if keys.rows else [say("All keys have the same values.")]
    told += [] if means.rows else [say("Versions and hardware are the same.")]
    long = len(keys.rows) > _MOST_KEYS
    shown = (means,) if long else (keys, means)
    return Section("differences", say("What differs"), tuple(told), tables=shown, folded=(keys,) if long else ())


def _origins(comparison: Comparison) -> Section:
    return Section("runs", say("The runs"), tables=(tables.origins(comparison),))
