"""Macro-F1 by labels a class: transfer methods beside TF-IDF and a network from scratch, over seeds.

Each run is an ordinary `medplug run` in a folder of its own; finished ones are
not repeated. A seed draws the labelled rows and all else; the test split is the
same. The interval is Student's over the seeds (two-sided, 95 %).
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

import medplug

WINDOW = {"backbone.window": 128, "backbone.windows": 1}
EPOCHS = {10: 10, 50: 5, 200: 2}
METHODS: dict[str, dict[str, Any]] = {
    "linear_probe": {"adapter": "linear_probe", **WINDOW},
    "svm": {"adapter": "svm", **WINDOW},
    "prototypes": {"adapter": "prototypes", **WINDOW},
    "finetune": {"adapter": "finetune", **WINDOW},
    "lora": {"adapter": "lora", **WINDOW},
    "bottleneck": {"adapter": "bottleneck", **WINDOW},
    "from scratch": {"backbone": "text_cnn", "adapter": "finetune"},
}
TRAINED = {"finetune": 5e-5, "lora": 1e-3, "bottleneck": 1e-3}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("data", "text", "label", "split", "output"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--methods", nargs="+", default=list(METHODS), choices=METHODS)
    parser.add_argument("--limits", nargs="+", type=int, default=[10, 50, 200])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2, 3, 4])
    given = parser.parse_args()
    scores: dict[str, dict[int, list[float]]] = {}
    plain: dict[int, dict[int, float]] = {limit: {} for limit in given.limits}
    gains: dict[str, dict[int, list[float]]] = {}
    for method, limit, seed, metrics in _runs(given):
        found = metrics["metrics"]["macro_f1"]["value"]
        plain[limit][seed] = metrics["baseline"]["linear"]["macro_f1"]["value"]
        scores.setdefault(method, {}).setdefault(limit, []).append(found)
        gains.setdefault(method, {}).setdefault(limit, []).append(found - plain[limit][seed])
    scores["TF-IDF and logistic regression"] = {limit: list(values.values()) for limit, values in plain.items()}
    for title, rows in (("macro-F1", scores), ("gain over TF-IDF, seed by seed", gains)):
        print(f"\n| {title} | {' | '.join(f'{limit} a class' for limit in given.limits)} |")
        print("|---" * (1 + len(given.limits)) + "|")
        for method, values in rows.items():
            print(f"| {method} | {' | '.join(interval(values[limit]) for limit in given.limits)} |")


def _runs(given: Any) -> Iterator[tuple[str, int, int, dict[str, Any]]]:
    for method in given.methods:
        for limit in given.limits:
            for seed in given.seeds:
                folder = Path(given.output) / f"{method.replace(' ', '-')}-{limit}-{seed}"
                if not (folder / "metrics.json").exists():
                    medplug.run(task="text_diagnosis", output=folder, seed=seed, **_keys(given, method, limit))
                yield method, limit, seed, json.loads((folder / "metrics.json").read_text())


def _keys(given: Any, method: str, limit: int) -> dict[str, Any]:
    keys = {"data.train": given.data, "data.text": given.text, "data.label": given.label}
    keys |= {"data.split_column": given.split, "data.limit": limit, **METHODS[method]}
    if method in TRAINED:
        keys |= {"train.epochs": EPOCHS.get(limit, 2), "train.batch_size": 16, "train.learning_rate": TRAINED[method]}
    elif "backbone" not in keys:
        keys["train.cache"] = Path(given.output) / "features"
    return keys


def interval(values: list[float]) -> str:
    """The mean of the seeds with Student's 95 % interval."""
    mean = float(np.mean(values))
    half = stats.t.ppf(0.975, len(values) - 1) * np.std(values, ddof=1) / len(values) ** 0.5 if len(values) > 1 else 0
    return f"{mean:.3f} ± {half:.3f}"


if __name__ == "__main__":
    main()
