"""From keys to a plan: names resolved, options typed, every key's origin known.

Precedence, weakest first: the models' defaults, the recipes that the task, the
backbone and the adapters name, ``recipe=``, a ``--config`` file, the arguments.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from medplug.core.choice import BackboneChoice, choose_backbone
from medplug.core.composition import check_composition, check_joint
from medplug.core.config import DataConfig, FusionConfig, ReportConfig, RunConfig, SelectionConfig, TrainConfig
from medplug.core.errors import ConfigError
from medplug.core.grammar import SECTIONS, SELECTORS, Flat, flatten
from medplug.core.options import Keys, refuse_unknown, shown, validated
from medplug.core.plugins import Plugins
from medplug.core.slots import Slots, keys_for, slots_in_use
from medplug.core.specs import AdapterSpec, FusionSpec, TaskSpec, resolve

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
    run has one modality; `fusion` joins several.
    """

    task: TaskSpec
    task_options: BaseModel
    encoders: Mapping[str, Encoder]
    fusion: tuple[FusionSpec, FusionConfig] | None
    adapters: tuple[Chosen, ...]
    augment: BaseModel | None
    run: RunConfig
    data: DataConfig
    train: TrainConfig
    report: ReportConfig
    selection: SelectionConfig
    origins: Mapping[str, str]

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
            place = _place(slot)
            rows += [(place, encoder.choice.name), *_dump(f"{place}.", encoder.options)]
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
        for name in SECTIONS:
            rows += _dump(f"{name}.", getattr(self, name))
        return [(key, value, self.origins.get(key, "default")) for key, value in rows]


def _place(slot: str) -> str:
    """The key that selects a slot's backbone."""
    return f"backbone.{slot}" if slot else "backbone"


def _dump(prefix: str, model: BaseModel) -> list[tuple[str, Any]]:
    return [(prefix + name, value) for name, value in model.model_dump(mode="json").items()]


@dataclass(frozen=True, slots=True)
class _Names:
    """What the keys select by name, with the merged keys that the options are read from."""

    task: TaskSpec
    choices: Mapping[str, BackboneChoice]
    adapters: list[AdapterSpec]
    own: Mapping[str, AdapterSpec]
    fusion: FusionSpec | None
    keys: Keys

    @property
    def selectors(self) -> tuple[str, ...]:
        slots = [slot for slot in self.choices if slot]
        if not slots:
            return SELECTORS
        return ("task", "adapter", "fusion", *(f"{head}.{slot}" for head in ("backbone", "adapter") for slot in slots))


def make_plan(layers: Iterable[tuple[str, Flat]], plugins: Plugins) -> Plan:
    """Resolve layers of keys (origin, keys; weakest first) into a plan; `UsageError` on any that is wrong."""
    names = _named(list(layers), plugins)
    models, keys = _models(names), names.keys
    refuse_unknown(keys, models, names.selectors)
    if names.fusion is None and keys.get("fusion", (None,))[0] is not None:
        raise ConfigError(f"fusion joins several modalities; this run of {names.task.name} has one, leave fusion out")
    built = {prefix: validated(prefix, model, keys) for prefix, model in models.items()}
    whole = tuple((spec, built[f"adapter.{spec.name}."]) for spec in names.adapters)
    plan = Plan(
        task=names.task,
        task_options=built["task."],
        encoders={slot: _encoder(slot, names, built) for slot in names.choices},
        fusion=None if names.fusion is None else (names.fusion, built["fusion."]),  # type: ignore[arg-type]
        adapters=whole,
        augment=built.get("augment."),
        run=built[""],  # type: ignore[arg-type]
        **{name: built[f"{name}."] for name in SECTIONS},  # type: ignore[arg-type]
        origins={key: origin for key, (_, origin) in keys.items()},
    )
    check_composition(names.adapters, plan.data, plan.selection, backbone=plan.backbones, pretrained=plan.meaningful)
    if names.fusion is not None:
        check_joint(names.adapters, names.fusion, names.choices)
    return plan


def _named(given: list[tuple[str, Flat]], plugins: Plugins) -> _Names:
    asked = _merge(given)
    if "task" not in asked:
        names = ", ".join(spec.name for spec in plugins.all("task"))
        raise ConfigError(f"no task is given; write task=NAME (known: {names})")
    task = plugins.task(_text("task", asked))
    if "recipe" in asked:
        given.insert(0, _recipe(plugins, _text("recipe", asked)))
    basis = [_recipe(plugins, task.recipe)] if task.recipe else []
    slots = slots_in_use(task, _merge([*basis, *given]))
    basis, given = ([keys_for(layer, task, slots) for layer in layers] for layers in (basis, given))
    modalities = dict(slots) if len(slots) > 1 else {"": next(iter(slots.values()), task.modalities[0])}
    asked = _merge([*basis, *given])
    choices = {
        slot: choose_backbone(_text(_place(slot), asked), modality, task.name, plugins, key=_place(slot))
        for slot, modality in modalities.items()
    }
    if "" in choices and (recipe := choices[""].spec.recipe):
        basis += [_recipe(plugins, recipe)]
    for slot, choice in choices.items():
        basis += [("registry", {f"{_place(slot)}.{key}": value for key, value in choice.defaults.items()})]
    adapters = _adapters(_text("adapter", _merge([*basis, *given])), plugins)
    basis += [_recipe(plugins, spec.recipe) for spec in adapters if spec.recipe]
    keys = _merge([*basis, *given])
    if "" in choices:
        return _Names(task, choices, adapters, {}, None, keys)
    own = _own_adapters(slots, choices, adapters, keys, plugins)
    return _Names(task, choices, adapters, own, plugins.fusion(_text("fusion", keys)), keys)


def _own_adapters(
    slots: Slots, choices: Mapping[str, BackboneChoice], adapters: list[AdapterSpec], keys: Keys, plugins: Plugins
) -> dict[str, AdapterSpec]:
    """The adapter that acts on each slot's backbone: its own, else what prepares all; none where it needs none.

    What needs pretrained weights leaves a backbone from scratch to be trained whole.
    """
    found: dict[str, AdapterSpec] = {}
    fitted = any("fit" in spec.answers for spec in adapters)
    shared = next((spec for spec in adapters if "prepare" in spec.answers and not fitted), None)
    for slot in slots:
        key, choice = f"adapter.{slot}", choices[slot]
        value, origin = keys.get(key, (None, ""))
        asked = value is not None and not origin.startswith("recipe ")
        spec = shared if value is None or (fitted and not asked) else plugins.adapter(_text(key, keys))
        if asked and spec is not None:
            _check_own(key, spec, choice, fitted=[each.name for each in adapters if fitted])
        if spec is not None and not choice.spec.fixed and (choice.meaningful or not _needs_weights(spec)):
            found[slot] = spec
    return found


def _needs_weights(spec: AdapterSpec) -> bool:
    return "pretrained_backbone" in spec.needs


def _check_own(key: str, spec: AdapterSpec, choice: BackboneChoice, *, fitted: list[str]) -> None:
    """Raise `ConfigError` for an adapter that cannot act on this one backbone."""
    if fitted:
        raise ConfigError(f"{key}={spec.name}: adapter={fitted[0]} leaves every backbone as it is; leave {key} out")
    if "prepare" not in spec.answers or "fit" in spec.answers:
        raise ConfigError(
            f"{key}={spec.name}: an adapter of one backbone says what of it is trained (frozen, finetune, gradual, "
            f"lora ...); this one acts on the whole model: write adapter={spec.name}"
        )
    if _needs_weights(spec) and not choice.meaningful:
        raise ConfigError(
            f"{key}={spec.name}: {choice.name} starts from random weights, which it would leave as they are; name a "
            f"pretrained backbone, or leave {key} out"
        )


def _encoder(slot: str, names: _Names, built: Mapping[str, BaseModel]) -> Encoder:
    spec = names.own.get(slot)
    acting = None if spec is None else (spec, built[f"adapter.{spec.name}."])
    return Encoder(names.choices[slot], built[f"{_place(slot)}."], acting)


def _merge(layers: Iterable[tuple[str, Flat]]) -> Keys:
    return {key: (value, origin) for origin, keys in layers for key, value in keys.items()}


def _text(key: str, keys: Keys) -> str:
    value, origin = keys.get(key, (None, ""))
    if isinstance(value, str) and value:
        return value
    got = f"; {origin} gives {shown(value) or 'nothing'}" if origin else ""
    head = key.partition(".")[0]
    where = f" (see them with: medplug list {head}s)" if head in SELECTORS else ""
    raise ConfigError(f"{key} takes a name, as in {key}=NAME{got}{where}")


def _recipe(plugins: Plugins, name: str) -> tuple[str, Flat]:
    if name not in plugins.registry.recipes:
        plugins.ask_third_parties()
    return f"recipe {name}", flatten(plugins.registry.recipe(name).keys)


def _adapters(joined: str, plugins: Plugins) -> list[AdapterSpec]:
    names = joined.split("+")
    if len(set(names)) < len(names) or not all(names):
        raise ConfigError(f"adapter={joined}: name each adapter once, joined by +, as in adapter=NAME+NAME")
    return [plugins.adapter(name) for name in names]


def _models(names: _Names) -> dict[str, type[BaseModel]]:
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
        models[f"{_place(slot)}."] = resolve(choice.spec.config, owner=f"backbone {choice.spec.name}")
    if names.fusion is not None:
        models["fusion."] = resolve(names.fusion.config, owner=f"fusion {names.fusion.name}")
    if task.augment is not None:
        models["augment."] = resolve(task.augment, owner=owner)
    for spec in (*names.adapters, *names.own.values()):
        models[f"adapter.{spec.name}."] = resolve(spec.config, owner=f"adapter {spec.name}")
    return models


def task_keys(chosen: Flat, plugins: Plugins) -> Iterator[tuple[str, str]]:
    """The keys of a task with the backbones and adapters `chosen`, with their descriptions (for completion)."""
    names = _named([("", chosen)], plugins)
    yield from ((key, "") for key in names.selectors)
    for prefix, model in _models(names).items():
        for field, info in model.model_fields.items():
            yield prefix + field, info.description or ""
