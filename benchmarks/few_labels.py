"""A metric by labels a class: transfer methods beside the plain baseline and a network from scratch, over seeds.

    python benchmarks/few_labels.py --study text|images --output FOLDER KEY=VALUE ...

The keys are those of every run: the table, its columns, the backbone. Each run is an ordinary `medplug run` in a folder
of its own; finished ones are not repeated. A seed draws the labelled rows and all else; the test split is the same. The
interval is Student's over the seeds (two-sided, 95 %).
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

import medplug
from medplug.core.grammar import parse_arguments

Keys = dict[str, Any]


@dataclass(frozen=True)
class Study:
    """What is compared on which numbers of labels, by which metric; `fitted` methods share cached features."""

    task: str
    metric: str
    limits: tuple[int, ...]
    methods: dict[str, Keys]
    fitted: tuple[str, ...]
    trained: dict[int, Keys]
    plain: str


def _methods(*names: str, **options: Keys) -> dict[str, Keys]:
    return {name: {"adapter": name, **options.get(name, {})} for name in names}


def _epochs(by_limit: dict[int, int]) -> dict[int, Keys]:
    return {limit: {"train.epochs": epochs, "train.batch_size": 16} for limit, epochs in by_limit.items()}


_WINDOW = {"backbone.window": 128, "backbone.windows": 1}
_RATE = "train.learning_rate"
STUDIES = {
    "text": Study(
        task="text_diagnosis",
        metric="macro_f1",
        limits=(10, 50, 200),
        methods={
            **{
                name: {**keys, **_WINDOW}
                for name, keys in _methods(
                    *("linear_probe", "svm", "prototypes", "finetune", "lora", "bottleneck"),
                    finetune={_RATE: 5e-5},
                    lora={_RATE: 1e-3},
                    bottleneck={_RATE: 1e-3},
                ).items()
            },
            "from scratch": {"backbone": "text_cnn", "adapter": "finetune"},
        },
        fitted=("linear_probe", "svm", "prototypes"),
        trained=_epochs({10: 10, 50: 5, 200: 2}),
        plain="TF-IDF and logistic regression",
    ),
    "images": Study(
        task="imaging",
        metric="auroc",
        limits=(5, 20, 100),
        methods=_methods(
            *("linear_probe", "svm", "prototypes", "finetune", "gradual", "lora"),
            finetune={"adapter.finetune.head": "probe", _RATE: 1e-4},
            gradual={_RATE: 1e-4},
            lora={_RATE: 1e-3},
        ),
        fitted=("linear_probe", "svm", "prototypes"),
        trained=_epochs({5: 15, 20: 10, 100: 5}),
        plain="thumbnail, histogram and logistic regression",
    ),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("keys", nargs="*", help="KEY=VALUE of every run")
    parser.add_argument("--study", choices=STUDIES, required=True)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--methods", nargs="+", help="some of the study's methods")
    parser.add_argument("--limits", nargs="+", type=int)
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2, 3, 4])
    given = parser.parse_args()
    study = STUDIES[given.study]
    limits = given.limits or list(study.limits)
    scores: dict[str, dict[int, list[float]]] = {}
    plain: dict[int, dict[int, float]] = {limit: {} for limit in limits}
    gains: dict[str, dict[int, list[float]]] = {}
    for method, limit, seed, metrics in _runs(given, study, limits):
        found = metrics["metrics"][study.metric]["value"]
        plain[limit][seed] = metrics["baseline"]["linear"][study.metric]["value"]
        scores.setdefault(method, {}).setdefault(limit, []).append(found)
        gains.setdefault(method, {}).setdefault(limit, []).append(found - plain[limit][seed])
    scores[study.plain] = {limit: list(values.values()) for limit, values in plain.items()}
    for title, rows in ((study.metric, scores), (f"gain over {study.plain}, seed by seed", gains)):
        print(f"\n| {title} | {' | '.join(f'{limit} a class' for limit in limits)} |")
        print("|---" * (1 + len(limits)) + "|")
        for method, values in rows.items():
            print(f"| {method} | {' | '.join(interval(values[limit]) for limit in limits)} |")


def _runs(given: Any, study: Study, limits: list[int]) -> Iterator[tuple[str, int, int, dict[str, Any]]]:
    for method in given.methods or study.methods:
        for limit in limits:
            for seed in given.seeds:
                folder = given.output / f"{method.replace(' ', '-')}-{limit}-{seed}"
                if not (folder / "metrics.json").exists():
                    keys = {**parse_arguments(given.keys), **_keys(given, study, method, limit)}
                    medplug.run(task=study.task, output=folder, seed=seed, **keys)
                yield method, limit, seed, json.loads((folder / "metrics.json").read_text())


def _keys(given: Any, study: Study, method: str, limit: int) -> Keys:
    keys = {"data.limit": limit, **study.methods[method]}
    if method in study.fitted:
        keys["train.cache"] = given.output / "features"
    elif _RATE in keys:
        keys |= study.trained[min(study.trained, key=lambda known: abs(known - limit))]
    return keys


def interval(values: list[float]) -> str:
    """The mean of the seeds with Student's 95 % interval."""
    mean = float(np.mean(values))
    half = stats.t.ppf(0.975, len(values) - 1) * np.std(values, ddof=1) / len(values) ** 0.5 if len(values) > 1 else 0
    return f"{mean:.3f} ± {half:.3f}"


if __name__ == "__main__":
    main()
