"""What every fusion keeps: what is missing or padding counts for nothing, and neither order nor company does."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from medplug.core.conformance.modalities import spoilt, without
from medplug.core.features import Features
from medplug.core.fusion import (
    BilinearAttention,
    Bottleneck,
    Concat,
    CrossAttention,
    FeedForward,
    Film,
    Fused,
    Fusion,
    Gated,
    Hybrid,
    Late,
    LowRank,
    presence,
)

WIDTHS = {"text": 6, "image": 5, "tabular": 3}
TOKENS = {"text": 4, "image": 7, "tabular": 1}
LACKING = {"text": (1, 4), "image": (2, 4, 6), "tabular": (0, 1, 6)}
"""The rows, of eight, that lack a modality: rows 1, 4 and 6 have one alone, rows 3, 5 and 7 have all."""
ALONE = {"image": 1, "tabular": 4, "text": 6}

Make = Callable[[Mapping[str, int]], Fusion]
MAKERS: dict[str, Make] = {
    "concat": Concat,
    "gated": lambda widths: Gated(widths, hidden=8),
    "feed_forward": lambda widths: FeedForward(widths, (10, 8), dropout=0.2),
    "feed_forward normalised": lambda widths: FeedForward(widths, (8,), normalised=True),
    "lowrank": lambda widths: LowRank(widths, hidden=8, rank=3),
    "film": lambda widths: Film(widths, hidden=8),
    "hybrid": lambda widths: Hybrid(widths, outputs=2, hidden=8),
    "late mean": lambda widths: Late(widths, outputs=2),
    "late stacked": lambda widths: Late(widths, outputs=2, combine="stacked"),
    "cross_attention": lambda widths: CrossAttention(widths, hidden=8, heads=2),
    "bottleneck": lambda widths: Bottleneck(widths, hidden=8, heads=2, latents=3),
    "bilinear_attention": lambda widths: BilinearAttention(widths, hidden=8, glimpses=2),
}


def drawn(tokens: Mapping[str, int] = TOKENS, rows: int = 8, widths: Mapping[str, int] = WIDTHS) -> dict[str, Features]:
    """Features of every modality in every row, the last token but one of three or more being padding."""
    torch.manual_seed(0)
    found = {}
    for name, width in widths.items():
        mask = torch.ones(rows, tokens[name], dtype=torch.bool)
        if tokens[name] > 2:
            mask[:, -2] = False
        found[name] = Features(torch.randn(rows, width), torch.randn(rows, tokens[name], width), mask)
    return found


def stirred(fusion: Fusion) -> Fusion:
    """The fusion with random weights throughout, as after training, and without dropout."""
    torch.manual_seed(1)
    with torch.no_grad():
        for parameter in fusion.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return fusion.eval()


def leaves(features: Mapping[str, Features]) -> dict[str, Features]:
    """The same, with gradients."""
    return {
        name: Features(each.pooled.clone().requires_grad_(), each.tokens.clone().requires_grad_(), each.mask)
        for name, each in features.items()
    }


def gradients(fusion: Fusion, features: Mapping[str, Features]) -> dict[str, Tensor]:
    """The parameters' gradients of a sum that weighs every joint feature differently."""
    fusion.zero_grad()
    joined = fusion(features).joined
    (joined.float() * torch.linspace(-1, 2, joined.numel()).view_as(joined)).sum().backward()
    return {name: parameter.grad for name, parameter in fusion.named_parameters() if parameter.grad is not None}


def same(found: Fused, wanted: Fused) -> None:
    """Equal up to rounding."""
    torch.testing.assert_close(found.joined, wanted.joined, rtol=1e-5, atol=1e-5)
    if wanted.weights is not None:
        torch.testing.assert_close(found.weights, wanted.weights, rtol=1e-5, atol=1e-5)


@pytest.fixture(params=MAKERS)
def make(request: pytest.FixtureRequest) -> Make:
    return MAKERS[request.param]


@pytest.fixture
def fusion(make: Make) -> Fusion:
    return stirred(make(WIDTHS))


@pytest.fixture
def features() -> dict[str, Features]:
    return without(drawn(), LACKING)


def test_what_stands_in_a_row_that_has_it_changes_the_row_and_no_other(
    fusion: Fusion, features: dict[str, Features]
) -> None:
    before = fusion(features).joined
    for name, each in features.items():
        changed = Features(each.pooled.clone(), each.tokens.clone(), each.mask)
        changed.pooled[3] = torch.randn(WIDTHS[name])
        changed.tokens[3] = torch.randn(TOKENS[name], WIDTHS[name])
        after = fusion({**features, name: changed}).joined
        assert not torch.allclose(after[3], before[3], atol=1e-3), name
        others = torch.arange(8) != 3
        torch.testing.assert_close(after[others], before[others], rtol=1e-5, atol=1e-5)


def test_a_layer_told_of_modalities_in_another_order_has_the_same_weights(make: Make, fusion: Fusion) -> None:
    turned = make(dict(sorted(WIDTHS.items())))
    shapes = {name: value.shape for name, value in turned.state_dict().items()}
    assert shapes == {name: value.shape for name, value in fusion.state_dict().items()}


@pytest.mark.parametrize("name", ["gated", "lowrank", "film", "late mean", "late stacked", "bilinear_attention"])
@pytest.mark.parametrize("order", [("image", "tabular", "text"), ("tabular", "text", "image")])
def test_with_its_weights_it_then_gives_the_same(
    name: str, order: tuple[str, ...], features: dict[str, Features]
) -> None:
    fusion, turned = stirred(MAKERS[name](WIDTHS)), MAKERS[name]({each: WIDTHS[each] for each in order}).eval()
    turned.load_state_dict(fusion.state_dict())
    found, wanted = turned(features), fusion(features)
    torch.testing.assert_close(found.joined, wanted.joined)
    if wanted.weights is not None:
        columns = [fusion.modalities.index(each) for each in turned.modalities]
        torch.testing.assert_close(found.weights, wanted.weights[:, columns])


@pytest.mark.parametrize("name", ["cross_attention", "bottleneck"])
def test_attention_is_symmetric_in_the_modalities_too(name: str, features: dict[str, Features]) -> None:
    fusion, turned = stirred(MAKERS[name](WIDTHS)), MAKERS[name](dict(reversed(WIDTHS.items()))).eval()
    turned.load_state_dict(fusion.state_dict())
    same(turned(features), fusion(features))


@pytest.mark.parametrize("left", WIDTHS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_gradients_are_finite_where_all_rows_have_one_modality_alone(make: Make, left: str, dtype: torch.dtype) -> None:
    fusion = make(WIDTHS)  # as it starts: placeholders of zeros, weights of zeros
    everything = tuple(range(8))
    lacking = {name: everything for name in WIDTHS if name != left}
    features = leaves(spoilt(without(drawn(), lacking), float("nan")))
    with torch.autocast("cpu", torch.bfloat16, enabled=dtype is torch.bfloat16):
        found = gradients(fusion, features)
    assert all(gradient.isfinite().all() for gradient in found.values())
    assert set(found) == {name for name, _ in fusion.named_parameters()}
    given = [values.grad for each in features.values() for values in (each.pooled, each.tokens)]
    assert all(grad.isfinite().all() for grad in given if grad is not None)


def test_bfloat16_stays_near_float32_and_gives_float32(fusion: Fusion, features: dict[str, Features]) -> None:
    wanted = fusion(features).joined
    with torch.autocast("cpu", torch.bfloat16):
        found = fusion(features).joined
    assert found.dtype == torch.float32
    assert functional.cosine_similarity(found, wanted).min() > 0.99


def test_features_in_bfloat16_are_taken_under_autocast(fusion: Fusion, features: dict[str, Features]) -> None:
    narrow = {n: Features(f.pooled.bfloat16(), f.tokens.bfloat16(), f.mask) for n, f in features.items()}
    with torch.autocast("cpu", torch.bfloat16):
        found = fusion(narrow).joined
    assert functional.cosine_similarity(found.float(), fusion(features).joined).min() > 0.99


def test_float64_is_kept(fusion: Fusion, features: dict[str, Features]) -> None:
    wide = {n: Features(f.pooled.double(), f.tokens.double(), f.mask) for n, f in features.items()}
    fused = fusion.double()(wide)
    assert fused.joined.dtype == torch.float64
    torch.testing.assert_close(fused.joined.float(), fusion.float()(features).joined, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ["gated", "late mean", "late stacked"])
def test_weights_sum_to_one_over_what_is_there(name: str, features: dict[str, Features]) -> None:
    weights = stirred(MAKERS[name](WIDTHS))(features).weights
    present = presence(features, tuple(WIDTHS))
    torch.testing.assert_close(weights.sum(1), torch.ones(8))
    assert not weights[~present].any() and (weights[present] > 0).all()
    for modality, row in ALONE.items():
        assert weights[row].tolist() == [float(each == modality) for each in WIDTHS]


def test_only_late_decides(fusion: Fusion) -> None:
    assert fusion.decides == isinstance(fusion, Late)


@pytest.mark.parametrize("widths", [{}, {"text": 0}, {"a b": 3}, {"values": 3}, {"type": 3}])
def test_widths_that_cannot_be_are_refused(make: Make, widths: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="at least one modality"):
        make(widths)
