"""Commands about what is installed: list, show, plugins, check and new."""

from __future__ import annotations

from pathlib import Path

import click

from medplug.core.commands.options import FILE, debug_option, plugins_by, registry_option
from medplug.core.errors import printable

_MOST = 10
"""How many names a line of a listing tells."""
_KINDS = ("tasks", "backbones", "adapters", "fusions", "observers")


@click.command("list")
@click.argument("kind", type=click.Choice(_KINDS), default="tasks")
@click.option("--load", is_flag=True, help="Import installed plugins first, to tell all of what they add.")
@registry_option
@debug_option
def list_(kind: str, load: bool, registry: Path | None, debug: bool) -> None:
    """List the tasks, backbones, adapters, fusions or observers that are installed."""
    from medplug.core.catalogue import listing
    from medplug.core.terminal import show_table

    plugins = plugins_by(registry)
    if load:
        plugins.ask_third_parties()
    show_table(*listing(kind, plugins))
    if silent := [each.name for each in plugins.not_imported() if not each.declares]:
        more = f" and {len(silent) - _MOST} more" if len(silent) > _MOST else ""
        told = f"what these plugins add is known once they are imported: {', '.join(silent[:_MOST])}{more} (--load)"
        click.echo(printable(told), err=True)
    for failure in plugins.failures:
        click.echo(printable(f"set aside: plugin {failure}"), err=True)
    if plugins.failures:
        click.echo("what to do is told by: medplug plugins --load", err=True)


@click.command()
@click.argument("name")
@registry_option
@debug_option
def show(name: str, registry: Path | None, debug: bool) -> None:
    """Show one task, backbone, adapter, fusion, observer or recipe, with its options."""
    from medplug.core.catalogue import describe

    click.echo(describe(name, plugins_by(registry)))


@click.command()
@click.option("--load", is_flag=True, help="Import them all, each by itself, and say what is wrong with which.")
@click.option("--verify", is_flag=True, help="Hold each file against its package's RECORD; tell pins.")
@registry_option
@debug_option
def plugins(load: bool, verify: bool, registry: Path | None, debug: bool) -> None:
    """List the installed plugins: package, version, state, what they add, and the SHA-256 of their RECORD.

    Below stands what is wrong with which, and what to do. Nothing is imported without --load.
    """
    from medplug.core.discovery.table import findings, pins, plugin_table, told
    from medplug.core.terminal import show_lines, show_table

    found = plugins_by(registry)
    if load:
        from medplug.core.discovery.parts import check_parts

        found.ask_third_parties()
        check_parts(found)
    show_table(*plugin_table(found, verify=verify))
    show_lines(told(findings(found)))
    if verify:
        show_lines(pins(found), fold=False)


@click.command()
@click.argument("plugin")
@debug_option
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


@click.command()
@click.argument("name")
@click.option(
    "--kind",
    type=click.Choice([kind.removesuffix("s") for kind in _KINDS if kind != "observers"]),
    default="task",
    show_default=True,
    help="What it adds.",
)
@click.option("-o", "--output", type=FILE, default=Path(), help="The folder to make it in (default: this one).")
@debug_option
def new(name: str, kind: str, output: Path, debug: bool) -> None:
    """Make a plugin package that works: medplug new medplug-demo --kind backbone.

    Code with options, the entry point, a test by the conformance kit, a README and a CI file; change it step by step.
    """
    from medplug.core.scaffold.package import make

    made = make(name, kind, output, plugins_by(None))
    click.echo(
        "\n".join([f"made {made.folder} ({len(made.files)} files); now:", *(f"  {each}" for each in made.commands)])
    )
