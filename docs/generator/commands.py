"""The commands of the command line, as ``medplug COMMAND --help`` tells them."""

from __future__ import annotations

import inspect

import click

from generator.writing import code, plain, table
from medplug.cli import cli


def page() -> str:
    """Every command, with its arguments and options."""
    intro = [
        "# Commands",
        "```console\n$ medplug --help\n```",
        plain(cli.help or ""),
        "Errors say what is wrong, where, and the next step; the exit code is 2 where the call or a table is at fault, "
        "1 for the rest ([Errors](errors.md)).",
    ]
    return "\n\n".join([*intro, *(_section(name, command) for name, command in cli.commands.items())])


def _section(name: str, command: click.Command) -> str:
    parent = click.Context(cli, info_name="medplug", **cli.context_settings)
    context = click.Context(command, info_name=name, parent=parent, color=False, terminal_width=10_000)
    usage = " ".join(command.get_usage(context).split()).removeprefix("Usage: ")
    given = [each for each in command.get_params(context) if isinstance(each, click.Option)]
    options = [
        (code(names), plain(told)) for names, told in filter(None, (each.get_help_record(context) for each in given))
    ]
    parts = [f"## {code(f'medplug {name}')} {{ #{name} }}", f"```console\n$ {usage}\n```"]
    return "\n\n".join([*parts, plain(inspect.cleandoc(command.help or "")), table(("option", "meaning"), options)])
