"""Every exception that medplug raises on purpose, in one tree.

::

    MedplugError                 exit code 1
    ├── UsageError               exit code 2: what was typed or passed
    │   ├── ConfigError          a key or a value of the configuration
    │   ├── UnknownNameError     no task, backbone, adapter ... of that name
    │   └── RegistryError        a registry.yaml that cannot be used
    ├── DataError                exit code 2: what the tables hold
    │   └── RowsError            named rows are bad
    ├── PluginError              a plugin broke its contract
    ├── BackboneError            weights that cannot be had or used
    └── RunError                 a run that cannot go on or be read

A message says what is wrong, where, what was got, what is allowed and the next
step. It never quotes the content of a patient's row.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from difflib import SequenceMatcher, get_close_matches

_USER = re.compile(r"(?<=://)[^\s/]*@")


class MedplugError(Exception):
    """The root of the tree; ``exit_code`` is what the command line returns."""

    exit_code = 1


class UsageError(MedplugError):
    """The call itself is wrong."""

    exit_code = 2


class ConfigError(UsageError):
    """A key or a value of the configuration is wrong."""


class RegistryError(UsageError):
    """A registry file cannot be read or holds something it may not."""


class UnknownNameError(UsageError):
    """A name that no plugin and no registry gives."""

    def __init__(self, kind: str, name: str, known: Iterable[str], failures: Sequence[str] = ()) -> None:
        self.kind, self.name, self.known = kind, name, sorted(known)
        lines = [f"there is no {kind} named {name!r}{did_you_mean(name, self.known)}"]
        lines.append(f"known {kind}s: {', '.join(self.known) or 'none'}")
        lines += [f"of a plugin that might give it: {failure}" for failure in failures]
        lines.append(f"see them with: medplug list {kind}s")
        super().__init__("\n".join(lines))


class DataError(MedplugError):
    """A table that cannot be used as it is."""

    exit_code = 2


class RowsError(DataError):
    """Rows that cannot be used; the message names up to twenty of them."""


class PluginError(MedplugError):
    """A plugin broke its contract: `what` is wrong, and the `fix`, where one is known."""

    def __init__(self, what: str, fix: str = "") -> None:
        super().__init__(f"{what}\nfix: {fix}" if fix else what)
        self.what, self.fix = what, fix


class PluginWarning(UserWarning):
    """A plugin does not do as it should, and the work goes on.

    A saved model's is installed in another version than the model was made with, or an observer of a run failed.
    """


class BackboneError(MedplugError):
    """A backbone's weights cannot be found, fetched or loaded."""


class RunError(MedplugError):
    """A run cannot start, go on, be finished or be read."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """``; did you mean a or b?`` for the closest matches of `name`, else an empty string.

    Names that differ in capitals alone are the closest.
    """
    names = list(known)
    capitals = [each for each in names if each.casefold() == name.casefold()]
    if capitals:
        return f"; did you mean {' or '.join(capitals[:3])}?"
    matches = get_close_matches(name, names, n=3, cutoff=0.6)
    likeness = {match: SequenceMatcher(None, match, name).ratio() for match in matches}
    close = [match for match in matches if likeness[match] > likeness[matches[0]] - 0.1]
    return f"; did you mean {' or '.join(close)}?" if close else ""


def printable(text: str) -> str:
    """Text in which what would steer a terminal is spelled out; line ends stay."""
    return "".join(each if each.isprintable() or each == "\n" else ascii(each)[1:-1] for each in text)


def without_passwords(text: str) -> str:
    """Text in which ``***`` stands for the user and the password of each address."""
    return _USER.sub("***@", text)
