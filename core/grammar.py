"""The ``key=value`` grammar, the same on the command line, in a file and in Python.

A key is dotted (``train.epochs``); everything after the first ``=`` is the value.
Values stay text, and the field they reach decides their type, so a code such as
``1E50`` or an id ``007`` stays text; ``null`` and values that begin with ``[`` or
``{`` are JSON.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from medplug.core.documents import read_yaml
from medplug.core.errors import ConfigError

SELECTORS = ("task", "backbone", "adapter", "fusion")
"""Keys that select by name, and whose options stand below them."""

SECTIONS = ("data", "train", "report", "selection")
_DEPTH = {"adapter": 2, "task": 1, "backbone": 2, "fusion": 1, "augment": 1, "observers": 2} | dict.fromkeys(
    SECTIONS, 1
)

Flat = dict[str, Any]
"""Dotted key -> value."""


def parse_arguments(arguments: Iterable[str]) -> Flat:
    """Read ``key=value`` words; `ConfigError` shows the right form of a wrong one."""
    values: Flat = {}
    words = list(arguments)
    for position, word in enumerate(words):
        if word.startswith("-") or "=" not in word:
            raise ConfigError(_wrong_word(words, position))
        key, _, text = word.partition("=")
        _check_key(key)
        if key in values:
            raise ConfigError(f"{key} is given twice; give it once")
        values[key] = parse_value(text, key)
    return flatten(values)


def _wrong_word(words: list[str], position: int) -> str:
    word = words[position]
    name, _, value = word.partition("=")
    if not value:
        value = words[position + 1] if position + 1 < len(words) and "=" not in words[position + 1] else "VALUE"
    plain = name.lstrip("-").replace("-", "_")
    key = _key_meant(plain)
    if word.startswith("-"):
        form = f"{key}={value}" if key else f"SECTION.{plain}={value} (medplug show TASK lists the keys)"
        return f"{name} is not an option of this command: keys are written key=value, as in {form}"
    form = f"{key}={value}" if key else "task=text_diagnosis"
    return f"cannot read {word!r}: write key=value, as in {form}"


def _key_meant(name: str) -> str | None:
    """The key a word stands for: itself where it is one, else the one option that every task has of that name."""
    from medplug.core.config import DataConfig, ReportConfig, RunConfig, Section, SelectionConfig, TrainConfig

    if "." in name or name in (*SELECTORS, "recipe", *RunConfig.model_fields):
        return name
    models: dict[str, type[Section]] = {"data": DataConfig, "train": TrainConfig}
    models |= {"report": ReportConfig, "selection": SelectionConfig}
    keys = [f"{section}.{option}" for section, model in models.items() for option in model.model_fields]
    close = get_close_matches(name, [key.partition(".")[2] for key in keys], n=1, cutoff=0.8)
    meant = [key for key in keys if key.partition(".")[2] in close]
    return meant[0] if len(meant) == 1 else None


def parse_value(text: str, key: str) -> Any:
    """One value: text, or JSON where it is ``null`` or begins with ``[`` or ``{``."""
    if text == "null":
        return None
    if text[:1] not in ("[", "{"):
        return text
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise ConfigError(
            f"{key}: a value that begins with {text[0]!r} is read as JSON, and this one is not: "
            f'{error.msg} at position {error.pos + 1}; as in {key}=["a","b"] (quote it for the shell)'
        ) from None


def written(value: Any) -> str:
    """A value as it is typed after ``key=``."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _check_key(key: str) -> None:
    if not key or any(not part.strip() for part in key.split(".")):
        raise ConfigError(f"{key!r} has an empty part; a key looks like train.epochs")


def read_file(path: Path) -> Flat:
    """Read a YAML file of keys, nested or dotted; its scalars follow the same rules as the command line's."""
    import yaml

    def compose(text: str) -> Any:
        return yaml.compose(text, Loader=yaml.SafeLoader)

    tree = read_yaml(path, compose, called="--config", refuse=ConfigError)
    if tree is None:
        return {}
    if not isinstance(tree, yaml.MappingNode):
        raise ConfigError(f"--config {path}: holds no keys; write one `key: value` a line")
    try:
        return flatten(_from_yaml(tree))
    except ConfigError as error:
        raise ConfigError(f"--config {path}: {error}") from None


def _from_yaml(node: Any) -> Any:
    """Plain scalars follow the command line's rules; quoted ones are text as it stands."""
    if node.id == "scalar":
        return None if node.style is None and node.value in ("null", "~", "") else node.value
    if node.id == "sequence":
        return [_from_yaml(item) for item in node.value]
    tree: dict[str, Any] = {}
    for name, value in node.value:
        if not isinstance(name.value, str):
            raise ConfigError(f"line {name.start_mark.line + 1}: a key must be a word, as in train.epochs")
        if name.value in tree:
            raise ConfigError(f"line {name.start_mark.line + 1}: {name.value} is given twice; give it once")
        tree[name.value] = _from_yaml(value)
    return tree


def flatten(tree: Mapping[str, Any]) -> Flat:
    """Flatten nested keys (``train={"epochs": 3}``) to dotted ones."""
    flat: Flat = {}
    for key, value in tree.items():
        for dotted, leaf in _leaves(key, value):
            _check_key(dotted)
            if dotted in flat:
                raise ConfigError(f"{dotted} is given twice; give it once")
            flat[dotted] = leaf
    return flat


def _leaves(key: str, value: Any) -> Iterable[tuple[str, Any]]:
    """Open a mapping only as deep as the key's section goes: deeper ones are values (a table of columns)."""
    head, *rest = key.split(".")
    if isinstance(value, Mapping) and len(rest) < _DEPTH.get(head, 0):
        for name, inner in value.items():
            named = head in (*SELECTORS, "observers") and not rest or head == "backbone" and len(rest) == 1
            selected = name == "name" and named
            yield from _leaves(key if selected else f"{key}.{name}", inner)
    else:
        yield key, value
