"""A plugin package, rendered from its templates and written as one folder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from shlex import quote
from shutil import rmtree
from types import MappingProxyType

from jinja2 import Environment, PackageLoader, StrictUndefined

import medplug
from medplug.core.discovery.plugins import Plugins
from medplug.core.errors import UsageError
from medplug.core.scaffold.naming import Names, names_of

_SHARED: Mapping[str, str] = MappingProxyType(
    {
        "pyproject.toml": "pyproject",
        "README.md": "readme",
        "LICENSE": "licence",
        ".gitignore": "gitignore",
        ".github/workflows/check.yml": "workflow",
        "tests/test_conformance.py": "test_conformance",
        "src/{module}/py.typed": "typed",
    }
)
"""Where each file stands that all kinds have, and its template."""


@dataclass(frozen=True, slots=True)
class _Kind:
    """What is particular to a kind: its modules beside ``__init__`` and ``options``, and the words for trying it."""

    modules: tuple[str, ...]
    trial: str
    """The keys of a run that uses it; ``{plugin}`` stands for its name."""
    recipe: bool = False
    """Whether it brings a ``registry.yaml`` with a recipe of the same name."""


KINDS: Mapping[str, _Kind] = MappingProxyType(
    {
        "task": _Kind(("task", "sample"), "task={plugin}", recipe=True),
        "backbone": _Kind(("encoder",), "task=imaging backbone={plugin}"),
        "adapter": _Kind(("method",), "task=text_diagnosis backbone=text_cnn adapter=finetune+{plugin}"),
        "fusion": _Kind(("layer",), "task=multimodal_diagnosis fusion={plugin}"),
    }
)


@dataclass(frozen=True, slots=True)
class Package:
    """A package that was written: its folder, and the commands that install, check and try it."""

    folder: Path
    files: tuple[str, ...]
    commands: tuple[str, ...]


def make(name: str, kind: str, parent: Path, plugins: Plugins) -> Package:
    """Write a package for a plugin of `kind` (a key of `KINDS`) to a new folder in `parent`.

    Raises `UsageError` for a name that cannot be used, for a folder that exists and
    for one that cannot be written.
    """
    names = names_of(name, (kind, "recipe") if KINDS[kind].recipe else (kind,), plugins)
    folder = parent / names.distribution
    if folder.exists() or folder.is_symlink():
        raise UsageError(f"{folder} exists already, and is left as it is; choose another name, or another --output")
    files = rendered(names, kind)
    try:
        _write(folder, files)
    except OSError as error:
        rmtree(folder, ignore_errors=True)  # a part of it would stand in the way of the next attempt
        raise UsageError(f"cannot write {folder}: {error.strerror}; choose another --output") from None
    return Package(folder, tuple(files), _commands(folder, names, kind))


def rendered(names: Names, kind: str) -> dict[str, str]:
    """Each file of the package: its place in it, and its text."""
    values = {
        **asdict(names),
        "kind": kind,
        "trial": _trial(names, kind),
        "recipe": KINDS[kind].recipe,
        "version": medplug.__version__,
    }
    environment = Environment(
        loader=PackageLoader("medplug.core.scaffold", "templates"),
        undefined=StrictUndefined,
        autoescape=False,
        keep_trailing_newline=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return {
        place.format(module=names.module): environment.get_template(f"{template}.jinja").render(values)
        for place, template in _templates(kind).items()
    }


def _write(folder: Path, files: Mapping[str, str]) -> None:
    for place, text in files.items():
        file = folder / place
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8", newline="\n")


def _templates(kind: str) -> dict[str, str]:
    modules = {f"src/{{module}}/{each}.py": f"{kind}/{each}" for each in ("__init__", "options", *KINDS[kind].modules)}
    registry = {"src/{module}/registry.yaml": f"{kind}/registry"} if KINDS[kind].recipe else {}
    return {**_SHARED, **modules, **registry}


def _trial(names: Names, kind: str) -> str:
    return f"medplug run {KINDS[kind].trial.format(plugin=names.plugin)}"


def _commands(folder: Path, names: Names, kind: str) -> tuple[str, ...]:
    place = str(folder) if folder.is_absolute() else f"./{folder}"
    return f"pip install {quote(place)}", f"medplug check {names.module}", _trial(names, kind)
