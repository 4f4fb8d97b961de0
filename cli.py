"""The command line; its commands live in `medplug.core.commands`."""

from __future__ import annotations

import click

from medplug.core.commands import plugins, running, using
from medplug.core.commands.group import CommandGroup


@click.group(cls=CommandGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="medplug")
def cli() -> None:
    """Move what pretrained models know onto medical problems with few labels."""


for command in (
    *(running.run, running.rank),
    *(using.predict, using.evaluate, using.compare, using.explain, using.index, using.ask),
    *(plugins.list_, plugins.show, plugins.plugins, plugins.check, plugins.new),
):
    cli.add_command(command)


if __name__ == "__main__":
    cli()
