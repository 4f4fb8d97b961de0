"""registry.yaml: the catalogue of named backbones, recipes and built-in plugins."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from medplug.core.documents import read_yaml
from medplug.core.errors import RegistryError, did_you_mean
from medplug.core.specs import Modality

BUILT_IN = Path(__file__).parents[1] / "registry.yaml"
ENVIRONMENT = "MEDPLUG_REGISTRY"


class Entry(BaseModel):
    """What every entry of a registry file obeys."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Source(Entry):
    """Where pretrained weights come from; tried in the order path, package, hub."""

    path: Path | None = Field(None, description="a local folder, or a file of weights where its loader reads such")
    package: str | None = Field(None, description="module:attribute of an installed package: the folder it carries")
    hub: str | None = Field(None, description="a repository name on the model hub")
    revision: str | None = Field(None, pattern=r"^[0-9a-f]{40}$", description="the verified commit on the hub")


class NamedBackbone(Source):
    """A pretrained backbone with a name, and where its weights come from: one source at least."""

    modality: Modality = Field(description="what it encodes")
    builder: str | None = Field(
        None, description="the backbone plugin that loads it (default: the pretrained one of its modality)"
    )
    licence: str = Field("not stated", description="the licence of the weights")
    width: int | None = Field(None, description="the width of its features, for reading; the weights decide")
    tokens: int | None = Field(None, description="the most tokens it reads at once, for reading; the weights decide")
    use: str = Field("", description="what it is good for")
    options: dict[str, Any] = Field({}, description="defaults of the options backbone.*")

    @model_validator(mode="after")
    def _has_source(self) -> NamedBackbone:
        if not (self.path or self.package or self.hub):
            raise ValueError("names no source: give path (a folder), package or hub")
        return self

    @property
    def pinned(self) -> bool:
        """Whether what is loaded cannot change under the name."""
        return self.revision is not None or (self.hub is None)


class Recipe(Entry):
    """A named set of defaults: dotted keys and their values."""

    summary: str = Field(description="one line about it")
    keys: dict[str, Any] = Field(description="dotted keys and their values, as in a configuration file")


class PluginList(Entry):
    """The built-in plugins, by module, and which third parties may be imported (None: all that are installed)."""

    built_in: tuple[str, ...] = Field((), description="medplug's own modules; no other registry may name any")
    allow: tuple[str, ...] | None = Field(
        None, description="the third-party plugins that may be imported, each as NAME or NAME@sha256:HEX of its RECORD"
    )


class Registry(Entry):
    """A whole catalogue."""

    version: Literal[1] = Field(1, description="the version of this format")
    plugins: PluginList = Field(PluginList(), description="which plugins may be imported")
    backbones: dict[str, NamedBackbone] = Field({}, description="pretrained backbones by name")
    recipes: dict[str, Recipe] = Field({}, description="sets of defaults by name")

    def recipe(self, name: str) -> Recipe:
        """The recipe of that name; `RegistryError` with close matches else."""
        if name not in self.recipes:
            known = ", ".join(sorted(self.recipes))
            raise RegistryError(f"there is no recipe named {name!r}{did_you_mean(name, self.recipes)} (known: {known})")
        return self.recipes[name]

    def merged(self, other: Registry, *, replace: bool, where: str) -> Registry:
        """Add another's entries; without `replace` a name may stand once only."""
        for kind in ("backbones", "recipes"):
            twice = sorted(set(getattr(self, kind)) & set(getattr(other, kind)))
            if twice and not replace:
                raise RegistryError(f"{where}: {kind} already named elsewhere: {', '.join(twice)}")
        allow = self.plugins.allow if other.plugins.allow is None else other.plugins.allow
        return Registry(
            plugins=PluginList(built_in=self.plugins.built_in, allow=allow),
            backbones={**self.backbones, **other.backbones},
            recipes={**self.recipes, **other.recipes},
        )


_Safe: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the one in C is ten times as quick, where it was built


class _Loader(_Safe):  # type: ignore[misc]  # typed as Any, being one of two
    """Refuses a name given twice, where YAML would silently keep the last."""

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        seen: set[Any] = set()
        for name, _ in node.value:
            if str(name.value) in seen:
                raise yaml.MarkedYAMLError(problem=f"{name.value} is given twice", problem_mark=name.start_mark)
            seen.add(str(name.value))
        found: dict[Any, Any] = super().construct_mapping(node, deep)
        return found


def _parse(text: str) -> Any:
    return yaml.load(text, Loader=_Loader)


def read(path: Path, *, trusted: bool = False) -> Registry:
    """Read one registry file; only the built-in one (`trusted`) may list plugins."""
    try:
        registry = Registry.model_validate(read_yaml(path, _parse, called="registry", refuse=RegistryError) or {})
    except ValidationError as error:
        raise RegistryError(f"registry {path}:\n" + "\n".join(_told(error))) from None
    if registry.plugins.built_in and not trusted:
        raise RegistryError(f"registry {path}: plugins.built_in is medplug's own; install a plugin package instead")
    return _anchored(registry, path.parent)


def _told(error: ValidationError) -> Iterable[str]:
    models: dict[str, type[Entry]] = {"backbones": NamedBackbone, "recipes": Recipe, "plugins": PluginList}
    for item in error.errors(include_url=False):
        place = [str(part) for part in item["loc"]] or ["the file"]
        message = item["msg"].removeprefix("Value error, ")
        if item["type"] == "extra_forbidden":
            fields = (models[place[0]] if len(place) > 1 else Registry).model_fields
            message = f"not a field{did_you_mean(place[-1], fields)} (valid: {', '.join(fields)})"
        yield f"  {'.'.join(place)}: {message}"


def _anchored(registry: Registry, folder: Path) -> Registry:
    """Make relative model folders relative to the registry file, not to where the command runs."""
    backbones = {
        name: entry.model_copy(update={"path": folder / entry.path.expanduser()}) if entry.path else entry
        for name, entry in registry.backbones.items()
    }
    return registry.model_copy(update={"backbones": backbones})


def load(extra: Iterable[tuple[str, Path]] = (), user: Path | None = None) -> Registry:
    """The whole catalogue: the built-in file, the plugins' (`extra`: who gives it, file), then the user's own.

    The user's file is `user` or what ``MEDPLUG_REGISTRY`` names; it may replace names, a plugin's may not.
    """
    registry = read(BUILT_IN, trusted=True)
    for owner, path in extra:
        given = read(path)
        if given.plugins.allow is not None:
            raise RegistryError(f"plugin {owner}, {path}: plugins.allow is for the user's own registry to state")
        registry = registry.merged(given, replace=False, where=f"plugin {owner}, {path}")
    own = user or (Path(os.environ[ENVIRONMENT]) if os.environ.get(ENVIRONMENT) else None)
    return registry.merged(read(own), replace=True, where=str(own)) if own else registry
