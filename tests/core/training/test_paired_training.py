"""Training with penalties: resuming, schedules, what is attached, and learning rates by parameter."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn.functional import softplus

from medplug.core.adapter import Adapter, Batch
from medplug.core.config import TrainConfig
from medplug.core.data.targets import Target
from medplug.core.model import Loss, Model
from medplug.core.training.arguments import training_arguments
from medplug.core.training.compute import Compute
from medplug.core.training.objective import Objective
from medplug.core.training.pairing import PairedBatches
from medplug.core.training.quiet import quiet
from medplug.core.training.rows import Rows
from medplug.core.training.seeds import seeded
from medplug.core.training.trainer import TransferTrainer, train_by_gradient
from medplug.core.transfer.reversal import reverse_gradient

TARGET = Target("multiclass", ("a", "b", "c"))
LABELLED, UNLABELLED = 30, 18


class Adversary(Adapter):
    """A discriminator with dropout, so that each step draws at random; it notes what it is told."""

    def attach(self, model: Model) -> nn.Module:
        self.seen: list[tuple[float, int, int, list[int]]] = []
        self.judge = nn.Sequential(nn.Dropout(0.3), nn.Linear(model.head.in_features, 1))
        return self.judge

    def penalty(self, batch: Batch) -> Tensor:
        places = batch.reference["adversary"][:, 0].int().tolist()
        self.seen.append((batch.progress, batch.sources, len(batch.labels), places))
        opinion = self.judge(reverse_gradient(batch.outputs.features, 1 + batch.progress))
        return softplus(-opinion[: batch.sources]).mean() + softplus(opinion[batch.sources :]).mean()


class Killed(Exception):
    """The run ends here."""


@dataclass
class Paired:
    """One training of source rows against target rows, most of them unlabelled."""

    letters: Callable[..., Any]
    compute: Compute
    texts: list[str]
    folder: Path
    penalised: bool = True
    kill_at: int = 0
    rates: Mapping[str, float] | None = None
    config: dict[str, Any] = field(default_factory=dict)
    scores: int = 0
    scheduled: list[float] = field(default_factory=list)

    def __call__(self, *, resume: bool = False) -> tuple[dict[str, Tensor], list[dict[str, float]]]:
        """Final weights of everything trained, and history."""
        with seeded(0), quiet():
            backbone = self.letters(dropout=0.2)
            self.adapter = Adversary(None)
            penalties = {"adversary": self.adapter} if self.penalised else {}
            objective = Objective(Model(backbone, TARGET), Loss(TARGET), TARGET, penalties)
            self.before = {name: tensor.clone() for name, tensor in objective.state_dict().items()}
            texts = self.texts if self.penalised else self.texts[:LABELLED]
            places = {"adversary": np.arange(len(texts), dtype=np.float32)[:, None]}
            sources = np.arange(LABELLED) < 24
            rows = Rows(backbone.prepare(texts), np.arange(LABELLED) % 3, sources=sources, reference=places)
            config = TrainConfig(**{"epochs": 4, "learning_rate": 0.02, "batch_size": 8, **self.config})
            pairs = PairedBatches(LABELLED, UNLABELLED, config.batch_size, seed=0) if self.penalised else None
            history = train_by_gradient(
                objective,
                rows,
                self._score,
                metric="macro_f1",
                greater_is_better=True,
                config=config,
                seed=0,
                compute=self.compute,
                checkpoints=self.folder,
                resume=resume,
                step=lambda done, total: None,
                epoch=self._epoch,
                rates=self.rates,
                schedule=self.scheduled.append,
                batches=pairs,
            )
        return {name: tensor.clone() for name, tensor in objective.state_dict().items()}, history

    def _score(self) -> dict[str, float]:
        self.scores += 1
        return {"macro_f1": float(self.scores)}

    def _epoch(self, facts: dict[str, float]) -> None:
        if self.kill_at and facts["epoch"] == self.kill_at:
            raise Killed


Pair = Callable[..., Paired]


@pytest.fixture
def paired(letters: Callable[..., Any], on_cpu: Callable[..., Compute], texts: list[str], tmp_path: Path) -> Pair:
    def make(folder: str = "checkpoints", *, tokens: int = 60, **how: Any) -> Paired:
        names = {"penalised", "kill_at", "rates", "scores"}
        rest = {name: value for name, value in how.items() if name in names}
        config = {name: value for name, value in how.items() if name not in names}
        return Paired(letters, on_cpu(tokens), texts, tmp_path / folder, config=config, **rest)

    return make


def difference(one: dict[str, Tensor], other: dict[str, Tensor]) -> float:
    return max(float((one[name] - other[name]).abs().max()) for name in one)


# ---- paired batches


@pytest.mark.parametrize("accumulate", [1, 3])
def test_a_paired_run_killed_in_its_third_epoch_goes_on_to_the_very_same_end(accumulate: int, paired: Pair) -> None:
    unbroken = paired("unbroken", accumulate=accumulate)
    weights, history = unbroken()
    broken = paired("broken", accumulate=accumulate, kill_at=3)
    with pytest.raises(Killed):
        broken()
    again = paired("broken", accumulate=accumulate, scores=2)
    resumed, resumed_history = again(resume=True)
    assert difference(resumed, weights) == 0.0 and resumed_history == history and len(history) == 4
    assert again.adapter.seen == unbroken.adapter.seen[8:]  # the same batches at the same progress
    assert again.scheduled == unbroken.scheduled[len(unbroken.scheduled) // 2 :]
    assert difference(unbroken.before, weights) > 1e-2


def test_a_paired_run_killed_after_its_training_gives_back_its_best(paired: Pair) -> None:
    weights, history = paired("done")()
    again = paired("done")
    same, same_history = again(resume=True)
    assert difference(same, weights) == 0.0 and same_history == history and not again.adapter.seen


def test_each_batch_holds_labelled_rows_of_both_domains_and_unlabelled_ones(paired: Pair) -> None:
    run = paired(epochs=3)
    run()
    assert len(run.adapter.seen) == 12
    orders = []
    for epoch in range(3):
        steps = run.adapter.seen[4 * epoch : 4 * epoch + 4]
        assert [labelled for _, _, labelled, _ in steps] == [8, 8, 8, 6]
        assert all(max(places[:sources]) < 24 <= min(places[sources:]) for _, sources, _, places in steps)
        assert all(min(places[labelled:]) >= LABELLED for _, _, labelled, places in steps)
        assert {len(places) - labelled for _, _, labelled, places in steps} == {8}
        orders.append([place for _, _, labelled, places in steps for place in places[:labelled]])
    assert all(sorted(order) == list(range(LABELLED)) for order in orders)
    assert orders[0] != orders[1] != orders[2]


def test_the_token_budget_does_not_change_what_is_learned(paired: Pair, letters: Callable[..., Any]) -> None:
    plain = lambda **shape: letters()  # noqa: E731
    small, large = paired("small", tokens=40), paired("large", tokens=100_000)
    small.letters = large.letters = plain
    assert difference(small()[0], large()[0]) < 1e-4


def test_what_is_attached_is_trained_and_saved_with_the_model(paired: Pair, tmp_path: Path) -> None:
    run = paired()
    weights, _ = run()
    beside = {name for name in weights if name.startswith("attached.")}
    assert beside == {"attached.adversary.1.weight", "attached.adversary.1.bias"}
    assert all(float((weights[name] - run.before[name]).abs().max()) > 1e-3 for name in beside)
    saved = load_file(tmp_path / "checkpoints" / "checkpoint-16" / "model.safetensors")
    assert set(saved) == set(weights) and difference(saved, weights) == 0.0


# ---- schedule and progress


@pytest.mark.parametrize("accumulate", [1, 2])
def test_the_schedule_is_told_the_rising_progress_of_each_update(accumulate: int, paired: Pair) -> None:
    run = paired(epochs=3, accumulate=accumulate)
    run()
    updates = 12 // accumulate
    assert run.scheduled == pytest.approx([step / updates for step in range(updates)])
    told = [progress for progress, *_ in run.adapter.seen]
    assert told == pytest.approx([step for step in run.scheduled for _ in range(accumulate)])


# ---- rates


def one_step(paired: Pair, folder: str, rates: Mapping[str, float] | None, *, penalised: bool) -> dict[str, Tensor]:
    """How far each weight went in one step of all rows."""
    how: dict[str, Any] = {"epochs": 1, "batch_size": 32, "warmup": 0, "weight_decay": 0}
    run = paired(folder, rates=rates, penalised=penalised, **how)
    weights, _ = run()
    return {name: weights[name] - run.before[name] for name in weights}


@pytest.mark.parametrize("penalised", [False, True])
def test_rates_multiply_how_far_the_first_step_goes(penalised: bool, paired: Pair) -> None:
    rates = {"backbone.embedding.weight": 0.1, "backbone.mix.bias": 0.0, "head.weight": 3.0}
    plain = one_step(paired, "plain", None, penalised=penalised)
    rated = one_step(paired, "rated", rates, penalised=penalised)
    assert float(plain["model.head.bias"].abs().max()) == pytest.approx(0.02, rel=1e-3)
    for name, moved in plain.items():
        factor = rates.get(name.removeprefix("model."), 1.0)
        assert moved.abs().max() > 1e-3
        torch.testing.assert_close(rated[name], factor * moved, atol=1e-6, rtol=1e-4)


def optimizer_groups(
    letters: Callable[..., Any], compute: Compute, folder: Path, rates: dict[str, float]
) -> dict[str, tuple[float, float]]:
    """The learning rate and the weight decay of each parameter, by name; each is in one group."""
    objective = Objective(Model(letters(), TARGET), Loss(TARGET), TARGET, {"adversary": Adversary(None)})
    objective.model.backbone.embedding.requires_grad_(False)
    config = TrainConfig(learning_rate=0.01, weight_decay=0.3)
    trainer = TransferTrainer(
        lambda: {},
        lambda scores: 0.0,
        rates=rates,
        model=objective,
        args=training_arguments(config, compute, folder, 0, 1),
        eval_dataset=Rows([], np.arange(0)),
    )
    names = {id(parameter): name for name, parameter in objective.named_parameters()}
    found: dict[str, tuple[float, float]] = {}
    for group in trainer.create_optimizer().param_groups:
        for parameter in group["params"]:
            assert names[id(parameter)] not in found
            found[names[id(parameter)]] = (group["lr"], group["weight_decay"])
    return found


def test_weights_decay_as_they_would_without_rates(
    letters: Callable[..., Any], on_cpu: Callable[..., Compute], tmp_path: Path
) -> None:
    rates = {"backbone.mix.weight": 0.5, "backbone.mix.bias": 0.5, "head.weight": 2.0}
    plain = optimizer_groups(letters, on_cpu(), tmp_path, {})
    found = optimizer_groups(letters, on_cpu(), tmp_path, rates)
    weights = {"model.backbone.mix.weight", "model.head.weight", "attached.adversary.1.weight"}
    biases = {name.replace("weight", "bias") for name in weights}
    assert plain == {**dict.fromkeys(weights, (0.01, 0.3)), **dict.fromkeys(biases, (0.01, 0.0))}
    for name, (rate, decay) in plain.items():
        factor = rates.get(name.removeprefix("model."), 1.0)
        assert found[name] == (pytest.approx(factor * rate), decay)
    assert set(found) == set(plain)
