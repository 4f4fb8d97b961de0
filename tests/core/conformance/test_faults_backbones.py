"""A sound backbone passes every check; each broken one fails the check that is about it."""

from __future__ import annotations

import sys
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from types import ModuleType, SimpleNamespace
from typing import Any, Self

import pytest
import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from medplug.core.backbone import Backbone, Inputs
from medplug.core.config import Section
from medplug.core.conformance import Outcome, outcomes, plugin_checks
from medplug.core.features import Features
from medplug.core.hooks import hookimpl
from medplug.core.specs import BackboneSpec

pytestmark = pytest.mark.usefixtures("one_thread")


class Options(Section):
    hidden: int = Field(8, description="the width")


class Letters(Backbone):
    """Embedded letters and their mean; the words of two patients are kept."""

    def __init__(self, width: int, words: Sequence[str]) -> None:
        super().__init__()
        self.width, self.words = width, list(words)
        self.embedding = nn.Embedding(128, width, padding_idx=0)
        self.layer = nn.Linear(width, width)

    @classmethod
    def create(cls, options: Any, source: Any) -> Self:
        return cls(options.hidden, ())

    @classmethod
    def restore(cls, assets: Mapping[str, Any]) -> Self:
        return cls(assets["width"], assets["words"])

    def assets(self) -> dict[str, Any]:
        return {"width": self.width, "words": self.words}

    def learn(self, values: Sequence[str], groups: Sequence[str] | None = None) -> None:
        owners: dict[str, set[str]] = {}
        for place, value in enumerate(values):
            for word in value.split():
                owners.setdefault(word, set()).add(groups[place] if groups else str(place))
        self.words = sorted(word for word, who in owners.items() if len(who) > 1)

    def prepare(self, values: Sequence[str]) -> list[Any]:
        return [torch.tensor([1 + ord(letter) % 127 for letter in text] or [1]) for text in values]

    def size(self, item: Tensor) -> int:
        return len(item)

    def collate(self, items: Sequence[Tensor]) -> Inputs:
        return {"ids": pad_sequence(list(items), batch_first=True)}

    def encode(self, ids: Tensor) -> Tensor:
        return torch.tanh(self.layer(self.embedding(ids)))

    def forward(self, inputs: Inputs) -> Features:
        mask = inputs["ids"] > 0
        tokens = self.encode(inputs["ids"])
        weight = mask[..., None].float()
        return Features((tokens * weight).sum(1) / weight.sum(1), tokens, mask)


def spec(**changes: Any) -> BackboneSpec:
    given = {"name": "letters", "summary": "letters", "factory": "ward_plugin:Made", "config": "ward_plugin:Options"}
    return BackboneSpec(**{**given, "modality": "text", **changes})


@pytest.fixture
def found(monkeypatch: pytest.MonkeyPatch) -> Callable[..., dict[str, Outcome]]:
    """The outcome of each check of the backbone, by the check's last name."""

    def check(made: Any = Letters, options: Any = Options, **changes: Any) -> dict[str, Outcome]:
        module = ModuleType("ward_plugin")
        module.__dict__.update(Made=made, Options=options)
        monkeypatch.setitem(sys.modules, "ward_plugin", module)
        plugin = SimpleNamespace(medplug_api=1, medplug_backbones=hookimpl(lambda: [spec(**changes)], specname=None))
        plugin.medplug_backbones.__name__ = "medplug_backbones"
        return {each.name.split(":")[-1]: each for each in outcomes(plugin_checks(plugin))}

    return check


def failed(found: dict[str, Outcome]) -> set[str]:
    return {name for name, each in found.items() if each.state == "failed"}


def test_a_sound_one_passes_every_check_that_can_be_made_here(found: Callable[..., dict[str, Outcome]]) -> None:
    states = {name: each.state for name, each in found().items()}
    skipped = {"light", "quick", "registry", "declared", "maps", *(() if torch.cuda.is_available() else ("gpu",))}
    assert {name for name, state in states.items() if state == "skipped"} == skipped
    assert failed(found()) == set()
    assert {"shapes", "padding", "company", "round_trip", "privacy", "frozen", "eval_state"} <= set(states)


# ---- broken ones


class Wide(Letters):
    def forward(self, inputs: Inputs) -> Features:
        sound = super().forward(inputs)
        return Features(torch.cat([sound.pooled] * 2, 1), sound.tokens, sound.mask)


class NumberedMask(Letters):
    def forward(self, inputs: Inputs) -> Features:
        sound = super().forward(inputs)
        return Features(sound.pooled, sound.tokens, sound.mask.long())


class Infinite(Letters):
    def forward(self, inputs: Inputs) -> Features:
        sound = super().forward(inputs)
        return Features(sound.pooled / 0, sound.tokens, sound.mask)


class Bare(Letters):
    def forward(self, inputs: Inputs) -> Features:
        return super().forward(inputs).pooled  # type: ignore[return-value]


class Padded(Letters):
    """Its mean counts padding."""

    def forward(self, inputs: Inputs) -> Features:
        sound = super().forward(inputs)
        return Features(sound.tokens.mean(1), sound.tokens, sound.mask)


class Social(Letters):
    """Features relative to the mean of the batch."""

    def forward(self, inputs: Inputs) -> Features:
        sound = super().forward(inputs)
        return Features(sound.pooled - sound.pooled.mean(0), sound.tokens, sound.mask)


class Ordered(Letters):
    """The place in the batch counts."""

    def forward(self, inputs: Inputs) -> Features:
        sound = super().forward(inputs)
        places = torch.arange(len(sound.pooled), device=sound.pooled.device)[:, None]
        return Features(sound.pooled + 0.1 * places, sound.tokens, sound.mask)


class Blind(Letters):
    def forward(self, inputs: Inputs) -> Features:
        sound = super().forward(inputs)
        return Features(self.layer(torch.ones_like(sound.pooled)), sound.tokens, sound.mask)


class Restless(Letters):
    """Dropout in eval mode, too."""

    def encode(self, ids: Tensor) -> Tensor:
        return nn.functional.dropout(super().encode(ids), 0.5, training=True)


class OwnDice(Letters):
    """Weights that no seed decides."""

    def __init__(self, width: int, words: Sequence[str]) -> None:
        super().__init__(width, words)
        generator = torch.Generator()
        generator.seed()
        with torch.no_grad():
            self.layer.weight.normal_(generator=generator)


class Counting(Letters):
    """A statistic that every pass moves, in eval mode and where all is frozen."""

    def __init__(self, width: int, words: Sequence[str]) -> None:
        super().__init__(width, words)
        self.register_buffer("seen", torch.zeros(()))

    def forward(self, inputs: Inputs) -> Features:
        self.seen += 1
        return super().forward(inputs)


class Thawing(Letters):
    """A batch norm whose statistics move where its weights are frozen."""

    def __init__(self, width: int, words: Sequence[str]) -> None:
        super().__init__(width, words)
        self.norm = nn.BatchNorm1d(width)

    def train(self, mode: bool = True) -> Self:
        return nn.Module.train(self, mode)

    def forward(self, inputs: Inputs) -> Features:
        sound = super().forward(inputs)
        return Features(self.norm(sound.pooled), sound.tokens, sound.mask)


class Detached(Letters):
    def encode(self, ids: Tensor) -> Tensor:
        return super().encode(ids).detach()


class Turned(Letters):
    """train() changes a weight."""

    def train(self, mode: bool = True) -> Self:
        if mode:
            with torch.no_grad():
                self.layer.weight.mul_(1.5)
        return super().train(mode)


class Forgetful(Letters):
    """What it learned is no part of its assets, and counts."""

    scale = 1.0

    def learn(self, values: Sequence[str], groups: Sequence[str] | None = None) -> None:
        super().learn(values, groups)
        self.scale = 2.0

    def encode(self, ids: Tensor) -> Tensor:
        return self.scale * super().encode(ids)


class Shared(Letters):
    """Two names of one tensor, which a file of weights may not have."""

    def __init__(self, width: int, words: Sequence[str]) -> None:
        super().__init__(width, words)
        self.tied = nn.Linear(width, width)
        self.tied.weight = self.layer.weight


class Unwritten(Letters):
    def assets(self) -> dict[str, Any]:
        return {**super().assets(), "type": torch.float32}


class Telltale(Letters):
    """Every word is kept."""

    def learn(self, values: Sequence[str], groups: Sequence[str] | None = None) -> None:
        self.words = sorted({word for value in values for word in value.split()})


class Free(Letters):
    def size(self, item: Tensor) -> int:
        return 0


class Lossy(Letters):
    def batches(self, items: Sequence[Any], budget: int) -> list[Any]:
        return super().batches(items, budget)[1:]


class Mapped(Letters):
    map_widths = (4, 8)

    def maps(self, inputs: Inputs) -> tuple[Features, list[Tensor]]:
        return self(inputs), [torch.ones(6, 8, 2, 2), torch.ones(6, 4, 4, 4)]


BROKEN: list[tuple[type[Letters], str, str]] = [
    (Wide, "shapes", "pooled is [6, 16], not [6, 8]"),
    (NumberedMask, "shapes", "the mask is of torch.int64"),
    (Infinite, "shapes", "features are not finite"),
    (Bare, "shapes", "forward gives a Tensor"),
    (Padded, "padding", "has other pooled features alone than among 6"),
    (Social, "company", "has other pooled features as number"),
    (Ordered, "company", "has other pooled features as number 1 of a batch"),
    (Blind, "reads_values", "two different values have the same features"),
    (Restless, "determinism", "the same batch has other features the second time"),
    (OwnDice, "determinism", "made twice from one seed"),
    (Counting, "eval_state", "encoding in eval mode changes seen"),
    (Turned, "eval_state", "after train() and eval() the features are others"),
    (Counting, "frozen", "all is frozen, and a pass in training mode changes seen"),
    (Thawing, "frozen", "a pass in training mode changes norm.running_mean"),
    (Detached, "frozen", "no parameter learns"),
    (Forgetful, "round_trip", "restored from assets() and weights it has other features"),
    (Shared, "round_trip", "the saved weights do not come back"),
    (Unwritten, "round_trip", "assets() is no JSON data"),
    (Telltale, "privacy", "a word that stands in one patient's rows alone"),
    (Free, "batches", "an item's size is 0"),
    (Lossy, "batches", "of 6 items"),
    (Mapped, "maps", "the maps have [8, 4] channels, and map_widths says [4, 8]"),
]


@pytest.mark.parametrize(("made", "check", "told"), BROKEN, ids=lambda value: getattr(value, "__name__", str(value)))
def test_a_broken_one_fails_the_check_that_is_about_it(
    made: type[Letters], check: str, told: str, found: Callable[..., dict[str, Outcome]]
) -> None:
    outcome = found(made)[check]
    assert outcome.state == "failed" and told in outcome.reason, outcome
    assert outcome.fix


def test_a_pretrained_one_that_begins_from_noise_is_found(found: Callable[..., dict[str, Outcome]]) -> None:
    outcome = found(pretrained=True)
    assert "makes one without weights" in outcome["source"].reason
    assert outcome["shapes"].state == "skipped" and "no weights on this machine" in outcome["shapes"].reason


# ---- what specs declare


class Loose(Section):
    model_config = {"extra": "ignore", "frozen": True}
    hidden: int = Field(8, description="the width")


class Soft(Section):
    model_config = {"frozen": False}
    hidden: int = Field(8, description="the width")


class Silent(Section):
    hidden: int = 8


class Partial(Letters):
    @abstractmethod
    def attend(self) -> None: ...


@pytest.mark.parametrize(
    ("changes", "check", "told"),
    [
        ({"name": "My Letters"}, "declaration", "'My Letters' cannot be typed as backbone=NAME"),
        ({"summary": ""}, "declaration", "the summary has 0 characters"),
        ({"summary": "one\ntwo"}, "declaration", "more than one line"),
        ({"modality": "smell"}, "declaration", "modality"),
        ({"recipe": "no_such"}, "declaration", "the recipe 'no_such' is in no registry"),
        ({"factory": "ward_plugin:Nothing"}, "factory", "cannot load 'ward_plugin:Nothing'"),
        ({"factory": "ward_plugin:Options"}, "factory", "is no subclass of medplug.core.backbone:Backbone"),
        ({"made": Partial}, "factory", "Partial leaves abstract: attend"),
        ({"options": Loose}, "options", "takes options that it does not have"),
        ({"options": Soft}, "options", "can be changed"),
        ({"options": Silent}, "options", "hidden without a description"),
        ({"options": dict}, "options", "is no subclass of medplug.core.config:Section"),
    ],
)
def test_a_spec_that_declares_what_is_not_so_fails(
    changes: dict[str, Any], check: str, told: str, found: Callable[..., dict[str, Outcome]]
) -> None:
    outcome = found(**changes)[check]
    assert outcome.state == "failed" and told in outcome.reason, outcome
