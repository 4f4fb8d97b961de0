"""What each penalty adds to a training step of MiniLM: seconds of a step with it and without, in turn.

A step is the forward and backward pass of half labelled source rows and half
unlabelled target rows, as in training. The share is the median over rounds of
the penalty's own forward and backward pass, on the features of that batch,
over the step without it.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from typing import Any

import torch

from medplug.core.adapter import Adapter, Batch
from medplug.core.data.targets import Target
from medplug.core.discovery.plugins import Plugins
from medplug.core.model import Loss, Model, Outputs
from medplug.core.plan import make_plan
from medplug.core.specs import resolve

PENALTIES = ["mmd", "jmmd", "coral", "wasserstein", "dann", "cdan", "entropy", "label_graph", "relation", "l2sp"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=32)
    parser.add_argument("--tokens", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    torch.manual_seed(0)
    torch.set_num_threads(1)
    model, inputs = minilm(given.rows, given.tokens)
    target = Target("multiclass", tuple("abcde"))
    labels = torch.arange(given.rows // 2) % 5
    adapters = {name: adapter(name, model) for name in PENALTIES}
    with torch.no_grad():
        outputs = model.outputs(inputs)
    steps, costs = [], {name: list[float]() for name in PENALTIES}
    for _ in range(given.rounds):
        steps.append(seconds(lambda: step(model, inputs, labels, Loss(target))))
        for name, each in adapters.items():
            costs[name].append(seconds(lambda each=each, name=name: penalise(each, name, outputs, labels, target)))
    whole = statistics.median(steps)
    print(f"step without penalty: {1000 * whole:.0f} ms ({given.rows} rows of {given.tokens} tokens, one thread)\n")
    print("| penalty | ms | share of the step |\n|---|---|---|")
    for name, each in costs.items():
        print(f"| {name} | {1000 * statistics.median(each):.2f} | {100 * statistics.median(each) / whole:.2f} % |")


def minilm(rows: int, tokens: int) -> tuple[Model, dict[str, torch.Tensor]]:
    plan = make_plan([("", {"task": "text_diagnosis"})], Plugins())
    backbone = resolve(plan.encoder.choice.spec.factory, owner="backbone").create(
        plan.encoder.options, plan.encoder.choice.source
    )
    model = Model(backbone, Target("multiclass", tuple("abcde")))
    ids = torch.randint(1000, 20000, (rows, tokens))
    mask = torch.ones(rows, tokens, dtype=torch.bool)
    return model, {"ids": ids, "mask": mask, "grid": torch.arange(rows)[:, None]}


def adapter(name: str, model: Model) -> Adapter:
    spec = Plugins().adapter(name)
    made: Adapter = resolve(spec.factory, owner=name)(resolve(spec.config, owner=name)())
    made.attach(model)
    return made


def step(model: Model, inputs: dict[str, torch.Tensor], labels: torch.Tensor, loss: Loss) -> None:
    model.zero_grad()
    loss(model(inputs)[: len(labels)], labels).mean().backward()


def penalise(each: Adapter, name: str, outputs: Outputs, labels: torch.Tensor, target: Target) -> None:
    features, logits = (part.detach().requires_grad_() for part in outputs)
    reference = {name: outputs.features}
    batch = Batch(Outputs(features, logits), labels, len(labels), reference, 0.5, target)
    each.penalty(batch).backward()


def seconds(work: Callable[[], Any]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
