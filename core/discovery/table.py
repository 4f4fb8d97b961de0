"""What ``medplug plugins`` shows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from medplug.core.catalogue import Row
from medplug.core.discovery.claims import BUILT_IN
from medplug.core.discovery.declarations import misdeclared
from medplug.core.discovery.findings import Finding
from medplug.core.discovery.installed import Installed, changed_files, is_link
from medplug.core.discovery.plugins import Plugins

_MOST_NAMES = 4
"""More names of a kind than this are counted and not told."""
_DIGITS = 8
Key = tuple[str, str, str]


def plugin_table(plugins: Plugins, *, verify: bool = False) -> tuple[Row, list[Row]]:
    """Who is there: name, distribution with its version, state, what it adds, and the SHA-256 of its RECORD.

    Nothing is imported: what was not imported yet stands with the names that its package declares. With `verify`
    each file of a third party is held against that RECORD in place of the sum.
    """
    own = [p for p in plugins.loaded if p.distribution == BUILT_IN]
    rows: list[Row] = [(p.name, p.distribution, "loaded", _adds(p.gives), "-") for p in own]
    waiting = {_key(each) for each in plugins.not_imported()}
    for each in plugins.installed():
        files = _verified(each) if verify else (each.signature or "-")[:_DIGITS]
        rows.append((each.name, each.distribution, *_state(each, plugins, waiting), files))
    rows += [(f.name, f.distribution, "missing", "", "-") for f in plugins.failures if not f.module]
    return ("plugin", "distribution", "state", "adds", "files" if verify else "RECORD"), rows


def _state(plugin: Installed, plugins: Plugins, waiting: set[Key]) -> tuple[str, str]:
    """In which state a plugin is, and what it adds."""
    key = _key(plugin)
    if key in waiting:
        return "not imported", _adds(plugin.gives()) or "declares nothing"
    for loaded in plugins.loaded:
        if (loaded.name, loaded.distribution, loaded.module) == key:
            remarks = sum(_of(each) == key for each in plugins.remarks)
            return f"loaded, {remarks} remark{'s' * (remarks > 1)}" if remarks else "loaded", _adds(loaded.gives)
    return "set aside" if key in map(_of, plugins.failures) else "not allowed", _adds(plugin.gives())


def _key(plugin: Installed) -> Key:
    return plugin.name, plugin.distribution, plugin.point.value


def _of(finding: Finding) -> Key:
    return finding.name, finding.distribution, finding.module


def _adds(gives: Iterable[str]) -> str:
    """``task triage, 25 adapters``."""
    gives = list(gives)
    counts = Counter(each.partition(" ")[0] for each in gives)
    few = [each for each in gives if counts[each.partition(" ")[0]] <= _MOST_NAMES]
    return ", ".join([*few, *(f"{count} {kind}s" for kind, count in counts.items() if count > _MOST_NAMES)])


def findings(plugins: Plugins) -> list[Finding]:
    """All that is found wrong: of packages without importing them, and of plugins as far as they were imported."""
    allowed, installed = plugins.allowance(), plugins.installed()
    refused = [
        Finding(each.name, each.distribution, f"may not be imported: {reason}", "", each.point.value)
        for each in installed
        if (reason := allowed.refusal(each)) is not None
    ]
    built_in = {each for plugin in plugins.loaded if plugin.distribution == BUILT_IN for each in plugin.gives}
    declared = misdeclared(installed, plugins.distributions(), built_in)
    found = [*refused, *declared, *plugins.failures, *plugins.remarks]
    return sorted(dict.fromkeys(found), key=lambda each: (each.name, each.distribution))


def told(found: Iterable[Finding]) -> Iterator[str]:
    """Findings as lines, each with what to do."""
    for each in found:
        yield str(each)
        if each.fix:
            yield f"  fix: {each.fix}"


def pins(plugins: Plugins) -> list[str]:
    """What a list of allowed plugins says to allow these very files alone, a line each below one that says so."""
    held = [each for each in plugins.installed() if changed_files(each.point.dist) == []]
    signed = [f"{each.name}@sha256:{each.signature}" for each in held]
    head = "to allow these very files alone, in plugins.allow of your registry or MEDPLUG_PLUGINS:"
    return [head, *signed] if signed else []


def _verified(plugin: Installed) -> str:
    """Whether the files of its distribution are as they were installed."""
    changed = changed_files(plugin.point.dist)
    if changed is None:
        return "editable" if is_link(plugin.point.dist) else "no RECORD"
    return "intact" if not changed else f"changed: {', '.join(changed[:3])}{' ...' if len(changed) > 3 else ''}"
