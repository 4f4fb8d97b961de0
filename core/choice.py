"""Which backbone a name means, who builds it, and where its weights come from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from medplug.core.errors import ConfigError, UnknownNameError
from medplug.core.plugins import Plugins
from medplug.core.registry import Source
from medplug.core.specs import BackboneSpec, Modality, Spec


@dataclass(frozen=True, slots=True)
class BackboneChoice:
    """A backbone as chosen: the name given, who builds it, and where its weights come from (None: from scratch)."""

    name: str
    spec: BackboneSpec
    source: Source | None
    defaults: Mapping[str, Any]

    @property
    def meaningful(self) -> bool:
        """Whether its features mean something before any training: it is pretrained, or has no weights."""
        return self.source is not None or self.spec.fixed

    @property
    def short(self) -> str:
        """The name as titles have it: of a path the last part."""
        return self.source.path.name if self.source is not None and self.source.path is not None else self.name


def choose_backbone(
    name: str, modality: Modality, task: str, plugins: Plugins, *, key: str = "backbone"
) -> BackboneChoice:
    """What `key` (``backbone=NAME``) means for a modality: a known name, else a local folder, else a hub name."""

    def known_as() -> BackboneChoice | None:
        found = _named_backbone(name, plugins)
        if found is not None and found.spec.modality != modality:
            raise ConfigError(f"{key}={name} encodes {found.spec.modality}; the task {task} needs {modality} there")
        return found

    named = known_as()
    if named is None and (name.startswith((".", "/", "~")) or name.endswith(".safetensors") or Path(name).is_dir()):
        local = Source(path=Path(name).expanduser())
        return BackboneChoice(name, _loader(modality, plugins, local), local, {})
    if named is None:
        plugins.ask_third_parties()
        named = known_as()
    if named is not None:
        return named
    if name.count("/") == 1 and not name.endswith("/"):
        hub = Source(hub=name)
        return BackboneChoice(name, _loader(modality, plugins, hub), hub, {})
    known = {*plugins.registry.backbones, *(spec.name for spec in scratch(plugins))}
    raise UnknownNameError("backbone", name, known, [str(failure) for failure in plugins.failures])


def _named_backbone(name: str, plugins: Plugins) -> BackboneChoice | None:
    """The backbone of that name, as far as plugins were asked."""
    entry = plugins.registry.backbones.get(name)
    if entry is not None:
        spec = plugins.backbone(entry.builder) if entry.builder else _loader(entry.modality, plugins, entry)
        return BackboneChoice(name, spec, entry, entry.options)
    if name not in {spec.name for spec in scratch(plugins)}:
        return None
    return BackboneChoice(name, plugins.backbone(name), None, {})


def scratch(plugins: Plugins) -> list[BackboneSpec]:
    """The backbones that learn from scratch, as far as plugins were asked; others go by the name of their weights."""
    return [s for s in plugins.known("backbone").values() if isinstance(s, BackboneSpec) and not s.pretrained]


def _loader(modality: Modality, plugins: Plugins, source: Source) -> BackboneSpec:
    """The backbone that loads pretrained weights of a modality: a folder's, a hub's, or a lone file's."""
    lone = source.path is not None and source.path.suffix == ".safetensors"

    def loaders(specs: Iterable[Spec]) -> list[BackboneSpec]:
        return [s for s in specs if isinstance(s, BackboneSpec) and s.pretrained and s.modality == modality]

    found = loaders(plugins.known("backbone").values()) or loaders(plugins.all("backbone"))
    if not found:
        raise ConfigError(f"no installed backbone loads pretrained weights for {modality} (medplug list backbones)")
    return next((spec for spec in found if spec.lone_file == lone), found[0])
