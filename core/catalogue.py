"""What ``medplug list``, ``show`` and ``--dry-run`` say, made without importing torch."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import get_args

from pydantic import BaseModel

from medplug.core.choice import scratch
from medplug.core.composition import NEEDED, require_training_table
from medplug.core.discovery.answers import KINDS
from medplug.core.discovery.plugins import Plugins
from medplug.core.errors import UsageError, did_you_mean
from medplug.core.grammar import written
from medplug.core.options import default_of, option_models
from medplug.core.plan import Plan
from medplug.core.registry import NamedBackbone
from medplug.core.specs import (
    AdapterSpec,
    BackboneSpec,
    Family,
    FusionSpec,
    ObserverSpec,
    Question,
    Spec,
    TaskSpec,
)

Row = tuple[str, ...]
FAMILIES: tuple[Family, ...] = get_args(Family)
ANSWERED: dict[Question, str] = {
    "prepare": "what is trained",
    "weigh": "how much each source row counts",
    "penalty": "a term of the loss",
    "schedule": "what thaws as training goes on",
    "fit": "the head, fitted without gradient",
}
"""What each question of the contract asks of an adapter."""
TABLES = {
    "source": "source",
    "train": "train",
    "unlabelled": "unlabelled: no label is read",
    "validation": "validation",
    "test": "test",
}
"""The tables that a run may read, in the order in which it is told of them."""


def listing(kind: str, plugins: Plugins) -> tuple[Row, list[Row]]:
    """Header and rows of one kind (``tasks``, ``backbones``, ``adapters`` ...); no third party is imported.

    Of plugins that were not imported what their packages declare stands there.
    """
    header, rows = _listed(kind, plugins)
    name_at = 1 if header[0] == "family" else 0
    for name, plugin in plugins.declared(kind.removesuffix("s")).items():
        cells = [""] * len(header)
        cells[name_at], cells[-1] = name, f"of {plugin.distribution}, not imported"
        rows.append(tuple(cells))
    return header, rows


def _listed(kind: str, plugins: Plugins) -> tuple[Row, list[Row]]:
    if kind == "backbones":
        return _backbones(plugins)
    specs = list(plugins.known(kind.removesuffix("s")).values())
    if kind == "tasks":
        rows: list[Row] = [
            (s.name, ", ".join(s.modalities), ", ".join(s.targets), s.summary) for s in specs if isinstance(s, TaskSpec)
        ]
        return ("task", "modality", "targets", "what it does"), rows
    if kind == "adapters":
        ordered = sorted((s for s in specs if isinstance(s, AdapterSpec)), key=lambda s: FAMILIES.index(s.family))
        rows = [(s.family, s.name, ", ".join(s.needs).replace("_", " "), s.summary) for s in ordered]
        return ("family", "adapter", "needs", "what it does"), rows
    if kind == "observers":
        return ("observer", "what it does"), [(s.name, s.summary) for s in specs if isinstance(s, ObserverSpec)]
    rows = [(s.name, _reads(s), s.summary) for s in specs if isinstance(s, FusionSpec)]
    return ("fusion", "reads", "what it does"), rows


def _reads(spec: FusionSpec) -> str:
    """What of each modality's features a fusion joins."""
    return "tokens" if spec.needs_tokens else "pooled features"


def _backbones(plugins: Plugins) -> tuple[Row, list[Row]]:
    rows: list[Row] = [
        (name, b.modality, str(b.width or "?"), _source(b), _revision(b), b.licence, b.use)
        for name, b in plugins.registry.backbones.items()
    ]
    made = {True: "no weights", False: "from scratch"}
    rows += [(s.name, s.modality, "set", made[s.fixed], "-", "-", s.summary) for s in scratch(plugins)]
    return ("backbone", "modality", "width", "source", "revision", "licence", "use"), rows


def _source(entry: NamedBackbone) -> str:
    if entry.path is not None:
        return str(entry.path)
    package = entry.package.partition(":")[0] if entry.package else None
    return ", else ".join(part for part in (package and f"package {package}", entry.hub) if part)


def _revision(entry: NamedBackbone) -> str:
    if entry.hub is None:
        return "local"
    return entry.revision[:12] if entry.revision else "unpinned"


def describe(name: str, plugins: Plugins) -> str:
    """One thing by name, with its options."""
    plugins.ask_for(name, *KINDS, "recipe")
    parts = [*_described(name, plugins)]
    if not parts:
        known = {name for kind in KINDS for name in (*plugins.known(kind), *plugins.declared(kind))}
        known |= {*plugins.registry.backbones, *plugins.registry.recipes}
        lines = [f"nothing is named {name!r}{did_you_mean(name, known)}", f"known: {', '.join(sorted(known))}"]
        lines += [f"of a plugin that might give it: {failure}" for failure in _wrong(name, plugins)]
        raise UsageError("\n".join([*lines, f"see them with: medplug list [{'|'.join(f'{kind}s' for kind in KINDS)}]"]))
    return "\n\n".join(parts)


def _wrong(name: str, plugins: Plugins) -> list[str]:
    """What was found wrong with plugins that may be why nothing has this name, each once."""
    return list(dict.fromkeys(line for kind in (*KINDS, "recipe") for line in plugins.told(kind, name)))


def _described(name: str, plugins: Plugins) -> Iterator[str]:
    for kind in KINDS:
        for spec in plugins.known(kind).values():
            if spec.name == name:
                yield _spec(kind, spec, plugins)
    if name in plugins.registry.backbones:
        entry = plugins.registry.backbones[name]
        facts: dict[str, object] = {
            "source": _source(entry),
            "revision": entry.revision or _revision(entry),
            "licence": entry.licence,
        }
        facts |= {"modality": entry.modality, "width": entry.width, "tokens": entry.tokens, "use": entry.use}
        lines = [f"  {key}: {value}" for key, value in facts.items() if value]
        yield "\n".join([f"backbone {name}", *lines])
        builder = next((s for s in plugins.known("backbone").values() if _loads(s, entry)), None)
        if builder is not None:
            yield _spec("backbone", builder, plugins)
    if name in plugins.registry.recipes:
        recipe = plugins.registry.recipes[name]
        lines = [f"  {key}={value}" for key, value in recipe.keys.items()]
        yield "\n".join([f"recipe {name}: {recipe.summary}", *lines])


def _loads(spec: Spec, entry: NamedBackbone) -> bool:
    return isinstance(spec, BackboneSpec) and (
        spec.name == entry.builder or (entry.builder is None and spec.pretrained and spec.modality == entry.modality)
    )


def _spec(kind: str, spec: Spec, plugins: Plugins) -> str:
    head = [f"{kind} {spec.name}: {spec.summary}", f"  from {plugins.owner(kind, spec.name)}"]
    if isinstance(spec, AdapterSpec):
        head += _contract(spec)
    if isinstance(spec, FusionSpec):
        head.append(f"  reads: the {_reads(spec)} of each modality")
    options = [line for prefix, model in option_models(kind, spec) for line in _options(prefix, model)]
    return "\n".join([*head, *options])


def _contract(spec: AdapterSpec) -> Iterator[str]:
    """What an adapter is, answers, needs and serves."""
    yield f"  family: {spec.family}"
    yield f"  answers: {'; '.join(f'{question} ({ANSWERED[question]})' for question in spec.answers)}"
    for need in spec.needs:
        what, step = NEEDED[need]
        yield f"  needs: {what}; {step}"
    yield f"  serves: {', '.join(spec.targets)} targets"


def _options(prefix: str, model: type[BaseModel]) -> Iterator[str]:
    for name, info in model.model_fields.items():
        default = default_of(info)
        told = "required" if default is None else f"default {default}"
        yield f"  {prefix}{name} ({told}): {info.description or ''}"


def preview(plan: Plan) -> str:
    """The resolved run and what it would read, train and write; `ConfigError` where the tables do not go together."""
    require_training_table(plan.data)
    keys = plan.settings()
    width = max(len(key) for key, _, _ in keys)
    lines = [f"{key:<{width}} = {written(value)}  ({origin})" for key, value, origin in keys]
    output = plan.run.output or f"runs/{plan.task.name}-<time>"
    return "\n".join(
        [
            *lines,
            "",
            f"would read:  {_read(plan)}",
            f"would train: {_trained(plan)}",
            f"would write: {output}",
        ]
    )


def _read(plan: Plan) -> str:
    given = [(name, getattr(plan.data, name)) for name in TABLES]
    tables = [
        f"{table if isinstance(table, str | Path) else 'a table in memory'} ({TABLES[name]})"
        for name, table in given
        if table is not None
    ]
    told = tables or [f"the built-in sample of {plan.task.name}"]
    if plan.data.finds_domains:
        told.append("divided into a source and a target by its own rows")
    elif plan.data.source_sites:
        sites = " and ".join(plan.data.source_sites), " and ".join(plan.data.target_sites)
        told.append(f"from {plan.data.site}: source {sites[0]}, target {sites[1]}")
    return ", ".join(told)


def _trained(plan: Plan) -> str:
    """How the model would be trained, in the order in which it happens."""
    specs = [spec for spec, _ in plan.adapters]
    named = {question: [s for s in specs if question in s.answers] for question in ANSWERED}
    backbone, rate = plan.backbones, f"by gradient for at most {plan.train.epochs} epochs"
    first = f"weigh the source rows ({_names(named['weigh'])}), then " if named["weigh"] else ""
    penalties = f", with {_names(named['penalty'])} in the loss" if named["penalty"] else ""
    if plan.fusion is not None and not named["fit"]:
        return f"{first}train {_parts(plan)}, joined by {plan.fusion[0].name}, {rate}{penalties}"
    if named["fit"]:
        return f"{first}encode each distinct input once with {backbone}, then fit a head ({_names(named['fit'])})"
    if not named["prepare"]:
        return f"{first}train every weight of {backbone} {rate}{penalties}"
    (prepares,) = named["prepare"]
    if "pretrained_backbone" in prepares.needs:
        return f"{first}keep the weights of {backbone} and train what {prepares.name} adds to them {rate}{penalties}"
    return f"{first}train {backbone} {rate} ({prepares.name}){penalties}"


def _parts(plan: Plan) -> str:
    """Each modality's backbone, and what of it is trained."""
    told = []
    for slot, each in plan.encoders.items():
        acting = each.adapter[0].name if each.adapter else "no weights" if each.choice.spec.fixed else "all weights"
        told.append(f"{slot}: {each.choice.short} ({acting})")
    return ", ".join(told)


def _names(specs: list[AdapterSpec]) -> str:
    return " and ".join(spec.name for spec in specs)
