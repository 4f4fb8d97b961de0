"""What every fusion keeps: what is missing or padding counts for nothing, and neither order nor company does."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from medplug.core.conformance.bench import same
from medplug.core.conformance.checks import Named, name_of, require
from medplug.core.conformance.modalities import (
    LACKING,
    ROWS,
    WIDTHS,
    Batch,
    drawn,
    gradients,
    leaves,
    only,
    spoilt,
    stray,
    without,
)
from medplug.core.conformance.subject import Subject
from medplug.core.errors import ConfigError
from medplug.core.features import Features
from medplug.core.fusion.layer import Fused, Fusion
from medplug.core.specs import FusionSpec, resolve
from medplug.core.training.seeds import seeded

_OUTPUTS = 3
_MASKED = "read missing modalities through known_pooled, presence and shares of medplug.core.fusion.presence"


class FusionChecks:
    """The checks of one fusion, on random features of three modalities."""

    def __init__(self, subject: Subject, spec: FusionSpec) -> None:
        self.subject, self.spec = subject, spec

    def checks(self) -> Iterator[Named]:
        """All of them."""
        for check in (
            *(self.shapes, self.missing_modality, self.one_modality, self.no_modality, self.padding, self.company),
            *(self.order, self.reads, self.learns, self.determinism, self.round_trip),
        ):
            yield f"fusion:{self.spec.name}:{name_of(check)}", check

    def shapes(self) -> None:
        """``[batch, width]``, finite; weights, where there are any, ``[batch, modalities]`` that sum to one."""
        fusion = self._fusion
        require(isinstance(fusion, Fusion), f"the factory made a {type(fusion).__name__}", "derive it from Fusion")
        require(fusion.modalities == tuple(WIDTHS), f"its modalities are {fusion.modalities}", "call Fusion.__init__")
        found, shape = fusion(self._features), (ROWS, fusion.width)
        require(isinstance(found, Fused), f"forward gives a {type(found).__name__}", "give Fused(joined, weights)")
        got = tuple(found.joined.shape)
        require(got == shape, f"joined is {list(got)}, not {list(shape)}", "set width to that of what forward gives")
        require(found.joined.isfinite().all(), "joined is not finite", _MASKED)
        require(
            not fusion.decides or fusion.width == _OUTPUTS,
            f"it decides, and gives {fusion.width} numbers for {_OUTPUTS} logits",
            "give `outputs` logits where decides is True",
        )
        self._check_weights(found.weights)

    def missing_modality(self) -> None:
        """What stands in a missing modality or in padding, NaN too, changes neither values nor gradients."""
        for value in (5.0, math.nan, math.inf):
            bad = leaves(spoilt(self._features, value))
            self._same(bad, self._features, f"{value} in missing modalities changes what is joined", _MASKED)
            wanted = dict(gradients(self._fusion, self._features))
            found = gradients(self._fusion, bad)
            for name, gradient in found.items():
                same(gradient, wanted[name], f"{value} in missing modalities changes the gradient of {name}", _MASKED)
            for name, each in bad.items():
                require(not stray(each), f"a gradient reaches {name} in rows that lack it", _MASKED)

    def one_modality(self) -> None:
        """Made for one modality, or given rows that have one alone, it gives finite values and gradients."""
        for name, width in WIDTHS.items():
            lacking = dict.fromkeys(set(WIDTHS) - {name}, tuple(range(ROWS)))
            self._finite(self._made(), spoilt(without(drawn(), lacking), math.nan), f"of rows that have {name} alone")
            try:
                alone = self._made({name: width})
            except ConfigError:  # its options ask for another
                continue
            self._finite(alone, {name: drawn()[name]}, f"where {name} is the only modality")

    def no_modality(self) -> None:
        """A row without any modality is finite and harms no gradient."""
        nothing = spoilt(without(drawn(), dict.fromkeys(WIDTHS, (2,))), math.nan)
        self._finite(self._fusion, nothing, "beside a row without any modality")

    def padding(self) -> None:
        """More positions that are not real change nothing."""
        for name, each in self._features.items():
            tokens = functional.pad(each.tokens, (0, 0, 0, 9), value=7.0)
            longer = Features(each.pooled, tokens, functional.pad(each.mask, (0, 9)))
            what = f"padding in {name} changes what is joined"
            self._same({**self._features, name: longer}, self._features, what, "read tokens where the mask is True")

    def company(self) -> None:
        """A row alone gives what it gives in a batch."""
        whole = self._fusion(self._features).joined
        for row in range(ROWS):
            alone = self._fusion(only(self._features, row)).joined[0]
            same(alone, whole[row], f"row {row + 1} gives something else alone", "take no statistic over rows")

    def order(self) -> None:
        """The order of the mapping changes nothing."""
        turned = dict(reversed(self._features.items()))
        fix = "go through self.modalities, not through what forward is given"
        self._same(turned, self._features, "the order of the mapping changes what is joined", fix)

    def reads(self) -> None:
        """It reads tokens only where its spec says `needs_tokens`, and each modality counts."""
        before = self._fusion(self._features).joined
        if not self.spec.needs_tokens:
            blind = {
                n: Features(f.pooled, torch.full_like(f.tokens, math.nan), f.mask) for n, f in self._features.items()
            }
            fix = "say needs_tokens=True in the spec: a frozen backbone's tokens are not kept otherwise"
            self._same(blind, self._features, "it reads tokens, and its spec says that it does not", fix)
        others = without(drawn(seed=9), LACKING)
        for name, changed in others.items():
            after = self._fusion({**self._features, name: changed}).joined
            require(
                not torch.allclose(after, before), f"{name} changes nothing of what is joined", "read each modality"
            )

    def learns(self) -> None:
        """`learns` says whether it has weights, but for what stands in place of a missing modality."""
        fusion = self._made()
        names = [name for name, _ in fusion.named_parameters() if not name.startswith("placeholders.")]
        said, has = self.spec.learns, bool(names)
        require(
            said == has,
            f"the spec says learns={said}, and it has {len(names)} parameters beside placeholders",
            f"say learns={has} in the spec",
        )
        found = gradients(fusion, self._features).values()
        require(
            not self.spec.learns or any(bool(each.any()) for each in found),
            "no parameter gets a gradient",
            "detach nothing in forward",
        )

    def determinism(self) -> None:
        """In eval mode twice the same; made twice from one seed, twice the same."""
        first, again = self._fusion(self._features).joined, self._fusion(self._features).joined
        require(
            torch.equal(first, again), "the same batch gives something else twice", "act at random in training only"
        )
        one, other = (self._made()(self._features).joined for _ in range(2))
        require(torch.equal(one, other), "made twice from one seed it differs", "draw weights from torch's generator")

    def round_trip(self) -> None:
        """Its weights come back into a new one."""
        fresh = self._made(seed=3)
        fresh.load_state_dict(self._fusion.state_dict())
        wanted = self._fusion(self._features).joined
        fix = "keep all that decides in parameters and buffers"
        same(fresh(self._features).joined, wanted, "with the same weights a new one gives something else", fix)

    @cached_property
    def _options(self) -> Any:
        return self.subject.made_options(self.spec)

    @cached_property
    def _features(self) -> dict[str, Features]:
        return without(drawn(), LACKING)

    @cached_property
    def _fusion(self) -> Fusion:
        """One with random weights throughout, as after training: placeholders and gates often begin with zeros."""
        fusion = self._made()
        with seeded(1), torch.no_grad():
            for parameter in fusion.parameters():
                parameter.add_(0.3 * torch.randn_like(parameter))
        return fusion

    def _made(self, widths: Mapping[str, int] = WIDTHS, seed: int = 0) -> Fusion:
        factory = resolve(self.spec.factory, owner=f"fusion {self.spec.name}")
        with seeded(seed):
            made: Fusion = factory(dict(widths), _OUTPUTS, self._options)
        return made.eval()

    def _same(self, batch: Batch, wanted: Batch, what: str, fix: str) -> None:
        found, other = self._fusion(batch), self._fusion(wanted)
        same(found.joined, other.joined, what, fix)
        if found.weights is not None and other.weights is not None:
            same(found.weights, other.weights, f"{what} (the weights)", fix)

    def _finite(self, fusion: Fusion, batch: Batch, where: str) -> None:
        require(fusion(batch).joined.isfinite().all(), f"joined is not finite {where}", _MASKED)
        found = gradients(fusion, batch).values()
        require(all(bool(each.isfinite().all()) for each in found), f"gradients are not finite {where}", _MASKED)

    def _check_weights(self, weights: Tensor | None) -> None:
        if weights is None:
            return
        present = torch.stack([self._features[name].present for name in self._fusion.modalities], 1)
        sums = (
            bool(torch.allclose(weights.sum(1), torch.ones(ROWS), atol=1e-5))
            if weights.shape == present.shape
            else False
        )
        require(
            sums and not weights[~present].any(),
            f"weights {list(weights.shape)} are no shares of the modalities that a row has",
            "give [batch, modalities], 0 where one is missing, that sum to 1 in each row",
        )
