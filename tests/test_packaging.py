"""The wheel and the sdist, built from a checkout of any name, used from an empty folder."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Wheel and sdist of a copy of the tree under another name."""
    checkout = tmp_path_factory.mktemp("build") / "some-other-name"
    ignored = shutil.ignore_patterns(".git", "build", "dist", ".venv", "*.egg-info", "__pycache__", ".*_cache", "runs")
    shutil.copytree(ROOT, checkout, ignore=ignored)
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(checkout / "dist"), str(checkout)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    return checkout / "dist"


def test_the_wheel_holds_every_module_and_data_file_and_nothing_else(built: Path) -> None:
    (wheel,) = built.glob("*.whl")
    inside = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    code = [ROOT / "__init__.py", ROOT / "cli.py", *(ROOT / "core").rglob("*.py"), *(ROOT / "plugins").rglob("*.py")]
    data = [
        ROOT / "registry.yaml",
        ROOT / "py.typed",
        *(ROOT / "core/report").glob("*.html"),
        *(ROOT / "core/report").glob("*.md"),
        *(ROOT / "core/report").glob("*.yaml"),
        *(ROOT / "core/scaffold/templates").rglob("*.jinja"),
    ]
    assert inside == {f"medplug/{file.relative_to(ROOT)}" for file in [*code, *data]}


def test_the_sdist_can_build_the_wheel_again(built: Path) -> None:
    (sdist,) = built.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {
        "pyproject.toml",
        "LICENSE",
        "README.md",
        "registry.yaml",
        "core/hooks.py",
        "plugins/adapters/options.py",
    } <= names


def test_the_wheel_works_from_an_empty_folder(built: Path, tmp_path: Path) -> None:
    (wheel,) = built.glob("*.whl")
    zipfile.ZipFile(wheel).extractall(tmp_path / "site")
    (tmp_path / "empty").mkdir()
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "site"), "HF_HUB_OFFLINE": "1"}

    def medplug(*words: str) -> str:
        command = [sys.executable, "-m", "medplug.cli", *words]
        done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path / "empty", env=environment)
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert "text_diagnosis" in medplug("list", "tasks")
    medplug("run", "task=text_diagnosis", "backbone=text_cnn", "train.epochs=1", "output=run", "report.resamples=100")
    assert "This is the built-in sample" in (tmp_path / "empty/run/report.html").read_text(encoding="utf-8")


def test_only_the_console_command_and_the_package_are_installed(built: Path) -> None:
    (wheel,) = built.glob("*.whl")
    archive = zipfile.ZipFile(wheel)
    (points,) = (name for name in archive.namelist() if name.endswith("entry_points.txt"))
    assert archive.read(points).decode().split() == ["[console_scripts]", "medplug", "=", "medplug.cli:cli"]
