"""Transfer between sites without target labels: every method, how it is chosen, and what an oracle would choose.

One table whose sites are the domains. The backbone is frozen and its features
are cached, so that each method takes seconds. A seed draws the splits (by
group) and all else; target labels are used to score test rows alone, except
under "oracle", where they choose the epoch and the strength. Intervals are
Student's over the seeds (95 %). Results are appended to a file and not made
again.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from scipy import stats

from medplug.core.data.dataset import load_dataset
from medplug.core.data.reading import fingerprints
from medplug.core.discovery.plugins import Plugins
from medplug.core.evaluation.baseline import plain_baseline
from medplug.core.evaluation.scores import point
from medplug.core.plan import make_plan
from medplug.core.run import build_model, make_task
from medplug.core.training.compute import compute_for
from medplug.core.training.criteria import GREATER_IS_BETTER
from medplug.core.training.job import Job
from medplug.core.training.seeds import seeded
from medplug.core.training.train import train
from medplug.core.training.weights import weightings

SOURCE_ONLY = {"linear_probe": {}, "svm": {}, "prototypes": {}, "frozen": {}}
PENALTIES = ("mmd", "jmmd", "coral", "wasserstein", "dann", "cdan", "entropy", "label_graph")
STRENGTHS = {"coral": (10.0, 100.0)}  # its factor 1 / 4 width^2 makes it small
ANY_STRENGTHS = (0.1, 1.0)
EPOCHS = {"train.epochs": 15, "train.patience": 4}
OTHERS: dict[str, dict[str, Any]] = {
    "kmm+linear_probe": {},
    "density_ratio+linear_probe": {},
    "density_ratio+linear_probe, KLIEP": {"adapter.density_ratio.method": "kliep"},
    "mapping": {},
    "mapping, autoencoder": {"adapter.mapping.kind": "autoencoder"},
    "mapping, GAN": {"adapter.mapping.kind": "gan"},
}
FEW: dict[str, dict[str, Any]] = {"linear_probe": {}, "kmm+linear_probe": {}, "tradaboost": {}}
CHOICES = ("validation", *GREATER_IS_BETTER)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("data", "text", "label", "site", "group", "output"):
        parser.add_argument(f"--{name}", required=True)
    for name in ("source", "target"):
        parser.add_argument(f"--{name}", required=True, nargs="+")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2, 3, 4])
    parser.add_argument("--few", type=int, default=5, help="target labels a class in the second table")
    given = parser.parse_args()
    Path(given.output).mkdir(parents=True, exist_ok=True)
    table = shared_classes(given)
    found = Results(Path(given.output) / "results.jsonl")
    for seed in given.seeds:
        for oracle, few, configurations in (
            (False, 0, without_target()),
            (True, 0, with_oracle()),
            (False, given.few, FEW),
        ):
            bench = Bench(given, table, seed, oracle=oracle, few=few, found=found)
            bench.baseline()
            for name, keys in configurations.items():
                bench.method(name, keys)
    print_tables(found.rows, given)


def without_target() -> dict[str, dict[str, Any]]:
    return {**SOURCE_ONLY, **strengths(), **OTHERS}


def with_oracle() -> dict[str, dict[str, Any]]:
    return {"frozen": {}, **strengths()}


def strengths() -> dict[str, dict[str, Any]]:
    return {
        f"frozen+{penalty} {strength:g}": {f"adapter.{penalty}.trade_off": strength}
        for penalty in PENALTIES
        for strength in STRENGTHS.get(penalty, ANY_STRENGTHS)
    }


def shared_classes(given: Any) -> pl.DataFrame:
    """The rows whose class both domains know."""
    table = pl.read_ndjson(given.data) if ".jsonl" in given.data else pl.read_csv(given.data)
    table = table.filter(pl.col(given.site).is_in([*given.source, *given.target]))
    sides = [set(table.filter(pl.col(given.site).is_in(names))[given.label]) for names in (given.source, given.target)]
    kept = table.filter(pl.col(given.label).is_in(sorted(sides[0] & sides[1])))
    return kept.select(given.text, given.label, given.site, given.group)


class Results:
    """One line of JSON a configuration; what is there already is not made again."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.rows = [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []

    def missing(self, **key: Any) -> bool:
        """Whether no line is of these values."""
        return not any(all(row[name] == value for name, value in key.items()) for row in self.rows)

    def add(self, **row: Any) -> None:
        """Write a line."""
        self.rows.append(row)
        with self.file.open("a") as file:
            file.write(json.dumps(row) + "\n")
        print({name: value for name, value in row.items() if name != "criteria"}, flush=True)


class Bench:
    """All methods on the splits of one seed."""

    def __init__(self, given: Any, table: pl.DataFrame, seed: int, *, oracle: bool, few: int, found: Results) -> None:
        self.seed, self.oracle, self.few, self.found = seed, oracle, few, found
        self.keys = {
            "task": "text_diagnosis",
            "seed": seed,
            "backbone.window": 256,
            "backbone.windows": 1,
            "data.train": table,
            "data.text": given.text,
            "data.label": given.label,
            "data.site": given.site,
            "data.group": given.group,
            "data.source_sites": given.source,
            "data.target_sites": given.target,
            "data.target_labels": few,
            "data.split": [0.6, 0.1, 0.3],
            "selection.oracle": oracle,
            **EPOCHS,
            "train.cache": Path(given.output) / "features",
        }
        plan = make_plan([("", {**self.keys, "adapter": "linear_probe"})], Plugins())
        self.task, _ = make_task(plan)
        with seeded(seed):
            sha256 = fingerprints(self.task, self.task.data, ())
            self.dataset = load_dataset(
                self.task, self.task.data, by=(), seed=seed, sample=False, sha256=sha256, oracle=oracle
            )

    def method(self, name: str, keys: dict[str, Any]) -> None:
        """Train and score one configuration; its adapters are the name's first word."""
        key = {"method": name, "seed": self.seed, "oracle": self.oracle, "few": self.few}
        if not self.found.missing(**key):
            return
        adapter = name.split(",")[0].split(" ")[0]
        plan = make_plan([("", {**self.keys, "adapter": adapter, **keys})], Plugins())
        compute = compute_for(plan.run, plan.train)
        with tempfile.TemporaryDirectory() as folder, seeded(self.seed):
            model, adapters = build_model(self.task, plan, self.dataset, compute)
            job = Job(
                plan,
                self.dataset,
                "macro_f1",
                compute,
                Path(folder),
                False,
                lambda s: lambda a, b: None,
                lambda f: None,
            )
            trained = train(model, adapters, job)
        chosen_by = {"validation": trained.notes["validation"]["macro_f1"], **trained.criteria}
        self.found.add(**key, **self._scores(trained.logits["test"]), criteria=chosen_by)

    def baseline(self) -> None:
        """Score the linear model on simple features."""
        key = {"method": "TF-IDF", "seed": self.seed, "oracle": self.oracle, "few": self.few}
        if self.oracle or not self.found.missing(**key):
            return
        labels = self.dataset.labels
        rows = {split: self.dataset.splits[split].inputs["text"] for split in ("train", "validation", "test")}
        plain = plain_baseline(
            self.task.plain_features(), rows["train"], labels["train"], rows["validation"], labels["validation"],
            rows["test"], self.dataset.target, "macro_f1",
            weightings(labels["train"], self.dataset.target, "auto"), self.seed,
        )  # fmt: skip
        self.found.add(**key, **self._scores(np.log(np.maximum(plain.linear, 1e-12))), criteria={})

    def _scores(self, logits: Any) -> dict[str, float]:
        chances, truth = self.dataset.target.probabilities(logits), self.dataset.labels["test"]
        return {name: point(self.dataset.target, truth, chances, name) for name in ("macro_f1", "accuracy")}


def print_tables(rows: list[dict[str, Any]], given: Any) -> None:
    plain = [row for row in rows if not row["oracle"] and not row["few"]]
    oracle = [row for row in rows if row["oracle"]]
    print("\n| method | macro-F1 | difference from frozen, same seeds |\n|---|---|---|")
    reference = by_seed(plain, "frozen")
    for name in dict.fromkeys(row["method"] for row in plain):
        values = by_seed(plain, name)
        print(f"| {name} | {interval(values.values())} | {difference(values, reference)} |")
    print(f"\n| method | {' | '.join(CHOICES)} | oracle |\n|{'---|' * (len(CHOICES) + 2)}")
    for penalty in PENALTIES:
        cells = [interval(chosen(plain, penalty, choice)) for choice in CHOICES]
        print(f"| {penalty} | {' | '.join(cells)} | {interval(chosen(oracle, penalty, 'validation'))} |")
    best = interval(by_seed(oracle, "frozen").values())
    print(f"| frozen | {interval(reference.values())} {'| ' * len(CHOICES)}| {best} |")
    print(f"\n| method, {given.few} target labels a class | macro-F1 |\n|---|---|")
    few = [row for row in rows if row["few"]]
    for name in dict.fromkeys(row["method"] for row in few):
        print(f"| {name} | {interval(by_seed(few, name).values())} |")


def by_seed(rows: list[dict[str, Any]], method: str) -> dict[int, float]:
    return {row["seed"]: row["macro_f1"] for row in rows if row["method"] == method}


def chosen(rows: list[dict[str, Any]], penalty: str, choice: str) -> Iterator[float]:
    """For each seed, the score of the strength that `choice` prefers; equal ones: the weakest."""
    greater = GREATER_IS_BETTER.get(choice, True)
    tried = [row for row in rows if row["method"].startswith(f"frozen+{penalty} ")]
    for seed in sorted({row["seed"] for row in tried}):
        mine = [row for row in tried if row["seed"] == seed]
        better = max if greater else min
        yield better(mine, key=lambda row: row["criteria"][choice])["macro_f1"]


def difference(values: dict[int, float], reference: dict[int, float]) -> str:
    return interval([values[seed] - reference[seed] for seed in values if seed in reference])


def interval(values: Any) -> str:
    """The mean over seeds with Student's 95 % interval."""
    found = list(values)
    if len(found) < 2:
        return f"{found[0]:.3f}" if found else "-"
    half = stats.t.ppf(0.975, len(found) - 1) * np.std(found, ddof=1) / len(found) ** 0.5
    return f"{np.mean(found):.3f} ± {half:.3f}"


if __name__ == "__main__":
    main()
