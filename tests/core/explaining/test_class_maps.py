"""Maps of pictures: beside captum's, and beside the formula written plainly."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from medplug.core.explaining.class_maps import class_maps, rollout
from medplug.core.explaining.inside import Attending, Mapped

pytestmark = pytest.mark.usefixtures("one_thread")
WEIGHTS = torch.tensor([[1.0, -1.0], [0.0, 1.0]], dtype=torch.float64)


def net() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, 2), nn.ReLU(), nn.Conv2d(4, 6, 3), nn.Flatten(), nn.Linear(6 * 4 * 4, 2)
    ).eval()


def test_class_maps_are_those_of_captum() -> None:
    captum = pytest.importorskip("captum.attr")
    model, pictures = net(), torch.randn(2, 1, 13, 13)
    told = Mapped(lambda inputs: torch.arange(2), lambda items: [], model[2])
    own = class_maps(lambda: model(pictures), told, WEIGHTS)

    def output(values: Tensor, weights: Tensor) -> Tensor:
        return (model(values).double() * weights).sum(1)

    wanted = captum.LayerGradCam(output, model[2]).attribute(pictures, additional_forward_args=(WEIGHTS,))
    torch.testing.assert_close(own, wanted[:, 0], rtol=1e-4, atol=1e-6)


def test_maps_with_channels_last_are_the_same() -> None:
    class Last(nn.Module):
        def __init__(self, inner: nn.Module) -> None:
            super().__init__()
            self.inner = inner

        def forward(self, values: Tensor) -> Tensor:
            found: Tensor = self.inner(values).movedim(1, -1)
            return found

    class First(nn.Module):
        def forward(self, values: Tensor) -> Tensor:
            return values.movedim(-1, 1)

    model, pictures = net(), torch.randn(2, 1, 13, 13)
    turned = nn.Sequential(*model[:2], Last(model[2]), First(), *model[3:])
    plain = Mapped(lambda inputs: torch.arange(2), lambda items: [], model[2])
    last = Mapped(lambda inputs: torch.arange(2), lambda items: [], turned[2], last=True)
    torch.testing.assert_close(
        class_maps(lambda: turned(pictures), last, WEIGHTS), class_maps(lambda: model(pictures), plain, WEIGHTS)
    )


class Attention(nn.Module):
    """One head count of attention over tokens, whose weights pass through `seen`."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads, self.qkv, self.seen = heads, nn.Linear(width, 3 * width), nn.Identity()

    def forward(self, tokens: Tensor) -> Tensor:
        rows, count, width = tokens.shape
        q, k, v = self.qkv(tokens).view(rows, count, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        weights = self.seen((q @ k.mT).softmax(-1))
        return (weights @ v).transpose(1, 2).reshape(rows, count, width) + tokens


@contextmanager
def nothing() -> Iterator[None]:
    yield


@pytest.mark.parametrize("averaged", [False, True])
def test_rollout_is_the_weighted_product_of_the_layers(averaged: bool) -> None:
    torch.manual_seed(1)
    layers, head = nn.Sequential(Attention(8, 2), Attention(8, 2)), nn.Linear(8, 2)
    tokens = torch.randn(2, 5, 8)  # one that is read, and 2 x 2 patches

    def forward() -> Tensor:
        found = layers(tokens)
        logits: Tensor = head(found[:, 1:].mean(1) if averaged else found[:, 0])
        return logits

    seen = tuple(each.seen for each in layers)
    told = Attending(lambda inputs: torch.arange(2), lambda items: [], seen, (2, 2), averaged, nothing)
    own = rollout(forward, told, WEIGHTS).numpy()

    kept: list[Tensor] = []
    handles = [each.register_forward_hook(lambda m, a, out: (out.retain_grad(), kept.append(out))[0]) for each in seen]
    (forward().double() * WEIGHTS).sum().backward()
    for handle in handles:
        handle.remove()
    for row in range(2):
        flow = np.eye(5)
        for each in kept:
            assert each.grad is not None
            product = (each[row].detach().double() * each.grad[row].double()).numpy()
            flow = flow + np.maximum(product, 0).mean(0) @ flow
        wanted = flow[1:, 1:].mean(0) if averaged else flow[0, 1:]
        np.testing.assert_allclose(own[row].ravel(), wanted, rtol=1e-5, atol=1e-9)
