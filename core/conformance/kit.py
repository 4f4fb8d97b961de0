"""All checks of a plugin, one after another."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from medplug.core.conformance.checks import Named
from medplug.core.conformance.declared import SpecChecks
from medplug.core.conformance.entry_points import EntryPointChecks
from medplug.core.conformance.loaded import PluginChecks
from medplug.core.conformance.subject import Subject
from medplug.core.specs import resolve

_OF_KIND = {
    "task": "medplug.core.conformance.tasks:TaskChecks",
    "backbone": "medplug.core.conformance.backbones:BackboneChecks",
    "adapter": "medplug.core.conformance.adapters:AdapterChecks",
    "fusion": "medplug.core.conformance.fusions:FusionChecks",
    "observer": "medplug.core.conformance.observers:ObserverChecks",
}
"""What checks the code of each kind; imported for plugins that give one, as all but that of tasks import torch."""


def plugin_checks(
    plugin: Any,
    *,
    options: Mapping[str, Mapping[str, Any]] | None = None,
    sources: Mapping[str, Path] | None = None,
) -> Iterator[Named]:
    """Each check of a plugin with its name: a call that raises `Fault` (what, and the fix) or `Skipped`, or passes.

    `plugin` is a module, its dotted name, or any object with hooks. `options` are those to
    check a spec with, by its name (default: its defaults; small ones are quicker), `sources`
    the weights of a pretrained backbone by its spec's name (default: those of the plugin's
    ``registry.yaml`` that are on this machine). Values, features and labels are made up by the kit,
    tables are the tasks' own samples, and nothing is fetched.
    """
    subject = Subject.of(plugin, options, sources)
    yield from PluginChecks(subject).checks()
    yield from EntryPointChecks(subject).checks()
    for kind, specs in subject.specs.items():
        for spec in specs:
            yield from SpecChecks(subject, kind, spec).checks()
            yield from resolve(_OF_KIND[kind], owner="the conformance kit")(subject, spec).checks()
