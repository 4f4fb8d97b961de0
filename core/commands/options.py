"""The options that several commands have."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from medplug.core.discovery.plugins import Plugins

FILE = click.Path(path_type=Path)
device_option = click.option(
    "--device", type=click.Choice(["auto", "cpu", "cuda", "mps"]), default="auto", help="Where to compute."
)
root_option = click.option(
    "--root", type=FILE, help="The folder that paths in the table start from (default: its own)."
)
debug_option = click.option("--debug", is_flag=True, help="Show the traceback of an error.")
registry_option = click.option(
    "--registry", type=FILE, envvar="MEDPLUG_REGISTRY", help="A registry.yaml of your own (or MEDPLUG_REGISTRY)."
)


def plugins_by(registry: Path | None) -> Plugins:
    """The plugins of one command, with the user's own registry, if any."""
    from medplug.core.discovery.plugins import Plugins

    return Plugins(user_registry=registry)
