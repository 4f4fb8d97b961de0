from __future__ import annotations

import subprocess
import sys

import pytest
from pydantic import ValidationError

from medplug.plugins.imaging.options import ImagingData, ImagingOptions


def test_naming_the_task_and_its_options_imports_nothing_heavy() -> None:
    code = (
        "import sys, medplug.plugins.imaging.options;"
        "print(sorted({'torch', 'sklearn', 'polars', 'numpy', 'PIL'} & set(sys.modules)))"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert shown.strip() == "[]"


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
