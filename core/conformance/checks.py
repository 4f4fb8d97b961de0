"""What a check is: a call that says nothing, or a `Fault` with its fix, or `Skipped` with the reason."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from medplug.core.discovery.findings import HEAVY
from medplug.core.errors import PluginError

Check = Callable[[], None]
Named = tuple[str, Check]
"""A check and its name, ``kind:plugin's name:what is held``."""
State = Literal["passed", "failed", "skipped", "expected"]

_CORE = str(Path(__file__).parents[1])
_OTHERS = {*HEAVY, *sys.stdlib_module_names, "numpy", "pydantic", "safetensors"}
"""Modules that raise for what the plugin hands to them."""


class Fault(PluginError):
    """A clause of the contract that does not hold: `what` was found, and the `fix`."""


class Skipped(Exception):
    """The check cannot be made here, or does not concern this plugin; the text says why."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one check: its name and state, and where it did not pass the reason and, if failed, the fix."""

    name: str
    state: State
    reason: str = ""
    fix: str = ""


def require(holds: object, what: str, fix: str) -> None:
    """Raise `Fault` unless it `holds`."""
    if not holds:
        raise Fault(what, fix)


def name_of(check: Check) -> str:
    """The last part of a check's name: that of the method which makes it."""
    return getattr(check, "__name__", "check")


def outcomes(checks: Iterable[Named], expected_failures: Mapping[str, str] | None = None) -> Iterator[Outcome]:
    """Make the checks, one after another.

    `expected_failures` maps names of checks to why they may fail; one that passes all
    the same, or that names no check, is a failure, so that the list stays true.
    """
    left = dict(expected_failures or {})
    for name, check in checks:
        yield _expected(_outcome(name, check), left.pop(name)) if name in left else _outcome(name, check)
    for name in left:
        yield Outcome(name, "failed", "is expected to fail, and there is no such check", "take it off the list")


def _outcome(name: str, check: Check) -> Outcome:
    try:
        check()
    except Skipped as reason:
        return Outcome(name, "skipped", str(reason))
    except PluginError as fault:
        return Outcome(name, "failed", fault.what, fault.fix or _mend(fault))
    except Exception as error:  # noqa: BLE001 - a plugin's code may raise anything
        return Outcome(name, "failed", told(error), _mend(error))
    return Outcome(name, "passed")


def _expected(found: Outcome, reason: str) -> Outcome:
    if found.state == "passed":
        return Outcome(found.name, "failed", f"passes, and was expected to fail: {reason}", "take it off the list")
    return Outcome(found.name, "expected", reason) if found.state == "failed" else found


def told(error: BaseException) -> str:
    """An error on one line; all rows of the kit are made up, so that it may quote them."""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text if len(text) <= 400 else text[:399] + '…'}"


def _mend(error: Exception) -> str:
    """Where the plugin's own code raised, by file and line; or where medplug met what the plugin gave."""
    walked = traceback.walk_tb(error.__traceback__)
    frames = [(frame.f_code.co_filename, str(frame.f_globals.get("__name__")), line) for frame, line in walked]
    own = [f"{file}:{line}" for file, name, line in frames if _is_own(file, name)]
    if own:
        return f"mend what raises at {own[-1]}"
    file, _, line = [each for each in frames if each[0].startswith(_CORE)][-1]
    return f"mend what the plugin gives here: medplug meets it at {file}:{line}"


def _is_own(file: str, module: str) -> bool:
    return not file.startswith(_CORE) and module.partition(".")[0] not in _OTHERS
