"""The task `drug_target`: whether, or how strongly, a small molecule binds a protein."""

from __future__ import annotations

from medplug.core.hooks import hookimpl
from medplug.core.specs import TaskSpec

medplug_api = 1


@hookimpl
def medplug_tasks() -> list[TaskSpec]:
    """Give the task `drug_target`."""
    return [
        TaskSpec(
            name="drug_target",
            summary="Predict from SMILES and protein sequences whether, or how strongly, a drug binds its target",
            factory="medplug.plugins.drug_target.task:DrugTarget",
            config="medplug.plugins.drug_target.options:DrugTargetOptions",
            data="medplug.plugins.drug_target.options:DrugTargetData",
            modalities=("molecule", "protein"),
            slots={"drug": "molecule", "protein": "protein"},
            targets=("binary", "regression"),
            recipe="drug_target",
            token_recipe="drug_target_tokens",
        )
    ]
