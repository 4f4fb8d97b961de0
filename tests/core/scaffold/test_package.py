from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

from medplug.core.discovery.plugins import Plugins
from medplug.core.errors import UsageError
from medplug.core.scaffold.naming import Names
from medplug.core.scaffold.package import KINDS, make, rendered

ROOT = Path(__file__).parents[3]
LONGEST = "medplug-" + "w" * 32


def tool(*words: str, cwd: Path, **environment: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", *words], capture_output=True, text=True, cwd=cwd, env={**os.environ, **environment}
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A package of each kind, with a short name; and one of the longest name that may be given."""
    folder, plugins = tmp_path_factory.mktemp("new"), Plugins(found=())
    for kind in KINDS:
        make(f"medplug-new-{kind}", kind, folder, plugins)
        make(LONGEST, kind, folder / kind, plugins)
    return folder


def test_their_code_is_as_the_tools_that_they_name_want_it(packages: Path) -> None:
    tool("ruff", "check", "--no-cache", ".", cwd=packages)
    tool("ruff", "format", "--no-cache", "--check", ".", cwd=packages)


@pytest.mark.skipif(
    not ((ROOT / ".mypy_cache").exists() and (ROOT / "build/types/medplug").exists()),
    reason="run make check first: the types of torch alone take a minute to read",
)
def test_their_types_are_strict(packages: Path) -> None:
    sources = [packages / f"medplug-new-{kind}" / "src" for kind in KINDS]
    path = os.pathsep.join(map(str, [ROOT / "build/types", *sources]))
    modules = [str(source / f"medplug_new_{kind}") for source, kind in zip(sources, KINDS, strict=True)]
    tool("mypy", *modules, cwd=ROOT, MYPYPATH=path)


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_of_the_template_is_left_and_every_file_is_named(kind: str) -> None:
    files = rendered(Names("medplug-demo", "medplug_demo", "demo"), kind)
    assert not [place for place, text in files.items() if "{{" in text or "{%" in text or "{" in place]
    table = [line.split("`")[1] for line in files["README.md"].splitlines() if line.startswith("| `")]
    assert set(table) <= set(files)
    assert {place for place in files if place.startswith("src/") and not place.endswith("py.typed")} <= set(table)


@pytest.mark.parametrize("kind", KINDS)
def test_the_package_declares_its_entry_point_and_what_it_adds(kind: str) -> None:
    files = rendered(Names("medplug-demo", "medplug_demo", "demo"), kind)
    project = tomllib.loads(files["pyproject.toml"])
    points = project["project"]["entry-points"]
    assert points.pop("medplug") == points.pop(f"medplug.{kind}s") == {"demo": "medplug_demo"}
    assert set(points) == ({"medplug.recipes"} if kind == "task" else set())
    shipped = project["tool"]["setuptools"]["package-data"]["medplug_demo"]
    data = {place.rpartition("/")[2] for place in files if place.startswith("src/") and not place.endswith(".py")}
    assert data == set(shipped)


def test_it_says_that_no_licence_was_chosen() -> None:
    files = rendered(Names("medplug-demo", "medplug_demo", "demo"), "adapter")
    project = tomllib.loads(files["pyproject.toml"])["project"]
    assert "license" not in project
    assert "Private :: Do Not Upload" in project["classifiers"]
    assert "placeholder" in files["LICENSE"]
    assert "placeholder" in files["README.md"]


def test_its_ci_runs_the_checks_that_its_readme_names() -> None:
    files = rendered(Names("medplug-demo", "medplug_demo", "demo"), "fusion")
    steps = yaml.safe_load(files[".github/workflows/check.yml"])["jobs"]["check"]["steps"]
    assert {"ruff check .", "mypy", "pytest", "medplug check medplug_demo"} <= {step.get("run") for step in steps}


def test_a_folder_that_exists_is_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "medplug-demo").mkdir()
    (tmp_path / "medplug-demo/mine.txt").write_text("mine")
    with pytest.raises(UsageError, match="exists already"):
        make("medplug-demo", "task", tmp_path, Plugins(found=()))
    assert [file.name for file in (tmp_path / "medplug-demo").iterdir()] == ["mine.txt"]


def test_a_folder_that_cannot_be_made_is_told_of(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="cannot write .*--output"):
        make("medplug-demo", "task", tmp_path / "file", Plugins(found=()))


def test_folders_above_it_are_made_and_the_commands_name_it(tmp_path: Path) -> None:
    made = make("medplug-demo", "backbone", tmp_path / "some where", Plugins(found=()))
    assert made.folder == tmp_path / "some where/medplug-demo"
    assert sorted(made.files) == sorted(
        str(file.relative_to(made.folder)) for file in made.folder.rglob("*") if file.is_file()
    )
    assert made.commands == (
        f"pip install '{made.folder}'",
        "medplug check medplug_demo",
        "medplug run task=imaging backbone=demo",
    )
