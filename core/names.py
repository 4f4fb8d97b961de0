"""What the keys of a run select by name: its task, its backbones, its adapters, its fusion and its observers.

Precedence, weakest first: the recipes that the task, the backbone and the
adapters name, ``recipe=``, a ``--config`` file, the arguments.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from medplug.core.choice import BackboneChoice, choose_backbone
from medplug.core.config import FusionConfig, RunConfig
from medplug.core.discovery.plugins import Plugins
from medplug.core.errors import ConfigError
from medplug.core.grammar import SELECTORS, Flat, flatten
from medplug.core.options import Keys, shown, validated
from medplug.core.slots import Slots, keys_for, slots_in_use
from medplug.core.specs import AdapterSpec, FusionSpec, ObserverSpec, TaskSpec


def place(slot: str) -> str:
    """The key that selects a slot's backbone; of the only one that has no slot ``backbone``."""
    return f"backbone.{slot}" if slot else "backbone"


_WITH_OPTIONS = ("backbone", "fusion")
"""What is named and has options of its own below the name."""


@dataclass(frozen=True, slots=True)
class Names:
    """What the keys select by name, with the merged keys that the options are read from."""

    task: TaskSpec
    choices: Mapping[str, BackboneChoice]
    adapters: list[AdapterSpec]
    own: Mapping[str, AdapterSpec]
    fusion: FusionSpec | None
    observers: list[ObserverSpec]
    keys: Keys

    @property
    def selectors(self) -> tuple[str, ...]:
        """The keys that select by name in this run."""
        slots = [slot for slot in self.choices if slot]
        if not slots:
            return SELECTORS
        return ("task", "adapter", "fusion", *(f"{head}.{slot}" for head in ("backbone", "adapter") for slot in slots))


def names_of(given: list[tuple[str, Flat]], plugins: Plugins) -> Names:
    """Resolve every name in layers of keys (origin, keys; weakest first); `UsageError` on any that is wrong."""
    task, basis, given = _layers(given, plugins)
    slots = slots_in_use(task, _merge([*basis, *given]))
    if task.token_recipe and plugins.fusion(_text("fusion", _merge([*basis, *given]))).needs_tokens:
        basis = [*basis, _recipe(plugins, task.token_recipe)]
    basis, given = ([keys_for(layer, task, slots) for layer in layers] for layers in (basis, given))
    modalities = dict(slots) if len(slots) > 1 else {"": next(iter(slots.values()), task.modalities[0])}
    asked = _merge([*basis, *given])
    writes = _writes(task, asked)
    choices = {
        slot: choose_backbone(_text(place(slot), asked), modality, task.name, plugins, key=place(slot), writes=writes)
        for slot, modality in modalities.items()
    }
    if "" in choices and (recipe := choices[""].spec.recipe):
        basis += [_recipe(plugins, recipe)]
    for slot, choice in choices.items():
        basis += [("registry", {f"{place(slot)}.{key}": value for key, value in choice.defaults.items()})]
    adapters = _adapters(_text("adapter", _merge([*basis, *given])), plugins)
    basis += [_recipe(plugins, spec.recipe) for spec in adapters if spec.recipe]
    keys = _merge([*basis, *given])
    observers = _observers(keys, plugins)
    if "" in choices:
        return Names(task, choices, adapters, {}, None, observers, keys)
    own = _own_adapters(slots, choices, adapters, keys, plugins)
    return Names(task, choices, adapters, own, plugins.fusion(_text("fusion", keys)), observers, keys)


def _writes(task: TaskSpec, keys: Keys) -> str | None:
    """The key and the value, where the keys ask for answers that are written; None where they do not."""
    key, values = task.writing or ("", ())
    value, _ = keys.get(key, (None, ""))
    return f"{key}={value}" if value in values else None


def several_slots(given: list[tuple[str, Flat]], plugins: Plugins) -> list[str]:
    """The slots of a run of these keys, where it has more than one."""
    task, basis, given = _layers(given, plugins)
    slots = list(slots_in_use(task, _merge([*basis, *given])))
    return slots if len(slots) > 1 else []


def _layers(
    given: list[tuple[str, Flat]], plugins: Plugins
) -> tuple[TaskSpec, list[tuple[str, Flat]], list[tuple[str, Flat]]]:
    """The task that is named, its recipe, and the keys given over the recipe that they name."""
    asked = _merge(given)
    if "task" not in asked:
        names = ", ".join([*plugins.known("task"), *plugins.declared("task")])
        raise ConfigError(f"no task is given; write task=NAME (known: {names})")
    task = plugins.task(_text("task", asked))
    named = [_recipe(plugins, _text("recipe", asked))] if "recipe" in asked else []
    recipe = _recipe_of(task, _merge([*named, *given]))
    return task, [_recipe(plugins, recipe)] if recipe else [], [*named, *given]


def _recipe_of(task: TaskSpec, keys: Keys) -> str | None:
    """The recipe that a task names, by the value of a key where it has several."""
    if task.recipe_by is None:
        return task.recipe
    key, recipes = task.recipe_by
    value, _ = keys.get(key, (None, ""))
    return recipes.get(value, task.recipe) if isinstance(value, str) else task.recipe


def _own_adapters(
    slots: Slots, choices: Mapping[str, BackboneChoice], adapters: list[AdapterSpec], keys: Keys, plugins: Plugins
) -> dict[str, AdapterSpec]:
    """The adapter that acts on each slot's backbone: its own, else what prepares all; none where it needs none.

    A recipe's own one yields to an ``adapter=`` that was asked for. What needs
    pretrained weights leaves a backbone from scratch to be trained whole.
    """
    found: dict[str, AdapterSpec] = {}
    fitted = [spec.name for spec in adapters if "fit" in spec.answers]
    shared = next((spec for spec in adapters if "prepare" in spec.answers and not fitted), None)
    for slot in slots:
        key, choice = f"adapter.{slot}", choices[slot]
        own = plugins.adapter(_text(key, keys)) if _asked(key, keys) else None
        if own is not None:
            _check_own(key, own, choice, fitted=fitted)
        elif keys.get(key, (None, ""))[0] is not None and not fitted and not (shared and _asked("adapter", keys)):
            own = plugins.adapter(_text(key, keys))
        acting = [spec for spec in (own, shared) if spec is not None and _acts_on(spec, choice)]
        if acting:
            found[slot] = acting[0]
    if shared is not None and _asked("adapter", keys) and shared not in found.values() and _needs_weights(shared):
        raise ConfigError(_idle(shared, slots, choices, found))
    return found


def _asked(key: str, keys: Keys) -> bool:
    """Whether somebody gave this key a value, and not a recipe."""
    value, origin = keys.get(key, (None, "recipe "))
    return value is not None and not origin.startswith("recipe ")


def _acts_on(spec: AdapterSpec, choice: BackboneChoice) -> bool:
    """Whether a backbone has what an adapter acts on: weights and, where it keeps these, ones that mean something."""
    return not choice.spec.fixed and (choice.meaningful or not _needs_weights(spec))


def _idle(
    spec: AdapterSpec, slots: Slots, choices: Mapping[str, BackboneChoice], found: Mapping[str, AdapterSpec]
) -> str:
    """What to say of an adapter that no backbone is left to."""
    why = {slot: f"adapter.{slot}={found[slot].name}" for slot in slots if slot in found}
    why |= {slot: f"backbone.{slot}={choices[slot].name}" for slot in slots if slot not in found}
    return (
        f"adapter={spec.name} acts on pretrained backbones, and none is left to it ({', '.join(why.values())}); name a "
        "pretrained one, or leave it out"
    )


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
    if choice.spec.fixed:
        raise ConfigError(f"{key}={spec.name}: {choice.name} has no weights to train or to keep; leave {key} out")
    if _needs_weights(spec) and not choice.meaningful:
        raise ConfigError(
            f"{key}={spec.name}: {choice.name} starts from random weights, which it would leave as they are; name a "
            f"pretrained backbone, or leave {key} out"
        )


def _merge(layers: Iterable[tuple[str, Flat]]) -> Keys:
    """Stronger layers over weaker ones; what is named anew leaves the options that a recipe gave with another name."""
    found: dict[str, tuple[Any, str]] = {}
    for origin, keys in layers:
        for key in keys:
            if key.partition(".")[0] in _WITH_OPTIONS and key in found and found[key][0] != keys[key]:
                found = {each: given for each, given in found.items() if not _stale(each, key, given[1])}
        found |= {key: (value, origin) for key, value in keys.items()}
    return found


def _stale(key: str, named: str, origin: str) -> bool:
    """Whether a key is a recipe's option of what stood at `named`, and not one that all have."""
    option = key.removeprefix(f"{named}.")
    return option != key and origin.startswith("recipe ") and option not in FusionConfig.model_fields


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
        plugins.ask_for(name, "recipe")
    return f"recipe {name}", flatten(plugins.registry.recipe(name).keys)


def _adapters(joined: str, plugins: Plugins) -> list[AdapterSpec]:
    names = joined.split("+")
    if len(set(names)) < len(names) or not all(names):
        raise ConfigError(f"adapter={joined}: name each adapter once, joined by +, as in adapter=NAME+NAME")
    return [plugins.adapter(name) for name in names]


def _observers(keys: Keys, plugins: Plugins) -> list[ObserverSpec]:
    run = validated("", RunConfig, {key: keys[key] for key in ("observers",) if key in keys})
    return [plugins.observer(name) for name in run.observers]  # type: ignore[attr-defined]
