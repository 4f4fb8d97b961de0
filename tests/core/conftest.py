"""Third-party plugins, installed for one test as pip would leave them: a module and its metadata."""

from __future__ import annotations

import base64
import hashlib
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from importlib.metadata import EntryPoint, PathDistribution
from pathlib import Path
from typing import Any

import pytest

import medplug
from medplug.core.discovery.plugins import Plugins

HEAD = """
from pathlib import Path
from medplug.core.hooks import hookimpl
from medplug.core.specs import AdapterSpec, BackboneSpec, FusionSpec, ObserverSpec, TaskSpec
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
    "observer": "ObserverSpec({})",
}


def _hash(file: Path) -> str:
    """As a RECORD has it."""
    return "sha256=" + base64.urlsafe_b64encode(hashlib.sha256(file.read_bytes()).digest()).rstrip(b"=").decode()


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

    def make(
        name: str, body: str = "", *, api: object = 1, module: str = "", declares: bool = False, **gives: list[str]
    ) -> EntryPoint:
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
        declared = [f"[medplug.{kind}s]\n" + "".join(f"{n} = {module}\n" for n in gives[kind]) for kind in gives]
        points = "\n".join([f"[medplug]\n{name} = {module}\n", *(declared if declares else [])])
        (info / "entry_points.txt").write_text(points)
        (info / "RECORD").write_text(f"{module}.py,{_hash(shelf / f'{module}.py')},\n{info.name}/RECORD,,\n")
        made.append(module)
        (point,) = PathDistribution(info).entry_points.select(group="medplug")
        return point

    yield make
    for module in made:
        sys.modules.pop(module, None)


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, str], AbstractContextManager[None]]:
    """``with installed("outlook", SOURCE):`` a distribution ``outlook 1.0`` whose module is this text."""

    @contextmanager
    def put(name: str, source: str) -> Iterator[None]:
        shelf = tmp_path_factory.mktemp("site-packages")
        (shelf / f"{name}_plugin.py").write_text(source)
        info = shelf / f"{name}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[medplug]\n{name} = {name}_plugin\n")
        with pytest.MonkeyPatch.context() as patch:
            patch.delenv("MEDPLUG_PLUGINS", raising=False)
            patch.syspath_prepend(shelf)
            yield

    return put


@pytest.fixture(scope="session")
def on_tiny_bert(tiny_bert: Path) -> Callable[..., Callable[..., Any]]:
    """``on_tiny_bert("outlook", table, batch_size=32)``: what runs this task, on this table by default."""

    def of(task: str, table: Callable[[], Any], **train: Any) -> Callable[..., Any]:
        def run(output: Path, data: Any = None, adapter: str = "linear_probe", **keys: Any) -> Any:
            data = data if isinstance(data, dict) else {"train": table() if data is None else data}
            keys = {"backbone": str(tiny_bert), "device": "cpu", **keys}
            keys["report"] = {"resamples": 100, **keys.get("report", {})}
            keys["train"] = {"epochs": 2, "learning_rate": 1e-3, **train, **keys.get("train", {})}
            return medplug.run(task=task, data=data, adapter=adapter, output=output, **keys)

        return run

    return of
