"""What the task tells the core for its evidence: metrics, the strong classical baseline, names of drugs and targets."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from medplug.core.data.problems import Problems
from medplug.core.data.targets import Target
from medplug.core.evaluation.metrics import metric_names
from medplug.plugins.drug_target.options import DrugTargetData, DrugTargetOptions

pytest.importorskip("rdkit", reason="rdkit is an extra: pip install 'medplug[chem]'")
PAIRS = pl.DataFrame(
    {
        "drug": ["d1", "d2", "d3", "d1"],
        "target": ["t1", "t1", "t2", "t2"],
        "smiles": ["OCC", "CCN", "CCO", "CCO"],
        "sequence": ["MKWVTF", "MKWVTF", "ACDEFG", "ACDEFG"],
        "label": [5.0, 6.5, 7.25, 8.0],
    }
)


def made(**data):
    from medplug.plugins.drug_target.task import DrugTarget

    return DrugTarget(DrugTargetOptions(), DrugTargetData(**data))


def read(task, *, labelled=True):
    return task.examples(PAIRS, Problems("pairs"), labelled=labelled)


def test_the_fields_metrics_are_reported_and_models_are_chosen_by_the_usual_one():
    task = made()
    numbers, classes = (
        task.metrics(Target(kind, names)) for kind, names in (("regression", ("pKd",)), ("binary", ("no", "yes")))
    )
    assert numbers == ("mse", "c_index", "rm2", "pearson", "spearman", "mae", "r2")
    assert classes[:4] == ("auroc", "auprc", "ef1", "f1") and len(set(classes)) == len(classes)
    assert set(numbers) <= set(metric_names("regression")) and set(classes) <= set(metric_names("binary"))


def test_a_structure_is_called_by_its_first_id_and_without_ids_by_nothing():
    task = made(drug="drug", target="target")
    inputs = read(task).inputs
    assert [task.entity_name("drug", each) for each in inputs["drug"]] == ["d1", "d2", "d1", "d1"]
    assert [task.entity_name("protein", each) for each in inputs["protein"]] == ["t1", "t1", "t2", "t2"]
    assert task.entities == ("drug", "protein") and task.entity_name("drug", "CCCl") is None
    nameless = made()
    assert nameless.entity_name("drug", read(nameless).inputs["drug"][0]) is None


def test_no_names_are_kept_of_tables_to_predict_on():
    task = made(drug="drug", target="target")
    assert task.entity_name("drug", read(task, labelled=False).inputs["drug"][0]) is None


def test_trees_read_both_of_a_pair():
    task = made()
    rows, features = read(task).values, task.tree_features()
    matrix = features.fit_transform(rows)
    assert features.deep and len(matrix) == 4 and np.isfinite(matrix).all()
    assert len(np.unique(matrix, axis=0)) == 3 and features.categorical.shape == (matrix.shape[1],)
