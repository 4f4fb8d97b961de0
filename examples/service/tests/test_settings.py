"""The settings: from the environment, and an error that names the variable."""

from __future__ import annotations

from pathlib import Path

import pytest

from medplug_service.settings import Settings


def test_they_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEDPLUG_SERVICE_RUN", "runs/notes")
    monkeypatch.setenv("MEDPLUG_SERVICE_ROWS", "7")
    found = Settings.from_environment()
    assert (found.run, found.rows, found.workers) == (Path("runs/notes"), 7, 2)


@pytest.mark.parametrize(("name", "value"), [("ROWS", "0"), ("WORKERS", "many"), ("ROW", "7")])
def test_what_is_wrong_is_named_by_its_variable(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv("MEDPLUG_SERVICE_RUN", "runs/notes")
    monkeypatch.setenv(f"MEDPLUG_SERVICE_{name}", value)
    with pytest.raises(SystemExit, match=rf"MEDPLUG_SERVICE_{name}: [\s\S]*known: MEDPLUG_SERVICE_RUN, "):
        Settings.from_environment()


def test_the_run_must_be_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MEDPLUG_SERVICE_RUN", raising=False)
    with pytest.raises(SystemExit, match="MEDPLUG_SERVICE_RUN: Field required"):
        Settings.from_environment()
