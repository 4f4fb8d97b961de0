"""Training by gradient: `transformers.Trainer` with length-sorted micro-batches.

A batch is drawn at random, sorted by length and cut into micro-batches under a
token budget, whose gradients add up to exactly the batch's. So little padding is
computed, memory is bounded, and the batches stay a fair sample.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset
from transformers import EarlyStoppingCallback, Trainer, TrainerCallback, TrainingArguments
from transformers.trainer_callback import PrinterCallback, ProgressCallback

from medplug.core.config import TrainConfig
from medplug.core.contracts import Backbone
from medplug.core.data.batches import budget_batches
from medplug.core.errors import ConfigError
from medplug.core.model import Loss, Model
from medplug.core.training.checkpoints import newest_checkpoint
from medplug.core.training.compute import Compute
from medplug.core.training.processes import PATIENT_SECONDS

Epoch = Callable[[dict[str, float]], None]


class Rows(Dataset[tuple[Any, Any]]):
    """Prepared items with their encoded labels."""

    def __init__(self, items: Sequence[Any], labels: NDArray[np.int64]) -> None:
        self.items, self.labels = items, labels

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        return self.items[index], self.labels[index]


class Collate:
    """Makes micro-batches of similar length, at most `tokens` each, padding counted."""

    def __init__(self, backbone: Backbone, tokens: int) -> None:
        self.backbone, self.tokens = backbone, tokens

    def __call__(self, rows: Sequence[tuple[Any, Any]]) -> list[dict[str, Any]]:
        """Cut drawn rows into micro-batches, each with its share of the rows."""
        sizes = [self.backbone.size(item) for item, _ in rows]
        return [
            {
                "inputs": self.backbone.collate([rows[i][0] for i in batch]),
                "labels": torch.from_numpy(np.stack([rows[i][1] for i in batch])),
                "share": len(batch) / len(rows),
            }
            for batch in budget_batches(sizes, budget=self.tokens)
        ]


class TransferTrainer(Trainer):
    """A Trainer whose step adds up micro-batches and whose evaluation is medplug's own."""

    def __init__(self, loss: Loss, score: Callable[[], dict[str, float]], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.loss, self.score = loss.to(self.args.device), score

    def training_step(self, model: Any, inputs: Any, num_items_in_batch: Any = None) -> Tensor:
        """Forward and backward of one drawn batch, micro-batch by micro-batch; gives its mean loss."""
        model.train()
        total: Tensor | None = None
        for position, micro in enumerate(inputs):
            last = position == len(inputs) - 1  # processes exchange gradients once a batch
            with nullcontext() if last else self.accelerator.no_sync(model):
                micro = self._prepare_inputs(micro)
                with self.compute_loss_context_manager():
                    logits = model(micro["inputs"])
                loss = self.loss(logits, micro["labels"]).mean() * micro["share"]
                loss = loss / self.current_gradient_accumulation_steps
                self.accelerator.backward(loss)
            total = loss.detach() if total is None else total + loss.detach()
        assert total is not None
        return total

    def evaluate(self, *args: Any, **kwargs: Any) -> dict[str, float]:
        """Score the validation split."""
        scores = {f"eval_{name}": value for name, value in self.score().items()}
        self.log(scores)
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, scores)
        return scores


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
        scores = {name.removeprefix("eval_"): value for name, value in (metrics or {}).items()}
        self.epoch({"epoch": round(state.epoch, 4), "loss": self.loss, **scores})


def train_by_gradient(
    model: Model,
    rows: Rows,
    loss: Loss,
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
) -> list[dict[str, float]]:
    """Train in place and leave the model at its best validation epoch; gives each epoch's numbers.

    `score` gives the validation metrics by name, `metric` among them.
    """
    found = newest_checkpoint(checkpoints) if resume else None
    if found is not None and found.over:  # it was killed after its training
        found.load_best(model)
        return _history(found.state["log_history"])
    arguments = _arguments(config, compute, checkpoints, seed, metric, greater_is_better)
    trainer = TransferTrainer(
        loss,
        score,
        model=model,
        args=arguments,
        train_dataset=rows,
        eval_dataset=rows,  # a Trainer wants one to evaluate at all; `evaluate` scores the validation split
        data_collator=Collate(model.backbone, compute.tokens),
        callbacks=[EarlyStoppingCallback(config.patience), _Watch(step, epoch)],
    )
    for talker in (PrinterCallback, ProgressCallback):
        trainer.remove_callback(talker)
    trainer.train(resume_from_checkpoint=None if found is None else str(found.folder))
    return _history(trainer.state.log_history)


def _arguments(
    config: TrainConfig, compute: Compute, checkpoints: Path, seed: int, metric: str, greater: bool
) -> TrainingArguments:
    world = compute.processes.world
    if config.batch_size % world:
        raise ConfigError(
            f"train.batch_size={config.batch_size} counts the rows of all processes and cannot be shared by {world}; "
            f"use {config.batch_size // world * world or world}"
        )
    arguments = TrainingArguments(
        output_dir=str(checkpoints.resolve()),
        num_train_epochs=config.epochs,
        per_device_train_batch_size=config.batch_size // world,
        gradient_accumulation_steps=config.accumulate,
        learning_rate=config.learning_rate,
        weight_decay=config.weight_decay,
        warmup_steps=config.warmup,  # below one it is a share of all updates
        max_grad_norm=config.clip,
        lr_scheduler_type="linear",
        eval_strategy="epoch",
        save_strategy="epoch",
        logging_strategy="epoch",
        save_total_limit=2,  # the best and the last; with one, the last goes when training ends
        load_best_model_at_end=True,
        restore_callback_states_from_checkpoint=True,  # a resumed run keeps count of its patience
        metric_for_best_model=metric,
        greater_is_better=greater,
        bf16=compute.dtype is torch.bfloat16,
        fp16=compute.dtype is torch.float16,
        use_cpu=compute.device.type == "cpu",
        ddp_timeout=PATIENT_SECONDS,
        ddp_backend="gloo" if world > 1 and compute.device.type == "cpu" else None,
        ddp_find_unused_parameters=world > 1,  # a pooled encoder may own parts that its features do not use
        dataloader_num_workers=config.workers,
        dataloader_pin_memory=compute.device.type == "cuda",
        remove_unused_columns=False,
        logging_nan_inf_filter=False,  # it would wait for the device at every step
        disable_tqdm=True,
        report_to=[],
        seed=seed,
        data_seed=seed,
    )
    if arguments.n_gpu > 1:  # one process uses one GPU; several take torchrun
        arguments._n_gpu = 1
    return arguments


def _history(log: list[dict[str, Any]]) -> list[dict[str, float]]:
    """One row an epoch: its loss and its validation scores."""
    epochs: dict[float, dict[str, float]] = {}
    for entry in log:
        if "epoch" in entry and ("loss" in entry or any(key.startswith("eval_") for key in entry)):
            row = epochs.setdefault(round(entry["epoch"], 4), {"epoch": round(entry["epoch"], 4)})
            row.update({k.removeprefix("eval_"): v for k, v in entry.items() if k == "loss" or k.startswith("eval_")})
    return [epochs[key] for key in sorted(epochs)]
