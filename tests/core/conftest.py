"""Third-party plugins, installed for one test as pip would leave them: a module and its metadata."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from importlib.metadata import EntryPoint, PathDistribution
from pathlib import Path

import pytest

from medplug.core.plugins import Plugins

HEAD = """
from pathlib import Path
from medplug.core.hooks import hookimpl
from medplug.core.specs import AdapterSpec, BackboneSpec, FusionSpec, TaskSpec
medplug_api = {api!r}
"""
HOOK = """
@hookimpl
def medplug_{kind}s():
    return [{specs}]
"""
COMMON = 'name={name!r}, summary="made for a test", factory="nowhere:Nothing", config="medplug.core.config:Section"'
SPECS = {
    "task": "TaskSpec({}, data='medplug.core.config:DataConfig', modalities=('text',), targets=('binary',))",
    "backbone": "BackboneSpec({}, modality='text')",
    "adapter": "AdapterSpec({}, family='model', answers=('prepare',))",
    "fusion": "FusionSpec({})",
}


@pytest.fixture(autouse=True)
def nothing_of_the_users(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep what is set or installed on this machine out of the tests."""
    monkeypatch.delenv("MEDPLUG_PLUGINS", raising=False)
    monkeypatch.delenv("MEDPLUG_REGISTRY", raising=False)


@pytest.fixture
def plugins() -> Plugins:
    """The built-in plugins alone."""
    return Plugins(found=())


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., EntryPoint]]:
    """``install("alpha", adapter=["whiten"])``: a distribution ``alpha 1.0`` whose module gives an adapter."""
    shelf = tmp_path / "site-packages"
    shelf.mkdir()
    monkeypatch.syspath_prepend(shelf)
    made: list[str] = []

    def make(name: str, body: str = "", *, api: object = 1, module: str = "", **gives: list[str]) -> EntryPoint:
        module = module or f"{name}_plugin"
        hooks = [
            HOOK.format(kind=kind, specs=", ".join(SPECS[kind].format(COMMON.format(name=n)) for n in names))
            for kind, names in gives.items()
        ]
        if not (shelf / f"{module}.py").exists():
            (shelf / f"{module}.py").write_text("\n".join([HEAD.format(api=api), *hooks, body]))
        info = shelf / f"{name}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[medplug]\n{name} = {module}\n")
        made.append(module)
        (point,) = PathDistribution(info).entry_points
        return point

    yield make
    for module in made:
        sys.modules.pop(module, None)
