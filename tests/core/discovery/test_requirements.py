"""A saved model names the packages that it needs, and is not loaded without them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

import medplug
from medplug.core.errors import PluginError, PluginWarning

PLUGIN = """
from medplug.core.hooks import hookimpl
from medplug.core.specs import AdapterSpec
medplug_api = 1

@hookimpl
def medplug_adapters():
    return [AdapterSpec(
        name="ward_probe", summary="a head of our own", family="model", answers=("fit", "prepare"),
        factory="medplug.plugins.adapters.linear_probe:LinearProbe",
        config="medplug.plugins.adapters.options:LinearProbeOptions",
    )]
"""
ROWS = {"text": [f"fever and cough {i}" if i % 2 else f"broken arm {i}" for i in range(40)], "label": ["a", "b"] * 20}
KEYS = {"task": "text_diagnosis", "backbone": "text_cnn", "adapter": "ward_probe", "device": "cpu"}


@pytest.fixture(scope="module")
def run(installed: Callable, tmp_path_factory: pytest.TempPathFactory) -> Path:  # type: ignore[type-arg]
    folder = tmp_path_factory.mktemp("runs") / "run"
    with installed("ward", PLUGIN):
        medplug.run(**KEYS, data={"train": ROWS}, report={"resamples": 100}, output=folder)
        assert medplug.load(folder, device="cpu").predict({"text": ["cough"]}).height == 1
    return folder


def test_the_model_names_the_package_that_a_part_came_in(run: Path) -> None:
    told = json.loads((run / "model.json").read_text())["plugins"]
    assert told == [{"kind": "adapter", "name": "ward_probe", "distribution": "ward", "version": "1.0"}]


def test_the_manifest_records_the_plugin(run: Path) -> None:
    (ward,) = [each for each in json.loads((run / "manifest.json").read_text())["plugins"] if each["name"] == "ward"]
    assert ward["distribution"] == "ward 1.0" and ward["gives"] == ["adapter ward_probe"]


def test_a_model_whose_plugin_is_missing_says_what_to_install(run: Path) -> None:
    with pytest.raises(PluginError, match=r"needs the adapter ward_probe of ward 1\.0.*pip install ward==1\.0"):
        medplug.load(run, device="cpu")


def test_a_model_whose_plugin_may_not_be_imported_says_which_list_keeps_it_out(
    run: Path,
    installed: Callable,  # type: ignore[type-arg]
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told = r"needs the adapter ward_probe of ward 1\.0, which may not be imported: MEDPLUG_PLUGINS does not name it"
    with installed("ward", PLUGIN), pytest.raises(PluginError, match=told):
        monkeypatch.setenv("MEDPLUG_PLUGINS", "")
        medplug.load(run, device="cpu")


def test_a_plugin_of_another_version_is_told_of(run: Path, installed: Callable) -> None:  # type: ignore[type-arg]
    file = run / "model.json"
    before = file.read_text()
    file.write_text(before.replace('"version": "1.0"', '"version": "0.9"'))
    try:
        with installed("ward", PLUGIN), pytest.warns(PluginWarning, match=r"made with ward 0\.9 .* 1\.0 is installed"):
            medplug.load(run, device="cpu")
    finally:
        file.write_text(before)
