"""What is to be ranked: candidates named and keys resolved, without importing torch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

from medplug.core import grammar
from medplug.core.config import DataConfig
from medplug.core.discovery.plugins import Plugins
from medplug.core.errors import ConfigError, UsageError
from medplug.core.grammar import Flat
from medplug.core.names import several_slots
from medplug.core.plan import Plan, make_plan

Several = str | Sequence[Any] | None
"""Candidates joined by commas, or one by one."""


@dataclass(frozen=True, slots=True)
class Request:
    """A ranking that can be made: a plan for each backbone, or one plan and the source tables by name."""

    plans: tuple[Plan, ...]
    sources: Mapping[str, Any]


def parse_words(words: Iterable[str]) -> Flat:
    """The ``key=value`` words of ``medplug rank``; `ConfigError` shows the right form of a wrong one."""
    given = list(words)
    if any(word.partition("=")[0] == "--backbones" for word in given):
        raise ConfigError("backbones is a key of this command: write backbones=NAME,NAME")
    keys = grammar.parse_arguments(given)
    if "sources" in keys:
        raise ConfigError("sources is an option of this command: write --sources TABLE,TABLE")
    return keys


def make_request(
    plugins: Plugins,
    layers: Iterable[tuple[str, Flat]],
    *,
    backbones: Several = None,
    sources: Several = None,
) -> Request:
    """Resolve what is to be ranked over layers of keys (origin, keys; weakest first).

    Exactly one of `backbones` and `sources` is given, with two candidates or
    more. Raises from `UsageError` for anything else, unknown names, and
    backbones that start from random weights.
    """
    if (backbones is None) == (sources is None):
        got = "both are given" if backbones is not None else "neither is given"
        raise ConfigError(f"rank either backbones=NAME,NAME or --sources TABLE,TABLE; {got}")
    given = list(layers)
    if any("output" in keys for _, keys in given):
        raise ConfigError(
            "output is the folder of a run, and a ranking leaves none; leave output (-o FILE writes JSON)"
        )
    if any(key.partition(".")[0] == "observers" for _, keys in given for key in keys):
        raise ConfigError("observers watch a run, and a ranking is none; leave observers out")
    if several := several_slots(given, plugins):
        raise ConfigError(
            f"a ranking looks at one modality, and these keys have {' and '.join(several)}; where the task allows it, "
            f"name the columns of one alone, as in data.{several[0]}"
        )
    if sources is not None:
        plan = make_plan(given, plugins)
        _check_pretrained(plan)
        _check_target(plan.data)
        return Request((plan,), _tables(_several(sources, "sources", "--sources TABLE,TABLE")))
    if any("backbone" in keys for _, keys in given):
        raise ConfigError("backbone names one and backbones those to rank; leave backbone (backbone.OPTION=... holds)")
    names = [_name(each) for each in _several(backbones, "backbones", "backbones=NAME,NAME")]
    _refuse_repeats(names, "backbones")
    plans = tuple(make_plan([*given, ("backbones", {"backbone": name})], plugins) for name in names)
    for plan in plans:
        _check_pretrained(plan)
    return Request(plans, {})


def check_output(file: Path | None) -> None:
    """Refuse a place that the JSON cannot be written to, before any work is done for it."""
    if file is not None and (file.is_dir() or not file.absolute().parent.is_dir()):
        raise UsageError(f"output {file}: not a file in a folder that exists; give one, as in -o ranking.json")


def _several(value: str | Sequence[Any] | None, what: str, form: str) -> list[Any]:
    if not isinstance(value, str | list | tuple):
        raise ConfigError(f"{what} takes a list of candidates, as in {form}; got a {type(value).__name__}")
    found = [part.strip() for part in value.split(",")] if isinstance(value, str) else list(value)
    if not any(not isinstance(each, str) or each for each in found):
        raise ConfigError(f"{what} is empty; name two candidates or more, as in {form}")
    if any(isinstance(each, str) and not each for each in found):
        raise ConfigError(f"{what} has an empty part; write {form}")
    if len(found) == 1:
        name = f" ({found[0]})" if isinstance(found[0], str | PathLike) else ""
        raise UsageError(f"{what} names one candidate{name}: there is nothing to rank; name two or more, as in {form}")
    return found


def _name(value: Any) -> str:
    if not isinstance(value, str | PathLike):
        raise ConfigError(f"backbones takes names and folders; got a {type(value).__name__}")
    return str(value)


def _refuse_repeats(names: Sequence[str], what: str) -> None:
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise ConfigError(f"{what} names {', '.join(repeated)} more than once; name each once")


def _tables(tables: Sequence[Any]) -> dict[str, Any]:
    """Tables by name: a file's path, or its place among the sources for a table in memory."""
    names = [str(each) if isinstance(each, str | Path) else f"source {i}" for i, each in enumerate(tables, start=1)]
    _refuse_repeats(names, "sources")
    return dict(zip(names, tables, strict=True))


def _check_pretrained(plan: Plan) -> None:
    if not plan.encoder.choice.meaningful:
        raise ConfigError(
            f"{plan.encoder.choice.name} starts from random weights, so its features say nothing before it is trained; "
            "leave it out of the ranking, and compare it by running it (pretrained ones: medplug list backbones)"
        )


def _check_target(data: DataConfig) -> None:
    if data.source is not None or data.source_sites:
        key = "data.source" if data.source is not None else "data.source_sites"
        raise ConfigError(f"{key} names the source to learn from, and --sources those to rank; leave {key}")
    if data.train is None and data.unlabelled is None:
        raise ConfigError("sources are ranked for a target table: give data.train=TABLE, or data.unlabelled=TABLE")
