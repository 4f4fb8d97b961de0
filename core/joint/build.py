"""Building a run's backbone and adapters from its plan, and a saved one from what was written."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from medplug.core.adapter import Adapter
from medplug.core.backbone import Backbone
from medplug.core.config import FusionConfig
from medplug.core.discovery.plugins import Plugins
from medplug.core.errors import DataError
from medplug.core.fusion.layer import Fusion
from medplug.core.joint.backbone import JointBackbone
from medplug.core.joint.on_part import OnPart
from medplug.core.plan import Chosen, Encoder, Plan
from medplug.core.specs import AdapterSpec, FusionSpec, resolve
from medplug.core.task import Examples

_ALIGNMENT = 64
"""Bytes that the addresses of torch's own memory on a CPU are multiples of."""


def build_backbone(
    plan: Plan, train: Examples, outputs: int, reader: Callable[[Backbone], Backbone] = lambda backbone: backbone
) -> Backbone:
    """The backbones of the plan, each loaded and having learned from the training rows, joined where there are several.

    `outputs` is how many logits the target has; `reader` gives what reads rows through the only backbone of a run.
    """
    parts: dict[str, Backbone] = {}
    slots = list(train.inputs)
    for slot, encoder in plan.encoders.items():
        values = train.inputs[slot or slots[0]]
        rows = [i for i, value in enumerate(values) if value is not None]
        if not rows:
            raise DataError(f"no training row has {slot}: look at data.{slot}, or leave it out")
        parts[slot] = _created(encoder) if slot else reader(_created(encoder))
        parts[slot].learn([values[i] for i in rows], None if train.groups is None else [train.groups[i] for i in rows])
    if plan.fusion is None:
        return parts[""]
    return join(parts, *plan.fusion, outputs)


def _created(encoder: Encoder) -> Backbone:
    factory: type[Backbone] = resolve(encoder.choice.spec.factory, owner=f"backbone {encoder.choice.spec.name}")
    return owned(factory.create(encoder.options, encoder.choice.source))


def owned(backbone: Backbone) -> Backbone:
    """The backbone with weights in torch's own memory: a file of weights that is mapped may begin anywhere in it.

    Kernels round by where numbers lie, and the weights of a saved model are read into such memory, so that otherwise
    a run and its model, loaded again, would differ in the last digits.
    """
    for weight in (*backbone.parameters(), *backbone.buffers()):
        if weight.data_ptr() % _ALIGNMENT:
            weight.data = weight.data.clone()
    return backbone


def join(parts: Mapping[str, Backbone], spec: FusionSpec, options: FusionConfig, outputs: int) -> JointBackbone:
    """The joint backbone of these parts."""
    widths = {slot: part.width for slot, part in parts.items()}
    fusion: Fusion = resolve(spec.factory, owner=f"fusion {spec.name}")(widths, outputs, options)
    return JointBackbone(parts, fusion, options.modality_dropout, reads_tokens=spec.needs_tokens)


def build_adapters(plan: Plan) -> list[tuple[AdapterSpec, Adapter]]:
    """The adapters, which have not acted yet: of a joint model those of each part first."""
    if plan.fusion is None:
        return [(spec, make_adapter((spec, options))) for spec, options in plan.adapters]
    found: list[tuple[AdapterSpec, Adapter]] = []
    if not any("fit" in spec.answers for spec, _ in plan.adapters):
        found = [on_part(slot, each) for slot, each in plan.encoders.items() if not each.choice.spec.fixed]
    return [*found, *((spec, make_adapter((spec, options))) for spec, options in plan.adapters if not of_parts(spec))]


def of_parts(spec: AdapterSpec) -> bool:
    """Whether an adapter of a joint model says what of each backbone is trained, and acts on these alone."""
    return "prepare" in spec.answers and "fit" not in spec.answers


def on_part(slot: str, encoder: Encoder) -> tuple[AdapterSpec, Adapter]:
    """What acts on one slot's backbone."""
    acting = None if encoder.adapter is None else make_adapter(encoder.adapter)
    adapter = OnPart(acting, slot, pretrained=encoder.choice.source is not None)
    return _spec_of(slot, encoder.adapter), adapter


def _spec_of(slot: str, chosen: Chosen | None) -> AdapterSpec:
    if chosen is not None:
        return replace(chosen[0], name=f"{chosen[0].name} ({slot})")
    return AdapterSpec(
        name=f"all weights ({slot})",
        summary="every weight of this backbone is trained",
        family="model",
        answers=("prepare",),
        factory="",
        config="",
    )


def make_adapter(chosen: Chosen) -> Adapter:
    """One adapter of these options."""
    spec, options = chosen
    adapter: Adapter = resolve(spec.factory, owner=f"adapter {spec.name}")(options)
    return adapter


def describe(plan: Plan, backbone: Backbone, plugins: Plugins) -> dict[str, Any]:
    """What `restored` needs to build a plan's backbone again, as JSON data."""
    if plan.fusion is None:
        return _part(plan.encoder, backbone, plugins)
    assert isinstance(backbone, JointBackbone)
    parts = {slot: _part(encoder, backbone.part(slot), plugins) for slot, encoder in plan.encoders.items()}
    spec, options = plan.fusion
    fusion = {"name": spec.name, "from": plugins.owner("fusion", spec.name), "options": options.model_dump(mode="json")}
    return {"name": plan.backbones, "fusion": fusion, "parts": parts}


def _part(encoder: Encoder, backbone: Backbone, plugins: Plugins) -> dict[str, Any]:
    spec = encoder.choice.spec
    return {
        "name": encoder.choice.name,
        "builder": spec.name,
        "from": plugins.owner("backbone", spec.name),
        "assets": backbone.assets(),
    }


def restored(described: Mapping[str, Any], outputs: int, plugins: Plugins) -> Backbone:
    """The backbone that was described, with any weights."""
    if "parts" in described:
        parts = {slot: restored(each, outputs, plugins) for slot, each in described["parts"].items()}
        fusion = plugins.fusion(described["fusion"]["name"])
        options = resolve(fusion.config, owner=f"fusion {fusion.name}").model_validate(described["fusion"]["options"])
        return join(parts, fusion, options, outputs)
    spec = plugins.backbone(described["builder"])
    factory: type[Backbone] = resolve(spec.factory, owner=f"backbone {spec.name}")
    return factory.restore(described["assets"])


def describe_adapters(plan: Plan) -> list[dict[str, Any]]:
    """What `restored_adapters` needs to prepare a saved model as it was; of a joint model with the slot of each."""
    if plan.fusion is None:
        return [_chosen(each) for each in plan.adapters]
    own = [{**_chosen(each.adapter), "slot": slot} for slot, each in plan.encoders.items() if each.adapter is not None]
    return [*own, *(_chosen(each) for each in plan.adapters if not of_parts(each[0]))]


def _chosen(chosen: Chosen) -> dict[str, Any]:
    return {"name": chosen[0].name, "options": chosen[1].model_dump(mode="json")}


def restored_adapters(described: Sequence[Mapping[str, Any]], plugins: Plugins) -> Iterator[Adapter]:
    """The adapters that were described."""
    for entry in described:
        spec = plugins.adapter(entry["name"])
        options = resolve(spec.config, owner=f"adapter {spec.name}").model_validate(entry["options"])
        adapter = make_adapter((spec, options))
        yield OnPart(adapter, entry["slot"], pretrained=False) if "slot" in entry else adapter
