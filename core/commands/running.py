"""Commands that learn: run and rank."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from medplug.core.commands.group import speaks
from medplug.core.commands.options import FILE, debug_option, plugins_by, registry_option
from medplug.core.errors import printable

if TYPE_CHECKING:
    from medplug.core.plan import Plan


def _complete(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    from medplug.core.completion import complete

    return complete(incomplete, ctx.params.get("keys") or ())


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("keys", nargs=-1, type=click.UNPROCESSED, shell_complete=_complete, metavar="KEY=VALUE...")
@click.option("--config", type=FILE, help="A YAML file of keys; the command line overrides it.")
@click.option("--dry-run", is_flag=True, help="Show what would be read, trained and written, and stop.")
@click.option("--resume", is_flag=True, help="Go on with an unfinished run of the same keys and data.")
@registry_option
@debug_option
def run(
    keys: tuple[str, ...], config: Path | None, dry_run: bool, resume: bool, registry: Path | None, debug: bool
) -> None:
    """Train and judge a model: medplug run task=NAME [backbone=NAME] [adapter=NAME] [key=value ...].

    With no data.train the task's built-in sample is used.
    """
    from medplug.core import grammar
    from medplug.core.api import plan_for

    plugins = plugins_by(registry)
    plan = plan_for(plugins, grammar.parse_arguments(keys), origin="command line", config=config)
    for each in plugins.slow() if speaks() else ():
        click.echo(printable(f"medplug: plugin {each}"), err=True)
    if dry_run:
        _show_plan(plan)
        return
    from medplug.core.run import execute
    from medplug.core.terminal import show_run, watching
    from medplug.core.training.processes import leave_group

    try:
        with watching(sys.stderr, quiet=not speaks()) as watch:
            done = execute(plan, plugins, resume=resume, watch=watch)
    finally:
        leave_group()
    if speaks():
        show_run(done.folder, done.metrics)


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("keys", nargs=-1, type=click.UNPROCESSED, shell_complete=_complete, metavar="KEY=VALUE...")
@click.option("--sources", help="Labelled tables to rank as sources for the target, joined by commas.")
@click.option("--config", type=FILE, help="A YAML file of keys; the command line overrides it.")
@click.option("-o", "--output", type=FILE, help="Write the ranking as JSON here too.")
@registry_option
@debug_option
def rank(
    keys: tuple[str, ...],
    sources: str | None,
    config: Path | None,
    output: Path | None,
    registry: Path | None,
    debug: bool,
) -> None:
    """Rank backbones or sources before training: medplug rank task=NAME data.train=TABLE backbones=NAME,NAME.

    Or labelled sources for a target table: medplug rank task=NAME data.train=TARGET --sources TABLE,TABLE
    (data.unlabelled=TARGET where it has no labels). Only rows that a run with the same keys would learn from are used.
    """
    from medplug.core.api import rank_request
    from medplug.core.ranking.request import check_output, parse_words

    check_output(output)
    words = parse_words(keys)
    asked = {"backbones": words.pop("backbones", None), "sources": sources}
    request = rank_request(plugins_by(registry), words, **asked, origin="command line", config=config)
    from medplug.core.folder import write_json
    from medplug.core.ranking.execute import execute
    from medplug.core.terminal import show_table, watching

    with watching(sys.stderr) as watch:
        ranking = execute(request, watch=watch)
    show_table(*ranking.table(), title=ranking.title())
    for line in (ranking.support, *ranking.notes):
        click.echo(line)
    if output is not None:
        write_json(output, ranking.as_json())


def _show_plan(plan: Plan) -> None:
    from medplug.core.catalogue import preview

    click.echo(preview(plan))
