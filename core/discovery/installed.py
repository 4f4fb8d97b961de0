"""Which plugins are installed and what their packages say of them: read from metadata, nothing is imported.

A plugin is an entry point of the group ``medplug``. Its package may declare what it gives by
entry points of the same value in the groups ``medplug.tasks``, ``medplug.backbones``,
``medplug.adapters``, ``medplug.fusions``, ``medplug.observers`` and ``medplug.recipes``: then it
is imported for these names alone. One that declares nothing is imported when a name is found nowhere else.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import Distribution, EntryPoint, distributions, entry_points
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from medplug.core.errors import PluginError

GROUP = "medplug"
DECLARED = ("task", "backbone", "adapter", "fusion", "observer", "recipe")
UNKNOWN = "unknown distribution"


@dataclass(frozen=True, slots=True)
class Installed:
    """A plugin that was not imported: its entry point's name, and what its distribution declares.

    `declares` maps a kind to the names that the plugin gives, and is empty where its package says nothing.
    `rivals` are other distributions with a plugin of this name.
    """

    name: str
    point: EntryPoint
    declares: Mapping[str, tuple[str, ...]]
    rivals: tuple[str, ...] = ()

    @property
    def distribution(self) -> str:
        """Name and version of the distribution that it came in."""
        return label(self.point.dist)

    @property
    def module(self) -> str:
        """The module that its entry point names, or what stands there in place of one."""
        return self.point.value.partition("[")[0].partition(":")[0].strip()

    @property
    def signature(self) -> str | None:
        """The SHA-256 of the distribution's RECORD, which holds that of each file; None without one."""
        return record_signature(self.point.dist)

    def check_files(self) -> None:
        """Raise `PluginError` where what would be imported is not what its RECORD lists, or no RECORD holds it."""
        changed = changed_files(self.point.dist)
        if changed is None:
            what = "is pinned, and its RECORD does not hold its code: it was installed with --editable"
            raise PluginError(what, "install it without --editable, or allow it by its name alone")
        if changed:
            what = f"is pinned, and files are not those that were installed: {', '.join(changed[:3])}"
            raise PluginError(what, "find out who changed them; then install the package again")
        package = self.module.partition(".")[0]
        found = find_spec(package)
        if found is not None and found.origin is not None and not _records(self.point.dist, Path(found.origin)):
            what = f"is pinned, and {package} would be imported from a file that its RECORD does not list"
            raise PluginError(what, "take what hides the installed package off PYTHONPATH and the working folder")

    def load(self) -> Any:
        """Import it; `PluginError` where its entry point names no module."""
        if not all(part.isidentifier() for part in self.module.split(".")):
            raise PluginError(
                f"its entry point says {self.point.value!r}, which is no module",
                f'its author: write [project.entry-points.{GROUP}] {self.name} = "package.module"',
            )
        return self.point.load()

    def gives(self) -> tuple[str, ...]:
        """What it declares, as ``adapter whiten``."""
        return tuple(f"{kind} {name}" for kind, names in self.declares.items() for name in names)


def installed(found: Iterable[EntryPoint] | None = None) -> list[Installed]:
    """Every installed plugin by name; `found` replaces the installed entry points."""
    points = sorted(entry_points(group=GROUP) if found is None else found, key=lambda each: each.name)
    named = Counter(point.name for point in points)
    return [
        Installed(point.name, point, _declared(point), _rivals(point, points) if named[point.name] > 1 else ())
        for point in points
    ]


def _rivals(point: EntryPoint, points: Iterable[EntryPoint]) -> tuple[str, ...]:
    """The other distributions with a plugin of this one's name."""
    others = (label(each.dist) for each in points if each.name == point.name)
    return tuple(sorted({each for each in others if each != label(point.dist)}))


def concerned(found: Iterable[EntryPoint] | None = None) -> Iterator[Distribution]:
    """The distributions that say anything to medplug, each once; where `found` is given those of these entry points."""
    seen: set[str] = set()
    for each in distributions() if found is None else (point.dist for point in found):
        if each is None or not any(point.group.partition(".")[0] == GROUP for point in each.entry_points):
            continue
        if (name := label(each).rpartition(" ")[0]) not in seen or label(each) == UNKNOWN:
            seen.add(name)  # the first of a name is the one that Python finds
            yield each


def _declared(point: EntryPoint) -> dict[str, tuple[str, ...]]:
    if point.dist is None:
        return {}
    own = [each for each in point.dist.entry_points if each.value == point.value]
    found = {kind: tuple(sorted(each.name for each in own if each.group == f"{GROUP}.{kind}s")) for kind in DECLARED}
    return {kind: names for kind, names in found.items() if names}


def label(distribution: Distribution | None) -> str:
    """Name and version of a distribution, as far as its metadata say."""
    metadata = None if distribution is None else distribution.metadata
    if not metadata or "Name" not in metadata:
        return UNKNOWN
    version = metadata["Version"] if "Version" in metadata else "unversioned"  # noqa: SIM401 - it has no get before 3.12
    return f"{metadata['Name']} {version}"


def record_signature(distribution: Distribution | None) -> str | None:
    """The SHA-256 (hex) of a distribution's RECORD; None where it has none."""
    text = None if distribution is None else distribution.read_text("RECORD")
    return None if text is None else hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()


def is_link(distribution: Distribution | None) -> bool:
    """Whether it was installed with ``--editable``: its RECORD then holds a link to its code, and not the code."""
    text = None if distribution is None else distribution.read_text("direct_url.json")
    try:
        told = json.loads(text or "{}")
    except ValueError:
        return False
    return bool(isinstance(told, dict) and (told.get("dir_info") or {}).get("editable"))


def changed_files(distribution: Distribution | None) -> list[str] | None:
    """The files that are not as its RECORD says: changed or gone, by name; None where no RECORD holds them."""
    if distribution is None or distribution.read_text("RECORD") is None or is_link(distribution):
        return None
    return [str(file) for file in distribution.files or [] if file.hash is not None and not _as_recorded(file)]


def _records(distribution: Distribution | None, place: Path) -> bool:
    """Whether the RECORD holds the SHA-256 of the file at a place."""
    hashed = [file for file in (distribution and distribution.files) or [] if file.hash is not None]
    return place.resolve() in (Path(str(file.locate())).resolve() for file in hashed)


def _as_recorded(file: object) -> bool:
    place, told = file.locate(), file.hash  # type: ignore[attr-defined]  # PackagePath's own are untyped
    try:
        digest = hashlib.new(told.mode, place.read_bytes()).digest()
    except (OSError, ValueError):
        return False
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode() == str(told.value)


@dataclass(frozen=True, slots=True)
class Allowance:
    """Which plugins may be imported: those that every list there is names; `lists` go by who states each.

    An entry is a plugin's name, or ``NAME@sha256:HEX`` where its RECORD must have this SHA-256; of several with
    one name it is enough that one fits.
    """

    lists: Mapping[str, Sequence[str]]

    def refusal(self, plugin: Installed) -> str | None:
        """Why a plugin may not be imported, or None."""
        for stated, entries in self.lists.items():
            reasons = [_unfit(each, plugin) for each in entries if each.partition("@")[0] == plugin.name]
            if None not in reasons:
                return f"{stated} {reasons[0] if reasons else 'does not name it'}"
        return None

    def pins(self, plugin: Installed) -> bool:
        """Whether a list allows a plugin with these very files alone."""
        entries = (entry.partition("@") for names in self.lists.values() for entry in names)
        return any(name == plugin.name and pinned for name, _, pinned in entries)

    def absent(self, plugins: Iterable[Installed]) -> list[tuple[str, str]]:
        """Names that a list holds and no installed plugin has, each with who states it."""
        known = {plugin.name for plugin in plugins}
        named = {entry.partition("@")[0]: stated for stated, entries in self.lists.items() for entry in entries}
        return [(name, stated) for name, stated in sorted(named.items()) if name not in known]


def _unfit(entry: str, plugin: Installed) -> str | None:
    """Why an entry with a plugin's name does not allow it, or None."""
    _, pinned, wanted = entry.partition("@sha256:")
    if plugin.rivals and not pinned:
        return f"names it without saying which: {', '.join(plugin.rivals)} has one of this name too"
    if pinned and plugin.signature != wanted.lower():
        return f"wants a RECORD of SHA-256 {wanted[:12]}…, and it is {(plugin.signature or 'missing')[:12]}…"
    return None


def check_entry(entry: str) -> str:
    """An entry of an allow-list as it is; `PluginError` where it says something else than a name and a SHA-256."""
    name, at, pinned = entry.partition("@")
    hexadecimal = pinned.removeprefix("sha256:")
    if not name.strip() or (at and (hexadecimal == pinned or len(hexadecimal) != 64 or not _is_hex(hexadecimal))):
        raise PluginError(f"{entry!r}: an allowed plugin is written NAME, or NAME@sha256:HEX with 64 digits")
    return entry


def _is_hex(text: str) -> bool:
    return all(letter in "0123456789abcdefABCDEF" for letter in text)
