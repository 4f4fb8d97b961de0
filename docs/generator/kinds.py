"""A page for each kind of thing that plugins give: all of them, as ``medplug list`` tells, and each one's options."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from generator.options import option_table
from generator.writing import code, plain, table
from medplug.core.catalogue import ANSWERED, listing
from medplug.core.composition import NEEDED
from medplug.core.config import DataConfig, FusionConfig
from medplug.core.discovery.plugins import Plugins
from medplug.core.options import option_models
from medplug.core.specs import AdapterSpec, BackboneSpec, FusionSpec, Spec, TaskSpec


def page(kind: str, plugins: Plugins) -> str:
    """All of one kind."""
    header, rows = listing(f"{kind}s", plugins)
    name_at = header.index(kind)
    told = [tuple(code(cell) if i == name_at else plain(cell) for i, cell in enumerate(row)) for row in rows]
    intro = f"What `medplug list {kind}s` and `medplug show NAME` tell, made from the code."
    sections = [_section(kind, spec) for spec in plugins.known(kind).values()]
    return "\n\n".join([f"# {kind.capitalize()}s", intro, *_more(kind), table(header, told), *sections])


def _more(kind: str) -> Iterator[str]:
    if kind == "task":
        yield "The keys that every task has are among the [keys of a run](keys.md#data)."
    if kind == "backbone":
        yield (
            "A name that has a source is loaded by the pretrained backbone of its modality, whose options it takes. In "
            "a run of several modalities the keys are `backbone.SLOT.option`."
        )
    if kind == "fusion":
        yield "Options stand below `fusion.`, whichever is chosen; [one of them](keys.md#fusion) they all have."


def _section(kind: str, spec: Spec) -> str:
    tables = [_options(prefix, model) for prefix, model in option_models(kind, spec)]
    heading, facts = f"## {code(spec.name)} {{ #{spec.name} }}", "\n".join(f"- {fact}" for fact in _facts(spec))
    return "\n\n".join(part for part in (heading, _sentence(spec.summary), facts, *tables) if part)


def _sentence(summary: str) -> str:
    return f"{plain(summary[:1].upper() + summary[1:])}."


def _options(prefix: str, model: Any) -> str:
    shared = next((each for each in (DataConfig, FusionConfig) if issubclass(model, each)), None)
    return option_table(prefix, model, besides=shared) or "It has no options of its own."


def _facts(spec: Spec) -> Iterator[str]:
    if isinstance(spec, TaskSpec):
        yield f"modalities: {', '.join(spec.modalities)}"
        yield f"targets: {', '.join(spec.targets)}"
        if spec.slots:
            yield f"inputs: {', '.join(f'`{slot}` ({modality})' for slot, modality in spec.slots.items())}"
    if isinstance(spec, BackboneSpec):
        yield f"modality: {spec.modality}"
        yield "weights: " + ("none" if spec.fixed else "pretrained" if spec.pretrained else "learned from scratch")
    if isinstance(spec, AdapterSpec):
        yield f"family: {spec.family}"
        yield f"answers: {'; '.join(f'{code(each)} ({ANSWERED[each]})' for each in spec.answers)}"
        yield from (f"needs: {plain(NEEDED[need][0])}; {plain(NEEDED[need][1])}" for need in spec.needs)
        yield f"serves: {', '.join(spec.targets)} targets"
    if isinstance(spec, FusionSpec):
        yield f"reads: {'tokens' if spec.needs_tokens else 'pooled features'} of each modality"
        yield f"learns: {'yes' if spec.learns else 'no, so a head can be fitted behind it'}"
    if spec.recipe is not None:
        yield f"brings the defaults of the [recipe `{spec.recipe}`](recipes.md#{spec.recipe})"
