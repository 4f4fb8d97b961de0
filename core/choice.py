"""Which backbone a name means, who builds it, and where its weights come from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from medplug.core.discovery.plugins import Plugins
from medplug.core.errors import ConfigError, UnknownNameError
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
    name: str, modality: Modality, task: str, plugins: Plugins, *, key: str = "backbone", writes: str | None = None
) -> BackboneChoice:
    """What `key` (``backbone=NAME``) means for a modality: a known name, else a local folder, else a hub name.

    `writes` is what asks for a backbone that writes (``task.form=generative``), None where one that reads is wanted.
    """

    def known_as() -> BackboneChoice | None:
        found = _named_backbone(name, plugins, writes=writes is not None)
        if found is not None and found.spec.modality != modality:
            raise ConfigError(f"{key}={name} encodes {found.spec.modality}; the task {task} needs {modality} there")
        if found is not None and writes and not found.spec.writes:
            raise ConfigError(
                f"{key}={name} reads text and writes none; {writes} needs a causal or sequence-to-sequence model of "
                f"transformers: {key}=./FOLDER"
            )
        return found

    named = known_as()
    if named is None and (name.startswith((".", "/", "~")) or name.endswith(".safetensors") or Path(name).is_dir()):
        local = Source(path=Path(name).expanduser())
        return BackboneChoice(name, _loader(modality, plugins, local, writes=writes is not None), local, {})
    if named is None:
        plugins.ask_for(name, "backbone")
        named = known_as()
    if named is not None:
        return named
    if name.count("/") == 1 and not name.endswith("/"):
        hub = Source(hub=name)
        return BackboneChoice(name, _loader(modality, plugins, hub, writes=writes is not None), hub, {})
    if name in plugins.known("backbone"):
        weights = _weights_for(plugins.backbone(name), plugins)
        raise ConfigError(
            f"{key}={name} loads weights and has none of its own; name weights instead (known: {weights or 'none'}), "
            f"or give yours a name in a registry, with builder: {name}"
        )
    known = {*plugins.registry.backbones, *(spec.name for spec in scratch(plugins)), *plugins.declared("backbone")}
    raise UnknownNameError("backbone", name, known, [str(failure) for failure in plugins.failures])


def _named_backbone(name: str, plugins: Plugins, *, writes: bool) -> BackboneChoice | None:
    """The backbone of that name, as far as plugins were asked."""
    entry = plugins.registry.backbones.get(name)
    if entry is not None:
        spec = (
            plugins.backbone(entry.builder) if entry.builder else _loader(entry.modality, plugins, entry, writes=writes)
        )
        return BackboneChoice(name, spec, entry, {} if spec.writes else entry.options)
    if name not in {spec.name for spec in scratch(plugins)}:
        return None
    return BackboneChoice(name, plugins.backbone(name), None, {})


def _weights_for(loader: BackboneSpec, plugins: Plugins) -> str:
    """The names of the weights that a backbone loads, as far as plugins were asked."""
    fitting = {name: each for name, each in plugins.registry.backbones.items() if each.modality == loader.modality}
    builders = {
        name: each.builder or _loader(each.modality, plugins, each, writes=loader.writes).name
        for name, each in fitting.items()
    }
    return ", ".join(sorted(name for name, builder in builders.items() if builder == loader.name))


def scratch(plugins: Plugins) -> list[BackboneSpec]:
    """The backbones that learn from scratch, as far as plugins were asked; others go by the name of their weights."""
    return [s for s in plugins.known("backbone").values() if isinstance(s, BackboneSpec) and not s.pretrained]


def _loader(modality: Modality, plugins: Plugins, source: Source, *, writes: bool) -> BackboneSpec:
    """The backbone that loads pretrained weights of a modality: a folder's, a hub's, or a lone file's.

    Where one that `writes` is asked for, it is one of text.
    """
    writes = writes and modality == "text"
    lone = source.path is not None and source.path.suffix == ".safetensors"

    def loaders(specs: Iterable[Spec]) -> list[BackboneSpec]:
        fitting = [s for s in specs if isinstance(s, BackboneSpec) and s.pretrained and s.modality == modality]
        return [s for s in fitting if s.writes == writes]

    found = loaders(plugins.known("backbone").values()) or loaders(plugins.all("backbone"))
    if not found:
        raise ConfigError(f"no installed backbone loads pretrained weights for {modality} (medplug list backbones)")
    return next((spec for spec in found if spec.lone_file == lone), found[0])
