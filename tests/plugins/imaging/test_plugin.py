from __future__ import annotations

import subprocess
import sys

import pytest
from pydantic import ValidationError

import medplug.plugins.imaging as plugin
from medplug.core.config import DataConfig
from medplug.core.plugins import Plugins
from medplug.core.specs import API_VERSION, resolve
from medplug.core.task import Task
from medplug.plugins.imaging.options import ImagingData, ImagingOptions


def test_the_plugin_gives_a_task_whose_parts_can_be_loaded() -> None:
    (spec,) = plugin.medplug_tasks()
    assert plugin.medplug_api == API_VERSION
    assert issubclass(resolve(spec.factory, owner=spec.name), Task)
    assert resolve(spec.config, owner=spec.name) is ImagingOptions
    assert issubclass(resolve(spec.data, owner=spec.name), DataConfig)
    assert spec.augment is not None and resolve(spec.augment, owner=spec.name)
    assert Plugins(found=()).task("imaging") == spec


def test_naming_the_task_and_its_options_imports_nothing_heavy() -> None:
    code = (
        "import sys, medplug.plugins.imaging.options;"
        "print(sorted({'torch', 'sklearn', 'polars', 'numpy', 'PIL'} & set(sys.modules)))"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert shown.strip() == "[]"


def test_every_option_is_described() -> None:
    for model in (ImagingOptions, ImagingData):
        assert [name for name, field in model.model_fields.items() if not field.description] == []


@pytest.mark.parametrize(
    "wrong",
    [{"window": [40, 0]}, {"frames": 0}, {"resolution": 0}, {"label": []}, {"label": ["a", "a"]}, {"image": ""}],
)
def test_wrong_columns_and_sizes_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        ImagingData.model_validate(wrong)


@pytest.mark.parametrize("wrong", [{"classes": ["a", "a"]}, {"classes": [""]}, {"target": "span"}, {"least": 0}])
def test_wrong_options_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        ImagingOptions.model_validate(wrong)


def test_a_single_class_needs_no_brackets() -> None:
    assert ImagingOptions.model_validate({"classes": "nerve"}).classes == ("nerve",)
