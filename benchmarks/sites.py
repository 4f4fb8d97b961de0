"""Two sites of one table: each alone, one for the other, pooled, and every method that moves knowledge between them.

    python benchmarks/sites.py --source SITE --target SITE --output FOLDER KEY=VALUE ...

The keys are those of every run: the table, its columns, the site's column and a
backbone that is frozen. Each run is an ordinary `medplug run` in a folder of its own;
finished ones are not repeated. A seed draws the splits and all else. Within a seed
all methods but those of one site alone are tested on the same rows of the target
site, so that gains over the source alone are paired. Intervals are Student's over
the seeds (95 %).
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from scipy import stats

import medplug
from medplug.core.grammar import parse_arguments

Keys = dict[str, Any]
ALONE = "source alone"
PENALTIES = ("mmd", "jmmd", "coral", "wasserstein", "dann", "cdan", "entropy", "label_graph")
TRAINED: Keys = {"train.epochs": 30, "train.learning_rate": 1e-3, "train.patience": 8}
UNLABELLED: dict[str, Keys] = {
    ALONE: {"adapter": "linear_probe"},
    "trained head, no alignment": {"adapter": "frozen", **TRAINED},
    **{f"frozen+{name}": {"adapter": f"frozen+{name}", **TRAINED} for name in PENALTIES},
    "mapping": {"adapter": "mapping"},
    "mapping, autoencoder": {"adapter": "mapping", "adapter.mapping.kind": "autoencoder"},
    "mapping, GAN": {"adapter": "mapping", "adapter.mapping.kind": "gan"},
    "kmm+linear_probe": {"adapter": "kmm+linear_probe"},
    "density_ratio+linear_probe": {"adapter": "density_ratio+linear_probe"},
}
FEW: dict[str, Keys] = {
    f"{name}, 10 target labels a class": {"adapter": name, "data.target_labels": 10}
    for name in ("linear_probe", "kmm+linear_probe", "tradaboost")
}
POOLED: dict[str, Keys] = {"pooled: all labels of both": {"adapter": "linear_probe", "data.target_labels": "all"}}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("keys", nargs="*", help="KEY=VALUE of every run")
    parser.add_argument("--source", required=True)
    parser.add_argument("--target", required=True)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--metric", default="auroc")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2, 3, 4])
    given = parser.parse_args()
    keys = parse_arguments(given.keys)
    found = {name: [scores for _, scores in runs] for name, runs in _all(given, keys).items()}
    _print(given, found)


def _all(given: Any, keys: Keys) -> dict[str, list[tuple[int, Keys]]]:
    """Every method's scores by seed."""
    sites = {"data.source_sites": [given.source], "data.target_sites": [given.target]}
    methods = {name: {**sites, **own} for name, own in {**UNLABELLED, **FEW, **POOLED}.items()}
    table = pl.read_csv(keys["data.train"], infer_schema_length=None)
    for site in (given.source, given.target):
        rows = table.filter(pl.col(keys["data.site"]) == site)
        methods[f"{site} for itself"] = {"adapter": "linear_probe", "data.train": rows}
    return {name: list(_runs(given, {**keys, **own}, name)) for name, own in methods.items()}


def _runs(given: Any, keys: Keys, name: str) -> Iterator[tuple[int, Keys]]:
    for seed in given.seeds:
        folder = given.output / f"{''.join(c if c.isalnum() else '-' for c in name)}-{seed}"
        if not (folder / "metrics.json").exists():
            medplug.run(output=folder, seed=seed, **keys)
        metrics = json.loads((folder / "metrics.json").read_text())
        scores = {"model": metrics["metrics"][given.metric]["value"]}
        scores |= {what: each[given.metric]["value"] for what, each in metrics["baseline"].items()}
        yield seed, scores


def _print(given: Any, found: dict[str, list[Keys]]) -> None:
    alone = np.array([each["model"] for each in found[ALONE]])
    print(f"| method | {given.metric} | gain over {ALONE} |\n|---|---|---|")
    for name, scores in found.items():
        own = np.array([each["model"] for each in scores])
        gain = "" if name == ALONE or name.endswith("for itself") else interval(own - alone, signed=True)
        print(f"| {name} | {interval(own)} | {gain} |")
    for name in (f"{site} for itself" for site in (given.source, given.target)):
        trees = np.array([each["trees"] for each in found[name]])
        print(f"| {name}, boosted trees | {interval(trees)} | |")


def interval(values: Any, *, signed: bool = False) -> str:
    """The mean with Student's 95 % interval."""
    half = stats.t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / len(values) ** 0.5
    return f"{values.mean():{'+' if signed else ''}.3f} ± {half:.3f}"


if __name__ == "__main__":
    main()
