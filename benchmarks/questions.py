"""PubMedQA by ten folds: macro-F1 of several ways to read it, beside the majority and TF-IDF.

    python benchmarks/questions.py --data "$MEDPLUG_SHARED/data/pubmedqa/train_dev_500.jsonl" --output pubmedqa/

Questions are dealt to ten folds by class. Each fold is the test fold once, the next one chooses, the other eight
train; the scores are of all 500 questions together, each by the model that did not see it, and the intervals are
those of the bootstrap over questions. A fold that is there in the output folder is not run again.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray

import medplug
from medplug.core.answers.published import published_table
from medplug.core.api import plan_for
from medplug.core.data.dataset import Dataset, load_dataset
from medplug.core.data.reading import fingerprints
from medplug.core.data.targets import Target
from medplug.core.discovery.plugins import Plugins
from medplug.core.evaluation.baseline import plain_baseline
from medplug.core.evaluation.scores import estimate, paired_difference
from medplug.core.grammar import flatten
from medplug.core.run import make_task
from medplug.core.task import Task
from medplug.core.training.weights import weightings

FOLDS = 10
CLASSES = ("maybe", "no", "yes")
METHODS: dict[str, dict[str, Any]] = {
    "text_cnn": {},
    "minilm, frozen, read together": {"backbone": "minilm", "adapter": "linear_probe"},
    "minilm, frozen, read apart": {"backbone": "minilm", "adapter": "linear_probe", "task.reading": "apart"},
    "minilm, finetuned": {"backbone": "minilm", "adapter": "finetune", "train.epochs": 5, "train.batch_size": 16},
}
Probabilities = NDArray[np.float64]


def dealt(table: pl.DataFrame, seed: int) -> pl.DataFrame:
    """The questions with their folds: of each class its share to each fold."""
    draw = np.random.default_rng(seed)
    folds = np.empty(table.height, dtype=np.int64)
    for name in CLASSES:
        rows = draw.permutation(np.flatnonzero((table["label"] == name).to_numpy()))
        folds[rows] = (np.arange(len(rows)) + int(draw.integers(FOLDS))) % FOLDS
    return table.with_columns(pl.Series("fold", folds.astype(str)))


def keys_of(table: pl.DataFrame, fold: int, method: dict[str, Any]) -> dict[str, Any]:
    """The keys of one run."""
    data = {
        "train": table,
        "split_column": "fold",
        "test_folds": [str(fold)],
        "validation_folds": [str((fold + 1) % FOLDS)],
    }
    return {"task": "medical_qa", **method, **flatten({"data": data})}


def of_model(table: pl.DataFrame, fold: int, name: str, output: Path) -> Probabilities:
    """The test fold's probabilities of a run, by the order of its rows."""
    folder = output / f"{name.replace(', ', '-').replace(' ', '-')}-{fold}"
    if not folder.exists():
        shared = {"train.cache": output / "features"}
        medplug.run(**keys_of(table, fold, METHODS[name]), **shared, output=str(folder))
    rows = pl.read_parquet(folder / "predictions.parquet").filter(pl.col("split") == "test").sort("row")
    return rows.select(f"p_{each}" for each in CLASSES).to_numpy()


def of_baselines(table: pl.DataFrame, fold: int) -> tuple[Probabilities, Probabilities]:
    """The test fold's probabilities of the majority and of the linear model, as every run has them."""
    plan = plan_for(Plugins(), keys_of(table, fold, {}))
    task, _ = make_task(plan)
    dataset = load_dataset(task, task.data, by=(), seed=0, sample=False, sha256=fingerprints(task, task.data, ()))
    found = plain_baseline(*_parts(task, dataset), dataset.target, "macro_f1", _weightings(dataset), 0)
    order = np.argsort(dataset.splits["test"].rows)
    return found.majority[order], found.linear[order]


def _parts(task: Task, dataset: Dataset) -> tuple[Any, ...]:
    splits, labels = dataset.splits, dataset.labels
    train, validation = ((splits[name].values, labels[name]) for name in ("train", "validation"))
    return (task.plain_features(), *train, *validation, splits["test"].values)


def _weightings(dataset: Dataset) -> Any:
    return weightings(dataset.labels["train"], dataset.target, "auto")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--methods", nargs="*", default=list(METHODS), choices=list(METHODS))
    given = parser.parse_args()
    torch.set_num_threads(1)
    given.output.mkdir(parents=True, exist_ok=True)
    table = dealt(published_table(str(given.data), "--data"), given.seed)
    found: dict[str, list[Probabilities]] = {name: [] for name in ("majority", "TF-IDF", *given.methods)}
    truth, target = [], Target("multiclass", CLASSES)
    for fold in range(FOLDS):
        truth.append(target.encode(table.filter(pl.col("fold") == str(fold))["label"].to_list()))
        for name, each in zip(("majority", "TF-IDF"), of_baselines(table, fold), strict=True):
            found[name].append(each)
        for name in given.methods:
            found[name].append(of_model(table, fold, name, given.output))
    labels, metrics = np.concatenate(truth), ("macro_f1", "accuracy")
    joined = {name: np.concatenate(each) for name, each in found.items()}
    told = {}
    print("| method | macro-F1 | accuracy | macro-F1 over TF-IDF |\n|---|---|---|---|")
    for name, each in joined.items():
        scores = estimate(target, labels, each, metrics)
        over = paired_difference(target, labels, each, joined["TF-IDF"], ("macro_f1",))["macro_f1"]
        told[name] = {**{metric: scores[metric].as_json() for metric in metrics}, "over TF-IDF": over.as_json()}
        cells = [f"{e.value:.3f} [{e.low:.3f}, {e.high:.3f}]" for e in (*(scores[m] for m in metrics), over)]
        print(f"| {name} | {' | '.join(cells)} |", flush=True)
    (given.output / "scores.json").write_text(json.dumps(told, indent=1))


if __name__ == "__main__":
    main()
