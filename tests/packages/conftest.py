"""Packages of others, installed into an environment of their own and used from the command line."""

from __future__ import annotations

import os
import site
import subprocess
import venv
from pathlib import Path

import pytest

MEDPLUG = "import sys; from medplug.cli import cli; sys.argv[0] = 'medplug'; cli()"
TOGETHER = """
import contextlib
import sys
import pytest
from matplotlib.backends.backend_svg import FigureCanvasSVG
from medplug.cli import cli
FigureCanvasSVG.print_svg = lambda self, file, **_: file.write("<svg></svg>")
for line in sys.argv[2:]:
    words, _, code = line.partition("  # exit code ")
    with contextlib.redirect_stderr(sys.stdout if code else sys.stderr):
        ended = cli(words.split(), standalone_mode=False) or 0
    assert ended == int(code or 0), f"{words} ended with {ended}"
if sys.argv[1]:
    sys.exit(pytest.main(["--import-mode=importlib", "-p", "no:cacheprovider", *sys.argv[1].split()]))
"""
"""Several commands, and then the packages' own tests, in one process, which imports torch once; without figures."""


class Environment:
    """A fresh environment that sees the packages of this one; what is installed there is seen there alone."""

    def __init__(self, folder: Path) -> None:
        self.bin, self.empty = folder / "venv/bin", folder / "empty"
        venv.create(folder / "venv")
        self.empty.mkdir()
        (packages,) = (folder / "venv/lib").glob("python*/site-packages")
        ours = "; ".join(f"site.addsitedir({place!r})" for place in site.getsitepackages())
        (packages / "ours.pth").write_text(f"import site; {ours}\n")
        self._command("medplug", f'exec "{self.bin}/python" -c "{MEDPLUG}" "$@"')
        offline = "--no-deps --no-build-isolation --no-index --disable-pip-version-check --quiet"
        self._command("pip", f'first=$1; shift; exec "{self.bin}/python" -m pip $first {offline} "$@"')

    def _command(self, name: str, line: str) -> None:
        (self.bin / name).write_text(f"#!/bin/sh\n{line}\n")
        (self.bin / name).chmod(0o755)

    def run(self, *words: str, code: int = 0) -> str:
        """Run one command in the empty folder; gives what it printed (with errors, where `code` says that it fails)."""
        left_out = ("MEDPLUG_PLUGINS", "MEDPLUG_REGISTRY")
        known = {name: value for name, value in os.environ.items() if name not in left_out}
        path = f"{self.bin}{os.pathsep}{os.environ['PATH']}"
        environment = {**known, "PATH": path, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", "COLUMNS": "200"}
        done = subprocess.run(words, capture_output=True, text=True, cwd=self.empty, env=environment)
        assert done.returncode == code, done.stdout[-3000:] + done.stderr[-3000:]
        return done.stdout + (done.stderr if code else "")

    def together(self, *lines: str, tests: str = "") -> str:
        """Run several commands of medplug (without its name), then the tests in the folders named, in one process.

        A command that is to fail says so behind itself: `  # exit code 2`; its errors are among what is given then.
        """
        return self.run("python", "-c", TOGETHER, tests, *lines)


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """An environment with nothing of others in it yet."""
    return Environment(tmp_path_factory.mktemp("fresh"))
