"""The command line: parse, call, print. Everything else lives in the core."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from medplug.core.command_group import CommandGroup, speaks
from medplug.core.errors import printable
from medplug.core.screening.arguments import screening_options

if TYPE_CHECKING:
    from medplug.core.discovery.plugins import Plugins
    from medplug.core.plan import Plan

_KINDS = ("tasks", "backbones", "adapters", "fusions", "observers")
_FILE = click.Path(path_type=Path)
_device = click.option(
    "--device", type=click.Choice(["auto", "cpu", "cuda", "mps"]), default="auto", help="Where to compute."
)
_root = click.option("--root", type=_FILE, help="The folder that paths in the table start from (default: its own).")
_debug = click.option("--debug", is_flag=True, help="Show the traceback of an error.")
_registry = click.option(
    "--registry", type=_FILE, envvar="MEDPLUG_REGISTRY", help="A registry.yaml of your own (or MEDPLUG_REGISTRY)."
)


@click.group(cls=CommandGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="medplug")
def cli() -> None:
    """Move what pretrained models know onto medical problems with few labels."""


def _complete(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    from medplug.core.completion import complete

    return complete(incomplete, ctx.params.get("keys") or ())


@cli.command(context_settings={"ignore_unknown_options": True})
@click.argument("keys", nargs=-1, type=click.UNPROCESSED, shell_complete=_complete, metavar="KEY=VALUE...")
@click.option("--config", type=_FILE, help="A YAML file of keys; the command line overrides it.")
@click.option("--dry-run", is_flag=True, help="Show what would be read, trained and written, and stop.")
@click.option("--resume", is_flag=True, help="Go on with an unfinished run of the same keys and data.")
@_registry
@_debug
def run(
    keys: tuple[str, ...], config: Path | None, dry_run: bool, resume: bool, registry: Path | None, debug: bool
) -> None:
    """Train and judge a model: medplug run task=NAME [backbone=NAME] [adapter=NAME] [key=value ...].

    With no data.train the task's built-in sample is used.
    """
    from medplug.core import grammar
    from medplug.core.api import plan_for

    plugins = _plugins(registry)
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


@cli.command(context_settings={"ignore_unknown_options": True})
@click.argument("keys", nargs=-1, type=click.UNPROCESSED, shell_complete=_complete, metavar="KEY=VALUE...")
@click.option("--sources", help="Labelled tables to rank as sources for the target, joined by commas.")
@click.option("--config", type=_FILE, help="A YAML file of keys; the command line overrides it.")
@click.option("-o", "--output", type=_FILE, help="Write the ranking as JSON here too.")
@_registry
@_debug
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
    request = rank_request(_plugins(registry), words, **asked, origin="command line", config=config)
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


@cli.command()
@click.argument("folder", metavar="RUN", type=_FILE)
@click.argument("table", metavar="INPUT", type=_FILE)
@click.option(
    "-o", "--output", type=_FILE, help="Where to write: .parquet, .csv or .jsonl (default: CSV to the screen)."
)
@click.option("--masks", type=_FILE, help="A folder for predicted masks, one PNG a row.")
@click.option("--on-error", type=click.Choice(["stop", "skip"]), default="stop", help="What to do with bad rows.")
@screening_options
@_root
@_device
@_debug
def predict(
    folder: Path,
    table: Path,
    output: Path | None,
    masks: Path | None,
    on_error: str,
    root: Path | None,
    device: str,
    debug: bool,
    **screening: Any,
) -> None:
    """Predict the rows of a table (for images also: a folder, or one file) with a finished run.

    With --against INPUT is a library, whose entities are ranked for each of those of the other file.
    """
    from medplug.core.data.output import check_folder, check_output, write_table

    check_output(output)
    check_folder(masks)
    how: dict[str, Any] = {"on_error": on_error, "device": device, "root": root}
    if given := {name: value for name, value in screening.items() if value not in (None, ())}:
        from medplug.core.screening.command import screen_files

        frame, told = screen_files(folder, table, given | {"masks": masks}, **how)
    else:
        from medplug.core.predicting.command import predict_file

        frame, told = predict_file(folder, table, masks=masks, **how)
        told += [] if output is None else [f"{frame.height} predictions in {output}"]
    write_table(frame, output)
    if told:
        click.echo("\n".join(told), err=True)


@cli.command()
@click.argument("folder", metavar="RUN", type=_FILE)
@click.argument("table", metavar="DATA", type=_FILE)
@click.option("-o", "--output", type=_FILE, help="Write the scores as JSON here too.")
@_root
@_device
@_debug
def evaluate(folder: Path, table: Path, output: Path | None, root: Path | None, device: str, debug: bool) -> None:
    """Score a finished run on a labelled table."""
    from medplug.core.api import load
    from medplug.core.folder import write_json
    from medplug.core.terminal import counting, show_scores

    predictor = load(folder, device=device, root=root)
    with counting(sys.stderr, "predicting") as report:
        scores = predictor.evaluate(table, report=report)
    show_scores(scores)
    if output is not None:
        write_json(output, scores)


@cli.command()
@click.argument("folders", metavar="RUN RUN...", nargs=-1, type=_FILE)
@click.option("-o", "--output", type=_FILE, help="Write the comparison as one HTML page here.")
@click.option("--json", "numbers", type=_FILE, help="Write it as JSON here.")
@_debug
def compare(folders: tuple[Path, ...], output: Path | None, numbers: Path | None, debug: bool) -> None:
    """Hold finished runs against the first one given, on the test rows that all of them were tested on.

    Tells each run's metrics and paired differences with 95 % intervals, cost, and the keys that differ.
    """
    from medplug.core.comparing.command import show
    from medplug.core.comparing.comparison import compare_runs
    from medplug.core.folder import write_json

    found = compare_runs(folders)
    if output is not None:
        found.write_page(output)
    if numbers is not None:
        write_json(numbers, found.as_json())
    show(found)


@cli.command()
@click.argument("folder", metavar="RUN", type=_FILE)
@click.argument("table", metavar="INPUT", type=_FILE)
@click.option("--rows", help="Numbers of the rows to explain, as 1,5 or 1-3 (default: the first three).")
@click.option("--method", default="auto", help="How: auto, gradient, replacing.")
@click.option("--show-examples", is_flag=True, help="Put the rows' own words and pictures into the page.")
@click.option("-o", "--output", type=_FILE, help="Where to write: .html, .json or .parquet.")
@click.option("--on-error", type=click.Choice(["stop", "skip"]), default="stop", help="What to do with bad rows.")
@_root
@_device
@_debug
def explain(
    folder: Path,
    table: Path,
    rows: str | None,
    method: str,
    show_examples: bool,
    output: Path | None,
    on_error: str,
    root: Path | None,
    device: str,
    debug: bool,
) -> None:
    """Explain predictions of a finished run: which words, patches, atoms or columns spoke for them."""
    from medplug.core.explaining.command import explain_file

    how: dict[str, Any] = {"on_error": on_error, "device": device, "root": root}
    told = explain_file(folder, table, rows=rows, method=method, show=show_examples, output=output, **how)
    click.echo("\n".join(told))


@cli.command()
@click.argument("folder", metavar="RUN", type=_FILE)
@click.argument("corpus", metavar="CORPUS", type=_FILE)
@click.option("--passage", help="The column of passages (default: the run's data.passage).")
@click.option("--id", "identifier", help="The column of ids (default: the run's data.passage_id; else by content).")
@_device
@_debug
def index(folder: Path, corpus: Path, passage: str | None, identifier: str | None, device: str, debug: bool) -> None:
    """Index the passages of a table with the encoder of a finished retrieval run, in place of the index it has."""
    from medplug.core.retrieval.command import index_file

    told = index_file(folder, corpus, passage=passage, identifier=identifier, device=device)
    click.echo("\n".join(told), err=True)


@cli.command()
@click.argument("folder", metavar="RUN", type=_FILE)
@click.argument("question")
@click.option("--context", type=_FILE, help="A text file that the question is asked of.")
@click.option("--option", "options", multiple=True, help="An option to choose from; give one for each.")
@click.option("--top", type=int, default=5, help="How many passages of a ranking to show.")
@_device
@_debug
def ask(
    folder: Path, question: str, context: Path | None, options: tuple[str, ...], top: int, device: str, debug: bool
) -> None:
    """Ask a finished run one question: the answer, what it rests on, and whether it is sure."""
    from medplug.core.asking.command import ask_run, told

    click.echo("\n".join(told(ask_run(folder, question, context=context, options=options, top=top, device=device))))


@cli.command("list")
@click.argument("kind", type=click.Choice(_KINDS), default="tasks")
@click.option("--load", is_flag=True, help="Import installed plugins first, to tell all of what they add.")
@_registry
@_debug
def list_(kind: str, load: bool, registry: Path | None, debug: bool) -> None:
    """List the tasks, backbones, adapters, fusions or observers that are installed."""
    from medplug.core.catalogue import listing
    from medplug.core.terminal import show_table

    plugins = _plugins(registry)
    if load:
        plugins.ask_third_parties()
    show_table(*listing(kind, plugins))
    if silent := [each.name for each in plugins.not_imported() if not each.declares]:
        told = f"what these plugins add is known once they are imported: {', '.join(silent)} (--load)"
        click.echo(printable(told), err=True)
    for failure in plugins.failures:
        click.echo(printable(f"set aside: plugin {failure}"), err=True)
    if plugins.failures:
        click.echo("what to do is told by: medplug plugins --load", err=True)


@cli.command()
@click.argument("name")
@_registry
@_debug
def show(name: str, registry: Path | None, debug: bool) -> None:
    """Show one task, backbone, adapter, fusion, observer or recipe, with its options."""
    from medplug.core.catalogue import describe

    click.echo(describe(name, _plugins(registry)))


@cli.command()
@click.option("--load", is_flag=True, help="Import them all, each by itself, and say what is wrong with which.")
@click.option("--verify", is_flag=True, help="Hold each file against its package's RECORD; tell pins.")
@_registry
@_debug
def plugins(load: bool, verify: bool, registry: Path | None, debug: bool) -> None:
    """List the installed plugins: package, version, state, what they add, and the SHA-256 of their RECORD.

    Below stands what is wrong with which, and what to do. Nothing is imported without --load.
    """
    from medplug.core.discovery.table import findings, pins, plugin_table, told
    from medplug.core.terminal import show_lines, show_table

    found = _plugins(registry)
    if load:
        from medplug.core.discovery.parts import check_parts

        found.ask_third_parties()
        check_parts(found)
    show_table(*plugin_table(found, verify=verify))
    show_lines(told(findings(found)))
    if verify:
        show_lines(pins(found), fold=False)


@cli.command()
@click.argument("plugin")
@_debug
def check(plugin: str, debug: bool) -> None:
    """Hold a plugin (a module's name, an entry point's or a distribution's) against the contracts.

    Each check is passed, failed (with the reason and the fix), skipped, or expected to fail; a failure exits with 1.
    """
    from medplug.core.conformance.command import HEADER, checked, counted, row
    from medplug.core.terminal import show_table

    found = list(checked(plugin))
    show_table(HEADER, [row(each) for each in found])
    click.echo(counted(found))
    if any(each.state == "failed" for each in found):
        raise click.exceptions.Exit(1)


@cli.command()
@click.argument("name")
@click.option(
    "--kind",
    type=click.Choice([kind.removesuffix("s") for kind in _KINDS if kind != "observers"]),
    default="task",
    show_default=True,
    help="What it adds.",
)
@click.option("-o", "--output", type=_FILE, default=Path(), help="The folder to make it in (default: this one).")
@_debug
def new(name: str, kind: str, output: Path, debug: bool) -> None:
    """Make a plugin package that works: medplug new medplug-demo --kind backbone.

    Code with options, the entry point, a test by the conformance kit, a README and a CI file; change it step by step.
    """
    from medplug.core.scaffold.package import make

    made = make(name, kind, output, _plugins(None))
    click.echo(
        "\n".join([f"made {made.folder} ({len(made.files)} files); now:", *(f"  {each}" for each in made.commands)])
    )


def _plugins(registry: Path | None) -> Plugins:
    from medplug.core.discovery.plugins import Plugins

    return Plugins(user_registry=registry)


def _show_plan(plan: Plan) -> None:
    from medplug.core.catalogue import preview

    click.echo(preview(plan))


if __name__ == "__main__":
    cli()
