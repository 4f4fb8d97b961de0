"""The page of observers is held against the code: its options exist, and its own observer works."""

from __future__ import annotations

import re
import sys
from dataclasses import fields
from pathlib import Path
from types import ModuleType

import polars as pl
import pytest

from medplug.core import observing
from medplug.core.conformance import outcomes, plugin_checks
from medplug.core.discovery.plugins import Plugins
from medplug.core.observers import HOOKS
from medplug.core.specs import resolve
from medplug.plugins.observers.mlflow import _REPORT, _SETTINGS

PAGE = (Path(__file__).parents[2] / "docs" / "observers.md").read_text(encoding="utf-8")

pytestmark = pytest.mark.usefixtures("one_thread")


def test_it_names_every_observer_with_its_options_and_no_others() -> None:
    specs = Plugins(found=()).known("observer").values()
    options = {f"observers.{s.name}.{key}" for s in specs for key in resolve(s.config, owner="").model_fields}
    assert set(re.findall(r"observers\.[a-z]+\.[a-z]+", PAGE)) - {"observers.ledger"} == options


def test_it_tells_what_of_mlflow_is_set_and_which_files_a_report_is() -> None:
    assert {name for name in (*_SETTINGS, *_REPORT) if f"`{name}`" not in PAGE} == set()


def test_its_table_has_every_hook_of_a_run_with_its_arguments() -> None:
    from medplug.core import hooks

    rows = re.findall(r"^\| `(medplug_run_\w+|medplug_epoch_\w+)` \|.*\| (.*) \|$", PAGE, re.MULTILINE)
    told = {hook: set(re.findall(r"`(\w+)`", given)) for hook, given in rows}
    taken = {hook: set(getattr(hooks, hook).__annotations__) - {"return"} for hook in HOOKS}
    assert told == taken
    assert all(f"`{each}`" in PAGE for each in ("StartedRun", "Epoch", "FinishedRun", "FailedRun"))
    assert {each.name for each in fields(observing.StartedRun)} == {
        *("task", "keys", "origins", "folder", "data", "versions", "resumed")
    }, "what is handed over stands on the page too: change both"


def test_its_own_observer_keeps_the_contract_and_watches_a_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from medplug.core.api import plan_for
    from medplug.core.run import execute

    monkeypatch.chdir(tmp_path)
    (code,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    module = ModuleType("medplug_ledger")
    monkeypatch.setitem(sys.modules, "medplug_ledger", module)
    exec(compile(code, "docs/observers.md", "exec"), module.__dict__)  # noqa: S102 - it is our own page
    found = [each for each in outcomes(plugin_checks(module)) if each.name.startswith("observer:")]
    assert len(found) > 5 and {each.state for each in found} == {"passed"}, found
    plugins = Plugins(found=())
    plugins.admit("ledger", "medplug-ledger 1.0", module)
    texts = [f"has {('cough', 'rash')[i % 2]} {i}" for i in range(40)]
    table = pl.DataFrame({"text": texts, "label": [("lung", "skin")[i % 2] for i in range(40)]})
    keys = {"backbone": "text_cnn", "adapter": "finetune", "train.epochs": 1, "device": "cpu", "report.explain": 0}
    told = {"task": "text_diagnosis", "data.train": table, "report.resamples": 100, "output": "run"}
    run = execute(plan_for(plugins, {**told, **keys, "observers": "ledger"}), plugins)
    first = run.metrics["metrics"]["f1"]["value"]
    assert (tmp_path / "ledger.csv").read_text() == f"{run.folder.resolve()},text_diagnosis,f1,{first}\n"
