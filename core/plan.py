"""From keys to a plan: names resolved, options typed, every key's origin known.

Precedence, weakest first: the models' defaults, the recipes that the task, the
backbone and the adapters name, ``recipe=``, a ``--config`` file, the arguments.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from medplug.core.choice import BackboneChoice
from medplug.core.composition import check_composition, check_joint
from medplug.core.config import DataConfig, FusionConfig, ReportConfig, RunConfig, SelectionConfig, TrainConfig
from medplug.core.discovery.plugins import Plugins
from medplug.core.errors import ConfigError
from medplug.core.grammar import SECTIONS, Flat
from medplug.core.names import Names, names_of, place
from medplug.core.options import refuse_unknown, validated
from medplug.core.specs import AdapterSpec, FusionSpec, ObserverSpec, TaskSpec, resolve

Chosen = tuple[AdapterSpec, BaseModel]
"""An adapter and its options."""


@dataclass(frozen=True, slots=True)
class Encoder:
    """One backbone of a run, its options and, in a run of several slots, the adapter that acts on it.

    Without one it is trained whole, or is fixed and has nothing to train.
    """

    choice: BackboneChoice
    options: BaseModel
    adapter: Chosen | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """All that a run will do, resolved and typed; nothing has been read yet.

    `encoders` holds one a slot, or a single one under the name ``""`` where the
    run has one modality; `fusion` joins several; `observers` watch.
    """

    task: TaskSpec
    task_options: BaseModel
    encoders: Mapping[str, Encoder]
    fusion: tuple[FusionSpec, FusionConfig] | None
    adapters: tuple[Chosen, ...]
    observers: tuple[tuple[ObserverSpec, BaseModel], ...]
    augment: BaseModel | None
    run: RunConfig
    data: DataConfig
    train: TrainConfig
    report: ReportConfig
    selection: SelectionConfig
    origins: Mapping[str, str]

    @property
    def named(self) -> str:
        """The task's name and, where a key of its own says what kind of problem it is, that key's value."""
        if self.task.recipe_by is None:
            return self.task.name
        value = getattr(self.task_options, self.task.recipe_by[0].removeprefix("task."))
        return f"{self.task.name} ({value})"

    def asked(self, key: str) -> bool:
        """Whether somebody gave this key a value, and no recipe or default did."""
        origin = self.origins.get(key, "default")
        return origin not in ("default", "registry") and not origin.startswith("recipe ")

    @property
    def encoder(self) -> Encoder:
        """The only backbone of a run of one modality; `ConfigError` where there are several."""
        if len(self.encoders) > 1:
            raise ConfigError(f"this is for runs of one modality, and this run has {' and '.join(self.encoders)}")
        (encoder,) = self.encoders.values()
        return encoder

    @property
    def pretrained(self) -> bool:
        """Whether weights come from elsewhere, of one backbone at least."""
        return any(each.choice.source is not None for each in self.encoders.values())

    @property
    def meaningful(self) -> bool:
        """Whether features mean something before any training, of one backbone at least."""
        return any(each.choice.meaningful for each in self.encoders.values())

    @property
    def backbones(self) -> str:
        """What is told of the backbones' names; of a path the last part."""
        return " + ".join(each.choice.short for each in self.encoders.values())

    def settings(self) -> list[tuple[str, Any, str]]:
        """Every key with its value (as JSON data) and its origin, in reading order."""
        rows: list[tuple[str, Any]] = [("task", self.task.name), *_dump("task.", self.task_options)]
        for slot, encoder in self.encoders.items():
            rows += [(place(slot), encoder.choice.name), *_dump(f"{place(slot)}.", encoder.options)]
        if self.fusion is not None:
            rows += [("fusion", self.fusion[0].name), *_dump("fusion.", self.fusion[1])]
        rows += [("adapter", "+".join(spec.name for spec, _ in self.adapters))]
        acting = {slot: each.adapter for slot, each in self.encoders.items() if slot}
        rows += [(f"adapter.{slot}", each[0].name if each else None) for slot, each in acting.items()]
        named = {spec.name: options for spec, options in (*self.adapters, *filter(None, acting.values()))}
        for name, options in named.items():
            rows += _dump(f"adapter.{name}.", options)
        if self.augment is not None:
            rows += _dump("augment.", self.augment)
        rows += _dump("", self.run)
        for watching, options in self.observers:
            rows += _dump(f"observers.{watching.name}.", options)
        for name in SECTIONS:
            rows += _dump(f"{name}.", getattr(self, name))
        return [(key, value, self.origins.get(key, "default")) for key, value in rows]


def _dump(prefix: str, model: BaseModel) -> list[tuple[str, Any]]:
    return [(prefix + name, value) for name, value in model.model_dump(mode="json").items()]


def make_plan(layers: Iterable[tuple[str, Flat]], plugins: Plugins) -> Plan:
    """Resolve layers of keys (origin, keys; weakest first) into a plan; `UsageError` on any that is wrong."""
    names = names_of(list(layers), plugins)
    models, keys = _models(names), names.keys
    joining = [key for key, (value, _) in keys.items() if key.partition(".")[0] == "fusion" and value is not None]
    if names.fusion is None and joining:
        raise ConfigError(
            f"fusion joins several modalities; this run of {names.task.name} has one, leave {joining[0]} out"
        )
    refuse_unknown(keys, models, names.selectors)
    built = {prefix: validated(prefix, model, keys) for prefix, model in models.items()}
    whole = tuple((spec, built[f"adapter.{spec.name}."]) for spec in names.adapters)
    plan = Plan(
        task=names.task,
        task_options=built["task."],
        encoders={slot: _encoder(slot, names, built) for slot in names.choices},
        fusion=None if names.fusion is None else (names.fusion, built["fusion."]),  # type: ignore[arg-type]
        adapters=whole,
        observers=tuple((spec, built[f"observers.{spec.name}."]) for spec in names.observers),
        augment=built.get("augment."),
        run=built[""],  # type: ignore[arg-type]
        **{name: built[f"{name}."] for name in SECTIONS},  # type: ignore[arg-type]
        origins=_origins(names),
    )
    if names.fusion is not None:
        check_joint(names.adapters, names.fusion, names.choices)
    check_composition(names.adapters, plan.data, plan.selection, backbone=plan.backbones, pretrained=plan.meaningful)
    return plan


def _models(names: Names) -> dict[str, type[BaseModel]]:
    """The option models of what was named, by the prefix of their keys."""
    task, owner = names.task, f"task {names.task.name}"
    models: dict[str, type[BaseModel]] = {
        "": RunConfig,
        "train.": TrainConfig,
        "report.": ReportConfig,
        "selection.": SelectionConfig,
        "data.": resolve(task.data, owner=owner),
        "task.": resolve(task.config, owner=owner),
    }
    for slot, choice in names.choices.items():
        models[f"{place(slot)}."] = resolve(choice.spec.config, owner=f"backbone {choice.spec.name}")
    if names.fusion is not None:
        models["fusion."] = resolve(names.fusion.config, owner=f"fusion {names.fusion.name}")
    if task.augment is not None:
        models["augment."] = resolve(task.augment, owner=owner)
    for spec in (*names.adapters, *names.own.values()):
        models[f"adapter.{spec.name}."] = resolve(spec.config, owner=f"adapter {spec.name}")
    for watching in names.observers:
        models[f"observers.{watching.name}."] = resolve(watching.config, owner=f"observer {watching.name}")
    return models


def _origins(names: Names) -> dict[str, str]:
    """Where each key's value came from; an adapter of one backbone may be the one of all."""
    found = {key: origin for key, (_, origin) in names.keys.items()}
    for slot in names.choices if names.fusion is not None else ():
        key, acting = f"adapter.{slot}", names.own.get(slot)
        if names.keys.get(key, (None, ""))[0] != (None if acting is None else acting.name):
            found[key] = found["adapter"]
    return found


def _encoder(slot: str, names: Names, built: Mapping[str, BaseModel]) -> Encoder:
    spec = names.own.get(slot)
    acting = None if spec is None else (spec, built[f"adapter.{spec.name}."])
    return Encoder(names.choices[slot], built[f"{place(slot)}."], acting)


def task_keys(chosen: Flat, plugins: Plugins) -> Iterator[tuple[str, str]]:
    """The keys of a task with the backbones and adapters `chosen`, with their descriptions (for completion)."""
    names = names_of([("", chosen)], plugins)
    yield from ((key, f"the name of the {key.replace('.', ' of the ')}") for key in names.selectors)
    for prefix, model in _models(names).items():
        for field, info in model.model_fields.items():
            yield prefix + field, info.description or ""
