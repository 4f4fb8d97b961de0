"""Explaining rows by gradients: tokens, atoms and residues along a path, pictures by maps and by attention."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from medplug.core.backbone import Backbone, Inputs
from medplug.core.explaining.attribution import Attribution, Content, Scores
from medplug.core.explaining.class_maps import class_maps, rollout
from medplug.core.explaining.explain import Asked
from medplug.core.explaining.inside import Embedded, Inside, Located, Mapped
from medplug.core.explaining.paths import counted, follow, gathered
from medplug.core.explaining.sanity import likeness, random_twin
from medplug.core.explaining.subject import Part, Spoken, members, parts, prepared, spoken_of
from medplug.core.joint.backbone import JointBackbone
from medplug.core.model import Model
from medplug.core.specs import TargetKind
from medplug.core.task import Examples
from medplug.core.training.compute import to_device

if TYPE_CHECKING:
    from medplug.core.predictor import Predictor

KINDS: tuple[TargetKind, ...] = ("binary", "multiclass", "multilabel", "regression", "survival", "treatment")
"""The targets whose rows have one output to explain."""


_FEWEST_STEPS = 4


@dataclass(frozen=True, slots=True)
class _Raw:
    """The scores of a slot's rows, and what each row's are to sum to (of maps None)."""

    scores: list[Scores]
    totals: list[float] | None


def explained(predictor: Predictor, examples: Examples, asked: Asked) -> list[Attribution]:
    """Every row's attributions, slot by slot; none of slots whose backbone does not say how it is followed."""
    model = predictor.model.ready()
    if predictor.target.kind not in KINDS or not len(examples) or not _follows(model.backbone):
        return []
    twin = random_twin(predictor, asked.seed)
    items = prepared(model.backbone, examples)
    found: list[Attribution] = []
    with torch.enable_grad(), torch.backends.cudnn.flags(enabled=False):  # its recurrent networks have no gradient here
        for batch in model.backbone.batches(items, predictor.compute.tokens):
            found += _batch(predictor, twin, examples.take(batch), [items[i] for i in batch], asked)
    return found


def _follows(backbone: Backbone) -> bool:
    """Whether the backbone of any slot says where its units can be followed."""
    each = [part for _, part in backbone.each()] if isinstance(backbone, JointBackbone) else [backbone]
    return any(part.inside() is not None for part in each)


def _batch(
    predictor: Predictor, twin: Model, examples: Examples, items: Sequence[Any], asked: Asked
) -> list[Attribution]:
    model = predictor.model
    inputs = to_device(model.backbone.collate(items), predictor.compute.device)
    with torch.no_grad():
        spoken = spoken_of(predictor.target, model.outputs(inputs).logits)
    weights = spoken.weights.to(predictor.compute.device)
    found: list[Attribution] = []
    for i, part in enumerate(parts(model.backbone, predictor.task, examples, items)):
        inside = part.backbone.inside()
        if inside is None or not len(part.holders):
            continue

        def scores(of: Model, steps: int, place: int = i) -> _Raw:
            own = parts(of.backbone, predictor.task, examples, items)[place]
            return _scores(of, own, inputs, weights, steps)

        raw = _mean([scores(each, asked.steps) for each in members(model)])
        random = scores(twin, max(_FEWEST_STEPS, asked.steps // 4))  # their order is all that is looked at
        found += _attributions(examples, part, inside, spoken, raw, random, asked)
    return found


def _scores(model: Model, part: Part, inputs: Inputs, weights: Tensor, steps: int) -> _Raw:
    """The scores of one slot by one model."""
    inside, own = part.backbone.inside(), part.own(inputs)
    assert inside is not None

    def forward() -> Tensor:
        return model.outputs(inputs).logits

    if isinstance(inside, Embedded):
        of = inside.units(part.items, own)
        path = follow(forward, inside, of, weights, steps)
        totals = (path.here - path.baseline).cpu().numpy()[part.holders]
        return _Raw(gathered(path.scores, of, counted(of, len(part.items))), totals.tolist())
    maps = class_maps(forward, inside, weights) if isinstance(inside, Mapped) else rollout(forward, inside, weights)
    drawn, owner = maps.double().cpu().numpy(), inside.owner(own).cpu().numpy()
    return _Raw([drawn[owner == row] for row in range(len(part.items))], None)


def _mean(found: Sequence[_Raw]) -> _Raw:
    """The mean over the members of an ensemble."""
    scores = [np.mean(each, axis=0) for each in zip(*(raw.scores for raw in found), strict=True)]
    totals = [raw.totals for raw in found if raw.totals is not None]
    return _Raw(scores, np.mean(totals, axis=0).tolist() if totals else None)


def _attributions(
    examples: Examples, part: Part, inside: Inside, spoken: Spoken, raw: _Raw, random: _Raw, asked: Asked
) -> list[Attribution]:
    content = _located(inside, part) if isinstance(inside, Embedded) else _shown(inside, part, asked)
    found = []
    for i, row in enumerate(part.holders.tolist()):
        scores, (places, shown) = raw.scores[i], content[i]
        found.append(
            Attribution(
                row=int(examples.rows[row]),
                slot=part.slot,
                modality=part.modality,
                method=_METHODS[type(inside).__name__],
                predicted=spoken.names[row],
                unit=inside.unit if isinstance(inside, Embedded) else "pixel",
                scores=scores,
                places=None if places is None else places[: len(scores)],
                total=None if raw.totals is None else raw.totals[i],
                sanity=likeness(scores, random.scores[i]),
                content=_cut(shown, len(scores)) if asked.show else Content(),
            )
        )
    return found


_METHODS = {"Embedded": "integrated_gradients", "Mapped": "grad_cam", "Attending": "attention_rollout"}


def _located(inside: Embedded, part: Part) -> list[tuple[NDArray[np.int64] | None, Content]]:
    located: list[Located] = inside.located(part.values)
    return [(each.places, Content(each.words, molecule=each.molecule)) for each in located]


def _shown(inside: Any, part: Part, asked: Asked) -> list[tuple[None, Content]]:
    if not asked.show:
        return [(None, Content())] * len(part.items)
    return [(None, Content(picture=each)) for each in inside.shown(part.items)]


def _cut(content: Content, units: int) -> Content:
    """The content of the units that were read; a text's end may not have been."""
    if not content.words:
        return content
    return Content(content.words[:units], molecule=content.molecule)
