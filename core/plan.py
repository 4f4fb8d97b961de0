"""From keys to a plan: names resolved, options typed, every key's origin known.

Precedence, weakest first: the models' defaults, the recipes that the task, the
backbone and the adapters name, ``recipe=``, a ``--config`` file, the arguments.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from medplug.core.config import DataConfig, ReportConfig, RunConfig, SelectionConfig, TrainConfig
from medplug.core.errors import ConfigError, UnknownNameError, did_you_mean
from medplug.core.grammar import SECTIONS, SELECTORS, Flat
from medplug.core.plugins import Plugins
from medplug.core.registry import Source
from medplug.core.specs import AdapterSpec, BackboneSpec, Modality, TaskSpec, resolve


@dataclass(frozen=True, slots=True)
class BackboneChoice:
    """A backbone as chosen: the name given, who builds it, and where its weights come from (None: from scratch)."""

    name: str
    spec: BackboneSpec
    source: Source | None
    defaults: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Plan:
    """All that a run will do, resolved and typed; nothing has been read yet."""

    task: TaskSpec
    task_options: BaseModel
    backbone: BackboneChoice
    backbone_options: BaseModel
    adapters: tuple[tuple[AdapterSpec, BaseModel], ...]
    run: RunConfig
    data: DataConfig
    train: TrainConfig
    report: ReportConfig
    selection: SelectionConfig
    origins: Mapping[str, str]

    def keys(self) -> list[tuple[str, Any, str]]:
        """Every key with its value (as JSON data) and its origin, in reading order."""
        rows: list[tuple[str, Any]] = [("task", self.task.name), *_dump("task.", self.task_options)]
        rows += [("backbone", self.backbone.name), *_dump("backbone.", self.backbone_options)]
        rows += [("adapter", "+".join(spec.name for spec, _ in self.adapters))]
        for spec, options in self.adapters:
            rows += _dump(f"adapter.{spec.name}.", options)
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
    task = plugins.task(_text("task", asked["task"][0]))
    chosen = [_recipe(plugins, _text("recipe", asked["recipe"][0]))] if "recipe" in asked else []
    basis = [_recipe(plugins, task.recipe)] if task.recipe else []
    backbone = _backbone(_merge([*basis, *chosen, *given]), task, plugins)
    basis += [_recipe(plugins, backbone.spec.recipe)] if backbone.spec.recipe else []
    basis += [("registry", {f"backbone.{key}": value for key, value in backbone.defaults.items()})]
    adapters = _adapters(_merge([*basis, *chosen, *given]), plugins)
    basis += [_recipe(plugins, spec.recipe) for spec in adapters if spec.recipe]
    keys = _merge([*basis, *chosen, *given])
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
        run=built[""],  # type: ignore[arg-type]
        **{name: built[f"{name}."] for name in SECTIONS},  # type: ignore[arg-type]
        origins={key: origin for key, (_, origin) in keys.items()},
    )
    _check_sense(plan)
    return plan


def _merge(layers: Iterable[tuple[str, Flat]]) -> dict[str, tuple[Any, str]]:
    return {key: (value, origin) for origin, keys in layers for key, value in keys.items()}


def _text(key: str, value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise ConfigError(f"{key} takes a name, as in {key}=NAME")
    return value


def _recipe(plugins: Plugins, name: str) -> tuple[str, Flat]:
    if name not in plugins.registry.recipes:
        plugins.ask_third_parties()
    return f"recipe {name}", dict(plugins.registry.recipe(name).keys)


def _backbone(keys: Mapping[str, tuple[Any, str]], task: TaskSpec, plugins: Plugins) -> BackboneChoice:
    name = _text("backbone", keys.get("backbone", (None,))[0])
    (modality,) = task.modalities
    if _is_folder(name):
        return BackboneChoice(name, _loader(modality, plugins), Source(path=Path(name).expanduser()), {})
    if name not in plugins.registry.backbones and name not in plugins.known("backbone"):
        plugins.ask_third_parties()
    if (entry := plugins.registry.backbones.get(name)) is not None:
        spec = plugins.backbone(entry.builder) if entry.builder else _loader(entry.modality, plugins)
        _check_modality(name, entry.modality, task)
        return BackboneChoice(name, spec, entry, entry.options)
    if name.count("/") == 1 and not name.endswith("/"):
        return BackboneChoice(name, _loader(modality, plugins), Source(hub=name), {})
    choices = {spec.name for spec in plugins.known("backbone").values() if not spec.pretrained}  # type: ignore[attr-defined]
    if name not in choices:
        known = {*plugins.registry.backbones, *choices}
        raise UnknownNameError("backbone", name, known, [str(failure) for failure in plugins.failures])
    spec = plugins.backbone(name)
    _check_modality(name, spec.modality, task)
    return BackboneChoice(name, spec, None, {})


def _is_folder(name: str) -> bool:
    return name.startswith((".", "/", "~")) or (":" not in name and Path(name).is_dir())


def _check_modality(name: str, modality: Modality, task: TaskSpec) -> None:
    if modality not in task.modalities:
        wanted = " or ".join(task.modalities)
        raise ConfigError(f"backbone={name} encodes {modality}; the task {task.name} needs {wanted}")


def _loader(modality: Modality, plugins: Plugins) -> BackboneSpec:
    """The backbone that loads pretrained weights of a modality."""
    for kind in (plugins.known, plugins.all):
        specs = kind("backbone")
        for spec in specs.values() if isinstance(specs, dict) else specs:
            if isinstance(spec, BackboneSpec) and spec.pretrained and spec.modality == modality:
                return spec
    raise ConfigError(f"no installed backbone loads pretrained weights for {modality}")


def _adapters(keys: Mapping[str, tuple[Any, str]], plugins: Plugins) -> list[AdapterSpec]:
    names = _text("adapter", keys.get("adapter", (None,))[0]).split("+")
    if len(set(names)) < len(names) or not all(names):
        raise ConfigError(f"adapter={'+'.join(names)}: name each adapter once, joined by +")
    return [plugins.adapter(name) for name in names]


def _models(task: TaskSpec, backbone: BackboneChoice, adapters: Iterable[AdapterSpec]) -> dict[str, type[BaseModel]]:
    models = {"": RunConfig, "train.": TrainConfig, "report.": ReportConfig, "selection.": SelectionConfig}
    loaded = {
        "data.": resolve(task.data, owner=f"task {task.name}"),
        "task.": resolve(task.config, owner=f"task {task.name}"),
        "backbone.": resolve(backbone.spec.config, owner=f"backbone {backbone.spec.name}"),
    }
    options = {f"adapter.{spec.name}.": resolve(spec.config, owner=f"adapter {spec.name}") for spec in adapters}
    return {**models, **loaded, **options}


def valid_keys(models: Mapping[str, type[BaseModel]]) -> list[str]:
    """Every key that these models take."""
    fields = [prefix + name for prefix, model in models.items() for name in model.model_fields]
    return [*SELECTORS, "recipe", *fields]


def task_keys(name: str, plugins: Plugins) -> Iterator[tuple[str, str]]:
    """The keys of a task with its default backbone and adapters, with their descriptions (for completion)."""
    plan = make_plan([("", {"task": name})], plugins)
    models = _models(plan.task, plan.backbone, [spec for spec, _ in plan.adapters])
    for prefix, model in models.items():
        for field, info in model.model_fields.items():
            yield prefix + field, info.description or ""


def _refuse_unknown(keys: Mapping[str, Any], models: Mapping[str, type[BaseModel]]) -> None:
    valid = valid_keys(models)
    for key in keys:
        if key not in valid:
            raise ConfigError(_unknown_key(key, valid, [*models]))


def _unknown_key(key: str, valid: list[str], prefixes: list[str]) -> str:
    prefix = next((p for p in sorted(prefixes, key=len, reverse=True) if p and key.startswith(p)), None)
    if key.startswith("adapter.") and prefix is None:
        chosen = [p.split(".")[1] for p in prefixes if p.startswith("adapter.")]
        return f"{key}: options are written adapter.NAME.option, and the adapters chosen are {', '.join(chosen)}"
    if prefix is None:
        ends = [name for name in valid if name.rpartition(".")[2] == key.rpartition(".")[2]]
        hint = f"; did you mean {' or '.join(ends)}?" if ends else did_you_mean(key, valid)
        heads = sorted({name.split(".")[0] for name in valid})
        return f"{key} is not a key{hint} (keys begin with: {', '.join(heads)})"
    names = [name.removeprefix(prefix) for name in valid if name.startswith(prefix)]
    hint = did_you_mean(key, [prefix + name for name in names])
    listed = ", ".join(names) or "it has none"
    return f"{key} is not an option of {prefix[:-1]}{hint} (valid: {listed})"


def _validated(prefix: str, model: type[BaseModel], keys: Mapping[str, tuple[Any, str]]) -> BaseModel:
    values = {name: keys[prefix + name][0] for name in model.model_fields if prefix + name in keys}
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise ConfigError("\n".join(_told(error, prefix, keys))) from None


def _told(error: ValidationError, prefix: str, keys: Mapping[str, tuple[Any, str]]) -> Iterator[str]:
    """Say each fault once, naming the key, what was got and where from."""
    seen: set[str] = set()
    for item in error.errors(include_url=False, include_context=False):
        field = str(item["loc"][0]) if item["loc"] else ""
        key, message = prefix + field, item["msg"].removeprefix("Value error, ")
        if not field:
            yield message
        elif key not in seen:
            value, origin = keys.get(key, (None, "default"))
            yield f"{key}={value} ({origin}): {message[0].lower()}{message[1:]}"
        seen.add(key)


def _check_sense(plan: Plan) -> None:
    """Refuse what cannot work, before anything is read."""
    if plan.backbone.source is None and not any("fit" not in spec.answers for spec, _ in plan.adapters):
        raise ConfigError(
            f"backbone={plan.backbone.name} starts from random weights, so adapter={plan.adapters[0][0].name} "
            "would fit a head on noise; use adapter=finetune, or a pretrained backbone (medplug list backbones)"
        )
    if sum("fit" in spec.answers for spec, _ in plan.adapters) > 1:
        raise ConfigError("two of the adapters fit a head in closed form; choose one of them")
