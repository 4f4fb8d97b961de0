from __future__ import annotations

import subprocess
import sys

import pytest
from pydantic import ValidationError

import medplug.plugins.drug_target as plugin
from medplug.core.discovery.plugins import Plugins
from medplug.core.plan import make_plan
from medplug.plugins.drug_target.options import DrugTargetData


def test_a_pair_always_has_a_drug_and_a_protein_each_with_a_backbone() -> None:
    (spec,) = plugin.medplug_tasks()
    assert DrugTargetData().in_use == tuple(spec.slots) == ("drug", "protein")
    plan = make_plan([("", {"task": "drug_target", "data.train": "t.csv"})], Plugins(found=()))
    modalities = {slot: each.choice.spec.modality for slot, each in plan.encoders.items()}
    assert modalities == {"drug": "molecule", "protein": "protein"}
    assert plan.fusion is not None and plan.fusion[1].modality_dropout == 0


@pytest.mark.parametrize(
    ("modules", "heavy"),
    [
        ("medplug.plugins.drug_target.options", {"torch", "sklearn", "polars", "numpy", "rdkit"}),
        ("medplug.plugins.drug_target.task", {"torch", "sklearn", "rdkit"}),
    ],
)
def test_nothing_heavy_is_imported_before_it_is_used(modules: str, heavy: set[str]) -> None:
    code = f"import sys, {modules}; print(sorted({heavy!r} & set(sys.modules)))"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert shown.strip() == "[]"


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"smiles": "a", "sequence": "a"}, "data.smiles and data.sequence name the same column 'a'"),
        ({"label": "smiles"}, "data.smiles and data.label name the same column"),
        ({"drug": "id", "target": "id"}, "data.drug and data.target name the same column"),
        ({"unit": "mg"}, "'pM', 'nM', 'uM', 'mM' or 'M'"),
        ({"duplicates": "drop"}, "'average', 'refuse' or 'keep'"),
        ({"split": "cold"}, "cold_drug"),
        ({"split": "group"}, "data.split=group needs data.group"),
        ({"drugs": 7}, "give a file"),
    ],
)
def test_keys_that_do_not_fit_are_refused(wrong: dict[str, object], told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        DrugTargetData.model_validate(wrong)


@pytest.mark.parametrize("written", ["uM", "\N{MICRO SIGN}M", "\N{GREEK SMALL LETTER MU}M"])
def test_micromolar_may_be_written_with_its_letter(written: str) -> None:
    assert DrugTargetData.model_validate({"unit": written}).unit == "uM"


@pytest.mark.parametrize("rule", ["random", "cold_drug", "cold_target", "cold_pair", "scaffold", "cluster"])
def test_the_rules_of_splitting_pairs_are_options(rule: str) -> None:
    data = DrugTargetData.model_validate({"split": rule})
    assert data.split == rule and data.fractions == (0.7, 0.1, 0.2)
