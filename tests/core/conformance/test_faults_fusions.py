"""A sound fusion passes every check; each broken one fails the check that is about it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from medplug.core.config import FusionConfig, Section
from medplug.core.conformance import Outcome, outcomes, plugin_checks
from medplug.core.features import Features
from medplug.core.fusion import Fused, Fusion
from medplug.core.fusion.presence import known_pooled, presence, shares
from medplug.core.hooks import hookimpl
from medplug.core.specs import FusionSpec

pytestmark = pytest.mark.usefixtures("one_thread")

Batch = Mapping[str, Features]


class Options(FusionConfig):
    """Those of every fusion."""


class Mean(Fusion):
    """The mean of what is there."""

    def __init__(self, widths: Mapping[str, int]) -> None:
        super().__init__(widths)
        self.width = 4
        self.projections = nn.ModuleDict({name: nn.Linear(width, 4) for name, width in widths.items()})

    def parts(self, features: Batch) -> Tensor:
        return torch.stack([own(known_pooled(features[name])) for name, own in self.projections.items()], 1)

    def forward(self, features: Batch) -> Fused:
        weights = shares(presence(features, self.modalities))
        return Fused((self.parts(features) * weights[..., None]).sum(1), weights)


class Narrow(Mean):
    def forward(self, features: Batch) -> Fused:
        return Fused(super().forward(features).joined[:, :2])


class Bare(Mean):
    def forward(self, features: Batch) -> Fused:
        return super().forward(features).joined  # type: ignore[return-value]


class Trusting(Mean):
    """Reads pooled features that are missing."""

    def parts(self, features: Batch) -> Tensor:
        return torch.stack([own(features[name].pooled) for name, own in self.projections.items()], 1)


class Even(Mean):
    """The mean over all modalities, whether there or not."""

    def forward(self, features: Batch) -> Fused:
        weights = torch.full((len(features["text"].pooled), len(self.modalities)), 1 / len(self.modalities))
        return Fused((self.parts(features) * weights[..., None]).sum(1), weights)


class Social(Mean):
    def forward(self, features: Batch) -> Fused:
        found = super().forward(features)
        return Fused(found.joined - found.joined.mean(0), found.weights)


class AsGiven(Mean):
    """Goes by the order of the mapping."""

    def forward(self, features: Batch) -> Fused:
        found = super().forward(features)
        return Fused(found.joined + float(next(iter(features)) == "text"), found.weights)


class Counting(Mean):
    """Takes the number of positions for something."""

    def forward(self, features: Batch) -> Fused:
        found = super().forward(features)
        return Fused(found.joined + sum(each.mask.shape[1] for each in features.values()), found.weights)


class Peeping(Mean):
    """Reads tokens without saying so."""

    def forward(self, features: Batch) -> Fused:
        found = super().forward(features)
        tokens = [each.tokens.masked_fill(~each.mask[..., None], 0).sum((1, 2)) for each in features.values()]
        return Fused(found.joined + sum(tokens)[:, None], found.weights)  # type: ignore[index]


class Deaf(Mean):
    def parts(self, features: Batch) -> Tensor:
        one = known_pooled(features["text"]) if "text" in features else known_pooled(next(iter(features.values())))
        own = next(iter(self.projections.values()))
        return torch.stack([own(one)] * len(self.projections), 1)


class Cold(Mean):
    def forward(self, features: Batch) -> Fused:
        found = super().forward(features)
        return Fused(found.joined.detach().requires_grad_(), found.weights)


class Restless(Mean):
    def forward(self, features: Batch) -> Fused:
        found = super().forward(features)
        return Fused(found.joined + torch.rand(()), found.weights)


class Hidden(Mean):
    """A number that no file of weights keeps."""

    def __init__(self, widths: Mapping[str, int]) -> None:
        super().__init__(widths)
        self.number = torch.rand(())

    def forward(self, features: Batch) -> Fused:
        found = super().forward(features)
        return Fused(found.joined * self.number, found.weights)


class Rootless(Mean):
    """Its gradient is infinite at zero, where a row has nothing."""

    def forward(self, features: Batch) -> Fused:
        found = super().forward(features)
        return Fused(found.joined.square().sqrt(), found.weights)


class Deciding(Mean):
    decides = True


class OnlyAll(Mean):
    """Divides by the number of other modalities."""

    def forward(self, features: Batch) -> Fused:
        found = super().forward(features)
        others = presence(features, self.modalities).sum(1, keepdim=True) - 1
        return Fused(found.joined / others, found.weights)


@pytest.fixture
def found(monkeypatch: pytest.MonkeyPatch) -> Callable[..., dict[str, Outcome]]:
    """The outcome of each check of a fusion, by the check's last name."""

    def check(made: type[Fusion], config: type = Options, **changes: Any) -> dict[str, Outcome]:
        module = ModuleType("ward_plugin")
        module.__dict__.update(made=lambda widths, outputs, options: made(widths), Options=config)
        monkeypatch.setitem(sys.modules, "ward_plugin", module)
        given = {"name": "ward", "summary": "a test", "factory": "ward_plugin:made", "config": "ward_plugin:Options"}
        plugin = SimpleNamespace(medplug_api=1, medplug_fusions=hookimpl(lambda: [FusionSpec(**{**given, **changes})]))
        return {each.name.split(":")[-1]: each for each in outcomes(plugin_checks(plugin))}

    return check


def test_a_sound_one_passes(found: Callable[..., dict[str, Outcome]]) -> None:
    states = {name: each for name, each in found(Mean).items() if not each.name.startswith("plugin:")}
    assert {each.state for each in states.values()} == {"passed"}, states


@pytest.mark.parametrize(
    ("made", "check", "told"),
    [
        (Narrow, "shapes", "joined is [8, 2], not [8, 4]"),
        (Bare, "shapes", "forward gives a Tensor"),
        (Even, "shapes", "are no shares of the modalities that a row has"),
        (Deciding, "shapes", "it decides, and gives 4 numbers for 3 logits"),
        (Trusting, "missing_modality", "nan in missing modalities changes"),
        (OnlyAll, "one_modality", "joined is not finite of rows that have"),
        (Rootless, "no_modality", "gradients are not finite beside a row without any modality"),
        (Counting, "padding", "padding in text changes what is joined"),
        (Social, "company", "gives something else alone"),
        (AsGiven, "order", "the order of the mapping changes"),
        (Peeping, "reads", "it reads tokens, and its spec says that it does not"),
        (Deaf, "reads", "image changes nothing"),
        (Cold, "learns", "no parameter gets a gradient"),
        (Restless, "determinism", "gives something else twice"),
        (Hidden, "round_trip", "with the same weights a new one gives something else"),
    ],
    ids=lambda value: getattr(value, "__name__", str(value)),
)
def test_a_broken_one_fails_the_check_that_is_about_it(
    made: type[Fusion], check: str, told: str, found: Callable[..., dict[str, Outcome]]
) -> None:
    outcome = found(made)[check]
    assert outcome.state == "failed" and told in outcome.reason, outcome
    assert outcome.fix


def test_a_spec_that_says_it_learns_nothing_is_found(found: Callable[..., dict[str, Outcome]]) -> None:
    outcome = found(Mean, learns=False)["learns"]
    assert "the spec says learns=False, and it has 6 parameters" in outcome.reason
    assert outcome.fix == "say learns=True in the spec"


def test_options_without_those_of_every_fusion_are_found(found: Callable[..., dict[str, Outcome]]) -> None:
    assert "no subclass of medplug.core.config:FusionConfig" in found(Mean, config=Section)["options"].reason
