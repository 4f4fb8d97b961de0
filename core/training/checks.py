"""What was asked for that this training would not heed: refused before anything is computed for it."""

from __future__ import annotations

from medplug.core.config import TrainConfig
from medplug.core.errors import ConfigError
from medplug.core.model import Model
from medplug.core.specs import TargetKind
from medplug.core.training.job import Adapters, Job

_PLAIN = TrainConfig()
_HEADS: dict[TargetKind, str] = {"mask": "masks have a decoder", "span": "spans have one that reads tokens"}


def check_asked(adapters: Adapters, job: Job) -> None:
    """Raise `ConfigError` for blended rows where rows are compared, and for a linear head before a decoder.

    So for what is about targets that are learned along, where there are none.
    """
    comparing = [spec.name for spec, adapter in adapters if "penalty" in spec.answers and adapter.looks_at_rows]
    if comparing and job.augmentation is not None and job.augmentation.mixes:
        raise ConfigError(
            f"augment.mixup and augment.cutmix blend the rows that adapter={comparing[0]} compares; leave them out, or "
            "leave the adapter out"
        )
    _check_along(job)
    target = job.dataset.target
    if target.kind == "treatment" and job.augmentation is not None and job.augmentation.mixes:
        raise ConfigError(
            "augment.mixup and augment.cutmix blend labels, and a row that was given two treatments in part tells of "
            "neither; leave them out"
        )
    if target.kind == "survival" and job.augmentation is not None and job.augmentation.mixes:
        raise ConfigError(
            "augment.mixup and augment.cutmix blend labels, and times to an event, which may be censored, cannot be "
            "blended; leave them out"
        )
    if target.kind not in _HEADS:
        return
    for key in (f"adapter.{spec.name}.head" for spec, adapter in adapters if adapter.starts_from_probe):
        if key in job.plan.origins:  # where nobody asked for it, training starts from a new head
            raise ConfigError(f"{key}=probe starts from a linear head, and {_HEADS[target.kind]}; leave it out")


def _check_along(job: Job) -> None:
    if job.dataset.also and job.augmentation is not None and job.augmentation.mixes:
        raise ConfigError(
            "augment.mixup and augment.cutmix blend the labels of the main target alone, and data.also names others; "
            "leave one of them out"
        )
    asked = [name for name in ("balance", "also_weight") if getattr(job.plan.train, name) != getattr(_PLAIN, name)]
    if asked and not job.dataset.also:
        raise ConfigError(f"train.{asked[0]} weighs the targets of data.also, and none is named; leave it out")


def check_augmented(model: Model, job: Job) -> None:
    """Raise `ConfigError` where ``augment.*`` was asked for and the prepared `model` reads every image once."""
    asked = [key for key in job.plan.origins if key.startswith("augment.") and job.plan.asked(key)]
    frozen = not any(parameter.requires_grad for parameter in model.backbone.parameters())
    if asked and frozen and job.dataset.target.kind != "mask":
        raise ConfigError(
            f"{asked[0]} changes the images that a backbone is trained on, and with this adapter it stays frozen and "
            "reads every image once; leave augment.* out, or use adapter=finetune"
        )
