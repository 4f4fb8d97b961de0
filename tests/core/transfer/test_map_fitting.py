"""Fitted maps: what they bring nearer, what they keep, and that a seed tells them."""

from __future__ import annotations

from typing import Any, Literal

import pytest
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from medplug.core.transfer.discrepancies import mmd
from medplug.core.transfer.map_fitting import HEAD_STEPS, FittedMap, fit_map

Kind = Literal["autoencoder", "gan"]
BOTH = pytest.mark.parametrize("kind", ["autoencoder", "gan"])


def domains(width: int = 3) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Two classes along the first feature; the target is shifted, stretched and in other units."""
    generator = torch.Generator().manual_seed(1)
    labels, others = (torch.arange(rows) % 2 for rows in (120, 100))
    source, target = (torch.randn(rows, width, generator=generator) for rows in (120, 100))
    source[:, 0] += 4 * labels - 2
    target[:, 0] += 4 * others - 2
    return 50 * source + 200, labels, 50 * (target * 1.5 + torch.tensor([2.5, 1.0, -1.0])) + 200, others


def fitted(kind: Kind, *data: Tensor, **changes: Any) -> FittedMap:
    usual: dict[str, Any] = dict(outputs=2, loss=cross_entropy, trade_off=1.0, steps=250, batch=48, learning_rate=5e-3)
    return fit_map(kind, *data, **{**usual, "seed": 0, **changes})


def nearest_mean_accuracy(mapped: Tensor, labels: Tensor, target: Tensor, wanted: Tensor) -> float:
    means = torch.stack([mapped[labels == c].mean(0) for c in (0, 1)])
    return (torch.cdist(target, means).argmin(1) == wanted).float().mean().item()


@BOTH
@pytest.mark.parametrize("few", [0, 20])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_mapped_rows_are_distributed_like_the_targets_and_keep_their_classes(kind: Kind, few: int, seed: int) -> None:
    source, labels, target, wanted = domains()
    some = {"target_labelled": target[:few], "target_labels": wanted[:few]} if few else {}
    found = fitted(kind, source, labels, target, seed=seed, **some)
    mapped = found(source)
    assert mmd(mapped, target) < mmd(source, target) / 2
    assert nearest_mean_accuracy(source, labels, target, wanted) < 0.85
    assert nearest_mean_accuracy(mapped, labels, target, wanted) > 0.9
    assert not found.training and not any(p.requires_grad for p in found.parameters())


@BOTH
def test_the_network_starts_from_the_targets_means_and_deviations(kind: Kind) -> None:
    source, labels, target, _ = domains()
    found = fitted(kind, source, labels, target, loss=lambda logits, _: logits.sum() * 0, trade_off=0.0, steps=3)
    x, y = source.double(), target.double()
    wanted = (x - x.mean(0)) / x.std(0, correction=0) * y.std(0, correction=0) + y.mean(0)
    torch.testing.assert_close(found(source).double(), wanted, rtol=1e-5, atol=1e-3)


@BOTH
def test_the_network_brings_nearer_what_means_and_deviations_leave_apart(kind: Kind) -> None:
    draw = torch.Generator().manual_seed(0)
    source, target = torch.randn(200, 2, generator=draw), torch.randn(200, 2, generator=draw)
    target[:, 1] = 0.9 * target[:, 0] + 0.4 * target[:, 1]
    labels = (source[:, 0] > 0).long()
    start = fitted(kind, source, labels, target, loss=lambda logits, _: logits.sum() * 0, trade_off=0.0, steps=1)
    found = fitted(kind, source, labels, target)
    assert mmd(found(source), target) < 0.95 * mmd(start(source), target)


@BOTH
def test_a_feature_that_one_domain_holds_constant_keeps_its_spread(kind: Kind) -> None:
    source, labels, target, _ = domains()
    dead: dict[str, Any] = dict(loss=lambda logits, _: logits.sum() * 0, trade_off=0.0, steps=1)
    for still in (target[:1], target[:1].expand(5, -1)):
        mapped = fitted(kind, source, labels, still, **dead)(source)
        torch.testing.assert_close(mapped.std(0), source.std(0))
        torch.testing.assert_close(mapped.mean(0), still[0])
    assert fitted(kind, target[:1], labels[:1], source, **dead)(target[:1]).isfinite().all()


@BOTH
def test_a_seed_tells_the_map_and_torchs_own_random_state_is_left_alone(kind: Kind) -> None:
    source, labels, target, _ = domains()
    state = torch.random.get_rng_state()
    first = fitted(kind, source, labels, target, steps=5)(source)
    assert torch.equal(state, torch.random.get_rng_state())
    torch.rand(3)
    with torch.no_grad():
        assert torch.equal(fitted(kind, source, labels, target, steps=5)(source), first)
    assert not torch.equal(fitted(kind, source, labels, target, steps=5, seed=1)(source), first)


@BOTH
def test_units_do_not_matter_and_features_that_do_not_vary_stay_finite(kind: Kind) -> None:
    source, labels, target, _ = domains()
    source[:, 2] = target[:, 2] = 0.1
    scale, shift = torch.tensor([1e3, 1e-3, 1.0]), torch.tensor([-5.0, 2.0, 0.0])
    plain = fitted(kind, source, labels, target, steps=20)(source)
    other = fitted(kind, source * scale + shift, labels, target * scale + shift, steps=20)(source * scale + shift)
    assert plain.isfinite().all()
    torch.testing.assert_close((other - shift) / scale, plain, rtol=1e-2, atol=0.5)


def test_the_heads_loss_gets_logits_and_the_labels_of_the_same_rows() -> None:
    source, _, target, _ = domains()
    seen = []

    def loss(logits: Tensor, labels: Tensor) -> Tensor:
        assert logits.shape == (len(labels), 4)
        seen.append(labels)
        return logits.square().mean()

    few = target[:5]
    fitted("gan", source, source, target, target_labelled=few, target_labels=few, outputs=4, loss=loss, steps=3)
    assert [len(labels) for labels in seen] == [48, 5] * (HEAD_STEPS + 3)
    for labels in seen[::2]:
        assert len(labels.unique(dim=0)) == 48 and (labels[:, None] == source).all(2).any(1).all()
    assert not torch.equal(seen[0], seen[2])


def test_rows_made_in_inference_mode_or_half_precision_may_be_mapped() -> None:
    source, labels, target, _ = domains()
    with torch.inference_mode():
        source, target = (source / 10).bfloat16(), (target / 10).bfloat16()
    mapped = fitted("autoencoder", source, labels, target, steps=2)(source)
    assert mapped.dtype == torch.float32 and mapped.shape == source.shape


def test_what_does_not_fit_is_refused() -> None:
    source, labels, target, wanted = domains()
    with pytest.raises(ValueError, match="go together; got only one"):
        fitted("gan", source, labels, target, target_labels=wanted)
    with pytest.raises(ValueError, match=r"source has 120 rows, .* got shape \[100\]"):
        fitted("gan", source, wanted, target)
    with pytest.raises(ValueError, match=r"target and target_labelled must be .* one width"):
        fitted("gan", source, labels, target, target_labelled=target[:, :2], target_labels=wanted)
    with pytest.raises(ValueError, match="trade_off >= 0; got 0, 48, 2, 0.005 and 1.0"):
        fitted("gan", source, labels, target, steps=0)
    with pytest.raises(ValueError, match="got 'flow'"):
        fitted("flow", source, labels, target)  # type: ignore[arg-type]
