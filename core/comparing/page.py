"""The page of a comparison, in the style of a run's report."""

from __future__ import annotations

from importlib.metadata import version

from medplug.core.comparing import tables
from medplug.core.comparing.comparison import Comparison
from medplug.core.comparing.pictures import pictures
from medplug.core.comparing.words import cautions, standings, summary
from medplug.core.report.formats import count
from medplug.core.report.language import joined, say
from medplug.core.report.page import Page
from medplug.core.report.section import Section

_MOST_KEYS = 25
"""More keys that differ are folded away."""


def comparison_page(comparison: Comparison) -> str:
    """The whole page as HTML."""
    footer = say("Made by medplug {version}.", version=version("medplug"))
    held = say("This page holds numbers and names of classes, columns and files, and no row's content.")
    return Page(
        title=say("{runs} compared", runs=count(len(comparison.runs), "run")),
        below=say("How runs did on the test rows that they share, what they cost, and what was different about them."),
        sections=[_results(comparison), _costs(comparison), _differences(comparison), _origins(comparison)],
        footer=joined(footer, held),
        summary=summary(comparison) + standings(comparison),
        cautions=cautions(comparison),
    ).html()


def _results(comparison: Comparison) -> Section:
    read = say("The best of each metric is bold, which does not mean that it is clearly the best. "
               "\N{DOWNWARDS ARROW} marks metrics where lower is better.")  # fmt: skip
    scores, gained = tables.values(comparison), tables.gains(comparison)
    shown, folded = (*scores[:1], *gained[:1]), (*scores[1:], *gained[1:])
    return Section("results", say("Results"), (read,), tuple(pictures(comparison)), shown, folded)


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
