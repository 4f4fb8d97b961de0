"""Training by gradient: `transformers.Trainer` with length-sorted micro-batches.

A batch is drawn at random, sorted by length and cut into micro-batches under a
token budget, whose gradients add up to exactly the batch's. So little padding is
computed, memory is bounded, and the batches stay a fair sample.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader
from transformers import EarlyStoppingCallback, Trainer, TrainerCallback
from transformers.trainer_callback import PrinterCallback, ProgressCallback

from medplug.core.config import TrainConfig
from medplug.core.training.arguments import CHOICE, training_arguments
from medplug.core.training.checkpoints import newest_checkpoint
from medplug.core.training.compute import Compute
from medplug.core.training.grouping import GroupedBatches
from medplug.core.training.objective import Objective
from medplug.core.training.pairing import PairedBatches
from medplug.core.training.rows import Collate, Part, Row, Rows

Epoch = Callable[[dict[str, float]], None]
Drawn = PairedBatches | GroupedBatches
Collation = Callable[[Sequence[Row]], list[Part]]
_TIE, _WORST = 1e-12, 1e3  # less than any difference between two scores


class TransferTrainer(Trainer):
    """A Trainer whose step adds up the parts of a batch and whose evaluation is medplug's own.

    `score` gives an epoch's validation scores and `preference` how good a choice
    they make it; `batches` draws the batches where they are no plain random ones
    (unlabelled rows beside labelled ones, rows that share an input); `rates`
    multiplies the learning rate of named parameters.
    """

    def __init__(
        self,
        score: Callable[[], dict[str, float]],
        preference: Callable[[Mapping[str, float]], float],
        batches: Drawn | None = None,
        rates: Mapping[str, float] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.score, self.preference, self.batches, self.rates = score, preference, batches, rates or {}

    def get_train_dataloader(self) -> DataLoader[Any]:
        """The batches that are drawn for it, where there are such; each process draws its own."""
        if self.batches is None:
            return super().get_train_dataloader()
        assert self.train_dataset is not None
        return DataLoader(
            self.train_dataset,
            batch_sampler=self.batches,
            collate_fn=self.data_collator,
            num_workers=self.args.dataloader_num_workers,
            pin_memory=self.args.dataloader_pin_memory,
        )

    def get_decay_parameter_names(self, model: Any) -> list[str]:
        """Those that weight decay pulls to 0: weights of layers, but not how the losses are weighed."""
        found: list[str] = super().get_decay_parameter_names(model)
        return [name for name in found if not name.endswith("log_variances")]

    def create_optimizer(self, model: Any = None) -> torch.optim.Optimizer:
        """AdamW, with a group of its own for each learning rate."""
        optimizer = super().create_optimizer(model)
        if self.rates and self.model is not None:
            factors = {id(p): self.rates.get(n.removeprefix("model."), 1.0) for n, p in self.model.named_parameters()}
            optimizer.param_groups[:] = [
                {**group, "params": params, "lr": group["lr"] * factor}
                for group in optimizer.param_groups
                for factor, params in _by_factor(group["params"], factors)
            ]
        return optimizer

    def training_step(self, model: Any, inputs: Any, num_items_in_batch: Any = None) -> Tensor:
        """Forward and backward of one drawn batch, part by part; gives its loss."""
        model.train()
        total: Tensor | None = None
        for position, part in enumerate(inputs):
            last = position == len(inputs) - 1  # processes exchange gradients once a batch
            with nullcontext() if last else self.accelerator.no_sync(model):
                with self.compute_loss_context_manager():
                    loss = model(part.to(self.args.device))
                loss = loss / self.current_gradient_accumulation_steps
                self.accelerator.backward(loss)
            total = loss.detach() if total is None else total + loss.detach()
        assert total is not None
        return total

    def evaluate(self, *args: Any, **kwargs: Any) -> dict[str, float]:
        """Score the validation split, and say how good a choice the epoch is."""
        scores = self.score()
        found = {f"eval_{name}": value for name, value in scores.items()}
        self.log(found)
        told = {**found, CHOICE: self.preference(scores)}
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, told)
        return told


def preferred(scores: Mapping[str, float], *, metric: str, greater_is_better: bool) -> float:
    """How good a choice an epoch of these scores is: by `metric` and, where that is equal, by the lower loss.

    On few validation rows a metric of decisions is soon equal from epoch to epoch,
    and one that needs both classes undefined where they are all of one.
    """
    value = scores[metric] if greater_is_better else -scores[metric]
    value = 0.0 if math.isnan(value) else value
    loss = next((scores[name] for name in ("log_loss", "mse", "cox_loss") if name in scores), 0.0)
    return value - _TIE * min(loss, _WORST)


def _by_factor(
    params: list[torch.nn.Parameter], factors: Mapping[int, float]
) -> list[tuple[float, list[torch.nn.Parameter]]]:
    found: dict[float, list[torch.nn.Parameter]] = {}
    for parameter in params:
        found.setdefault(factors[id(parameter)], []).append(parameter)
    return sorted(found.items(), key=lambda each: -each[0])


class _Guide(TrainerCallback):
    """Tells the objective, its adapters and the batches how far training is."""

    def __init__(self, objective: Objective, schedule: Callable[[float], None], batches: Drawn | None) -> None:
        self.objective, self.schedule, self.batches = objective, schedule, batches

    def on_epoch_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if self.batches is not None:
            self.batches.set_epoch(round(state.epoch))

    def on_step_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self.objective.progress = state.global_step / state.max_steps
        self.schedule(self.objective.progress)


class _Watch(TrainerCallback):
    """Tells the run how far training is."""

    def __init__(self, step: Callable[[int, int], None], epoch: Epoch) -> None:
        self.step, self.epoch = step, epoch
        self.loss = float("nan")

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self.step(state.global_step, state.max_steps)

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, float] | None = None, **kwargs: Any) -> None:
        self.loss = (logs or {}).get("loss", self.loss)

    def on_evaluate(
        self, args: Any, state: Any, control: Any, metrics: dict[str, float] | None = None, **kwargs: Any
    ) -> None:
        told = {name: value for name, value in (metrics or {}).items() if name != CHOICE}
        scores = {name.removeprefix("eval_"): value for name, value in told.items()}
        self.epoch({"epoch": round(state.epoch, 4), "loss": self.loss, **scores})


def train_by_gradient(
    objective: Objective,
    rows: Rows,
    score: Callable[[], dict[str, float]],
    *,
    metric: str,
    greater_is_better: bool,
    config: TrainConfig,
    seed: int,
    compute: Compute,
    checkpoints: Path,
    resume: bool,
    step: Callable[[int, int], None],
    epoch: Epoch,
    rates: Mapping[str, float] | None = None,
    schedule: Callable[[float], None] = lambda progress: None,
    batches: Drawn | None = None,
    collate: Collation | None = None,
) -> list[dict[str, float]]:
    """Train in place and leave the model at its best validation epoch; gives each epoch's numbers.

    `score` gives the validation metrics by name, `metric` among them; `rates`
    and `schedule` are the adapters' answers, `batches` draws the batches
    (None: at random, row by row), `collate` cuts a drawn one into parts (None: by the items of the model's backbone).
    """
    found = newest_checkpoint(checkpoints) if resume else None
    if found is not None and found.over:  # it was killed after its training
        found.load_best(objective)
        return _history(found.state["log_history"])
    arguments = training_arguments(config, compute, checkpoints, seed, len(rows.labels))
    trainer = TransferTrainer(
        score,
        partial(preferred, metric=metric, greater_is_better=greater_is_better),
        batches,
        rates,
        model=objective,
        args=arguments,
        train_dataset=rows,
        eval_dataset=rows,  # a Trainer wants one to evaluate at all; `evaluate` scores the validation split
        data_collator=collate
        or Collate(
            objective.model.backbone, compute.tokens, together=objective.together, weighted=rows.weights is not None
        ),
        callbacks=[EarlyStoppingCallback(config.patience), _Guide(objective, schedule, batches), _Watch(step, epoch)],
    )
    for talker in (PrinterCallback, ProgressCallback):
        trainer.remove_callback(talker)
    trainer.train(resume_from_checkpoint=None if found is None else str(found.folder))
    return _history(trainer.state.log_history)


def _history(log: list[dict[str, Any]]) -> list[dict[str, float]]:
    """One row an epoch: its loss and its validation scores."""
    epochs: dict[float, dict[str, float]] = {}
    for entry in log:
        if "epoch" in entry and ("loss" in entry or any(key.startswith("eval_") for key in entry)):
            row = epochs.setdefault(round(entry["epoch"], 4), {"epoch": round(entry["epoch"], 4)})
            row.update({k.removeprefix("eval_"): v for k, v in entry.items() if k == "loss" or k.startswith("eval_")})
    return [epochs[key] for key in sorted(epochs)]
