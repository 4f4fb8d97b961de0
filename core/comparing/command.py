"""A comparison as a terminal shows it."""

from __future__ import annotations

import click

from medplug.core.comparing.comparison import Comparison
from medplug.core.comparing.tables import overview
from medplug.core.comparing.words import standings
from medplug.core.report.formats import plain
from medplug.core.terminal import show_table

_MOST_KEYS = 20


def show(comparison: Comparison) -> None:
    """A row a run, the keys that differ, and what to know before believing it."""
    rows, groups = len(comparison.shared), comparison.shared.groups
    whole = "" if groups is None else f" of {groups.n_unique():,} groups"
    show_table(*overview(comparison), title=f"{len(comparison.runs)} runs on {rows:,} shared test rows{whole}")
    keys = [(key, *(plain(value) for value in values)) for key, values in comparison.keys.items()]
    if keys:
        show_table(("key", *(run.name for run in comparison.runs)), keys[:_MOST_KEYS], title="keys that differ")
    if len(keys) > _MOST_KEYS:
        click.echo(f"and {len(keys) - _MOST_KEYS} more; -o PAGE.html or --json FILE has them")
    for line in (*standings(comparison), *comparison.notes()):
        click.echo(line)
