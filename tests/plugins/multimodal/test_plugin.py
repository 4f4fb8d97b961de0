from __future__ import annotations

import subprocess
import sys

import polars as pl
import pytest
from pydantic import ValidationError

import medplug.plugins.multimodal as plugin
from medplug.plugins.multimodal.options import SLOTS, MultimodalData
from medplug.plugins.multimodal.sample_columns import COLUMNS, SIGNAL


def test_every_slot_is_a_key_of_the_data_and_of_a_modality_of_the_task() -> None:
    (spec,) = plugin.medplug_tasks()
    assert tuple(spec.slots) == SLOTS
    assert set(spec.slots) <= set(MultimodalData.model_fields)
    assert set(spec.slots.values()) == set(spec.modalities)


@pytest.mark.parametrize(
    ("modules", "heavy"),
    [
        ("medplug.plugins.multimodal.options", {"torch", "sklearn", "polars", "numpy", "PIL"}),
        ("medplug.plugins.multimodal.task", {"torch", "sklearn"}),
    ],
)
def test_nothing_heavy_is_imported_before_it_is_used(modules: str, heavy: set[str]) -> None:
    code = f"import sys, {modules}; print(sorted({heavy!r} & set(sys.modules)))"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert shown.strip() == "[]"


def test_without_any_key_the_columns_are_those_of_the_sample() -> None:
    data = MultimodalData()
    assert (data.tabular, data.signal, data.in_use) == (COLUMNS, SIGNAL, ("tabular", "signal"))
    assert MultimodalData(group="g", label="diagnosis").in_use == ("tabular", "signal")


def test_a_modality_that_is_named_stands_alone() -> None:
    assert MultimodalData(signal=SIGNAL).in_use == ("signal",)
    assert MultimodalData(train="t.csv", text="note").in_use == ("text",)


@pytest.mark.parametrize("table", ["train", "source"])
def test_a_table_without_a_modality_is_refused_with_the_keys(table: str) -> None:
    with pytest.raises(ValidationError) as told:
        MultimodalData.model_validate({table: "t.csv"})
    assert all(f"data.{slot}" in str(told.value) for slot in SLOTS)


def test_a_table_in_memory_is_a_table_as_well() -> None:
    assert MultimodalData(train=pl.DataFrame({"note": ["a"]}), text="note").in_use == ("text",)
    with pytest.raises(ValidationError, match="data.text"):
        MultimodalData(source=pl.DataFrame({"note": ["a"]}))


def test_the_columns_of_the_sample_survive_being_written_down() -> None:
    written = MultimodalData().model_dump(mode="json")
    assert MultimodalData.model_validate(written) == MultimodalData()


def test_one_column_needs_no_brackets() -> None:
    data = MultimodalData.model_validate({"tabular": "age", "genes": "gene_*", "categorical": "age"})
    assert (data.tabular, data.genes, data.categorical) == (("age",), ("gene_*",), ("age",))


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"text": "note", "time": "t"}, "data.time and data.event go together"),
        ({"text": "note", "event": "e"}, "data.time and data.event go together"),
        ({"text": "note", "categorical": ["sex"]}, "data.tabular, which is not given"),
        ({"tabular": ["age", "label"]}, "data.tabular names 'label', which is what is predicted"),
        ({"text": "a", "label": ["a", "b"]}, "data.text names 'a', which is what is predicted"),
        ({"tabular": ["t"], "time": "t", "event": "e"}, "data.tabular names 't', which is what is predicted"),
        ({"image": "{}"}, "a pattern holds names of columns"),
        ({"signal": "s", "rate": 0}, "greater than 0"),
        ({"image": "i", "window": [40, 0]}, "the window's width"),
    ],
)
def test_keys_that_do_not_fit_are_refused(wrong: dict[str, object], told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        MultimodalData.model_validate(wrong)
