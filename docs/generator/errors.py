"""The exceptions that medplug raises on purpose."""

from __future__ import annotations

import inspect
from collections.abc import Iterator

from generator.writing import code, plain, table
from medplug.core import errors


def page() -> str:
    """The tree as it is drawn in the code, and a line on each."""
    drawn = inspect.cleandoc((errors.__doc__ or "").partition("::\n")[2].partition("\n\nA message")[0])
    rows = [(code(name), str(each.exit_code), plain((each.__doc__ or "").partition("\n")[0])) for name, each in found()]
    parts = [
        "# Errors",
        "All are `medplug.MedplugError`, and stand in `medplug.core.errors`.",
        f"```text\n{drawn}\n```",
        table(("error", "exit code", "says"), rows),
        "A message says what is wrong, where, what was got, what is allowed and the next step. It never quotes the "
        "content of a patient's row.",
    ]
    return "\n\n".join(parts)


def found() -> Iterator[tuple[str, type[errors.MedplugError]]]:
    """Every error by name, in the order in which they are written."""
    for name, each in vars(errors).items():
        if inspect.isclass(each) and issubclass(each, errors.MedplugError):
            yield name, each
