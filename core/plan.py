"""From keys to a plan: names resolved, options typed, every key's origin known.

Precedence, weakest first: the models' defaults, the recipes that the task, the
backbone and the adapters name, ``recipe=``, a ``--config`` file, the arguments.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ValidationError

from medplug.core.choice import BackboneChoice, choose_backbone
from medplug.core.composition import check_composition
from medplug.core.config import DataConfig, ReportConfig, RunConfig, SelectionConfig, TrainConfig
from medplug.core.errors import ConfigError, did_you_mean
from medplug.core.grammar import SECTIONS, SELECTORS, Flat, flatten, written
from medplug.core.plugins import Plugins
from medplug.core.specs import AdapterSpec, TaskSpec, resolve

Keys = Mapping[str, tuple[Any, str]]
"""Dotted key -> its value and origin."""


@dataclass(frozen=True, slots=True)
class Plan:
    """All that a run will do, resolved and typed; nothing has been read yet."""

    task: TaskSpec
    task_options: BaseModel
    backbone: BackboneChoice
    backbone_options: BaseModel
    adapters: tuple[tuple[AdapterSpec, BaseModel], ...]
    augment: BaseModel | None
    run: RunConfig
    data: DataConfig
    train: TrainConfig
    report: ReportConfig
    selection: SelectionConfig
    origins: Mapping[str, str]

    def settings(self) -> list[tuple[str, Any, str]]:
        """Every key with its value (as JSON data) and its origin, in reading order."""
        rows: list[tuple[str, Any]] = [("task", self.task.name), *_dump("task.", self.task_options)]
        rows += [("backbone", self.backbone.name), *_dump("backbone.", self.backbone_options)]
        rows += [("adapter", "+".join(spec.name for spec, _ in self.adapters))]
        for spec, options in self.adapters:
            rows += _dump(f"adapter.{spec.name}.", options)
        if self.augment is not None:
            rows += _dump("augment.", self.augment)
        rows += _dump("", self.run)
        for name in SECTIONS:
            rows += _dump(f"{name}.", getattr(self, name))
        return [(key, value, self.origins.get(key, "default")) for key, value in rows]


def _dump(prefix: str, model: BaseModel) -> list[tuple[str, Any]]:
    return [(prefix + name, value) for name, value in model.model_dump(mode="json").items()]


def make_plan(layers: Iterable[tuple[str, Flat]], plugins: Plugins) -> Plan:
    """Resolve layers of keys (origin, keys; weakest first) into a plan; `UsageError` on any that is wrong."""
    given = list(layers)
    asked = _merge(given)
    if "task" not in asked:
        names = ", ".join(spec.name for spec in plugins.all("task"))
        raise ConfigError(f"no task is given; write task=NAME (known: {names})")
    task = plugins.task(_text("task", asked))
    if "recipe" in asked:
        given.insert(0, _recipe(plugins, _text("recipe", asked)))
    basis = [_recipe(plugins, task.recipe)] if task.recipe else []
    backbone = choose_backbone(_text("backbone", _merge([*basis, *given])), task, plugins)
    basis += [_recipe(plugins, backbone.spec.recipe)] if backbone.spec.recipe else []
    basis += [("registry", {f"backbone.{key}": value for key, value in backbone.defaults.items()})]
    adapters = _adapters(_text("adapter", _merge([*basis, *given])), plugins)
    basis += [_recipe(plugins, spec.recipe) for spec in adapters if spec.recipe]
    keys = _merge([*basis, *given])
    models = _models(task, backbone, adapters)
    _refuse_unknown(keys, models)
    if "fusion" in keys and keys["fusion"][0] is not None:
        raise ConfigError(f"fusion joins several modalities; the task {task.name} has one, so leave fusion out")
    built = {prefix: _validated(prefix, model, keys) for prefix, model in models.items()}
    plan = Plan(
        task=task,
        task_options=built["task."],
        backbone=backbone,
        backbone_options=built["backbone."],
        adapters=tuple((spec, built[f"adapter.{spec.name}."]) for spec in adapters),
        augment=built.get("augment."),
        run=built[""],  # type: ignore[arg-type]
        **{name: built[f"{name}."] for name in SECTIONS},  # type: ignore[arg-type]
        origins={key: origin for key, (_, origin) in keys.items()},
    )
    meaningful = backbone.source is not None or backbone.spec.fixed
    check_composition(adapters, plan.data, plan.selection, backbone=backbone.name, pretrained=meaningful)
    return plan


def _merge(layers: Iterable[tuple[str, Flat]]) -> Keys:
    return {key: (value, origin) for origin, keys in layers for key, value in keys.items()}


def _text(key: str, keys: Keys) -> str:
    value, origin = keys.get(key, (None, ""))
    if isinstance(value, str) and value:
        return value
    got = f"; {origin} gives {_shown(value) or 'nothing'}" if origin else ""
    where = f" (see them with: medplug list {key}s)" if key in SELECTORS else ""
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


def _models(task: TaskSpec, backbone: BackboneChoice, adapters: Iterable[AdapterSpec]) -> dict[str, type[BaseModel]]:
    models = {"": RunConfig, "train.": TrainConfig, "report.": ReportConfig, "selection.": SelectionConfig}
    loaded = {
        "data.": resolve(task.data, owner=f"task {task.name}"),
        "task.": resolve(task.config, owner=f"task {task.name}"),
        "backbone.": resolve(backbone.spec.config, owner=f"backbone {backbone.spec.name}"),
    }
    if task.augment is not None:
        loaded["augment."] = resolve(task.augment, owner=f"task {task.name}")
    options = {f"adapter.{spec.name}.": resolve(spec.config, owner=f"adapter {spec.name}") for spec in adapters}
    return {**models, **loaded, **options}


def valid_keys(models: Mapping[str, type[BaseModel]]) -> list[str]:
    """Every key that these models take."""
    fields = [prefix + name for prefix, model in models.items() for name in model.model_fields]
    return [*SELECTORS, "recipe", *fields]


def task_keys(chosen: Flat, plugins: Plugins) -> Iterator[tuple[str, str]]:
    """The keys of a task with the backbone and adapters `chosen`, with their descriptions (for completion)."""
    plan = make_plan([("", chosen)], plugins)
    models = _models(plan.task, plan.backbone, [spec for spec, _ in plan.adapters])
    for prefix, model in models.items():
        for field, info in model.model_fields.items():
            yield prefix + field, info.description or ""


def _refuse_unknown(keys: Keys, models: Mapping[str, type[BaseModel]]) -> None:
    valid = valid_keys(models)
    for key, (_, origin) in keys.items():
        if key not in valid:
            where = "" if origin in ("command line", "argument") else f"{origin}: "
            raise ConfigError(where + _unknown_key(key, valid, [*models]))


def _unknown_key(key: str, valid: list[str], prefixes: list[str]) -> str:
    prefix = next((p for p in prefixes if p and f"{key}.".startswith(p)), None)
    if prefix is None and key.startswith("adapter."):
        chosen = ", ".join(p.split(".")[1] for p in prefixes if p.startswith("adapter."))
        return f"{key}: options are written adapter.NAME.option=VALUE, and the adapters chosen are {chosen}"
    listed = ", ".join(name.removeprefix(prefix or "") for name in valid if prefix and name.startswith(prefix))
    if key == (prefix or "")[:-1]:
        return f"{key} is a group of options; write {key}.OPTION=VALUE (valid: {listed or 'it has none'})"
    ends = [name for name in valid if name.rpartition(".")[2] == key.rpartition(".")[2]]
    hint = f"; did you mean {' or '.join(ends)}?" if ends else did_you_mean(key, valid)
    if prefix is None:
        heads = ", ".join(dict.fromkeys(name.partition(".")[0] for name in valid))
        return f"{key} is not a key{hint} (keys begin with: {heads})"
    return f"{key} is not an option of {prefix[:-1]}{hint} (valid: {listed or 'it has none'})"


def _validated(prefix: str, model: type[BaseModel], keys: Keys) -> BaseModel:
    values = {name: keys[prefix + name][0] for name in model.model_fields if prefix + name in keys}
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise ConfigError("\n".join(_told(error, prefix, model, keys))) from None


def run_config(**keys: Any) -> RunConfig:
    """The keys that stand alone, checked as a plan's are."""
    checked = _validated("", RunConfig, {name: (value, "argument") for name, value in keys.items()})
    assert isinstance(checked, RunConfig)
    return checked


def _told(error: ValidationError, prefix: str, model: type[BaseModel], keys: Keys) -> Iterator[str]:
    """Say each fault once, naming the key, what was got, where from, and what it is for."""
    faults: dict[str, list[str]] = {}
    for item in error.errors(include_url=False, include_context=False):
        field, message = str(item["loc"][0]) if item["loc"] else "", item["msg"].removeprefix("Value error, ")
        faults.setdefault(field, []).append(f"{message[0].lower()}{message[1:]}" if field else message)
    for field, messages in faults.items():
        if not field:
            yield from messages
            continue
        value, origin = keys.get(prefix + field, (None, "default"))
        told = "; or ".join(dict.fromkeys(messages))
        yield f"{prefix}{field}={_shown(value)} ({origin}): {told} ({model.model_fields[field].description})"


def _shown(value: Any) -> str:
    """A value as an error may show it: never a table, which holds rows."""
    if isinstance(value, list | tuple) and all(isinstance(item, int | float) for item in value):
        return written(list(value))
    if value is not None and not isinstance(value, str | int | float):
        return f"<{type(value).__name__}>"
    text = written(value)
    return text if len(text) <= 80 else f"{text[:79]}…"
