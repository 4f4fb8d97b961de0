"""A backbone on the bench: made from one seed, with the kit's values, and what it gives for them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from medplug.core.backbone import Backbone
from medplug.core.conformance.checks import Fault, require
from medplug.core.conformance.subject import Subject
from medplug.core.conformance.values import values_of
from medplug.core.features import Features
from medplug.core.specs import BackboneSpec, resolve
from medplug.core.training.seeds import seeded

_ROUNDING = 2e-5
"""How far features may move, as a share of the largest: kernels differ by the shape of a batch."""


class Bench:
    """One backbone, ready to encode, and the items and features of the kit's values; made when first asked for."""

    def __init__(self, subject: Subject, spec: BackboneSpec) -> None:
        self.subject, self.spec = subject, spec

    @cached_property
    def values(self) -> list[Any]:
        """Raw values of the modality."""
        return values_of(self.spec.modality)

    @cached_property
    def backbone(self) -> Backbone:
        """The one that most checks look at; none may change it."""
        return self.made()

    @cached_property
    def items(self) -> list[Any]:
        """The values as the backbone prepares them."""
        return self.backbone.prepare(self.values)

    @cached_property
    def together(self) -> Features:
        """The features of all values in one batch."""
        return encoded(self.backbone, self.items)

    def created(self) -> Backbone:
        """A new one that has learned nothing of values."""
        source = self.subject.source(self.spec) if self.spec.pretrained else None
        factory: type[Backbone] = resolve(self.spec.factory, owner=f"backbone {self.spec.name}")
        return factory.create(self.subject.made_options(self.spec), source)

    def made(self, seed: int = 0) -> Backbone:
        """A new one from a seed, in eval mode, that has learned from the values."""
        with seeded(seed):
            backbone = self.created()
            backbone.learn(self.values)
        return backbone.eval()

    def encode(self, rows: Iterable[int]) -> Features:
        """The features of some of the items, as one batch."""
        return encoded(self.backbone, [self.items[row] for row in rows])

    def same_row(self, found: Features, place: int, row: int, where: str) -> None:
        """Hold the row at `place` of a batch against itself among all; `Fault` where they differ beyond rounding."""
        own, other = found.tokens[place][found.mask[place]], self.together.tokens[row][self.together.mask[row]]
        require(
            len(own) == len(other),
            f"value {row + 1} has {len(own)} real tokens {where}, and {len(other)} among {len(self.values)}",
            "let the mask of a row depend on that row alone",
        )
        told = f"value {row + 1} has other {{}} {where} than among {len(self.values)}"
        same(found.pooled[place], self.together.pooled[row], told.format("pooled features"))
        same(own, other, told.format("token features"))


def encoded(backbone: Backbone, items: Sequence[Any], device: str = "cpu") -> Features:
    """The features of these items as one batch, without a gradient; `Fault` where they are no `Features`."""
    inputs = {name: tensor.to(device) for name, tensor in backbone.collate(items).items()}
    with torch.no_grad():
        found = backbone(inputs)
    if not isinstance(found, Features):
        raise Fault(f"forward gives a {type(found).__name__}", "give medplug.core.features.Features")
    return found


def same(found: Tensor, wanted: Tensor, what: str, fix: str = "") -> None:
    """`Fault` that says `what` where two tensors differ beyond rounding."""
    shapes = list(found.shape), list(wanted.shape)
    require(found.shape == wanted.shape, f"{what}: shapes {shapes[0]} and {shapes[1]}", fix or _FIX)
    if not found.numel():
        return
    apart = (found.double() - wanted.double()).abs().max().item()
    scale = max(1.0, wanted.abs().max().item())
    require(apart <= _ROUNDING * scale, f"{what}: they are {apart:.2g} apart", fix or _FIX)


_FIX = "let padding and other rows take no part: mask them in attention, means, maxima and norms"
