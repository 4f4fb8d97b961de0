"""The group of commands: what it says when one of them fails, and who of several processes says it."""

from __future__ import annotations

import os
import sys
import traceback
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from medplug.core.errors import MedplugError, PluginWarning, printable


class CommandGroup(click.Group):
    """The command group; turns medplug's errors into one screen and an exit code."""

    def main(self, *args: Any, **kwargs: Any) -> Any:
        """Run a command and end the process; one of several ends without the interpreter's own clearing up.

        Gloo's threads may still hold tensors then, and abort the process when they let go of them too late
        (PyTorch, issue 190489).
        """
        try:
            return super().main(*args, **kwargs)
        except SystemExit as end:
            if int(os.environ.get("WORLD_SIZE", "1")) > 1:
                _end_at_once(end.code)
            raise

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command."""
        try:
            with warnings.catch_warnings():
                warnings.showwarning = _show(warnings.showwarning)
                return super().invoke(ctx)
        except MedplugError as error:
            if "--debug" in sys.argv:
                raise
            if speaks():
                click.echo(printable(f"medplug: {error}"), err=True)
            ctx.exit(error.exit_code)
        except KeyboardInterrupt:
            click.echo("medplug: interrupted; if a checkpoint was made, add --resume to go on", err=True)
            ctx.exit(130)
        except BrokenPipeError:
            sys.stderr.close()  # the reader has gone; say nothing more
            ctx.exit(0)
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except Exception as error:
            if "--debug" in sys.argv:
                raise
            click.echo(f"medplug: {_unexpected(error)}", err=True)
            ctx.exit(1)


def _show(usual: Callable[..., None]) -> Callable[..., None]:
    """Say what medplug itself warns of on one line, and what others do as usual."""

    def show(message: Warning | str, category: type[Warning], *place: Any) -> None:
        if issubclass(category, PluginWarning):
            click.echo(f"medplug: {message}", err=True)
        else:
            usual(message, category, *place)

    return show


def _end_at_once(code: str | int | None) -> None:
    for stream in (sys.stdout, sys.stderr):
        if not stream.closed:
            stream.flush()
    os._exit(code if isinstance(code, int) else int(code is not None))


def speaks() -> bool:
    """Whether this is the one of several processes that talks to the terminal."""
    return os.environ.get("RANK", "0") == "0"


def _unexpected(error: Exception) -> str:
    """Say where an unforeseen error arose. Its own text may quote a row, so it is left out."""
    frames = traceback.extract_tb(error.__traceback__)
    here = str(Path(__file__).parents[2])
    place = next((f"{Path(f.filename).name}:{f.lineno}" for f in reversed(frames) if f.filename.startswith(here)), "?")
    return f"unforeseen {type(error).__name__} at {place}: a fault in medplug or a plugin; add --debug to see it whole"
