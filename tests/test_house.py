"""The house rules that no type checker sees: who may import whom, and that the package is whole."""

from __future__ import annotations

import ast
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PARTS = ("core", "plugins")


def modules() -> list[Path]:
    return [ROOT / "cli.py", ROOT / "__init__.py", *(f for part in PARTS for f in sorted((ROOT / part).rglob("*.py")))]


def imports(file: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{file}: relative imports load a module twice under pytest"
            yield node.module


def room(name: str) -> str:
    """``medplug.plugins.adapters.options`` -> ``plugins.adapters``."""
    parts = name.split(".")[1:]
    return ".".join(parts[:2]) if parts[:1] == ["plugins"] else ".".join(parts[:1])


def name_of(file: Path) -> str:
    return ".".join(["medplug", *file.relative_to(ROOT).with_suffix("").parts]).removesuffix(".__init__")


@pytest.mark.parametrize("file", modules(), ids=name_of)
def test_imports_go_from_the_command_line_to_the_core_and_from_plugins_to_the_core(file: Path) -> None:
    here = room(name_of(file))
    for name in imports(file):
        assert name.partition(".")[0] not in PARTS, f"{file}: import medplug.{name}, the bare name is the checkout's"
        if not name.startswith("medplug"):
            continue
        there = room(name)
        if here == "core":
            assert there in ("core", ""), f"{file} imports {name}: the core never imports a plugin or the command line"
        elif here.startswith("plugins"):
            assert there in ("core", here, ""), f"{file} imports {name}: plugins meet through names"
        else:
            assert not there.startswith("plugins"), f"{file} imports {name}: the command line talks to the core"


@pytest.mark.parametrize("layer", ["transfer", "fusion"])
def test_the_shared_layers_know_nothing_of_tasks_data_or_training(layer: str) -> None:
    for file in (ROOT / "core" / layer).rglob("*.py"):
        for name in imports(file):
            if name.startswith("medplug."):
                known = (f"medplug.core.{layer}", "medplug.core.features")
                assert name.startswith(known), f"{file} imports {name}"


def test_every_package_is_listed_for_the_wheel() -> None:
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    found = {name_of(file) for part in PARTS for file in (ROOT / part).rglob("__init__.py")} | {"medplug"}
    assert sorted(listed) == sorted(found)
    assert all((folder / "__init__.py").exists() for folder in {f.parent for f in modules()})


def test_every_data_file_is_in_the_wheel() -> None:
    patterns = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"]["medplug"]
    shipped = {file for pattern in patterns for file in ROOT.glob(pattern)}
    needed = {f for part in PARTS for f in (ROOT / part).rglob("*") if f.is_file() and f.suffix not in (".py", ".pyc")}
    assert needed <= shipped


def test_the_root_holds_only_the_two_modules_of_the_package() -> None:
    assert sorted(file.name for file in ROOT.glob("*.py")) == ["__init__.py", "cli.py"]


def test_the_version_is_told_once() -> None:
    import medplug

    assert medplug.__version__ == tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]


def test_no_module_loads_pickles_or_runs_code_that_comes_with_weights() -> None:
    for file in modules():
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.keyword) and node.arg == "trust_remote_code":
                assert isinstance(node.value, ast.Constant) and node.value.value is False, file
            if isinstance(node, ast.Attribute) and node.attr in ("load", "loads") and isinstance(node.value, ast.Name):
                assert node.value.id not in ("torch", "pickle", "joblib"), file
