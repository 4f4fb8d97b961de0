"""The options of a screening on the command line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import click

_FILE = click.Path(path_type=Path)


def screening_options(command: Callable[..., None]) -> Callable[..., None]:
    """The same command with the options of a screening; unset ones are None or empty."""
    options = (
        click.option("--against", type=_FILE, help="Score a library, INPUT, against these (targets: FASTA or table)."),
        click.option("--top", type=int, help="With --against: how many to keep of the library (default 1000)."),
        click.option("--lowest", is_flag=True, default=None, help="With --against: rank the lowest scores first."),
        click.option(
            "--draws",
            type=int,
            help="With --against: draws of dropout for std (0: none; default 20, of several models 0).",
        ),
        click.option("--seed", type=int, help="With --against: the seed of the draws (default 0)."),
        click.option(
            "--with", "members", type=_FILE, multiple=True, help="With --against: one more run, for an ensemble."
        ),
    )
    for option in reversed(options):
        command = option(command)
    return command
