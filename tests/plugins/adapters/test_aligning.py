"""Penalties between domains: nothing where there is nothing to align, and a gradient that leads there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from medplug.core.adapter import Batch, Material
from medplug.core.data.targets import Target
from medplug.core.errors import ConfigError
from medplug.core.transfer.entropy import class_confusion, information_maximisation, prediction_entropy
from medplug.plugins.adapters import aligning, penalty_options

PENALTIES: dict[str, tuple[type, type, dict[str, Any]]] = {
    "mmd": (aligning.Mmd, penalty_options.MmdOptions, {}),
    "mmd by class": (aligning.Mmd, penalty_options.MmdOptions, {"by_class": True}),
    "jmmd": (aligning.Jmmd, penalty_options.JmmdOptions, {}),
    "coral": (aligning.Coral, penalty_options.CoralOptions, {}),
    "wasserstein": (aligning.Wasserstein, penalty_options.WassersteinOptions, {}),
    "sinkhorn": (aligning.Wasserstein, penalty_options.WassersteinOptions, {"kind": "sinkhorn"}),
    "dann": (aligning.Dann, penalty_options.DannOptions, {"hidden": 8}),
    "cdan": (aligning.Cdan, penalty_options.CdanOptions, {"hidden": 8}),
    "randomised cdan": (aligning.Cdan, penalty_options.CdanOptions, {"hidden": 8, "randomised": 16, "entropy": False}),
    "confusion": (aligning.Entropy, penalty_options.EntropyOptions, {}),
    "entropy": (aligning.Entropy, penalty_options.EntropyOptions, {"kind": "entropy"}),
    "infomax": (aligning.Entropy, penalty_options.EntropyOptions, {"kind": "infomax"}),
    "label_graph": (aligning.LabelGraph, penalty_options.LabelGraphOptions, {}),
}
DISTANCES = ("mmd", "jmmd", "coral", "wasserstein", "sinkhorn")
EXCLUSIVE = ("cdan", "randomised cdan", "label_graph")
Of = Callable[..., Any]


def made(name: str, **given: Any) -> Any:
    adapter, options, fixed = PENALTIES[name]
    return adapter(options(**{**fixed, **given}))


def attached(adapter: Any, model_of: Of, target: Target) -> Any:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return adapter.attach(model_of(target))


@pytest.mark.parametrize("name", PENALTIES)
@pytest.mark.parametrize("rows", [(8, 8), (9, 2), (2, 7)])
def test_a_penalty_is_finite_and_has_a_gradient_for_every_kind_of_target(
    name: str, rows: tuple[int, int], target: Target, batch_of: Of, model_of: Of, gradient_of: Of
) -> None:
    if target.kind == "multilabel" and name in EXCLUSIVE:
        pytest.skip("refused before training")
    adapter = made(name)
    attached(adapter, model_of, target)
    batch = batch_of(target, *rows)
    value = adapter.penalty(batch)
    slope = gradient_of(value, batch)
    assert value.shape == () and value.isfinite() and slope.isfinite().all()
    if min(rows) > 2:
        assert slope.any()


@pytest.mark.parametrize("name", PENALTIES)
@pytest.mark.parametrize("rows", [(0, 6), (6, 0), (1, 0), (0, 1), (1, 1), (1, 5), (5, 1)])
def test_a_batch_that_lacks_a_domain_is_left_alone(
    name: str, rows: tuple[int, int], batch_of: Of, model_of: Of, gradient_of: Of
) -> None:
    adapter, target = made(name), Target("multiclass", ("a", "b", "c"))
    attached(adapter, model_of, target)
    batch = batch_of(target, *rows)
    value = adapter.penalty(batch)
    assert value.isfinite() and gradient_of(value, batch).isfinite().all()
    if min(rows) == 0 or not isinstance(adapter, aligning.Dann):
        assert float(value.detach()) == 0


@pytest.mark.parametrize("name", DISTANCES)
def test_equal_domains_are_at_no_distance(
    name: str, target: Target, batch_of: Of, model_of: Of, gradient_of: Of
) -> None:
    half = torch.randn(6, 5, generator=torch.Generator().manual_seed(3))
    batch = batch_of(target, 6, 6, features=torch.cat([half, half]))
    value = made(name).penalty(batch)
    assert float(value.detach()) == pytest.approx(0, abs=1e-6)
    assert gradient_of(value, batch).abs().max() < 1e-4


@pytest.mark.parametrize("name", DISTANCES)
def test_going_down_the_gradient_brings_the_domains_together(name: str, batch_of: Of, gradient_of: Of) -> None:
    draw, target = torch.Generator().manual_seed(0), Target("multiclass", ("a", "b", "c"))
    features = torch.cat([torch.randn(30, 5, generator=draw), 2 * torch.randn(30, 5, generator=draw) + 1])
    adapter, values = made(name), []
    for _ in range(30):
        batch = batch_of(target, 30, 30, features=features)
        value = adapter.penalty(batch)
        slope = gradient_of(value, batch)
        features = features - 0.3 * slope / slope.norm() * features.norm() / 10
        values.append(float(value.detach()))
    assert values[-1] < 0.5 * values[0]


@pytest.mark.parametrize("name", PENALTIES)
def test_a_ramp_rises_from_nothing_to_the_trade_off(name: str, batch_of: Of, model_of: Of, gradient_of: Of) -> None:
    target = Target("binary", ("no", "yes"))
    slopes = []
    for given, progress in (({}, 0.0), ({}, 1.0), ({"ramp": False}, 0.0), ({"ramp": False, "trade_off": 0.0}, 1.0)):
        adapter = made(name, **given)
        attached(adapter, model_of, target)
        torch.manual_seed(0)  # sliced transport draws its lines
        batch = batch_of(target, 8, 8, progress=progress)
        slopes.append(gradient_of(adapter.penalty(batch), batch))
    at_start, at_end, always, never = slopes
    assert not at_start.any() and not never.any() and always.any()
    torch.testing.assert_close(at_end, always, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("name", ["dann", "cdan"])
def test_the_discriminator_learns_to_tell_what_the_features_learn_to_hide(
    name: str, batch_of: Of, model_of: Of, gradient_of: Of
) -> None:
    target = Target("multiclass", ("a", "b", "c"))
    adapter = made(name, ramp=False)
    discriminator = attached(adapter, model_of, target)
    assert all(parameter.requires_grad for parameter in discriminator.parameters())
    batch = batch_of(target, 20, 20)
    value = adapter.penalty(batch)
    value.backward(retain_graph=True)
    slope = gradient_of(value, batch)
    with torch.no_grad():
        for parameter in discriminator.parameters():
            parameter -= 0.1 * parameter.grad
        assert adapter.penalty(batch) < value  # the discriminator's own step lowers its loss
        for parameter in discriminator.parameters():
            parameter += 0.1 * parameter.grad
        features = batch.outputs.features - 0.5 * slope / slope.norm()
        moved = replace(batch, outputs=batch.outputs._replace(features=features))
        assert adapter.penalty(moved) > value  # a step of the features down their reversed gradient raises it


def test_each_label_of_several_is_asked_on_its_own(batch_of: Of) -> None:
    target = Target("multilabel", ("a", "b", "c"))
    batch = batch_of(target, 4, 9)
    losses = {"confusion": class_confusion, "entropy": prediction_entropy, "infomax": information_maximisation}
    for kind, loss in losses.items():
        value = made("entropy", kind=kind).penalty(batch)
        columns = batch.target_logits.T
        own = [loss(torch.stack([torch.zeros_like(column), column], 1)) for column in columns]
        torch.testing.assert_close(value, sum(own) / 3 * ramp_end(), rtol=1e-5, atol=1e-6)


def ramp_end() -> Tensor:
    """What the ramp reaches at the end of training (Ganin et al., 2016): 2 / (1 + exp(-10)) - 1."""
    return 2 / (1 + torch.exp(torch.tensor(-10.0))) - 1


def test_certain_predictions_cost_less_than_torn_ones(batch_of: Of) -> None:
    for kind in ("confusion", "entropy", "infomax"):
        for classes, outputs in ((2, 1), (3, 3)):
            target = Target("binary" if classes == 2 else "multiclass", ("a", "b", "c")[:classes])
            batch = batch_of(target, 6, 6)
            signs = torch.eye(classes)[torch.arange(12) % classes]
            sure = 9 * (signs[:, -1:] * 2 - 1 if outputs == 1 else signs)
            values = [
                made(kind).penalty(replace(batch, outputs=batch.outputs._replace(logits=logits)))
                for logits in (sure, torch.zeros(12, outputs))
            ]
            assert values[0] < values[1]


def test_a_label_graph_costs_least_where_classes_resemble_each_other_as_in_the_source(batch_of: Of) -> None:
    target = Target("multiclass", ("a", "b", "c"))
    like_b = torch.tensor([[4.0, 2.0, 0.0], [2.0, 4.0, 0.0], [0.0, 0.0, 4.0]]).repeat(2, 1)
    like_c = torch.tensor([[4.0, 0.0, 2.0], [0.0, 4.0, 0.0], [2.0, 0.0, 4.0]]).repeat(2, 1)
    labels = torch.tensor([0, 1, 2] * 4)
    values = [
        made("label_graph").penalty(replace(batch, outputs=batch.outputs._replace(logits=torch.cat([like_b, others]))))
        for others in (like_b, like_c)
        for batch in [batch_of(target, 6, 6, labels=labels)]
    ]
    assert values[0] < values[1]


def test_a_number_is_refused_where_classes_are_compared() -> None:
    material = Material([], Target("regression", ("age",)), lambda: pytest.fail("no features are needed"))
    with pytest.raises(ConfigError, match="by_class=true compares rows by class, and this target has none"):
        made("mmd by class").reference(material)
    assert made("mmd").reference(material) is None
    assert made("mmd by class").reference(replace(material, target=Target("binary", ("no", "yes")))) is None


def test_only_labels_of_the_source_are_looked_at(batch_of: Of, gradient_of: Of) -> None:
    target = Target("multiclass", ("a", "b", "c"))
    for name in ("mmd by class", "label_graph"):
        values = []
        for known in (12, 6):
            batch: Batch = batch_of(target, 6, 6, labels=torch.tensor([0, 1, 2] * 4)[:known])
            values.append(made(name).penalty(batch))
        assert torch.equal(*values)
