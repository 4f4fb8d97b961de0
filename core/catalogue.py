"""What ``medplug list``, ``show`` and ``--dry-run`` say, made without importing torch."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import BaseModel
from pydantic_core import to_jsonable_python

from medplug.core.choice import scratch
from medplug.core.errors import UsageError, did_you_mean
from medplug.core.grammar import written
from medplug.core.plan import Plan
from medplug.core.plugins import KINDS, Plugins
from medplug.core.registry import NamedBackbone
from medplug.core.specs import AdapterSpec, BackboneSpec, Spec, TaskSpec, resolve

Row = tuple[str, ...]


def listing(kind: str, plugins: Plugins) -> tuple[Row, list[Row]]:
    """Header and rows of one kind (``tasks``, ``backbones``, ``adapters``, ``fusions``)."""
    if kind == "backbones":
        return _backbones(plugins)
    specs = plugins.all(kind.removesuffix("s"))
    rows: list[Row] = [(s.name, s.summary) for s in specs]
    if kind == "tasks":
        rows = [
            (s.name, ", ".join(s.modalities), ", ".join(s.targets), s.summary) for s in specs if isinstance(s, TaskSpec)
        ]
        return ("task", "modality", "targets", "what it does"), rows
    if kind == "adapters":
        ordered = sorted((s for s in specs if isinstance(s, AdapterSpec)), key=lambda s: s.family)
        rows = [(s.family, s.name, ", ".join(s.needs).replace("_", " "), s.summary) for s in ordered]
        return ("family", "adapter", "needs", "what it does"), rows
    return ("fusion", "what it does"), rows


def _backbones(plugins: Plugins) -> tuple[Row, list[Row]]:
    plugins.ask_third_parties()
    rows: list[Row] = [
        (name, b.modality, str(b.width or "?"), _source(b), _revision(b), b.licence, b.use)
        for name, b in plugins.registry.backbones.items()
    ]
    rows += [(s.name, s.modality, "set", "from scratch", "-", "-", s.summary) for s in scratch(plugins)]
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
    parts = [*_described(name, plugins)]
    if not parts:
        known = {spec.name for kind in KINDS for spec in plugins.all(kind)}
        known |= {*plugins.registry.backbones, *plugins.registry.recipes}
        lines = [f"nothing is named {name!r}{did_you_mean(name, known)}", f"known: {', '.join(sorted(known))}"]
        lines += [f"a plugin that might give it did not load: {failure}" for failure in plugins.failures]
        raise UsageError("\n".join([*lines, f"see them with: medplug list [{'|'.join(f'{kind}s' for kind in KINDS)}]"]))
    return "\n\n".join(parts)


def _described(name: str, plugins: Plugins) -> Iterator[str]:
    for kind in KINDS:
        for spec in plugins.all(kind):
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
        builder = next((s for s in plugins.all("backbone") if _loads(s, entry)), None)
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
    prefix = f"adapter.{spec.name}." if kind == "adapter" else f"{kind}."
    options = [*_options(prefix, resolve(spec.config, owner=spec.name))]
    if isinstance(spec, TaskSpec):
        options += _options("data.", resolve(spec.data, owner=spec.name))
    return "\n".join([*head, *options])


def _options(prefix: str, model: type[BaseModel]) -> Iterator[str]:
    for name, info in model.model_fields.items():
        value = None if info.is_required() else to_jsonable_python(info.get_default(call_default_factory=True))
        default = "required" if info.is_required() else f"default {written(value)}"
        yield f"  {prefix}{name} ({default}): {info.description or ''}"


def preview(plan: Plan) -> str:
    """The resolved run and what it would read, train and write."""
    keys = plan.settings()
    width = max(len(key) for key, _, _ in keys)
    lines = [f"{key:<{width}} = {written(value)}  ({origin})" for key, value, origin in keys]
    tables = [str(getattr(plan.data, name)) for name in ("train", "validation", "test") if _given(plan, name)]
    fits = [spec for spec, _ in plan.adapters if "fit" in spec.answers]
    how = (
        f"encode each distinct input once with {plan.backbone.name}, then fit a head ({fits[0].name})"
        if fits
        else f"train {plan.backbone.name} by gradient for at most {plan.train.epochs} epochs"
    )
    output = plan.run.output or f"runs/{plan.task.name}-<time>"
    return "\n".join(
        [
            *lines,
            "",
            f"would read:  {', '.join(tables) or f'the built-in sample of {plan.task.name}'}",
            f"would train: {how}",
            f"would write: {output}",
        ]
    )


def _given(plan: Plan, name: str) -> bool:
    return getattr(plan.data, name) is not None
