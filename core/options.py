"""From keys to typed option models: which keys there are, and what is wrong with one that is not or does not fit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import to_jsonable_python

from medplug.core.config import RunConfig
from medplug.core.errors import ConfigError, did_you_mean, without_passwords
from medplug.core.grammar import SELECTORS, written
from medplug.core.specs import Spec, TaskSpec, resolve

Keys = Mapping[str, tuple[Any, str]]
"""Dotted key -> its value and origin."""
Models = Mapping[str, type[BaseModel]]
"""Prefix of keys (``data.``) -> the model of the options below it."""


def option_models(kind: str, spec: Spec) -> Iterator[tuple[str, type[BaseModel]]]:
    """The prefix of keys (``adapter.lora.``) and the model of the options below it, of one thing that is declared."""
    prefix = {"adapter": f"adapter.{spec.name}.", "observer": f"observers.{spec.name}."}.get(kind, f"{kind}.")
    yield prefix, resolve(spec.config, owner=spec.name)
    if isinstance(spec, TaskSpec):
        yield "data.", resolve(spec.data, owner=spec.name)
        if spec.augment:
            yield "augment.", resolve(spec.augment, owner=spec.name)


def default_of(option: FieldInfo) -> str | None:
    """An option's default as it is typed after ``key=``; None where a value must be given."""
    if option.is_required():
        return None
    return written(to_jsonable_python(option.get_default(call_default_factory=True)))


def valid_keys(models: Models, selectors: Sequence[str] = SELECTORS) -> list[str]:
    """Every key that these models take."""
    fields = [prefix + name for prefix, model in models.items() for name in model.model_fields]
    return [*selectors, "recipe", *fields]


def refuse_unknown(keys: Keys, models: Models, selectors: Sequence[str] = SELECTORS) -> None:
    """Raise `ConfigError` for the first key that is none, with the one that was meant, as far as can be told."""
    valid = valid_keys(models, selectors)
    for key, (_, origin) in keys.items():
        if key not in valid:
            where = "" if origin in ("command line", "argument") else f"{origin}: "
            raise ConfigError(where + _unknown_key(key, valid, [*models]))


def _unknown_key(key: str, valid: list[str], prefixes: list[str]) -> str:
    prefix = next((p for p in prefixes if p and f"{key}.".startswith(p)), None)
    if prefix is None and key.startswith("adapter."):
        chosen = ", ".join(p.split(".")[1] for p in prefixes if p.startswith("adapter."))
        own = [name for name in valid if name.startswith("adapter.") and name.count(".") == 1]
        one = f", and the adapter of one backbone {' or '.join(f'{name}=NAME' for name in own)}" if own else ""
        hint = did_you_mean(key, own)
        return f"{key}: options are written adapter.NAME.option=VALUE, and the adapters chosen are {chosen}{one}{hint}"
    if prefix is None and key.startswith("observers."):
        chosen = ", ".join(p.split(".")[1] for p in prefixes if p.startswith("observers."))
        there = f"the observers chosen are {chosen}" if chosen else "no observer is chosen: add observers=NAME"
        return f"{key}: options are written observers.NAME.option=VALUE, and {there}"
    listed = ", ".join(name.removeprefix(prefix or "") for name in valid if prefix and name.startswith(prefix))
    if key == (prefix or "")[:-1]:
        return f"{key} is a group of options; write {key}.OPTION=VALUE (valid: {listed or 'it has none'})"
    ends = [name for name in valid if name.rpartition(".")[2] == key.rpartition(".")[2]]
    hint = f"; did you mean {' or '.join(ends)}?" if ends else did_you_mean(key, valid)
    if prefix is None:
        heads = ", ".join(dict.fromkeys(name.partition(".")[0] for name in valid))
        return f"{key} is not a key{hint} (keys begin with: {heads})"
    return f"{key} is not an option of {prefix[:-1]}{hint} (valid: {listed or 'it has none'})"


def validated(prefix: str, model: type[BaseModel], keys: Keys) -> BaseModel:
    """The options below `prefix`, typed; `ConfigError` tells every fault with its key, value and origin."""
    values = {name: keys[prefix + name][0] for name in model.model_fields if prefix + name in keys}
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise ConfigError("\n".join(_told(error, prefix, model, keys))) from None


def run_config(**keys: Any) -> RunConfig:
    """The keys that stand alone, checked as a plan's are."""
    checked = validated("", RunConfig, {name: (value, "argument") for name, value in keys.items()})
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
        yield f"{prefix}{field}={shown(value)} ({origin}): {told} ({model.model_fields[field].description})"


def shown(value: Any) -> str:
    """A value as an error may show it: never a table, which holds rows, nor an address's password."""
    if isinstance(value, list | tuple) and all(isinstance(item, int | float) for item in value):
        return written(list(value))
    if value is not None and not isinstance(value, str | int | float):
        return f"<{type(value).__name__}>"
    text = without_passwords(written(value))
    return text if len(text) <= 80 else f"{text[:79]}…"
