from __future__ import annotations

import subprocess
import sys

import pytest
from pydantic import ValidationError

import medplug.plugins.text_diagnosis as plugin
from medplug.core.config import DataConfig
from medplug.core.specs import API_VERSION, resolve
from medplug.core.task import Task
from medplug.plugins.text_diagnosis.options import TextDiagnosisData, TextDiagnosisOptions


def test_the_plugin_gives_a_task_whose_parts_can_be_loaded() -> None:
    (spec,) = plugin.medplug_tasks()
    assert plugin.medplug_api == API_VERSION
    assert issubclass(resolve(spec.factory, owner=spec.name), Task)
    assert resolve(spec.config, owner=spec.name) is TextDiagnosisOptions
    assert issubclass(resolve(spec.data, owner=spec.name), DataConfig)


def test_naming_the_task_and_its_options_imports_nothing_heavy() -> None:
    code = (
        "import sys, medplug.plugins.text_diagnosis.options, medplug.core.plain.text;"
        "import medplug.plugins.text_diagnosis.sample;"
        "print(sorted({'torch', 'sklearn', 'polars', 'numpy'} & set(sys.modules)))"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert shown.strip() == "[]"


def test_every_option_is_described() -> None:
    for model in (TextDiagnosisOptions, TextDiagnosisData):
        assert [name for name, field in model.model_fields.items() if not field.description] == []


def test_the_label_is_one_column_or_several_different_ones() -> None:
    assert TextDiagnosisData().label == "label"
    assert TextDiagnosisData.model_validate({"label": ["a", "b"]}).label == ("a", "b")
    for wrong in ([], ["a", "a"]):
        with pytest.raises(ValidationError):
            TextDiagnosisData.model_validate({"label": wrong})


def test_an_unknown_option_is_refused() -> None:
    with pytest.raises(ValidationError):
        TextDiagnosisOptions.model_validate({"stopwords": "en"})
