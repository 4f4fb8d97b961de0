"""What a plugin declares: frozen, import-light data that names its parts.

``factory`` and ``config`` are ``"module:attribute"`` texts, imported only when
the thing is used, so that listing never imports torch. They come from plugin
code alone; no dotted path is ever taken from a configuration.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from medplug.core.discovery.importing import imported
from medplug.core.errors import PluginError, did_you_mean

Modality = Literal["text", "image", "tabular", "signal", "molecule", "protein"]
TargetKind = Literal[
    "binary",
    "multiclass",
    "multilabel",
    "regression",
    "survival",
    "treatment",
    "choice",
    "ranking",
    "span",
    "text",
    "mask",
]
Cell = Literal["text", "texts", "number", "value", "file"]
"""What a cell of a table holds: a text, a list of texts, a number, a number or a word, a file's path or content."""
Question = Literal["prepare", "weigh", "penalty", "schedule", "fit"]
Family = Literal["instance", "feature", "model", "relation"]
Need = Literal["labels", "source_labels", "target_labels", "unlabelled_target", "pretrained_backbone"]

API_VERSION = 1
"""The contract's version; a plugin module states its own as ``medplug_api``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spec:
    """What every declared thing has: a name, one line about it, its code and its options.

    `recipe` names defaults in the registry that come with choosing it.
    """

    name: str
    summary: str
    factory: str
    config: str
    recipe: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskSpec(Spec):
    """A problem: ``factory`` makes a `medplug.core.task.Task`.

    `config` is the model of ``task.*``, `data` that of ``data.*`` (a subclass of
    `medplug.core.config.DataConfig` with the task's own column names), `augment`
    that of ``augment.*`` for a task whose training batches may be changed at random.
    A task of several modalities lists its `slots` with their modality; a run has
    those that the property `in_use` of its `data` names, in its order, each with a backbone of its own.
    `token_recipe` names defaults over those of `recipe` for a fusion that reads tokens,
    `recipe_by` a key and, by its value, the name of defaults that stand in place of `recipe`,
    `writing` a key and those of its values for which answers are written, by a backbone that `writes`.
    """

    modalities: tuple[Modality, ...]
    targets: tuple[TargetKind, ...]
    data: str
    augment: str | None = None
    token_recipe: str | None = None
    recipe_by: tuple[str, Mapping[str, str]] | None = None
    writing: tuple[str, tuple[str, ...]] | None = None
    slots: Mapping[str, Modality] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class BackboneSpec(Spec):
    """An encoder: ``factory`` makes a `medplug.core.backbone.Backbone`.

    With `pretrained` it needs a source of weights (a registry name, a local
    folder, a hub id); without, its name alone selects it and it learns from scratch.
    Where a modality has several that need a source, the one with `lone_file` is given
    a file of weights that comes alone, and the first of the others all else.
    One that `writes` makes a `medplug.core.generation.generator.Generator`, for tasks that ask for texts.
    One that is `fixed` has no weights: its features mean something before any training.
    """

    modality: Modality
    pretrained: bool = False
    lone_file: bool = False
    fixed: bool = False
    writes: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class AdapterSpec(Spec):
    """A transfer method: ``factory`` makes a `medplug.core.adapter.Adapter`.

    `answers` lists the questions of the contract it answers, `needs` that
    without which it cannot work; ``labels`` are those of either domain.
    `targets` lists the kinds of target that it serves; ``regression``, ``survival`` and
    ``treatment`` must be named, as much that compares or weighs classes has no meaning for them.
    """

    family: Family
    answers: tuple[Question, ...]
    needs: tuple[Need, ...] = ("labels",)
    targets: tuple[TargetKind, ...] = ("binary", "multiclass", "multilabel")


@dataclass(frozen=True, slots=True, kw_only=True)
class FusionSpec(Spec):
    """A layer that joins modalities: ``factory`` makes a `medplug.core.fusion.layer.Fusion`.

    `config` is a subclass of `medplug.core.config.FusionConfig`. With `needs_tokens`
    it reads token features and not pooled ones alone; one that `learns` has weights,
    so that no head can be fitted on what it gives before it is trained.
    """

    needs_tokens: bool = False
    learns: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class ObserverSpec(Spec):
    """Who watches runs: ``factory``, called with the options, makes an object with hooks of `medplug.core.hooks`.

    These are `medplug_run_started`, `medplug_epoch_ended`, `medplug_run_finished` and `medplug_run_failed`, any of
    them, marked with ``hookimpl``. A package that it cannot work without is asked for in the factory: what that
    raises ends the run before a row is read.
    """


def resolve(target: str, *, owner: str) -> Any:
    """Import ``"module:attribute"``; `owner` is named when that fails (`PluginError`)."""
    module, _, attribute = target.partition(":")
    failed = f"{owner}: cannot load {target!r}"
    if not module or not attribute:
        raise PluginError(f"{failed}: it names no code", 'write it "package.module:ClassOrFunction" in the spec')
    try:
        found = imported(module)
        if hasattr(found, attribute):
            return getattr(found, attribute)
    except (Exception, SystemExit) as error:  # noqa: BLE001 - a plugin's module may raise anything
        step = f'see it whole with: python -c "import {module}"'
        raise PluginError(f"{failed}: {type(error).__name__}: {error}", step) from error
    own = [name for name in vars(found) if not name.startswith("_")]
    raise PluginError(
        f"{failed}: {module} has no {attribute!r}{did_you_mean(attribute, own)}",
        "name in the spec what the module defines",
    )
