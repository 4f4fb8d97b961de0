from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

import pytest
from pydantic import ValidationError

import medplug.plugins.medical_qa as plugin
from medplug.core.discovery.plugins import Plugins
from medplug.core.plan import make_plan
from medplug.plugins.medical_qa.options import MedicalQaData
from medplug.plugins.medical_qa.task import FORMS, MedicalQa

Make = Callable[..., MedicalQa]


def test_the_task_and_its_forms_import_nothing_heavy() -> None:
    code = (
        "import sys, medplug.plugins.medical_qa.task; print(sorted({'torch', 'sklearn', 'scipy'} & set(sys.modules)))"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert shown.strip() == "[]"


def test_options_are_one_column_or_several_different_ones() -> None:
    assert MedicalQaData.model_validate({"options": ["A", "B"]}).options == ("A", "B")
    for wrong in ([], ["A"], ["A", "A"]):
        with pytest.raises(ValidationError, match="at least two different"):
            MedicalQaData.model_validate({"options": wrong})


@pytest.mark.parametrize("form", FORMS)
def test_every_form_has_a_recipe_of_known_keys_and_a_kind_that_the_plugin_names(form: str, task: Make) -> None:
    (spec,) = plugin.medplug_tasks()
    plan = make_plan([("command line", {"task": "medical_qa", "task.form": form})], Plugins(found=()))
    assert plan.task_options.model_dump()["form"] == form
    made = task(form)
    table = made.sample()
    read = made.examples(table, _problems(), labelled=True)
    target = made.target(read.labels or [])
    assert target.kind in spec.targets
    assert made.metrics(target) and made.sure == 0.8


def test_the_default_form_needs_no_pretrained_weights() -> None:
    assert not make_plan([("", {"task": "medical_qa"})], Plugins(found=())).pretrained


def _problems() -> object:
    from medplug.core.data.problems import Problems

    return Problems("table")


def test_options_in_one_column_are_lists_of_texts_and_in_several_texts(task: Make) -> None:
    one = task("multiple_choice", {"options": "choices"}).cells()
    several = task("multiple_choice", {"options": ["a", "b"]}).cells()
    assert one == {"data.question": "text", "data.options": "texts"}
    assert several == {"data.question": "text", "data.options[0]": "text", "data.options[1]": "text"}
