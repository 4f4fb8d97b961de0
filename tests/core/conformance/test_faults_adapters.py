"""Sound adapters pass every check; each broken one fails the check that is about it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from types import ModuleType, SimpleNamespace
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from medplug.core.adapter import Adapter, Batch, FitData, LinearHead, Matrix, Weights
from medplug.core.config import Section
from medplug.core.conformance import Outcome, outcomes, plugin_checks
from medplug.core.errors import ConfigError, DataError
from medplug.core.hooks import hookimpl
from medplug.core.model import Model
from medplug.core.specs import AdapterSpec, Need, Question

pytestmark = pytest.mark.usefixtures("one_thread")

DOMAINS: tuple[Need, ...] = ("source_labels", "unlabelled_target")


class Options(Section):
    """None."""


class Scales(Adapter):
    """A frozen backbone and a scale of each feature, which begins at 1."""

    identity_at_start = True
    start: ClassVar[float] = 1.0

    def prepare(self, model: Model) -> None:
        model.backbone.requires_grad_(False)
        width = model.feature_width
        neck = nn.Linear(width, width, bias=False)
        with torch.no_grad():
            neck.weight.copy_(self.start * torch.eye(width))
        model.neck = neck


class Pull(Adapter):
    """The distance of the domains' means."""

    def penalty(self, batch: Batch) -> Tensor:
        return (batch.source_features.mean(0) - batch.target_features.mean(0)).square().sum()


class Weigh(Adapter):
    """By the distance to the target's mean."""

    def weigh(self, source: Matrix, target: Matrix, seed: int) -> Weights:
        near = np.exp(-np.square(source - target.mean(0)).sum(1)).astype(np.float64)
        return near / near.mean()


class Slope(Adapter):
    """Least squares on the class numbers, with a ridge."""

    def prepare(self, model: Model) -> None:
        model.requires_grad_(False)

    def fit(self, data: FitData) -> LinearHead:
        rows, labels = data.features.astype(np.float64), data.labels.reshape(len(data.labels), -1)
        wanted = np.eye(data.target.outputs)[data.labels] if data.target.kind == "multiclass" else labels
        found = np.linalg.solve(rows.T @ rows + np.eye(rows.shape[1]), rows.T @ wanted)
        return LinearHead(found.T, np.zeros(data.target.outputs))


class Thaw(Adapter):
    """The backbone after half of the training."""

    identity_at_start = True

    def prepare(self, model: Model) -> None:
        model.requires_grad_(True)

    def schedule(self, model: Model, progress: float) -> None:
        model.backbone.requires_grad_(progress >= 0.5)


SOUND: dict[type[Adapter], tuple[tuple[Question, ...], tuple[Need, ...]]] = {
    Scales: (("prepare",), ("labels", "pretrained_backbone")),
    Pull: (("penalty",), DOMAINS),
    Weigh: (("weigh",), DOMAINS),
    Slope: (("prepare", "fit"), ("labels", "pretrained_backbone")),
    Thaw: (("prepare", "schedule"), ("labels",)),
}


@pytest.fixture
def found(monkeypatch: pytest.MonkeyPatch) -> Callable[..., dict[str, Outcome]]:
    """The outcome of each check of an adapter, by the check's last name."""

    def check(made: type[Adapter], **changes: Any) -> dict[str, Outcome]:
        module = ModuleType("ward_plugin")
        module.__dict__.update(Made=made, Options=Options)
        monkeypatch.setitem(sys.modules, "ward_plugin", module)
        answers, needs = next(SOUND[each] for each in made.__mro__ if each in SOUND)
        spec = AdapterSpec(
            name="ward", summary="a test", family="model", answers=answers, needs=needs,
            factory="ward_plugin:Made", config="ward_plugin:Options",
        )  # fmt: skip
        plugin = SimpleNamespace(medplug_api=1, medplug_adapters=hookimpl(lambda: [replace(spec, **changes)]))
        return {each.name.split(":")[-1]: each for each in outcomes(plugin_checks(plugin))}

    return check


@pytest.mark.parametrize("made", SOUND, ids=lambda made: made.__name__)
def test_a_sound_one_passes(made: type[Adapter], found: Callable[..., dict[str, Outcome]]) -> None:
    states = {each.name: each.state for each in found(made).values() if not each.name.startswith("plugin:")}
    assert set(states.values()) == {"passed"}, states


class Doubled(Scales):
    start = 2.0


class Loose(Scales):
    """Leaves the backbone trainable in name and cuts its gradient by hand."""

    def prepare(self, model: Model) -> None:
        super().prepare(model)
        model.head.requires_grad_(False)


class ByWeights(Scales):
    """What is trained depends on the weights."""

    def prepare(self, model: Model) -> None:
        super().prepare(model)
        first = next(iter(model.backbone.parameters()))
        rank = 1 + int(first.detach().abs().sum().item() * 1e4) % 97
        model.extra = nn.Linear(rank, 1)


class Hidden(Scales):
    """Keeps what decides beside the parameters."""

    def prepare(self, model: Model) -> None:
        super().prepare(model)
        model.neck = Faded(model.neck, float(next(iter(model.backbone.parameters())).detach().abs().sum()))


class Faded(nn.Module):
    def __init__(self, inner: nn.Module, number: float) -> None:
        super().__init__()
        self.inner, self.number = inner, number

    def forward(self, features: Tensor) -> Tensor:
        found: Tensor = self.inner(features) * self.number
        return found


class Common(Scales):
    """One neck for all models of the process."""

    neck: ClassVar[nn.Linear | None] = None

    def prepare(self, model: Model) -> None:
        super().prepare(model)
        if Common.neck is not None:
            with torch.no_grad():
                Common.neck.weight.zero_()
        Common.neck = model.neck  # type: ignore[assignment]


class Cut(Scales):
    """No penalty on features reaches its weights."""

    def prepare(self, model: Model) -> None:
        super().prepare(model)
        model.neck = Still(model.neck)


class Still(nn.Module):
    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, features: Tensor) -> Tensor:
        return self.inner(features).detach().requires_grad_()


class Asleep(Thaw):
    def schedule(self, model: Model, progress: float) -> None:
        model.requires_grad_(progress > 0)


class Overeager(Thaw):
    def prepare(self, model: Model) -> None:
        model.backbone.requires_grad_(False)


class Vector(Pull):
    def penalty(self, batch: Batch) -> Tensor:
        return batch.source_features.mean(0)


class Endless(Pull):
    def penalty(self, batch: Batch) -> Tensor:
        return super().penalty(batch) / 0


class Apart(Pull):
    def penalty(self, batch: Batch) -> Tensor:
        return super().penalty(batch).detach()


class Spread(Pull):
    """Variances, of which one row has none."""

    def penalty(self, batch: Batch) -> Tensor:
        return (batch.source_features.std(0) - batch.target_features.std(0)).square().sum()


class Negative(Weigh):
    def weigh(self, source: Matrix, target: Matrix, seed: int) -> Weights:
        return np.full(len(source), -1.0)


class Few(Weigh):
    def weigh(self, source: Matrix, target: Matrix, seed: int) -> Weights:
        return super().weigh(source, target, seed)[:-1]


class Dice(Weigh):
    def weigh(self, source: Matrix, target: Matrix, seed: int) -> Weights:
        return np.random.default_rng().uniform(0.5, 1.5, len(source))


class Single(Weigh):
    def weigh(self, source: Matrix, target: Matrix, seed: int) -> Weights:
        weights = super().weigh(source, target, seed)
        return weights if len(source) > 1 else weights * np.nan


class Flat(Slope):
    def fit(self, data: FitData) -> LinearHead:
        head = super().fit(data)
        return LinearHead(head.weight[0], head.bias)


class Greedy(Slope):
    def fit(self, data: FitData) -> LinearHead:
        data.features[:] = 0.5
        return super().fit(data)


class Chance(Slope):
    def fit(self, data: FitData) -> LinearHead:
        head = super().fit(data)
        return LinearHead(head.weight + np.random.default_rng().normal(size=head.weight.shape), head.bias)


class Warm(Slope):
    def prepare(self, model: Model) -> None:
        model.backbone.requires_grad_(False)


class Counted(Scales):
    """Scales by the number of logits, of which a number has one."""

    def prepare(self, model: Model) -> None:
        super().prepare(model)
        with torch.no_grad():
            model.neck.weight /= np.log(model.head.out_features)  # type: ignore[operator]


class Classed(Scales):
    """A head of its own for three classes, whatever is predicted."""

    def prepare(self, model: Model) -> None:
        super().prepare(model)
        model.head = nn.Linear(model.feature_width, 3)


class Rowwise(Pull):
    """Takes logits for one number a class and row, as those of pixels are not."""

    def penalty(self, batch: Batch) -> Tensor:
        return super().penalty(batch) + (batch.outputs.logits.mean(0) @ torch.ones(3)).square()


class Steep(Pull):
    """A penalty whose gradient is one that no training survives."""

    def penalty(self, batch: Batch) -> Tensor:
        return super().penalty(batch) * (1e38 if batch.target.kind == "survival" else 1.0)


class Mute(Adapter):
    """Answers nothing of what a spec may say."""


BROKEN: list[tuple[type[Adapter], str, str]] = [
    (Doubled, "identity_at_start", "gives other logits than before"),
    (Loose, "trains", "the head is frozen"),
    (Warm, "trains", "leaves 2 parameters trainable"),
    (ByWeights, "round_trip", "depends on the weights"),
    (Hidden, "round_trip", "a model that was saved and read gives other logits"),
    (Common, "composes", "preparing a second model changes the first: neck.weight"),
    (Cut, "composes", "reaches none of the weights"),
    (Asleep, "schedule", "at progress 0.0 the head is frozen"),
    (Overeager, "schedule", "schedule thaws what prepare froze"),
    (Vector, "penalty", "the penalty is no scalar tensor"),
    (Endless, "penalty", "the penalty is inf"),
    (Apart, "penalty", "depends on no weight"),
    (Spread, "penalty_few", "of one row a domain the penalty is nan"),
    (Negative, "weigh", "not finite, or below 0"),
    (Few, "weigh", "weights are [29], not [30]"),
    (Dice, "weigh", "the same seed gives other weights"),
    (Single, "weigh_few", "weights of one row a domain are not finite"),
    (Flat, "fit", "weight and bias are"),
    (Greedy, "fit", "changes the features or labels"),
    (Chance, "fit", "the same data and seed give another head"),
]


@pytest.mark.filterwarnings("ignore:std\\(\\)")
@pytest.mark.parametrize(("made", "check", "told"), BROKEN, ids=lambda value: getattr(value, "__name__", str(value)))
def test_a_broken_one_fails_the_check_that_is_about_it(
    made: type[Adapter], check: str, told: str, found: Callable[..., dict[str, Outcome]]
) -> None:
    outcome = found(made)[check]
    assert outcome.state == "failed" and told in outcome.reason, outcome
    assert outcome.fix


@pytest.mark.filterwarnings("ignore:divide by zero")
@pytest.mark.parametrize(
    ("made", "kind", "told"),
    [
        (Counted, "regression", "prepared for a regression target it gives logits that are not finite"),
        (Classed, "treatment", "prepared for a treatment target it gives [6, 3], not [6, 4]"),
        (Rowwise, "mask", "RuntimeError"),
        (Steep, "survival", "trained a step for a survival target it gives logits that are not finite"),
    ],
)
def test_one_that_fails_on_a_target_beyond_classes_that_it_names_is_found(
    made: type[Adapter], kind: str, told: str, found: Callable[..., dict[str, Outcome]]
) -> None:
    checked = found(made, targets=("multiclass", kind))
    assert checked["targets"].state == "failed" and told in checked["targets"].reason, checked["targets"]
    assert "targets" not in found(made), "it is of classes alone there"


@pytest.mark.parametrize("made", SOUND, ids=lambda made: made.__name__)
def test_a_sound_one_passes_on_every_target_of_rows(
    made: type[Adapter], found: Callable[..., dict[str, Outcome]]
) -> None:
    checked = found(made, targets=("binary", "regression", "survival", "treatment", "mask"))
    assert checked.get("targets", checked["answers"]).state == "passed"
    assert ("targets" in checked) == (made is not Weigh), "rows are weighed alike, whatever is predicted of them"


def test_a_spec_that_lists_other_answers_than_the_class_gives_is_found(
    found: Callable[..., dict[str, Outcome]],
) -> None:
    assert "has no method of that name" in found(Pull, answers=("penalty", "weigh"))["answers"].reason
    assert "Slope.fit is never asked" in found(Slope, answers=("prepare",))["answers"].reason
    assert "the factory made a dict" in found(Pull, factory="builtins:dict")["answers"].reason


class Picky(Pull):
    def reference(self, material: Any) -> Any:
        raise ConfigError("no teacher")


class Refusing(Spread):
    def penalty(self, batch: Batch) -> Tensor:
        if min(batch.sources, len(batch.target_features)) < 2:
            raise DataError("needs two rows a domain")
        return super().penalty(batch)


def test_what_an_adapter_refuses_in_words_is_skipped_or_fine(found: Callable[..., dict[str, Outcome]]) -> None:
    outcome = found(Picky)["penalty"]
    assert outcome.state == "skipped" and "no teacher" in outcome.reason
    assert found(Refusing)["penalty_few"].state == "passed"


def test_a_target_that_the_kit_has_no_rows_of_is_skipped_by_name(found: Callable[..., dict[str, Outcome]]) -> None:
    for name in ("penalty", "targets"):
        outcome = found(Pull, targets=("span",))[name]
        assert outcome.state == "skipped" and "span" in outcome.reason
