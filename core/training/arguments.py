"""What medplug's configuration means to `transformers.Trainer`."""

from __future__ import annotations

from pathlib import Path

import torch
from transformers import TrainingArguments

from medplug.core.config import TrainConfig
from medplug.core.errors import ConfigError
from medplug.core.training.compute import Compute
from medplug.core.training.processes import PATIENT_SECONDS

CHOICE = "eval_choice"
"""The number that an epoch is chosen by, the higher the better."""


def training_arguments(
    config: TrainConfig, compute: Compute, checkpoints: Path, seed: int, rows: int
) -> TrainingArguments:
    """Those of `transformers.Trainer` for so many labelled rows; `ConfigError` where processes cannot share a batch."""
    world = compute.processes.world
    if config.batch_size % world:
        raise ConfigError(
            f"train.batch_size={config.batch_size} counts the rows of all processes and cannot be shared by {world}; "
            f"use {config.batch_size // world * world or world}"
        )
    updates = -(-rows // (config.batch_size * config.accumulate))  # an epoch
    arguments = TrainingArguments(
        output_dir=str(checkpoints.resolve()),
        num_train_epochs=max(config.epochs, -(-config.least_updates // updates)),
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
        metric_for_best_model=CHOICE,
        greater_is_better=True,
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
