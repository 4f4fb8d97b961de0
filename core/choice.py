"""Which backbone a name means, who builds it, and where its weights come from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from medplug.core.errors import ConfigError, UnknownNameError
from medplug.core.plugins import Plugins
from medplug.core.registry import Source
from medplug.core.specs import BackboneSpec, Modality, Spec, TaskSpec


@dataclass(frozen=True, slots=True)
class BackboneChoice:
    """A backbone as chosen: the name given, who builds it, and where its weights come from (None: from scratch)."""

    name: str
    spec: BackboneSpec
    source: Source | None
    defaults: Mapping[str, Any]


def choose_backbone(name: str, task: TaskSpec, plugins: Plugins) -> BackboneChoice:
    """What ``backbone=NAME`` means for a task: a known name, else a local folder, else a hub name."""
    if len(task.modalities) != 1:
        raise ConfigError(f"the task {task.name} needs {' and '.join(task.modalities)}; a run takes one modality")
    (modality,) = task.modalities
    named = _named_backbone(name, task, plugins)
    if named is None and (name.startswith((".", "/", "~")) or name.endswith(".safetensors") or Path(name).is_dir()):
        return BackboneChoice(name, _loader(modality, plugins), Source(path=Path(name).expanduser()), {})
    if named is None:
        plugins.ask_third_parties()
        named = _named_backbone(name, task, plugins)
    if named is not None:
        return named
    if name.count("/") == 1 and not name.endswith("/"):
        return BackboneChoice(name, _loader(modality, plugins), Source(hub=name), {})
    known = {*plugins.registry.backbones, *(spec.name for spec in scratch(plugins))}
    raise UnknownNameError("backbone", name, known, [str(failure) for failure in plugins.failures])


def _named_backbone(name: str, task: TaskSpec, plugins: Plugins) -> BackboneChoice | None:
    """The backbone of that name, as far as plugins were asked."""
    entry = plugins.registry.backbones.get(name)
    if entry is not None:
        spec = plugins.backbone(entry.builder) if entry.builder else _loader(entry.modality, plugins)
        _check_modality(name, entry.modality, task)
        return BackboneChoice(name, spec, entry, entry.options)
    if name not in {spec.name for spec in scratch(plugins)}:
        return None
    spec = plugins.backbone(name)
    _check_modality(name, spec.modality, task)
    return BackboneChoice(name, spec, None, {})


def scratch(plugins: Plugins) -> list[BackboneSpec]:
    """The backbones that learn from scratch, as far as plugins were asked; others go by the name of their weights."""
    return [s for s in plugins.known("backbone").values() if isinstance(s, BackboneSpec) and not s.pretrained]


def _check_modality(name: str, modality: Modality, task: TaskSpec) -> None:
    if modality not in task.modalities:
        wanted = " or ".join(task.modalities)
        raise ConfigError(f"backbone={name} encodes {modality}; the task {task.name} needs {wanted}")


def _loader(modality: Modality, plugins: Plugins) -> BackboneSpec:
    """The backbone that loads pretrained weights of a modality."""

    def loaders(specs: Iterable[Spec]) -> list[BackboneSpec]:
        return [s for s in specs if isinstance(s, BackboneSpec) and s.pretrained and s.modality == modality]

    found = loaders(plugins.known("backbone").values()) or loaders(plugins.all("backbone"))
    if not found:
        raise ConfigError(f"no installed backbone loads pretrained weights for {modality} (medplug list backbones)")
    return found[0]
