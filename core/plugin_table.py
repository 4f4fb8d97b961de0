"""What ``medplug plugins`` shows."""

from __future__ import annotations

from medplug.core.catalogue import Row
from medplug.core.installed import Installed, changed_files
from medplug.core.plugins import Plugins


def plugin_table(plugins: Plugins, *, verify: bool = False) -> tuple[Row, list[Row]]:
    """Who is there: name, distribution with its version, state, what it adds, and the SHA-256 of its RECORD.

    Nothing is imported: what was not imported yet stands with the names that its package declares. With `verify`
    each file of a third party is held against its RECORD.
    """
    rows: list[Row] = [
        (p.name, p.distribution, "loaded", ", ".join(p.gives), _short(p.signature)) for p in plugins.loaded
    ]
    done = {*(p.name for p in plugins.loaded), *(f.name for f in plugins.failures)}
    rows += [(f.name, f.distribution, f"set aside: {f.reason}", "", "-") for f in plugins.failures]
    allowed = plugins.allowance()
    for each in plugins.installed():
        if each.name in done:
            continue
        refused = allowed.refusal(each)
        state = "not imported" if refused is None else f"not allowed: {refused}"
        told = ", ".join(each.gives()) or "declares nothing"
        rows.append((each.name, each.distribution, state, told, _short(each.signature)))
    header: Row = ("plugin", "distribution", "state", "gives", "RECORD (SHA-256)")
    if not verify:
        return header, rows
    held = {each.name: _verified(each) for each in plugins.installed()}
    return (*header, "files"), [(*row, held.get(row[0], "-")) for row in rows]


def _short(signature: str | None) -> str:
    return "-" if signature is None else signature[:16]


def _verified(plugin: Installed) -> str:
    """Whether the files of its distribution are as they were installed."""
    changed = changed_files(plugin.point.dist)
    if changed is None:
        return "no RECORD"
    return "as installed" if not changed else f"changed: {', '.join(changed[:3])}{' ...' if len(changed) > 3 else ''}"
