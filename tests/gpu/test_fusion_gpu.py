"""Fusions on a GPU give what they give on a processor, without a value read back."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
import torch

from medplug.core.discovery.plugins import Plugins
from medplug.core.features import Features
from medplug.core.fusion import Fusion, presence, withhold
from medplug.core.specs import resolve

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU that torch can use")
WIDTHS = {"text": 48, "image": 40, "tabular": 8}
TOKENS = {"text": 33, "image": 49, "tabular": 5}
ROWS = 16
NAMES = [spec.name for spec in Plugins(found=()).all("fusion")]


def made(name: str) -> Fusion:
    torch.manual_seed(0)
    spec = Plugins(found=()).fusion(name)
    options = resolve(spec.config, owner=name)()
    fusion: Fusion = resolve(spec.factory, owner=name)(WIDTHS, 3, options).eval()
    with torch.no_grad():
        for parameter in fusion.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    return fusion


def batch() -> dict[str, Features]:
    """Every third row lacks a modality, where NaN stands; a quarter of the tokens are padding."""
    torch.manual_seed(1)
    found = {}
    for at, (name, width) in enumerate(WIDTHS.items()):
        pooled, tokens = torch.randn(ROWS, width), torch.randn(ROWS, TOKENS[name], width)
        mask = torch.rand(ROWS, TOKENS[name]) < 0.75
        mask[:, 0] = True
        mask[at::3] = False
        pooled[at::3], tokens[at::3] = torch.nan, torch.nan
        found[name] = Features(pooled, tokens, mask)
    return found


def on(features: Mapping[str, Features], device: str) -> dict[str, Features]:
    """On a device, with gradients."""
    return {
        name: Features(
            each.pooled.to(device).requires_grad_(), each.tokens.to(device).requires_grad_(), each.mask.to(device)
        )
        for name, each in features.items()
    }


def step(fusion: Fusion, features: Mapping[str, Features]) -> torch.Tensor:
    joined = fusion(features).joined.float()
    (joined * torch.linspace(-1, 2, joined.shape[1], device=joined.device)).sum().backward()
    return joined.detach()


@pytest.mark.parametrize("name", NAMES)
def test_values_and_gradients_agree(name: str) -> None:
    fusion = made(name)
    wanted = step(fusion, on(batch(), "cpu"))
    gradients = {each: parameter.grad.clone() for each, parameter in fusion.named_parameters()}
    fusion.zero_grad()
    found = step(fusion.cuda(), on(batch(), "cuda")).cpu()
    torch.testing.assert_close(found, wanted, rtol=1e-3, atol=1e-3 * float(wanted.abs().max()))
    for each, parameter in fusion.named_parameters():
        right = gradients[each]
        assert (parameter.grad.cpu() - right).norm() <= 5e-3 * right.norm() + 1e-6, each


@pytest.mark.parametrize("name", NAMES)
def test_bfloat16_stays_near_with_finite_gradients(name: str) -> None:
    fusion = made(name)
    wanted = fusion(batch()).joined.detach()
    features = on(batch(), "cuda")
    with torch.autocast("cuda", torch.bfloat16):
        found = step(fusion.cuda(), features).cpu()
    assert torch.nn.functional.cosine_similarity(found, wanted).min() > 0.99
    assert all(parameter.grad.isfinite().all() for parameter in fusion.parameters())
    given = [values.grad for each in features.values() for values in (each.pooled, each.tokens)]
    assert all(grad.isfinite().all() for grad in given if grad is not None)


@pytest.mark.parametrize("name", NAMES)
def test_no_value_is_read_back_from_the_device(name: str) -> None:
    fusion, features = made(name).cuda(), on(batch(), "cuda")
    step(fusion, withhold(features, 0.3))  # sets up what a first call sets up
    torch.cuda.set_sync_debug_mode("error")
    try:
        step(fusion, withhold(features, 0.3))
    finally:
        torch.cuda.set_sync_debug_mode("default")


def test_withholding_follows_the_seed_and_leaves_each_row_a_modality() -> None:
    features = on(batch(), "cuda")
    drawn = []
    for _ in range(2):
        torch.manual_seed(3)
        drawn.append(presence(withhold(features, 0.6), tuple(WIDTHS)))
    assert torch.equal(drawn[0], drawn[1])
    before = presence(features, tuple(WIDTHS))
    assert drawn[0].any(1).all() and not (drawn[0] & ~before).any() and (drawn[0] != before).any()


@pytest.mark.parametrize("name", ["cross_attention", "bottleneck"])
def test_attention_is_fused(name: str) -> None:
    fusion, features = made(name).cuda(), on(batch(), "cuda")
    backends = [torch.nn.attention.SDPBackend.EFFICIENT_ATTENTION, torch.nn.attention.SDPBackend.CUDNN_ATTENTION]
    with torch.nn.attention.sdpa_kernel(backends), torch.autocast("cuda", torch.bfloat16):
        step(fusion, features)
