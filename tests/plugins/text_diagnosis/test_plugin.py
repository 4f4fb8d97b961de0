from __future__ import annotations

import subprocess
import sys

import pytest
from pydantic import ValidationError

from medplug.plugins.text_diagnosis.options import TextDiagnosisData


def test_naming_the_task_and_its_options_imports_nothing_heavy() -> None:
    code = (
        "import sys, medplug.plugins.text_diagnosis.options, medplug.core.plain.text;"
        "import medplug.plugins.text_diagnosis.sample;"
        "print(sorted({'torch', 'sklearn', 'polars', 'numpy'} & set(sys.modules)))"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert shown.strip() == "[]"


def test_the_label_is_one_column_or_several_different_ones() -> None:
    assert TextDiagnosisData().label == "label"
    assert TextDiagnosisData.model_validate({"label": ["a", "b"]}).label == ("a", "b")
    for wrong in ([], ["a", "a"]):
        with pytest.raises(ValidationError):
            TextDiagnosisData.model_validate({"label": wrong})
